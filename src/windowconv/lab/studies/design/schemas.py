"""What study.json must hold. Keys that came later are not required: earlier studies lack them."""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from windowconv.lab.runs.schemas import DataRecord, EnvironmentRecord, GitRecord, Moment, NetworkRecord, Positive
from windowconv.lab.schema import at_least

Setting = tuple[str, Any]


class VariantRecord(TypedDict):
    """A `Variant`."""

    arm: str
    changes: NotRequired[list[Setting]]
    tune: NotRequired[tuple[str, list[float]] | None]
    start: NotRequired[str]
    label: NotRequired[str]


Names = Annotated[list[str], at_least(1)]


class ContrastRecord(TypedDict, total=False):
    """A `Contrast`, or an `Association`, which has `of` and `variants`. Earlier versions called the metric a figure."""

    better: Names
    worse: Names
    of: str
    variants: Names
    metric: str
    figure: str


class PrimaryRecord(ContrastRecord):
    """The contrast that decides."""

    kind: Literal["contrast", "association"]


class TuningDesignRecord(TypedDict):
    """A design's `Tuning`."""

    settings: list[tuple[str, list[float]]]
    held_out: float
    length: float
    widenings: int


class DesignRecord(TypedDict):
    """A `Design`."""

    name: str
    claim: str
    recipe: str
    variants: list[VariantRecord]
    primary: PrimaryRecord | None
    secondary: list[ContrastRecord]
    smallest: float
    measures: list[str]
    changes: list[Setting]
    seeds: Positive
    least: dict[str, float]
    limits: str
    data: str
    co_primary: NotRequired[list[ContrastRecord]]
    equivalent: NotRequired[list[ContrastRecord]]
    tuning: NotRequired[TuningDesignRecord | None]
    any_version: NotRequired[bool]


class RegisteredRecord(TypedDict):
    """The design as it was before the first run."""

    design: DesignRecord
    at: str
    commit: str | None
    committed: Moment | None
    code: GitRecord | None


class TunedRecord(TypedDict):
    """What a tuning found for one setting; None for runs that diverged."""

    grid: list[float]
    validation_accuracy: dict[str, dict[str, float | None]]
    chosen: dict[str, float]


class StudyDataRecord(DataRecord):
    """The images, and the name that they are loaded by."""

    name: str


class StudyRecord(TypedDict):
    """study.json; its training is checked by `Training.from_record`."""

    name: str
    design: DesignRecord
    scale: str
    seeds: Positive
    training: dict[str, Any]
    data: StudyDataRecord
    networks: dict[str, NetworkRecord]
    algorithms: dict[str, dict[str, str]]
    tuned: dict[str, float]
    searched: dict[str, dict[str, float]]
    reused: list[str]
    failures: dict[str, str]
    environment: EnvironmentRecord
    status: str
    time_s: NotRequired[float]
    tuning: NotRequired[dict[str, TunedRecord]]
    diverged: NotRequired[dict[str, str]]
    sources: NotRequired[dict[str, str]]
    registered: NotRequired[RegisteredRecord | None]


class SearchRecord(TypedDict):
    """The learning rates that an earlier `compare` tried."""

    validation_accuracy: dict[str, dict[str, float]]


class EarlierStudyRecord(TypedDict):
    """What study.json had in the place of a design."""

    arms: list[str]
    rates: NotRequired[dict[str, float] | None]
    search: NotRequired[SearchRecord | None]
