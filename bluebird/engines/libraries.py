"""The libraries of other engines, which are extras; none of them may tell anybody what is searched here."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from importlib import import_module
from types import ModuleType
from typing import Any

from bluebird.errors import UsageError

_EXTRAS = {"onnxruntime": "onnx", "onnxscript": "onnx", "openvino": "openvino", "nncf": "int8"}


def library(name: str) -> Any:
    """`onnxruntime`, `onnxscript`, `openvino` or `nncf`, with its reports to its makers switched off.

    Raises:
        UsageError: it is not installed.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    sys.modules.setdefault("openvino_telemetry", _NOBODY)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about themselves
            module = import_module(name)
    except ImportError:
        raise UsageError(f"{name} is needed and not installed: pip install 'bluebird[{_EXTRAS[name]}]'") from None
    for speaker in (name, "torch.utils.cpp_extension"):  # the second says, to nncf, that there is no GPU
        logging.getLogger(speaker).setLevel(logging.ERROR)
    return module


_NOBODY: ModuleType = None  # type: ignore[assignment]  # an entry of None: "not installed", which both ask for
