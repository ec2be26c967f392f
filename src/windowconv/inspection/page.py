"""The page of an inspection, and of two networks side by side."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any

import torch

import windowconv
from windowconv import plots
from windowconv.inspection.comparison import comparison
from windowconv.inspection.images import on_gratings, on_images, receptive_fields
from windowconv.inspection.measure import Inspection
from windowconv.inspection.summary_text import by_size, calls, pair_curves, summary
from windowconv.report import Column, Explorer, Figure, Page, Section, Table, Text
from windowconv.spectra.curve import leakage_curve
from windowconv.spectra.filters import convolutions, filters_of, sampled
from windowconv.spectra.network import PAIRS, common_grid
from windowconv.tables import by_sign
from windowconv.windowed import WindowedMixin

GALLERIES = 3  # layers whose kernels are shown: the first, and those that leak most and least
EXPLORER = "What a window does to a kernel of any size, computed in this page from formulas, not from this network."
GALLERY = 16  # kernels of each


def make_page(inspection: Inspection, other: Inspection | None = None) -> Page:
    """The report; `other` is what the network is compared with."""
    subject = inspection.subject
    both = [inspection] if other is None else [inspection, other]
    galleries = [figure for each in both for figure in _galleries(each)]
    sections = [
        *(_words(each, other is not None) for each in both),
        *([comparison(inspection, other)] if other is not None else []),
        Section("Layer by layer", [_layers(each) for each in both]),
        _curves(both),
        Section("What a window would change", [_what_if(each) for each in both]),
        *([Section("Kernels", galleries)] if galleries else []),
        *on_gratings(both),
        *on_images(both),
        *receptive_fields(both),
        Section("Try a window", [Explorer(EXPLORER)]),
    ]
    title = subject.name if other is None else f"{subject.name} against {other.subject.name}"
    return Page(f"Spectral leakage of {title}", _lead(inspection), sections, _facts(both))


def _words(inspection: Inspection, named: bool) -> Section:
    title = f"{inspection.subject.name} in words" if named else "In words"
    return Section(title, [Text("\n\n".join(summary(inspection))), *_tries(inspection)])


def _lead(inspection: Inspection) -> str:
    return (
        "What the filters of this network select, and what they let through that they should not. Leakage says how "
        "selective filters are, not how good the network is."
    )


def _facts(both: Sequence[Inspection]) -> dict[str, str]:
    facts: dict[str, str] = {}
    for inspection in both:
        subject = inspection.subject
        extra = "".join(f", {name} {value}" for name, value in subject.facts.items() if name != "run")
        facts[subject.name] = f"weights {subject.weights}{extra}"
    facts["frequency grid"] = f"{both[0].leakage.grid} an axis"
    facts["versions"] = f"windowconv {windowconv.__version__}, torch {torch.__version__}, Python "
    facts["versions"] += platform.python_version()
    if both[0].images:
        facts["images"] = str(both[0].images)
    facts["time"] = ", ".join(f"{sum(each.seconds.values()):.1f} s" for each in both)
    return facts


def _tries(inspection: Inspection) -> list[Text]:
    found = calls(inspection)
    return [Text("To try:"), Text("\n".join(found), code=True)] if found else []


def _layers(inspection: Inspection) -> Table:
    index = inspection.leakage.radii.index(1 / 4)
    columns: list[str | Column] = ["layer", "kernel", "stride", "window", "filters"]
    numbers = ["L(1/8)", "L(1/4)", "noise L(1/4)", "summed L(1/8)", "summed L(1/4)"]
    numbers += ["peak", "bandwidth", "flatness", "aliased", "support"]
    columns += [Column(name, ".3f", numeric=True) for name in numbers]
    rows = []
    for layer in inspection.leakage.layers:
        noise = layer.noise(inspection.leakage.grid)[index]
        means = layer.means()
        summed, single, others = list(means.values())[:2], list(means.values())[2:4], list(means.values())[4:]
        named = [layer.name or "(the model)", layer.size, by_sign(layer.stride), layer.window or "none"]
        rows.append([*named, layer.filters, *single, noise, *summed, *others])
    note = (
        "L(r): share of a single kernel's spectral energy farther than r cycles/pixel from the nearer of its two "
        f"peaks, the mean over a layer's kernels ({PAIRS} drawn at random in larger layers); noise: of random kernels "
        "of that size; summed: of whole filters, the energies of their channels summed, which is nearly white in wide "
        "layers. The rest are means over filters: peak and bandwidth in cycles/pixel; flatness 1 is a single tap; "
        "aliased: share above the stride's Nyquist frequency, of white noise; support: the radius in taps that holds "
        "90 % of the energy."
    )
    caption = f"{inspection.subject.name}: all convolutions with a kernel"
    return Table(caption, columns, rows, note, sortable=True)


def _curves(both: Sequence[Inspection]) -> Section:
    first = both[0]
    radii = first.leakage.radii
    groups = {size: pair_curves(layers) for size, layers in by_size(first.leakage.layers).items()}
    groups = {size: curves for size, curves in groups.items() if len(curves)}
    noise = {size: layers[0].noise(first.leakage.grid) for size, layers in by_size(first.leakage.layers).items()}
    blocks: list[Any] = []
    if groups:
        figure = plots.curves_by_size(groups, radii, noise)
        caption = "The share of single kernels' energy farther than r from their peaks, by kernel size; below the "
        caption += "dotted line of its own size, a layer leaks less than noise."
        blocks.append(Figure(plots.svg(figure), caption, "Leakage curves by kernel size"))
    for at, r in ((1 / 8, "1/8"), (1 / 4, "1/4")):
        index = radii.index(at)
        values = {
            each.subject.name: [la.pair_curve[index] for la in each.leakage.layers if la.pair_curve is not None]
            for each in both
        }
        figure = plots.leakage_by_depth({name: held for name, held in values.items() if held}, at)
        blocks.append(
            Figure(plots.svg(figure), f"Leakage beyond {r} cycles/pixel against depth.", f"Leakage at {r} by depth")
        )
    intro = "Less is not always better: a window widens the band around the peak and lowers what lies far from it."
    return Section("Leakage", blocks, intro)


def _what_if(inspection: Inspection) -> Table | Text:
    columns: list[str | Column] = ["layer", "kernel", "for"]
    columns += [Column(name, ".3f", numeric=True) for name in ("L(1/8) now", "with it", "L(1/4) now", "with it")]
    columns += [Column("change of L(1/4)", "+.3f", numeric=True), Column("energy kept", ".1%", numeric=True)]
    columns += [Column("least L(1/4)", ".3f", numeric=True)]
    rows = []
    for effect in inspection.effects:
        after = effect.after or (None, None)
        cells = [effect.now[0], after[0], effect.now[1], after[1], effect.change, effect.kept, effect.least[1]]
        rows.append([effect.layer or "(the model)", by_sign(effect.kernel), by_sign(effect.size), *cells])
    note = (
        "Means over single kernels, as they are and times a Hamming window; the layers that it would change most come "
        "first. Kernels below 5 taps are too small for it: for them, the size to grow to. Least: the leakage of the "
        "window itself, which a pure grating has under it. This is about the present kernels; a network trained with "
        "the window finds others."
    )
    name = inspection.subject.name
    table = Table(f"{name}: a Hamming window on the present kernels", columns, rows, note, sortable=True)
    if not rows:
        said = f"{name}: every layer with a kernel has a window already."
        return Text(said)
    return table


def _galleries(inspection: Inspection) -> list[Figure]:
    """Kernels of the first layer, and of those that leak most and least."""
    held = {la.name: la for la in inspection.leakage.layers if la.pair_curve is not None and len(la.kernel) == 2}
    if not held:
        return []
    at = inspection.leakage.radii.index(1 / 4)
    ordered = sorted(held.values(), key=lambda la: la.pair_curve[at] if la.pair_curve else 0.0)
    wanted = {next(iter(held)): "first", ordered[-1].name: "leaking most", ordered[0].name: "leaking least"}
    layers = convolutions(inspection.subject.model)
    blocks = []
    for name, why in list(wanted.items())[:GALLERIES]:
        kernels = sampled(filters_of(name, layers[name]), PAIRS)[:, 0]
        leaks = leakage_curve(kernels[:, None], [1 / 4], common_grid([kernels[:, None]])).leakage[:, 0]
        alive = leaks.isfinite()
        kernels, leaks = kernels[alive], leaks[alive]
        order = leaks.argsort()
        some = order[torch.linspace(0, len(order) - 1, min(GALLERY, len(order))).round().long()]
        figure = plots.kernel_gallery(kernels[some], leaks[some])
        window = layers[name].window if isinstance(layers[name], WindowedMixin) else "no window"
        caption = (
            f"{inspection.subject.name}, {name or 'the model'} ({why}; {window}): {len(some)} of {len(order):,} "
            "kernels, evenly chosen from the "
            "least leaking beyond 1/4 cycles/pixel to the most; below each its response, zero frequency in the middle."
        )
        blocks.append(Figure(plots.svg(figure), caption, f"Kernels of {name} sorted by leakage"))
    return blocks
