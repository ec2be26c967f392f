"""Which runs a study consists of: those that come first (searches, starting weights), and its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

from windowconv.errors import InputError, unknown
from windowconv.lab.config import RunConfig, Training
from windowconv.lab.data.sources import data_name
from windowconv.lab.recipes import find_recipe
from windowconv.lab.studies.design.catalogue import find_design
from windowconv.lab.studies.design.design import SEARCH, Design, Variant

Scale = Literal["smoke", "small", "strong-smoke", "strong", "strong-wide", "paper"]
SCALES: tuple[Scale, ...] = ("smoke", "small", "strong-smoke", "strong", "strong-wide", "paper")
"""The ends of recipes' names that a study can be run with."""
SEARCH_SEED = 10_000
"""Of the runs that tune variants; a study's own seeds begin at 0."""
START = "start"
"""The folder of the runs whose weights others start from."""

Tuned = dict[str, float]
"""The value that was chosen for each variant that is tuned, by the variant's name."""


Chosen = Mapping[str, Mapping[str, float]]
"""The settings that a tuning chose, by variant and name."""


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study.

    Args:
        variant: its name; runs of one have one network, and differ in their seed.
        config: its settings.
        folder: within the study's folder.
        start: the folder of the run whose weights it starts from, within the study's; empty for none.
    """

    variant: str
    config: RunConfig
    folder: str
    start: str = ""


@dataclass(frozen=True)
class Plan:
    """A design with its settings, its seeds and its data.

    Args:
        design: what is studied.
        base: the settings, before the design's and the variants' changes; weights that others start from are trained
            with these.
        seeds: runs of each variant.
        data: the data's name, as records have it.
        scale: one of `SCALES`, where the settings are a recipe's; else empty.

    Raises:
        InputError: less than one seed.
    """

    design: Design
    base: Training
    seeds: int
    data: str
    scale: str = ""

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise InputError(f"seeds={self.seeds}; allowed: 1 or more")

    @classmethod
    def of(cls, design: Design, scale: str, seeds: int | None = None) -> Self:
        """A design at a scale of its recipe, with its own number of seeds if none is given.

        Raises:
            InputError: an unknown scale; less than one seed.
        """
        if scale not in SCALES:
            raise unknown("scale", scale, SCALES)
        recipe = find_recipe(f"{design.recipe}-{scale}")
        seeds = design.seeds if seeds is None else seeds
        return cls(design, recipe.training, seeds, design.data or recipe.data, scale)

    @property
    def shared(self) -> Training:
        """The settings of all variants, but for their changes."""
        return replace(self.base, **dict(self.design.changes))

    def training(self, variant: Variant, tuned: Tuned | None = None) -> Training:
        """The settings of a variant; a tuned setting has the shared value until its best one is known."""
        training = replace(self.shared, **dict(variant.changes))
        if variant.tune and tuned and variant.name in tuned:
            training = replace(training, **{variant.tune[0]: tuned[variant.name]})
        return training

    def preparations(self) -> list[PlannedRun]:
        """The runs that come before: a search's, and those that give starting weights."""
        return [*self._searches(), *self._starts()]

    def _searches(self) -> Iterator[PlannedRun]:
        for variant in self.design.variants:
            name, values = variant.tune or ("", ())
            for value in values:
                training = replace(self.training(variant), **{name: value})
                config = self._config(variant.arm, training, SEARCH_SEED, purpose="search")
                yield PlannedRun(search_name(variant, value), config, variant.search_folder(value))

    def first_tuning_runs(self) -> list[PlannedRun]:
        """The runs that try the grid of the first tuned setting, before it is widened; none without a tuning."""
        if self.design.tuning is None:
            return []
        (name, factors), *_ = self.design.tuning.settings
        return self.tuning_runs(name, self.design.tuning.grid(factors, getattr(self.shared, name)), {})

    def tuning_runs(self, name: str, values: Sequence[float], chosen: Chosen) -> list[PlannedRun]:
        """The runs that try values of a setting for every variant, on images held out of the training set.

        Args:
            name: of the setting.
            values: to try.
            chosen: the settings that were searched before.
        """
        tuning = self.design.tuning
        assert tuning
        plan = replace(self, design=self.design.with_values(chosen))
        runs = []
        for variant in plan.design.variants:
            training = plan.training(variant)
            epochs = max(1, round(training.epochs * tuning.length))
            training = replace(training, epochs=epochs, val_fraction=tuning.held_out)
            for value in values:
                config = self._config(variant.arm, replace(training, **{name: value}), SEARCH_SEED, purpose="search")
                title = f"{variant.name}: {name.replace('_', '-')}={value:g}"
                runs.append(PlannedRun(title, config, tuning_folder(variant, name, value)))
        return runs

    def _starts(self) -> Iterator[PlannedRun]:
        for seed in range(self.seeds):
            for arm in dict.fromkeys(variant.start for variant in self.design.variants if variant.start):
                folder = start_folder(arm, seed)
                yield PlannedRun(f"{START} {arm}", self._config(arm, self.base, seed), folder)

    def runs(self, tuned: Tuned | None = None, starts: Mapping[str, str] | None = None) -> list[PlannedRun]:
        """The study's own runs, all variants of a seed together, so that a study that is cut short has pairs.

        Args:
            tuned: the values that the searches chose.
            starts: the content hashes of starting weights, by the folder of the run that they are of.
        """
        return [
            self._run(variant, seed, tuned, starts or {})
            for seed in range(self.seeds)
            for variant in self.design.variants
        ]

    def _run(self, variant: Variant, seed: int, tuned: Tuned | None, starts: Mapping[str, str]) -> PlannedRun:
        training = self.training(variant, tuned)
        start = start_folder(variant.start, seed) if variant.start else ""
        given: dict[str, Any] = {"start": starts.get(start, "unknown"), "preserve": True} if start else {}
        config = self._config(variant.arm, training, seed, **given)
        return PlannedRun(variant.name, config, run_folder(variant, seed), start)

    def _config(self, arm: str, training: Training, seed: int, **more: Any) -> RunConfig:
        return RunConfig(**asdict(training), data=self.data, arm=arm, seed=seed, **more)


