"""What the records of a run must hold. Keys that came later are not required: earlier folders lack them.

docs/run-folder.md says what they mean.
"""

from datetime import datetime
from typing import Annotated, Any, NotRequired, TypedDict

from windowconv.errors import require

Meta = require("msgspec", "lab").Meta

Positive = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]
Moment = Annotated[datetime, Meta(tz=True)]


class DataRecord(TypedDict):
    """The images."""

    source: str
    train: Count
    test: Count
    train_hash: str
    test_hash: str
    classes: list[str]
    channels: Positive
    image_size: tuple[Positive, Positive]
    left_out: NotRequired[list[str]]


class NetworkRecord(TypedDict):
    """A network's size; the last three where its widths were matched."""

    parameters: Count
    macs: Count
    builder: NotRequired[str]
    widths: NotRequired[list[int]]
    matched: NotRequired[str]
    gap: NotRequired[float]


class NumericsRecord(TypedDict):
    """What changes results by rounding."""

    version: NotRequired[int]
    precision: str
    algorithm: dict[str, str]
    memory_format: str
    compiled: bool
    processes: int
    deterministic: bool


class EnvironmentRecord(TypedDict):
    """Versions and hardware."""

    windowconv: str
    torch: str
    numpy: str
    python: str
    system: str
    device: str
    threads: int


class GitRecord(TypedDict):
    """The commit that ran."""

    commit: str
    dirty: bool


class LoadRecord(TypedDict):
    """The machine's load averages."""

    start: list[float] | None
    end: list[float] | None


class RunRecord(TypedDict):
    """run.json; its config is checked by `RunConfig.from_record`."""

    name: str
    created: Moment
    status: str
    reason: str | None
    config: dict[str, Any]
    config_hash: str
    data: DataRecord
    network: NetworkRecord
    seed: int
    numerics: NumericsRecord
    environment: EnvironmentRecord
    git: GitRecord | None
    load: NotRequired[LoadRecord]
    command: str
    resumed: list[dict[str, Any]]


class LogLine(TypedDict):
    """Any line of metrics.jsonl."""

    kind: str


class StepLine(LogLine):
    """After some steps."""

    step: Count
    epoch: Count
    time_s: float
    loss: float
    lr: float


class EpochLine(LogLine):
    """After an epoch, and at the end."""

    step: Count
    epoch: Count
    time_s: float
    train_loss: float
    train_accuracy: float
    val_loss: NotRequired[float]
    val_accuracy: NotRequired[float]
    test_loss: NotRequired[float]
    test_accuracy: NotRequired[float]
    test_accuracy_tta: NotRequired[float]
    kept_epoch: NotRequired[int]


class LeakageLine(LogLine):
    """L(1/8) and L(1/4) by layer; None for dead ones."""

    step: Count
    epoch: Count
    time_s: float
    leakage: dict[str, tuple[float | None, float | None]]


LINES = {"step": StepLine, "epoch": EpochLine, "final": EpochLine, "leakage": LeakageLine}
"""Lines of metrics.jsonl by their kind."""


class TrainingState(TypedDict):
    """Where a training is, in a checkpoint's state.json."""

    epoch: Positive
    batch: Count
    totals: tuple[float, float]
    figures: dict[str, float]
    best_epoch: int
    best_accuracy: float
    time_s: float
    averaged: Count
    scaler: dict[str, Any] | None
    logged: NotRequired[Count]
    logged_sha256: NotRequired[str]


class CheckpointRecord(TypedDict):
    """state.json."""

    schema_version: int
    step: Count
    sha256: dict[str, str]
    state: dict[str, Any]
    state_sha256: NotRequired[str]


class EvaluationRecord(TypedDict):
    """evaluations/NAME.json; what "figures" must hold is said by the evaluation."""

    name: str
    figures: dict[str, Any]
    source: NotRequired[str]
    content_hash: NotRequired[str | None]
    weights: NotRequired[str | None]
    settings: NotRequired[dict[str, Any]]
    environment: NotRequired[dict[str, Any]]
