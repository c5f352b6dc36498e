"""Small pictures, and archives with chosen members."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Members = Mapping[str, bytes] | Iterable[tuple[str, bytes]]


@pytest.fixture
def make_archive() -> Callable[[Path, Members], Path]:
    """Writes a zip or tar file, as the ending says: `make_archive(path, {"a/b.png": data})`."""

    def make(path: Path, members: Members) -> Path:
        pairs = members.items() if isinstance(members, Mapping) else members
        (_write_zip if path.suffix == ".zip" else _write_tar)(path, pairs)
        return path

    return make


def _write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    mode = {".tar": "w:", ".tgz": "w:gz"}.get(path.suffix, f"w:{path.suffix[1:]}")
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def _write_zip(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(path, "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some tests want members of one name
        for name, data in members:
            file.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)  # ZipInfo: the name as it is


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[Path]:
    """A folder of somebody who may not read everything: the superuser becomes nobody for the length of a test."""
    if os.geteuid() != 0:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


@pytest.fixture
def pictures() -> dict[str, bytes]:
    """Names and PNG files, each different from the others."""
    names = ["x.png", "sub/y.png", "sub/deep/z.PNG", "a name with blanks é.png"]
    return {name: _png(20 * number) for number, name in enumerate(names)}


def _png(shade: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((6, 8, 3), shade, np.uint8)).save(file, "PNG")
    return file.getvalue()
