"""Labelled pictures, from a folder to normalised batches, as Lightning wants them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from bluebird.errors import DataError, UnreadablePictureError, UsageError
from bluebird.pixels.augment.mix import mixing
from bluebird.pixels.cache import default_cache_dir, load_pictures
from bluebird.pixels.dataset import BalancedShuffle, EpochShuffle, PictureDataset, channel_stats
from bluebird.pixels.layout import SPLITS, Listing, read_layout
from bluebird.pixels.paint import paint_folder
from bluebird.pixels.split import assign_splits, count_leaks, fingerprint
from bluebird.pixels.transforms import Augment, eval_transform, train_transform

PAINTED = Path("data/painted")


class BirdData(L.LightningDataModule):
    """Batches of images float32 (N, 3, S, S), normalised, and targets int64 (N,).

    Where `augment` mixes pictures, targets of training batches are shares float32 (N, K), which sum to one.

    Args:
        root: class folders, split folders (train, val, test) or a CSV manifest; without it, the
            painted birds, which are painted into data/painted if they are not there yet.
        image_size: side S in px to which every picture is brought.
        batch_size: pictures in a batch.
        val_share: share of each class that validates, where the layout has no val split.
        test_share: share of each class that tests, where the layout has no test split.
        max_unreadable: share of files that may be unreadable before the run is refused.
        mean: three channel means on the scale 0 to 1; without them, those of the training split.
        std: three channel standard deviations, likewise.
        augment: how training pictures are varied.
        balanced_sampling: show each class equally often in an epoch, which keeps its length. It does what
            `model.balance` does by weights; both together would do it twice.
        seed: draws the splits and the order of the pictures.
        cache_dir: where decoded pictures are kept (default: ~/.cache/bluebird).
        num_threads: threads that decode.
    """

    def __init__(
        self,
        root: Path | None = None,
        image_size: int = 64,
        batch_size: int = 128,
        val_share: float = 0.15,
        test_share: float = 0.15,
        max_unreadable: float = 0.05,
        mean: list[float] | None = None,
        std: list[float] | None = None,
        augment: Augment = Augment(),  # noqa: B008 - frozen
        balanced_sampling: bool = False,
        seed: int = 0,
        cache_dir: Path | None = None,
        num_threads: int = 2,
    ) -> None:
        super().__init__()
        _check(image_size, batch_size, val_share, test_share, num_threads)
        _check_channels("mean", mean)
        _check_channels("std", std)
        self.root = root
        self.image_size = image_size
        self.batch_size = batch_size
        self.shares = {"val": val_share, "test": test_share}
        self.max_unreadable = max_unreadable
        self.given_mean, self.given_std = mean, std
        self.augment = augment
        self.balanced_sampling = balanced_sampling
        self.seed = seed
        self.cache_dir = cache_dir or default_cache_dir()
        self.num_threads = num_threads
        self.datasets: dict[str, PictureDataset] = {}

    def setup(self, stage: str | None = None) -> None:
        """Read, decode, split and measure; once, however often it is called.

        Afterwards `listing`, `classes`, `splits`, `drawn` (those of them that the layout did not have), `failures`,
        `digests` by row, `mean`, `std` and `fingerprint` are there.

        Raises:
            DataError: the folder cannot be trained on.
            OutputError: the cache or the painted set cannot be written.
        """
        if self.datasets:
            return
        self.listing = read_layout(self._root())
        pictures = load_pictures(
            [sample.path for sample in self.listing.samples],
            self.image_size,
            self.cache_dir,
            self.num_threads,
        )
        self.failures = [
            UnreadablePictureError(self.listing.samples[row].path, reason) for row, reason in pictures.failures.items()
        ]
        _refuse_unreadable(self.listing, self.failures, self.max_unreadable)
        rows = [row for row in range(len(self.listing.samples)) if row not in pictures.failures]
        digests = [pictures.digests[row] for row in rows]
        self.digests = dict(zip(rows, digests, strict=True))
        samples = [self.listing.samples[row] for row in rows]
        self.classes = self.listing.classes
        self.splits = assign_splits(samples, digests, self.shares, self.seed)
        given = {sample.split for sample in samples}
        self.drawn = [split for split in self.shares if split not in given]
        self.leaks = count_leaks(digests, self.splits)
        self._measure(pictures.pixels, rows, digests)
        _refuse_unlearnt(self.listing, dict(zip(self.classes, self.class_counts, strict=True)), pictures.failures)

    def _root(self) -> Path:
        if self.root is None:
            paint_folder(PAINTED)
            return PAINTED
        return self.root

    def _measure(self, pixels: Tensor, rows: list[int], digests: list[str]) -> None:
        index = {name: number for number, name in enumerate(self.classes)}
        targets = torch.tensor([index[sample.label] for sample in self.listing.samples])
        for split in SPLITS:
            chosen = [row for row, name in zip(rows, self.splits, strict=True) if name == split]
            self.datasets[split] = PictureDataset(pixels, torch.tensor(chosen, dtype=torch.int64), targets)
        train = self.datasets["train"]
        self.class_counts = torch.bincount(targets[train.rows], minlength=len(self.classes)).tolist()
        if self.given_mean and self.given_std:
            self.mean, self.std = self.given_mean, self.given_std
        else:
            mean, std = channel_stats(pixels, train.rows)
            self.mean, self.std = self.given_mean or mean, self.given_std or std
        labels = [self.listing.samples[row].label for row in rows]
        self.fingerprint = fingerprint(labels, digests, self.splits)
        self._train_transform = train_transform(self.mean, self.std, self.augment)
        self._eval_transform = eval_transform(self.mean, self.std)
        self._mix = mixing(self.augment.mixup, self.augment.cutmix, len(self.classes))

    def train_dataloader(self) -> DataLoader[Any]:
        self._refuse_mixing_by_hand()
        train = self.datasets["train"]
        if self.balanced_sampling:
            sampler: EpochShuffle = BalancedShuffle(train.targets[train.rows], self.seed)
        else:
            sampler = EpochShuffle(len(train), self.seed)
        devices = self.trainer.world_size if self.trainer else 1
        return self._loader("train", sampler=sampler, drop_last=len(train) > devices * self.batch_size)

    def _refuse_mixing_by_hand(self) -> None:
        by_hand = self.trainer is not None and not self.trainer.lightning_module.automatic_optimization
        if self._mix is not None and by_hand:
            raise UsageError(
                "data.augment.mixup or cutmix is set and model.by_hand is on: by hand a picture has one class; "
                "leave one of the two out"
            )

    def val_dataloader(self) -> DataLoader[Any]:
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[Any]:
        return self._loader("test")

    def _loader(self, split: str, **options: Any) -> DataLoader[Any]:
        # No workers: a gather from mapped memory takes less time than sending a batch between processes.
        # A generator of its own: a loader draws a number whenever it starts, which after an interruption
        # is at another moment, and would move all that dropout and augmentation draw from then on.
        return DataLoader(
            self.datasets[split], self.batch_size, collate_fn=_as_it_is, generator=torch.Generator(), **options
        )

    def on_after_batch_transfer(self, batch: tuple[Tensor, Tensor], dataloader_idx: int) -> tuple[Tensor, Tensor]:
        """Bytes travel to the device; there they become floats, varied if they are to be learnt from."""
        images, targets = batch
        learning = self.trainer is not None and self.trainer.training
        images = (self._train_transform if learning else self._eval_transform)(images)
        if learning and self._mix is not None:
            images, targets = self._mix(images, targets)
        return (images if self.trainer is None else images.to(self.trainer.lightning_module.dtype)), targets


def _as_it_is(batch: Any) -> Any:
    return batch


def _refuse_unreadable(listing: Listing, failures: Sequence[UnreadablePictureError], limit: float) -> None:
    total = len(listing.samples)
    if failures and len(failures) == total:
        raise DataError(f"{str(listing.root)!r}: none of the {total} files can be read; the first: {failures[0]}")
    if len(failures) > limit * total:
        raise DataError(
            f"{str(listing.root)!r}: {len(failures)} of {total} files cannot be read, more than the allowed share "
            f"of {limit:g} (--data.max_unreadable); the first: {failures[0]}"
        )


def _refuse_unlearnt(listing: Listing, counts: dict[str, int], failures: dict[int, str]) -> None:
    unlearnt = [name for name, count in counts.items() if not count]
    if not unlearnt:
        return
    samples = [(listing.samples[row], reason) for row, reason in failures.items()]
    first = next((UnreadablePictureError(one.path, reason) for one, reason in samples if one.label in unlearnt), None)
    raise DataError(
        f"{str(listing.root)!r}: no picture of {', '.join(map(repr, unlearnt))} is left to learn from; add some, or "
        f"remove the class{f'; a file of it that cannot be read: {first}' if first else ''}"
    )


def _check(image_size: int, batch_size: int, val_share: float, test_share: float, num_threads: int) -> None:
    for name, value in (("image_size", image_size), ("batch_size", batch_size), ("num_threads", num_threads)):
        if value < 1:
            raise UsageError(f"data.{name} is {value}; expected a whole number of at least 1")
    for name, share in (("val_share", val_share), ("test_share", test_share)):
        if not 0 < share < 1:
            raise UsageError(f"data.{name} is {share}; expected a share between 0 and 1")
    if val_share + test_share >= 1:
        raise UsageError(f"data.val_share + data.test_share is {val_share + test_share:g}; nothing is left to train")


def _check_channels(name: str, values: Sequence[float] | None) -> None:
    if values is None:
        return
    if len(values) != 3:
        raise UsageError(f"data.{name} has {len(values)} number(s); expected three, for red, green and blue")
    if name == "std" and min(values) <= 0:
        raise UsageError(f"data.std is {list(values)}; expected three numbers above 0")
