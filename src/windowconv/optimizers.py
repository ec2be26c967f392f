"""Optimisers that were made before a model's parameters are replaced: told, or noticed at their next step.

An optimiser knows parameters by identity. One that holds the old parameters of a model goes on without an error, and
the new ones never train.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy
from torch.optim import LBFGS, Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

from windowconv.errors import InputError, WindowWarning

Optimizers = Optimizer | Sequence[Optimizer] | None
LEARNED = "learnable_window.raw"  # the parameter that a learnable window adds beside a layer's weight

_replaced: dict[int, weakref.ref[nn.Parameter]] = {}
_watching = False


@contextmanager
def updated(optimizer: Optimizers, model: nn.Module, inplace: bool) -> Iterator[None]:
    """Within, the model's parameters may change or be replaced; afterwards the optimisers hold the new ones.

    Each takes its predecessor's place in its group, and a learnable window's parameters follow their layer's weight.
    The state of parameters that are as they were is kept, that of others (moments for another weight) is dropped.

    Args:
        optimizer: one, several or none. Without any, one that holds replaced parameters warns at its next step.
        model: whose parameters change in place.
        inplace: whether the model is changed itself, not a copy, which no optimiser holds.

    Raises:
        InputError: optimisers with a copy; anything else than optimisers; one that flattens or shards its parameters.
    """
    optimizers = _checked(optimizer, inplace)
    before = _parameters(model) if inplace else {}
    versions = {id(p): _version(p) for p in before.values()}
    yield
    if not inplace:
        return
    after = _parameters(model)
    successors = _successors(before, after)
    for one in optimizers:
        _update(one, successors, versions)
    present = {id(p) for p in after.values()}
    _watch([p for p in before.values() if id(p) not in present])


def _checked(optimizer: Any, inplace: bool) -> list[Optimizer]:
    optimizers = [] if optimizer is None else [optimizer] if isinstance(optimizer, Optimizer) else optimizer
    if not isinstance(optimizers, Sequence) or not all(isinstance(one, Optimizer) for one in optimizers):
        raise InputError(f"optimizer={type(optimizer).__name__}; allowed: a torch optimiser, or a list of them")
    for one in optimizers:
        if isinstance(one, LBFGS) or "ZeroRedundancyOptimizer" in {c.__name__ for c in type(one).__mro__}:
            raise InputError(
                f"optimizer={type(one).__name__}; allowed: optimisers with a state for each parameter "
                "(make this one after the conversion)"
            )
    if optimizers and not inplace:
        raise InputError("optimizer with inplace=False; allowed: inplace=True, since a copy has parameters of its own")
    return list(optimizers)


def _parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    return dict(model.named_parameters(remove_duplicate=False))


def _version(parameter: nn.Parameter) -> int | None:
    """How often a parameter was changed in place; None where torch does not count."""
    return None if is_lazy(parameter) or parameter.is_inference() else parameter._version


def _successors(
    before: dict[str, nn.Parameter], after: dict[str, nn.Parameter]
) -> dict[int, list[tuple[str, nn.Parameter]]]:
    """By the id of each parameter before: the parameters in its places afterwards, with a name; mostly itself."""
    successors: dict[int, list[tuple[str, nn.Parameter]]] = {id(p): [] for p in before.values()}
    for name, parameter in after.items():
        origin = name if name in before else name.removesuffix(LEARNED) + "weight"
        if origin in before:
            known = successors[id(before[origin])]
            if all(parameter is not other for _, other in known):
                known.append((name, parameter))
    return successors


def _update(
    optimizer: Optimizer,
    successors: dict[int, list[tuple[str, nn.Parameter]]],
    versions: dict[int, int | None],
) -> None:
    """The optimiser's groups with each parameter's successors in its place; lists and state stay the same objects."""
    for group in optimizer.param_groups:
        parameters = list(group["params"])
        names = list(group.get("param_names", [""] * len(parameters)))
        new: list[nn.Parameter] = []
        new_names: list[str] = []
        for parameter, name in zip(parameters, names, strict=True):
            places = successors.get(id(parameter), [(name, parameter)])
            kept = any(p is parameter for _, p in places) and versions.get(id(parameter)) == _version(parameter)
            if not kept and id(parameter) in successors:
                optimizer.state.pop(parameter, None)
            new += [p for _, p in places]
            new_names += [name if i == 0 else place for i, (place, _) in enumerate(places)]
        group["params"][:] = new
        if "param_names" in group:
            group["param_names"][:] = new_names


def _watch(parameters: list[nn.Parameter]) -> None:
    """Have every optimiser that still holds one of these replaced parameters say so when it steps."""
    global _watching
    for parameter in parameters:
        key = id(parameter)
        _replaced[key] = weakref.ref(parameter, lambda _, key=key: _replaced.pop(key, None))
    if _replaced and not _watching:
        register_optimizer_step_pre_hook(_warn_of_replaced)
        _watching = True


def _warn_of_replaced(optimizer: Optimizer, *_: Any) -> None:
    if not _replaced:
        return
    held = [p for group in optimizer.param_groups for p in group["params"] if id(p) in _replaced]
    for parameter in held:
        _replaced.pop(id(parameter), None)  # one warning is enough
    if held:
        warnings.warn(
            f"{type(optimizer).__name__} holds {len(held)} parameters that convert or fold replaced in the model: the "
            "new ones do not train. Pass optimizer=... to convert or fold, or make the optimiser afterwards",
            WindowWarning,
            stacklevel=3,
        )
