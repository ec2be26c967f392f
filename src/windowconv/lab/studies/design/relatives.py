"""A window on kernels beside its relatives, trained alike on the networks of `strong_networks`.

Their papers and formulas stand in docs/laboratory.md. The learning rate is tuned alike for all. Committed before any of
these runs; a change after that makes the study exploratory.

windowconv study relatives --scale strong --reuse runs/studies --export results/studies/relatives-cifar10-strong
"""

from __future__ import annotations

from windowconv.lab.studies.design.design import Design, arms, minus
from windowconv.lab.studies.design.strong_networks import LEAST, MEASURES
from windowconv.lab.studies.design.strong_questions import DATA, TUNING

SHIFT = "shift-consistency"
WINDOW, BLUR, BOTH = "7x7-hamming", "7x7-blur", "7x7-hamming-blur"
SAME_SIZE = ("7x7-flc", "7x7-asap", "7x7-aps", "7x7-flex", "7x7-dcls", "7x7-dilated")
"""Relatives on dense kernels, beside `WINDOW`."""
MATCHED = ("7x7-depthwise-params", "7x7-replk-params", "7x7-convnext-params")
"""Those that need other widths to be as large as 3x3, beside `WINDOW` with as many parameters."""
MATCHED_WINDOW = "7x7-hamming-params"

_RELATIVES = Design(
    name="relatives",
    claim="A Hamming window on 7x7 kernels does more than BlurPool does, and the two add up: networks classify better "
    "and more consistently under shifts with the window than with BlurPool, and with both than with either.",
    recipe=DATA,
    variants=arms("3x3", "3x3-blur", "7x7", WINDOW, BLUR, BOTH, MATCHED_WINDOW, *SAME_SIZE, *MATCHED),
    primary=minus(WINDOW, BLUR),
    co_primary=(
        minus(WINDOW, BLUR, SHIFT),
        minus(BOTH, WINDOW),
        minus(BOTH, WINDOW, SHIFT),
        minus(BOTH, BLUR),
        minus(BOTH, BLUR, SHIFT),
    ),
    secondary=(
        *(minus(WINDOW, arm, metric) for metric in ("accuracy", SHIFT) for arm in SAME_SIZE),
        *(minus(MATCHED_WINDOW, arm, metric) for metric in ("accuracy", SHIFT) for arm in ("3x3-blur", *MATCHED)),
    ),
    smallest=0.3,
    measures=(*MEASURES, "conditions", "apgd"),
    seeds=6,
    least=LEAST,
    tuning=TUNING,
    limits="One small network, not the networks of the relatives' papers; only the learning rate is tuned.",
)

DESIGNS = (_RELATIVES,)
