"""Starting weights: a finished run's network, converted to an arm so that it computes the same."""

from __future__ import annotations

import hashlib
from functools import partial

from torch import nn

from windowconv.checkpoint import load_weights, read_header
from windowconv.lab.config import RunConfig
from windowconv.lab.data import ImageData
from windowconv.lab.models.build import PreprocessedNetwork, from_header
from windowconv.lab.models.matching import network_spec
from windowconv.lab.runs.folder import Run
from windowconv.lab.training.finetune import CHECKED, check_preserved, starting_network
from windowconv.lab.training.loading import example_images
from windowconv.lab.training.original import Original
from windowconv.lab.training.train import Start


def weights_hash(run: Run) -> str:
    """Sixteen hex digits of the SHA-256 of a run's weights, as `RunConfig.start` has them."""
    return hashlib.sha256(run.weights.read_bytes()).hexdigest()[:16]


def starting_weights(run: Run, config: RunConfig, data: ImageData) -> Start:
    """What a training that begins with a run's weights starts from; checked to compute the same, on training images.

    Args:
        run: a finished one, of the arm 3x3.
        config: of the training, which says which arm the network is converted to.
        data: whose images are looked at.

    Raises:
        InputError: an arm that cannot keep the function.
    """
    trained = from_header(read_header(run.weights))
    load_weights(trained, run.weights)
    inner = trained.network if isinstance(trained, PreprocessedNetwork) else trained
    head = [name for name, module in inner.named_modules() if isinstance(module, nn.Linear)][-1]
    original = Original(inner.eval(), head, len(data.classes))
    spec = network_spec(config, config.arm, config.seed, len(data.classes), (data.channels, *data.image_size))
    check_preserved(original, spec, example_images(data.train, CHECKED))
    return partial(starting_network, original, preserve=True)
