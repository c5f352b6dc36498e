"""What is learnt from the same photos and weights in the same minutes: Bluebird and what one would pick instead.

    python benchmarks/learn_peers.py PHOTOS WEIGHTS --target Indigo_Bunting
    python benchmarks/learn_peers.py PHOTOS WEIGHTS --same-padding --mean .5 .5 .5 --std .5 .5 .5 --minutes 5 --seeds 3
    python benchmarks/learn_peers.py PHOTOS --scratch --side 64 --config configs/cnn.yaml --more --trainer.max_epochs 20

PHOTOS holds train/CLASS and test/CLASS; WEIGHTS is a state dict of torchvision's mobilenet_v2. Whole processes, one
after the other, from their start to their answers; all get the same draw of val out of train by seed, and the test
photos are asked about once. scikit-learn and Bluebird stop when they are done; fastai's `fine_tune`, the parts of
timm's train.py and Ultralytics' classification trainer take as many epochs as the minutes allow: their schedules follow
the clock, and what it takes to measure their first steps, by which they plan, counts for none of the minutes. With
--scratch these three begin with drawn weights of the same network, Bluebird with the network of its --config, and
scikit-learn has no part. The peers' settings stand in benchmarks/peers/learn_with_*.py; one thing is added to them:
norms whose statistics were multiplied into the kernels stay in evaluation, since in training they would undo every
layer. Such weights want a small rate for all but the head: fastai gives them that, for timm and Ultralytics --lr may
give a lower one. They live in an environment of their own (--peers), made where it is not there yet.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import numpy.typing as npt
from search_peers import ROOT, peers_python, run

from bluebird.pixels.layout import read_layout
from bluebird.pixels.split import assign_splits
from bluebird.quality.ranking import average_precision, ranking

NETWORK = "mobilenet_v2"
PEERS = ("sklearn", "fastai", "timm", "ultralytics")


@dataclass(frozen=True)
class Answer:
    """Probabilities (N, K) of the test photos, by class and name, in so many seconds; and a word on how."""

    probs: npt.NDArray[np.float64]
    seconds: float
    note: str


def draw(options: argparse.Namespace, seed: int, place: Path) -> Path:
    """A copy of the photos with val drawn out of train, as Bluebird draws it.

    A copy, because Ultralytics lays lists beside the photos.
    """
    samples = read_layout(options.photos).samples
    digests = [hashlib.blake2b(sample.path.read_bytes()).hexdigest() for sample in samples]
    splits = assign_splits(samples, digests, {"val": options.val_share}, seed)
    for sample, split in zip(samples, splits, strict=True):
        folder = place / "photos" / split / sample.label
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sample.path, folder / sample.path.name)
    return place / "photos"


def bluebird(options: argparse.Namespace, photos: Path, seed: int, place: Path) -> Answer:
    command = [
        sys.executable, "scripts/train.py", "--config", str(options.config), "--data.root", str(photos),
        *([] if options.scratch else _weights(options)), "--data.image_size", str(options.side), *options.more,
        "--seed_everything", str(seed), "--data.cache_dir", str(place / "cache"), "--runs_dir", str(place / "runs"),
        "--name", "own", "--target", options.target,
    ]  # fmt: skip
    seconds = run(command, ROOT)
    model = place / "runs/own/version_0"
    asked = [sys.executable, "scripts/predict.py", str(model), str(photos / "test"), "--out", str(place / "o")]
    seconds += run([*asked, "--target", options.target, "--page-limit", "1"], ROOT)
    return Answer(_probs(options, place / "o", model), seconds, " ".join([options.config.stem, *options.more]))


def _weights(options: argparse.Namespace) -> list[str]:
    padding = ["--model.network.init_args.padding", "same"] if options.same_padding else []
    return [
        "--weights", str(options.weights), "--data.mean", str(options.mean), "--data.std", str(options.std),
        "--model.network.init_args.name", NETWORK, *padding,
    ]  # fmt: skip


def _probs(options: argparse.Namespace, out: Path, model: Path) -> npt.NDArray[np.float64]:
    import sqlite3

    with sqlite3.connect(out / "finds.sqlite") as ledger:
        rows = dict(ledger.execute("SELECT path, probs FROM pictures WHERE status = 'scored'"))
    return np.stack([np.frombuffer(rows[f"{label}/{name}"], "<f4") for label, name in names(options)]).astype(float)


def peer(name: str, python: Path, options: argparse.Namespace, photos: Path, seed: int, place: Path) -> Answer:
    job, out = place / f"{name}.json", place / f"{name}.npz"
    job.write_text(json.dumps({
        "photos": str(photos), "network": NETWORK,
        "weights": None if options.scratch else str(options.weights.absolute()),
        "same_padding": options.same_padding, "mean": options.mean, "std": options.std, "side": options.side,
        "minutes": options.minutes, "started": time.time(), "seed": seed, "lr": options.lr, "out": str(out),
    }))  # fmt: skip
    seconds = run([str(python), str(ROOT / f"benchmarks/peers/learn_with_{name}.py"), str(job)], place)
    with np.load(out) as found:
        return Answer(found["probs"].astype(float), seconds - float(found["rehearsed"]), str(found["note"]))


def names(options: argparse.Namespace) -> list[tuple[str, str]]:
    """Class and file name of the test photos, in the order of the peers' answers."""
    folders = sorted((options.photos / "test").iterdir())
    return [(folder.name, file.name) for folder in folders for file in sorted(folder.iterdir())]


