"""A trained network written for other libraries and other programs, and checked against torch before it is used.

Beside each bundle may lie, with what they are made from and how they were checked in `NAME.json`:

model.pt2        torch         an exported program of torch
model.onnx       onnx          ONNX
model.xml        openvino      OpenVINO's own form, with model.bin
model.int8.xml   openvino-int8 the same, computing with whole numbers of 8 bits

Each takes `pixels` uint8 (N, 3, S, S), RGB, and gives what `whole.OUTPUTS` names: no mean or std to look up.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from bluebird.bundle import Bundle, versions
from bluebird.engines import FILES
from bluebird.engines.engine import Runtime
from bluebird.engines.libraries import library
from bluebird.engines.native import Torch
from bluebird.engines.onnx import Onnx
from bluebird.engines.openvino import OpenVino
from bluebird.engines.whole import OUTPUTS, example, fused
from bluebird.errors import BundleError, OutputError
from bluebird.files import write_whole

_LIBRARIES = {"torch": [], "onnx": ["onnxruntime", "onnxscript"], "openvino": ["openvino"]}
_LIBRARIES["openvino-int8"] = ["openvino", "nncf"]
_FORMAT = "bluebird-export-1"
_FAR = 1e-3  # in probability: float32 in another order of additions is a thousand times nearer
_BATCH = 16


@dataclass(frozen=True)
class Check:
    """How an export answers beside torch: on how many pictures, the greatest difference of a probability, and the
    share of pictures whose first class is the same."""

    pictures: int
    greatest_difference: float
    same_first: float


def export(model: Bundle, kind: str, folder: Path, pictures: Tensor) -> Check:
    """Write the files of `kind` into `folder`, whole or not at all, after they have been checked.

    Args:
        model: what to write.
        kind: of `FILES`.
        folder: of the bundle.
        pictures: uint8 (M, 3, S, S) to check on; `openvino-int8` learns from them how far the numbers reach.

    Raises:
        UsageError: a library is missing.
        BundleError: the network cannot be written so, or it answers differently then.
        OutputError: the folder cannot be written.
    """
    for name in _LIBRARIES[kind]:
        library(name)
    with _said_in_a_line(kind, folder), TemporaryDirectory(prefix=".export-", dir=folder) as aside:
        files = [Path(aside) / name for name in FILES[kind]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # exporters talk to those who write networks
            _write(model, kind, files[0], pictures)
        check = _check(model, _runtime(kind, files[0]), pictures)
        if check.greatest_difference > _FAR and kind != "openvino-int8":
            raise BundleError(f"{kind}: answers up to {check.greatest_difference:.2g} off those of torch; not written")
        card = {
            "format": _FORMAT,
            "model": model.fingerprint,
            "files": {file.name: _digest(file) for file in files},
            "check": asdict(check),
            "versions": versions() | {name: version(name) for name in _LIBRARIES[kind]},
        }
        for file in files:
            file.replace(folder / file.name)
        write_whole(_card(kind, folder), (json.dumps(card, indent=2) + "\n").encode())
    return check


def open_export(model: Bundle, kind: str, folder: Path) -> tuple[Runtime, str]:
    """The runtime of an export beside a bundle, and a fingerprint of what decides on its scores.

    Raises:
        UsageError: the library is missing.
        BundleError: there is no such export there, or not of this model, or it is damaged.
    """
    card, file = _card(kind, folder), folder / FILES[kind][0]
    anew = f"write it with: bluebird export MODEL --to {kind}"
    try:
        said = json.loads(card.read_bytes())
        digests = {name: _digest(folder / name) for name in FILES[kind]}
    except FileNotFoundError as error:
        raise BundleError(f"{str(error.filename)!r}: not there; {anew}") from None
    except (ValueError, OSError) as error:
        raise BundleError(f"{str(card)!r}: cannot be read ({error}); {anew}") from error
    if not isinstance(said, dict) or said.get("format") != _FORMAT or said.get("files") != digests:
        raise BundleError(f"{str(file)!r}: truncated or altered since it was written; {anew}")
    if said.get("model") != model.fingerprint:
        raise BundleError(f"{str(file)!r}: made from another model than the one beside it; {anew}")
    fingerprint = hashlib.sha256(json.dumps([kind, model.fingerprint, digests]).encode()).hexdigest()[:32]
    return _runtime(kind, file), fingerprint


def _card(kind: str, folder: Path) -> Path:
    return folder / f"{FILES[kind][0]}.json"


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _runtime(kind: str, file: Path) -> Runtime:
    if kind == "torch":
        return Program(file)
    return Onnx(file) if kind == "onnx" else OpenVino(file)


class Program:
    """Asks an exported program of torch."""

    streams = 1

    def __init__(self, file: Path) -> None:
        self._network = torch.export.load(file).module()

    def enter_thread(self) -> None:
        pass

    @torch.inference_mode()
    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        probs, logits, features = self._network(pixels)
        return probs, logits, features


def _write(model: Bundle, kind: str, file: Path, pictures: Tensor) -> None:
    inputs = (example(model, 2),)
    program = torch.export.export(fused(model), inputs, dynamic_shapes=({0: torch.export.Dim("pictures")},))
    if kind == "torch":
        torch.export.save(program, file)
    elif kind == "onnx":
        torch.onnx.export(
            program, inputs, file, dynamo=True, verbose=False, external_data=False,
            input_names=["pixels"], output_names=list(OUTPUTS),
        )  # fmt: skip
    else:
        _write_openvino(program, file, pictures if kind == "openvino-int8" else None)


def _write_openvino(program: Any, file: Path, pictures: Tensor | None) -> None:
    openvino = library("openvino")
    converted = openvino.convert_model(program)
    for output, name in zip(converted.outputs, OUTPUTS, strict=True):
        output.get_tensor().set_names({name})
    if pictures is not None:
        nncf = library("nncf")
        batches = [part.contiguous().numpy() for part in torch.split(pictures, _BATCH)]
        converted = nncf.quantize(converted, nncf.Dataset(batches), subset_size=len(batches))
    openvino.save_model(converted, file, compress_to_fp16=False)


def _check(model: Bundle, runtime: Runtime, pictures: Tensor) -> Check:
    with ThreadPoolExecutor(1, initializer=runtime.enter_thread) as thread:
        got = thread.submit(_probs, runtime, pictures).result()
    expected = _probs(Torch(model), pictures)
    same = (expected.argmax(1) == got.argmax(1)).float().mean()
    return Check(len(pictures), float((expected - got).abs().max()), float(same))


def _probs(runtime: Runtime, pictures: Tensor) -> Tensor:
    return torch.cat([runtime(part)[0] for part in torch.split(pictures, _BATCH)])


@contextmanager
def _said_in_a_line(kind: str, folder: Path) -> Iterator[None]:
    """Exporters raise whatever they meet; none of it is a reason for a traceback."""
    try:
        yield
    except (BundleError, OutputError):
        raise
    except OSError as error:
        raise OutputError(f"{str(folder)!r}: the export cannot be written ({error.strerror or error})") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise BundleError(f"this network cannot be written for {kind} ({type(error).__name__}: {reason})") from error