def plan_study(
    name: str,
    scale: Scale,
    seeds: int | None = None,
    data: str | None = None,
    variants: tuple[str, ...] = (),
    settings: Mapping[str, Any] | None = None,
    evaluations: tuple[str, ...] = (),
) -> Plan:
    """A ready-made study as it is to be run.

    Args:
        name: of a study in the catalogue.
        scale: of its recipe.
        seeds: runs of each variant; the study's own number if None.
        data: other images, as `load` takes them.
        variants: some of the study's, by name; all if empty.
        settings: of all runs, in place of the recipe's.
        evaluations: of each run, besides the study's own.

    Raises:
        InputError: an unknown study, scale, variant or evaluation; fewer than one seed.
    """
    design = find_design(name)
    if data is not None:
        design = design.on(data_name(data))
    if variants:
        design = design.only(variants)
    if settings:
        design = design.changed(settings)
    return Plan.of(design.measuring(evaluations), scale, seeds)


def run_folder(variant: Variant, seed: int) -> str:
    """A run's folder within the study's."""
    return f"{variant.folder}-seed{seed}"


def start_folder(arm: str, seed: int) -> str:
    """The folder of the run that gives an arm's starting weights for a seed."""
    return f"{START}/{arm.replace(':', '_')}-seed{seed}"


def tuning_folder(variant: Variant, name: str, value: float) -> str:
    """The folder, within a study's, of the run that tries a value of a setting before the study's own runs."""
    return f"{SEARCH}/{variant.folder}-{name.replace('_', '-')}{value:g}"


def search_name(variant: Variant, value: float) -> str:
    """What a search's run is called."""
    assert variant.tune
    return f"{variant.name}: {variant.tune[0].replace('_', '-')}={value:g}"
