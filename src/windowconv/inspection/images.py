"""The parts of the page that run the network: on images, on gratings, and its receptive field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from windowconv import plots
from windowconv.inspection.measure import Inspection
from windowconv.report import Column, Figure, Section, Table
from windowconv.tables import by_sign

CHANGED = "images whose class changes (%)"


def on_images(both: Sequence[Inspection]) -> list[Section]:
    """Aliasing, spectra of feature maps, and the Fourier heat map; nothing without images."""
    if not both[0].images:
        return []
    blocks: list[Any] = []
    for each in both:
        blocks += [*_aliasing(each), *_features(each)]
    return [Section("On images", [*blocks, *_heat_maps(both)])]


def _aliasing(each: Inspection) -> list[Table]:
    if each.aliasing is None or not each.aliasing.layers:
        return []
    columns = ["layer", "class", "stride", "size before", Column("aliased", ".1%"), Column("sd", ".1%", numeric=True)]
    rows = [
        [a.name, a.kind, by_sign(a.stride), by_sign(a.size), _finite(a.folded), a.folded_sd]
        for a in each.aliasing.layers
    ]
    note = "Share of the energy of the layer's output at stride 1, without its mean, above the stride's Nyquist "
    note += f"frequency: mean and standard deviation over {each.aliasing.layers[0].images} images."
    return [Table(f"{each.subject.name}: aliasing", columns, rows, note, sortable=True)]


def _features(each: Inspection) -> list[Figure]:
    if each.features is None or not each.features.layers:
        return []
    lines = {la.name or "(the model)": (la.frequencies, la.relative) for la in each.features.layers}
    figure = plots.feature_spectra(lines, title=each.subject.name)
    caption = f"Feature maps of {each.subject.name}: mean log amplitude relative to zero frequency, from early to late "
    caption += "layers. A steeper line means more blur."
    return [Figure(plots.svg(figure), caption, f"Spectra of the feature maps of {each.subject.name}")]


def _heat_maps(both: Sequence[Inspection]) -> list[Figure]:
    """All on one scale, and the difference of two."""
    maps = {each.subject.name: each.changed for each in both if each.changed is not None}
    if not maps:
        return []
    most = 100 * max(float(found.error.max()) for found in maps.values())  # per cent
    blocks = []
    for name, found in maps.items():
        limits = (0.0, most or 1.0)
        figure = plots.heat_map(found.error, found.rows, found.columns, None, name, limits, CHANGED)
        caption = f"Share of {found.images} images whose class changes under noise of a single frequency with norm "
        caption += f"{found.norm:g} per channel, added before normalisation. Frequencies up to "
        caption += f"{float(abs(found.rows).max()):.2f} of 0.50 cycles/pixel; the standard error of a cell is at most "
        caption += f"{50 / found.images**0.5:.0f} points."
        blocks.append(Figure(plots.svg(figure), caption, f"Fourier heat map of {name}"))
    if len(maps) == 2:
        (name, first), (other, second) = maps.items()
        if first.error.shape == second.error.shape:
            title = f"{name} minus {other}"
            shared = (first.error, second.error, first.rows, first.columns)
            figure = plots.heat_map_difference(*shared, title, "share of changed classes")
            blocks.append(Figure(plots.svg(figure), f"Difference: {title}.", f"Difference of heat maps, {title}"))
    return blocks


def _finite(value: float) -> float | None:
    return value if value == value else None


def receptive_fields(both: Sequence[Inspection]) -> list[Section]:
    """The effective receptive field of each network, where it was measured."""
    blocks = []
    for each in both:
        if each.field is not None:
            found = each.field
            figure = plots.receptive_field(found.map, found.centre, found.radii, title=each.subject.name)
            caption = f"{each.subject.name}, {found.layer}: effective receptive field of the central unit on noise. "
            caption += f"50 % and 95.45 % of the gradient's mass lie within {found.radii[0]:.1f} and "
            caption += f"{found.radii[1]:.1f} pixels ({found.samples} samples)."
            blocks.append(Figure(plots.svg(figure), caption, f"Effective receptive field of {each.subject.name}"))
    return [Section("Effective receptive field", blocks)] if blocks else []


def on_gratings(both: Sequence[Inspection]) -> list[Section]:
    """The first layer's responses to gratings."""
    blocks = []
    for each in both:
        if each.gratings is not None:
            name, found = each.gratings
            kind = _waves([each])
            caption = f"Layer {name} of {each.subject.name}: responses of the strongest filters to {kind} of every "
            caption += "frequency "
            if found.frequencies.shape[1] == 1:
                figure = plots.response_curves(found.maps(), rate=each.rate_of(name))
                caption += "(channels driven one at a time)."
            else:
                figure = plots.selectivity_curves(found.maps())
                caption += "and orientation (channels driven one at a time), and along the preferred orientation."
            blocks.append(Figure(plots.svg(figure), caption, f"Selectivity of {name}"))
    intro = f"A filter that leaks responds to {_waves(both)} far from its preferred one."
    return [Section(_waves(both).capitalize(), blocks, intro)] if blocks else []


def _waves(both: Sequence[Inspection]) -> str:
    """What gratings of one axis are called."""
    shown = [each.gratings[1] for each in both if each.gratings is not None]
    return "sinusoids" if shown and all(found.frequencies.shape[1] == 1 for found in shown) else "gratings"
