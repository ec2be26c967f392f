"""What a study's images cannot tell."""

from __future__ import annotations

from windowconv.lab.studies.folder import StudyFolder

JPEGS = (
    "These CIFAR-10 images are the Hub's parquet copy, whose images are strongly compressed JPEGs: that removes high "
    "frequencies, so that little can be said about these, and accuracies compare among arms only."
)
LIMITS = {"a0f32c1ff4c2": JPEGS}
"""By the first digits of the training images' content hash."""


def data_limits(study: StudyFolder) -> str:
    """What a study's images cannot tell, in a sentence; empty if nothing is known."""
    return LIMITS.get(study.record["data"]["train_hash"][:12], "")
