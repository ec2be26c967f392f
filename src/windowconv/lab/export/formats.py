"""The kinds of files in which a network leaves the laboratory: how each is written, and read back."""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from windowconv.checkpoint import load_weights, to_safetensors
from windowconv.errors import InputError, require
from windowconv.lab.models.build import PreprocessedNetwork

OPSETS = range(9, 26)  # versions of ONNX's operators that torch writes
CURRENT = 18  # from here torch's exporter of today writes them, below it the one by tracing
OPSET = 20
MOST_ONNX = 2**31 - 2**24  # bytes: what protobuf holds, less some for the graph
FACTS = "windowconv.json"  # the entry of a .pt2 file that says what the network is

ENDS = {"input_names": ["images"], "output_names": ["logits"]}
Network = Callable[[Tensor], Tensor]
Facts = dict[str, str]


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        suffix: of its name.
        needs: what is imported for it.
        extra: what installs that.
        write: the file's content, of a network without windows, an example batch, what is to be said of it, and the
            version of ONNX's operators.
        read: the network in a file; where the file has weights only, they go into a network of the same structure.
    """

    suffix: str
    needs: tuple[str, ...]
    extra: str
    write: Callable[[nn.Module, Tensor, Facts, int], bytes]
    read: Callable[[Path, nn.Module], Network]


def _program(network: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    """The network as torch's exporter has it, for batches of any size, without the paths of source files."""
    said = io.StringIO()  # where torch fails, it prints the whole graph
    try:
        with quiet(), redirect_stderr(said):
            program = torch.export.export(network, (example,), dynamic_shapes=_any_batch())
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"torch cannot export this {type(network).__name__}: {reason}") from error
    sys.stderr.write(said.getvalue())
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                node.meta.pop("stack_trace", None)
    return program


def _any_batch() -> Any:
    return ({0: torch.export.Dim("batch")},)


def _write_onnx(network: nn.Module, example: Tensor, facts: Facts, opset: int) -> bytes:
    size = sum(tensor.nbytes for tensor in network.state_dict().values())
    if size > MOST_ONNX:
        raise InputError(
            f"format='onnx' holds 2 GiB at most, the weights take {size / 2**30:.2f}; "
            "allowed: torch-export, safetensors"
        )
    proto = (_onnx_by_export if opset >= CURRENT else _onnx_by_tracing)(network, example, opset)
    written = {entry.domain: entry.version for entry in proto.opset_import}
    if written.get("") != opset:
        raise InputError(f"opset={opset}: torch writes this {type(network).__name__} in opset {written.get('')} only")
    require("onnx", "export").helper.set_model_props(proto, facts)
    return proto.SerializeToString()


def _onnx_by_export(network: nn.Module, example: Tensor, opset: int) -> Any:
    program = _program(network, example)
    with quiet():
        options: dict[str, Any] = {"dynamo": True, "verbose": False, "dynamic_shapes": _any_batch(), **ENDS}
        written = torch.onnx.export(program, opset_version=opset, **options)
        assert written is not None
        return written.model_proto


def _onnx_by_tracing(network: nn.Module, example: Tensor, opset: int) -> Any:
    content: Any = io.BytesIO()  # which torch takes, whatever its signature says
    axes = {name: {0: "batch"} for names in ENDS.values() for name in names}
    try:
        with quiet():
            options: dict[str, Any] = {"dynamo": False, "dynamic_axes": axes, **ENDS}
            torch.onnx.export(network, (example,), content, opset_version=opset, **options)
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"torch cannot export this {type(network).__name__} in opset {opset}: {reason}") from error
    return require("onnx", "export").load_from_string(content.getvalue())


def _read_onnx(path: Path, _: nn.Module) -> Network:
    session = require("onnxruntime", "export").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])


def _write_program(network: nn.Module, example: Tensor, facts: Facts, opset: int) -> bytes:
    program, content = _program(network, example), io.BytesIO()
    with quiet():
        torch.export.save(program, content, extra_files={FACTS: json.dumps(facts)})
    return content.getvalue()


def _read_program(path: Path, _: nn.Module) -> Network:
    with quiet():
        return torch.export.load(path).module()


def _write_weights(network: nn.Module, _: Tensor, facts: Facts, opset: int) -> bytes:
    tensors = {key: value.detach().clone().contiguous() for key, value in _bare(network).state_dict().items()}
    return to_safetensors(tensors, {"format": "pt", **facts})


def _read_weights(path: Path, fresh: nn.Module) -> Network:
    load_weights(_bare(fresh), path)
    return fresh


def _bare(network: nn.Module) -> nn.Module:
    """The network without what prepares its images."""
    return network.network if isinstance(network, PreprocessedNetwork) else network


@contextmanager
def quiet() -> Iterator[None]:
    """Without what torch's exporter says of its own code; warnings from elsewhere pass."""
    loggers = [logging.getLogger(name) for name in ("torch", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(torch|onnx|onnxscript|onnx_ir)(\.|$)")
            warnings.filterwarnings("ignore", "You are using the legacy TorchScript-based ONNX", DeprecationWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


FORMATS = {
    "onnx": Format(".onnx", ("onnx", "onnxscript", "onnxruntime"), "export", _write_onnx, _read_onnx),
    "torch-export": Format(".pt2", (), "lab", _write_program, _read_program),
    "safetensors": Format(".safetensors", ("safetensors",), "lab", _write_weights, _read_weights),
}
