"""Put trained networks into the package: the first seed of each arm of the studies that are named.

windowconv compare --recipe fashion-mnist-small --out runs/fashion-mnist-small
windowconv compare --recipe cifar10-small --out runs/cifar10-small
python examples/publish_weights.py runs/cifar10-small runs/fashion-mnist-small
"""

import sys
from pathlib import Path

from windowconv.lab.published import FOLDER, publish
from windowconv.lab.study import StudyResult


def main(folders: list[str]) -> None:
    """Copy the weights and write the index of them."""
    studies = [StudyResult.open(Path(folder)) for folder in folders]
    runs = [study.run(arm, 0) for study in studies for arm in study.study.arms]
    publish(runs)
    print(f"{len(runs)} networks in {FOLDER}")


if __name__ == "__main__":
    main(sys.argv[1:])
