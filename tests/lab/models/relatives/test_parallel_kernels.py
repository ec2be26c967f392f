"""A large kernel with a small one beside it: the sum of both, and one kernel after merging."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from windowconv.conversion import convert
from windowconv.lab.models.relatives.merging import merge
from windowconv.lab.models.relatives.parallel_kernels import ParallelKernels, parallel_kernels


def trained(window: bool, **options: int) -> ParallelKernels:
    torch.manual_seed(0)
    block = parallel_kernels(nn.Conv2d(4, 3, 7, padding=3, **options))
    assert isinstance(block, ParallelKernels)
    if window:
        convert(block, window="hamming", exclude="small", inplace=True)
    for norm in (block.large_norm, block.small_norm):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
        assert norm.running_var is not None
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.1, 2)
    return block.eval()


@pytest.mark.parametrize("window", [False, True])
@pytest.mark.parametrize("options", [{}, {"stride": 2}])
def test_merged_it_is_one_kernel_that_computes_the_same(window: bool, options: dict[str, int]) -> None:
    block = trained(window, **options).double()
    x = torch.rand(2, 4, 9, 9, dtype=torch.float64)
    merged = merge(nn.Sequential(block))
    assert sorted(layer.kernel_size for layer in merged.modules() if type(layer) is nn.Conv2d) == [(1, 1), (7, 7)]
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in merged.modules())
    torch.testing.assert_close(merged(x), block(x), rtol=1e-12, atol=1e-12)
    single = trained(window, **options)
    torch.testing.assert_close(single.merged()(x.float()), single(x.float()), rtol=1e-5, atol=1e-5)


def test_the_formula_with_batch_statistics() -> None:
    block = trained(False).double().train()
    x = torch.rand(3, 4, 9, 9, dtype=torch.float64)
    parts = []
    for kernel, norm, padding in ((block.large, block.large_norm, 3), (block.small, block.small_norm, 1)):
        y = F.conv2d(x, kernel.weight, padding=padding, groups=4)
        mean, var = y.mean((0, 2, 3), keepdim=True), y.var((0, 2, 3), keepdim=True, correction=0)
        y = (y - mean) / (var + norm.eps).sqrt()
        parts.append(y * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1))
    torch.testing.assert_close(block(x), block.pointwise(parts[0] + parts[1]))


def test_it_starts_as_an_identity_and_small_kernels_and_stems_stay() -> None:
    block = parallel_kernels(nn.Conv2d(4, 4, 5, padding=2, bias=False)).eval()
    assert isinstance(block, ParallelKernels)
    block.start_as_identity()
    x = torch.rand(1, 4, 6, 6)
    torch.testing.assert_close(block(x), x, rtol=1e-4, atol=1e-5)
    for layer in (nn.Conv2d(4, 4, 3), nn.Conv2d(3, 4, 7)):
        assert parallel_kernels(layer) is layer
    larger = parallel_kernels(nn.Conv2d(4, 4, 13))
    assert isinstance(larger, ParallelKernels)
    assert larger.small.kernel_size == (5, 5)
