"""Names of tensors in weights files: what wrappers add to them, and how a file differs from a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

LEADING = ("module.", "model.")  # of DataParallel, averaged models and training frameworks
COMPILED = "_orig_mod"  # of torch.compile, at any place
OWN = ("n_averaged",)  # tensors of the wrappers themselves: AveragedModel's count of updates


def unwrapped(names: Iterable[str], own: Iterable[str]) -> dict[str, str]:
    """A file's names of tensors, mapped to a model's names of the same tensors.

    A name that the model has stays. Others are compared without the parts that wrappers add, in the file and in the
    model; one that matches nothing stays too, and all do where two tensors would get one name. What wrappers keep for
    themselves is left out.

    >>> unwrapped(["module._orig_mod.0.weight", "more"], ["0.weight"])
    {'module._orig_mod.0.weight': '0.weight', 'more': 'more'}
    """
    known = set(own)
    names = [name for name in names if name in known or name not in OWN]
    bare = {_bare(name): name for name in known}
    found = {name: name if name in known else bare.get(_bare(name), name) for name in names}
    if len(bare) < len(known) or len(set(found.values())) < len(found):
        return {name: name for name in found}
    return found


def _bare(name: str) -> str:
    name = ".".join(part for part in name.split(".") if part != COMPILED)
    while name.startswith(LEADING):
        name = name.partition(".")[2]
    return name


def misfit(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str | None:
    """How a file's tensors differ from a model's own, by the first of each kind; batch counters may be missing."""
    missing = [key for key in own if key not in given and not key.endswith(".num_batches_tracked")]
    more = [key for key in given if key not in own]
    others = [key for key in own if key in given and own[key].shape != given[key].shape]
    said = [f"{len(missing)} tensors are missing, such as {missing[0]!r}"] if missing else []
    said += [f"{len(more)} are too many, such as {more[0]!r}"] if more else []
    if others:
        shapes = f"{tuple(given[others[0]].shape)}, not {tuple(own[others[0]].shape)}"
        said.append(f"{len(others)} have other shapes, such as {others[0]!r} with {shapes}")
    return "; ".join(said) or None
