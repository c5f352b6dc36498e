"""Which files are labelled with which class, read from any of three layouts.

class folders   root/bluebird/*.jpg, root/blue_jay/*.jpg
split folders   root/train/bluebird/*.jpg, root/val/..., root/test/...   (valid, validation: the same)
manifest        a CSV file with the columns path,label and, if wanted, split; paths count from its folder
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bluebird.errors import DataError
from bluebird.pixels.walk import check_folder, is_hidden, walk_files

SPLITS = ("train", "val", "test")
_SPLIT_OF = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled file; `split` is None where the layout leaves the split to us."""

    path: Path
    label: str
    split: str | None = None


@dataclass(frozen=True)
class Listing:
    """What a layout holds: samples in a fixed order, class names in the order of the network's outputs."""

    root: Path
    samples: list[Sample]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """Remarks on what was passed over, for the user to read."""


def read_layout(root: Path) -> Listing:
    """List the labelled files of a class folder, a split folder or a CSV manifest.

    Raises:
        DataError: nothing there, unreadable, fewer than two classes, a class that train does not
            have, or a manifest that is no manifest.
    """
    notes: list[str] = []
    samples = list(_from_manifest(root) if root.is_file() else _from_folders(root, notes))
    if not samples:
        raise DataError(f"{str(root)!r}: no pictures; expected one folder of pictures for each class")
    classes = tuple(sorted({sample.label for sample in samples}))
    _check_classes(root, samples, classes)
    return Listing(root, samples, classes, tuple(notes))


def _from_folders(root: Path, notes: list[str]) -> Iterator[Sample]:
    folders = _subfolders(root)
    train = next((folder for folder in folders if folder.name == "train"), None)
    if train is None or not _subfolders(train):
        yield from _from_classes(root, None, notes)
        return
    for folder in folders:
        if folder.name in _SPLIT_OF:
            yield from _from_classes(folder, _SPLIT_OF[folder.name], notes)
        else:
            notes.append(f"{str(folder)!r} left out: beside train/, only val/ and test/ are read")


def _from_classes(root: Path, split: str | None, notes: list[str]) -> Iterator[Sample]:
    for folder in _subfolders(root):
        files = [path for path in walk_files(folder) if not is_hidden(path, folder)]
        if not files:
            notes.append(f"{str(folder)!r} left out: an empty folder")
        for path in files:
            yield Sample(path, folder.name, split)


def _subfolders(root: Path) -> list[Path]:
    check_folder(root)
    return sorted(entry for entry in root.iterdir() if entry.is_dir() and not is_hidden(entry, root))


def _from_manifest(manifest: Path) -> Iterator[Sample]:
    seen: set[str] = set()
    try:
        with manifest.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            rows = csv.DictReader(file, strict=True)
            for row in _named_columns(rows, manifest):
                if row["path"] in seen:
                    raise DataError(f"{_place(manifest, rows)}: {row['path']!r} is listed twice")
                seen.add(row["path"])
                yield _sample(row, manifest, _place(manifest, rows))
    except (OSError, csv.Error) as error:
        raise DataError(f"{str(manifest)!r}: not a readable CSV file ({error})") from error


def _named_columns(rows: csv.DictReader[str], manifest: Path) -> Iterator[dict[str, str]]:
    columns = rows.fieldnames or []
    if not {"path", "label"} <= set(columns):
        found = ", ".join(columns) or "nothing"
        raise DataError(f"{str(manifest)!r}: expected the columns path,label[,split] on line 1; found {found}")
    yield from rows


def _sample(row: dict[str, str], manifest: Path, place: str) -> Sample:
    path, label, split = row["path"], row["label"], row.get("split") or None
    if not path or not label:
        raise DataError(f"{place}: path and label must not be empty")
    if split is not None and split not in _SPLIT_OF:
        raise DataError(f"{place}: split {split!r} is not one of train, val, test")
    return Sample(manifest.parent / path, label, split and _SPLIT_OF[split])


def _place(manifest: Path, rows: csv.DictReader[str]) -> str:
    return f"{str(manifest)!r} line {rows.line_num}"


def _check_classes(root: Path, samples: list[Sample], classes: tuple[str, ...]) -> None:
    garbled = next((name for name in classes if not name.isprintable()), None)
    if garbled is not None:
        raise DataError(f"{str(root)!r}: the class name {garbled!r} is not printable text; rename it")
    if len(classes) < 2:
        raise DataError(f"{str(root)!r}: only one class ({classes[0]!r}); expected one folder for each of two or more")
    trained = {sample.label for sample in samples if sample.split in (None, "train")}
    unseen = [name for name in classes if name not in trained]
    if unseen:
        raise DataError(
            f"{str(root)!r}: {', '.join(map(repr, unseen))} in val or test, but not in train; "
            "add training pictures of it or remove it"
        )
