"""Adversarial images of the first seed, and in which frequencies the perturbations lie."""

from __future__ import annotations

import torch

from windowconv import plots
from windowconv.lab.robustness.attacks.catalogue import find_attack
from windowconv.lab.robustness.reports.comparison import Comparison
from windowconv.lab.robustness.sample import Sample
from windowconv.report import Block, Figure, Section

SHOWN = 3
"""Images a row."""


def gallery_section(comparison: Comparison, sample: Sample | None, colours: dict[str, str]) -> list[Section]:
    """Pictures and spectra of the attacks that follow gradients; without the sample of images, spectra only."""
    blocks: list[Block] = []
    for label in comparison.labels:
        result = comparison.result(label)
        if find_attack(result.record["attack"]).access != "gradients" or not float(result.power.sum()):
            continue
        if sample is not None:
            blocks += _pictures(comparison, label, sample)
        powers = {
            arm: torch.stack([each.results[label].power for each in runs]).numpy()
            for arm, runs in comparison.attacked.items()
        }
        figure = plots.perturbation_spectra(powers, colours)
        shown = result.record["shown"]
        where = f" at {result.unit.text(shown)}" if shown else ""
        words = (
            f"{label}{where}: energy of the perturbations by frequency; for white noise, it grows with the ring's area."
        )
        blocks.append(Figure(plots.svg(figure), words, f"Spectra of the perturbations of {label} by arm"))
    return [Section("Adversarial images", blocks)] if blocks else []


def _pictures(comparison: Comparison, label: str, sample: Sample) -> list[Block]:
    rows, titles, largest = [], [], 0.0
    for arm, runs in comparison.attacked.items():
        result = runs[0].results[label]
        images = result.examples[:SHOWN]
        at = {int(index): i for i, index in enumerate(sample.indices)}
        places = [at[int(result.indices[place])] for place in result.example_places[:SHOWN]]
        if len(places) < SHOWN:
            return []
        added = images - sample.images[places]
        largest = max(largest, added.abs().max().item())
        rows.append((arm, images, added))
        names = runs[0].run.record["data"]["classes"]
        titles.append([names[int(sample.labels[place])] for place in places])
    if not largest:
        return []
    drawn = plots.adversarial_gallery(rows, titles, largest)
    result = comparison.result(label)
    budget = result.record["shown"]
    size = f" at {result.unit.text(budget)}" if budget else ""
    words = (
        f"{label}{size}, seed {comparison.seeds[0]}: adversarial images with their true class, the perturbation (grey "
        f"is 0, black and white are ∓{255 * largest:.3g}/255), and its power spectrum, zero frequency in the middle."
    )
    return [Figure(plots.svg(drawn), words, f"Adversarial images of {label}, their perturbations and spectra by arm")]