def figures(options: argparse.Namespace, answer: Answer) -> tuple[float, float]:
    """Accuracy, and average precision of the target."""
    labels = [label for label, _ in names(options)]
    classes = sorted(set(labels))
    targets = np.array([classes.index(label) for label in labels])
    column = next(number for number, label in enumerate(classes) if options.target in label)
    order = ranking(answer.probs[:, column].clip(0, 1), targets == column)
    return float(np.mean(answer.probs.argmax(1) == targets)), average_precision(order)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("photos", type=Path, metavar="PHOTOS")
    add("weights", type=Path, nargs="?", metavar="WEIGHTS")
    add("--scratch", action="store_true", help="no WEIGHTS: all begin with drawn ones")
    add("--target", default="Indigo_Bunting", metavar="CLASS", help="a part of its name (default: Indigo_Bunting)")
    add("--same-padding", action="store_true", help="the weights come from TensorFlow")
    add("--mean", type=float, nargs=3, default=[0.485, 0.456, 0.406], help="default: ImageNet's")
    add("--std", type=float, nargs=3, default=[0.229, 0.224, 0.225])
    add("--side", type=int, default=224, metavar="PX", help="of the photos as the networks see them (default: 224)")
    add("--val-share", type=float, default=0.15, help="of train, where PHOTOS has no val (default: 0.15)")
    add("--minutes", type=float, default=5, help="for each tool and seed (default: 5)")
    add("--seeds", type=int, default=1, help="default: 1")
    add("--lr", type=float, metavar="RATE", help="of timm, fastai and Ultralytics (default: what each has of its own)")
    add("--only", choices=("bluebird", *PEERS), action="append", help="may be given again (default: all)")
    add("--config", type=Path, default=Path("configs/probe.yaml"), help="Bluebird's (default: configs/probe.yaml)")
    add("--more", nargs=argparse.REMAINDER, default=[], help="last: further options of Bluebird's training")
    add("--peers", type=Path, default=ROOT / ".peers", metavar="VENV", help="their environment (default: .peers)")
    options = parser.parse_args(arguments)
    if options.scratch == bool(options.weights):
        parser.error("give WEIGHTS, from which all learn, or --scratch and no WEIGHTS")
    if "--data.val_share" in options.more:
        parser.error("--data.val_share is Bluebird's alone; give --val-share, before --more: one draw for all")
    if options.scratch and "sklearn" in (options.only or ()):
        parser.error("--only sklearn with --scratch: it would take features of drawn weights; leave one of the two out")
    able = [name for name in ("bluebird", *PEERS) if not (options.scratch and name == "sklearn")]
    options.only = options.only or able
    options.photos = options.photos.absolute()
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    python = peers_python(options.peers)
    listed = "import importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in %r), sep=', ')"
    packages = ("scikit-learn", "fastai", "timm", "ultralytics", "torch", "torchvision")
    subprocess.run([python, "-c", listed % (packages,)], check=True)
    print(f"{'':<12}{'accuracy':>18}{'average precision':>24}{'seconds':>10}", flush=True)
    for name in options.only:
        answers = []
        for seed in range(options.seeds):
            with tempfile.TemporaryDirectory() as folder:
                place = Path(folder)
                photos = draw(options, seed, place)
                answers.append(
                    bluebird(options, photos, seed, place)
                    if name == "bluebird"
                    else peer(name, python, options, photos, seed, place)
                )
        print_line(name, [figures(options, answer) for answer in answers], answers)


def print_line(name: str, measured: Sequence[tuple[float, float]], answers: Sequence[Answer]) -> None:
    columns = []
    for values, form in zip(zip(*measured, strict=True), ("{:.1%}", "{:.3f}"), strict=True):
        spread = f" ± {form.format(statistics.stdev(values))}" if len(values) > 1 else ""
        columns.append(form.format(statistics.mean(values)) + spread)
    seconds = statistics.median(answer.seconds for answer in answers)
    print(f"{name:<12}{columns[0]:>18}{columns[1]:>24}{seconds:>10.0f}  {answers[-1].note}", flush=True)


if __name__ == "__main__":
    main()
