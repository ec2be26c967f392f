"""What the records of conditions, shifts and heat maps must hold; docs/run-folder.md says what they mean."""

from typing import Annotated, TypedDict

from windowconv.lab.robustness.conditions.bands import Band
from windowconv.lab.robustness.conditions.catalogue import Family
from windowconv.lab.runs.schemas import Count, EnvironmentRecord, Positive
from windowconv.lab.schema import Grid, at_least

Libraries = TypedDict("Libraries", {"imagecorruptions-imaug": str | None})
"""Versions of packages that change images; this one's is shown."""


class MadeWith(EnvironmentRecord):
    """Versions and hardware, and the versions of packages that change images."""

    libraries: Libraries


class SampledRecord(TypedDict):
    """evaluations/NAME-on-N.json of any measurement."""

    name: str
    source: str
    content_hash: str
    n: Positive
    indices: list[Count] | None
    weights: str | None
    seed: int


class ChangeRecord(TypedDict):
    """How a condition changes images, see `Spectrum`."""

    rms: float
    shares: dict[Band, float]
    median: float | None


class ConditionFigures(TypedDict):
    """How many images are classified right."""

    n: Positive
    accuracy: float
    correct: Count


class ConditionRecord(TypedDict):
    """A `Condition`, and what was measured under it."""

    title: str
    family: Family
    series: str
    parameter: float
    band: Band | None
    zoom: float | None
    figures: ConditionFigures
    change: ChangeRecord


class ConditionsRecord(SampledRecord):
    """conditions-on-N.json."""

    environments: Annotated[list[MadeWith], at_least(1)]
    conditions: dict[str, ConditionRecord]


class ShiftRecord(TypedDict):
    """The consistency under shifts up to one reach."""

    share: float


class ShiftsValues(TypedDict):
    """By reach."""

    shifts: list[ShiftRecord]


class ShiftsRecord(SampledRecord):
    """shifts-on-N.json."""

    border: str
    reaches: list[Positive]
    figures: ShiftsValues


class HeatMapValues(TypedDict):
    """Frequencies in cycles/pixel, and the error at each."""

    clean_error: float
    rows: list[float]
    columns: list[float]
    error: Grid


class HeatMapRecord(SampledRecord):
    """heat-map-on-N.json."""

    norm: float
    size: Positive
    figures: HeatMapValues
