"""The part of a study's report that shows trained kernels, where the weights are there."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from windowconv import plots
from windowconv.effective import effective_weight
from windowconv.kernel_geometry import Convolution
from windowconv.lab.models.arms import parse_arm
from windowconv.lab.studies.design.design import Variant
from windowconv.lab.studies.folder import StudyFolder
from windowconv.report import Figure, Section
from windowconv.windowed import WindowedMixin

LAYERS = 2
"""The first so many convolutions are shown."""


def kernel_sections(study: StudyFolder) -> list[Section]:
    """Kernels of each variant's first run; with a claim, of the variants of its primary contrast."""
    design = study.design
    shown = design.variants if design.primary is None else map(design.variant, dict.fromkeys(design.primary.variants))
    return [section for variant in shown for section in _kernel_section(study, variant)]


def _kernel_section(study: StudyFolder, variant: Variant) -> list[Section]:
    run = next(iter(study.runs(variant).values()), None)
    if run is None or not (run.folder / "model.safetensors").is_file():
        return []
    windowed = parse_arm(variant.arm).window is not None
    response = "Raw kernel, kernel times window, and their frequency responses." if windowed else "Kernel and response."
    figures = []
    for name, layer, _ in list(convolutions(run.model()))[:LAYERS]:
        drawn = plots.kernels(layer.weight.detach(), _window_of(layer), title=f"{variant.name}, layer {name}")
        caption = (
            f"Layer {name} of {run.folder.name}: the filters whose raw kernels have the most energy, each with its "
            f"strongest input channel. {response}"
        )
        figures.append(Figure(plots.svg(drawn), caption, f"Kernels of {variant.name} and their frequency responses"))
    return [Section(f"Kernels of {variant.name}" + (" before and after the window" if windowed else ""), figures)]


def convolutions(model: nn.Module) -> Iterator[tuple[str, Convolution, Tensor]]:
    """Each convolution with kernels larger than 1x1: its name, the layer, and its effective weight (out, in, k, k)."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d) and max(module.kernel_size) > 1:
            yield name, module, effective_weight(module, name)


def _window_of(layer: Convolution) -> Tensor | None:
    """The layer's window (k, k); None for a plain convolution."""
    if not isinstance(layer, WindowedMixin):
        return None
    if layer.learnable_window is not None:
        return layer.learnable_window()[0].detach()
    return layer.window_values
