"""ImageNet in small: the paper's arms in a ResNet-18 on ten of its classes, at 64 pixels.

windowconv study imagenette --scale small --processes 1 --export results/studies/imagenette-small
"""

from __future__ import annotations

from windowconv.lab.studies.design.design import Design, arms, minus

DESIGNS = (
    Design(
        name="imagenette",
        claim="A ResNet-18 with 7x7 kernels and a Hamming window classifies Imagenette better than one with plain 7x7 "
        "kernels, and better than the usual one with 3x3.",
        recipe="imagenet-resnet18",
        data="imagenette",
        variants=arms("3x3", "5x5", "7x7", "7x7-hamming"),
        primary=minus("7x7-hamming", "7x7"),
        co_primary=(minus("7x7-hamming", "3x3"),),
        secondary=(
            minus("7x7", "3x3"),
            minus("7x7-hamming", "5x5"),
            minus("7x7-hamming", "3x3", "leakage"),
            minus("7x7-hamming", "3x3", "shift-consistency"),
        ),
        smallest=1.0,
        measures=("leakage", "shift", "kernels", "aliasing", "cropping"),
        seeds=6,
        limits="Ten classes, small images, a quarter of the width, settings of the paper that were not tuned here.",
    ),
)
