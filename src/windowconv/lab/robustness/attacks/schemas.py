"""What the records of attacks must hold; docs/run-folder.md says what they mean."""

from typing import Annotated, Literal, NotRequired, TypedDict

from windowconv.lab.runs.schemas import Count, EnvironmentRecord, Moment, Positive
from windowconv.lab.schema import at_least


class AttackIdentity(TypedDict):
    """For what a result can be used again."""

    attack: str
    budgets: list[float]
    settings: dict[str, float]
    seed: int
    test_hash: str
    indices: str
    weights: str
    algorithm: dict[str, str]


class AttackFigures(TypedDict):
    """Accuracies; the last two of attacks that look for the smallest change."""

    n: Positive
    clean_accuracy: float
    robust_accuracy: list[float]
    median_distance: NotRequired[float | None]
    found: NotRequired[Count]


class AttackRecord(TypedDict):
    """attack-LABEL-on-N.json."""

    name: str
    created: Moment
    attack: str
    unit: Literal["linf", "l2", "pixels", "degrees"]
    budgets: Annotated[list[float], at_least(1)]
    shown: float | None
    settings: dict[str, float]
    check: bool
    seed: int
    identity: AttackIdentity
    source: str
    libraries: dict[str, str]
    environment: EnvironmentRecord
    time_s: float
    in_power: NotRequired[Count]
    status: Literal["running", "finished"]
    done: Count
    figures: AttackFigures | None
