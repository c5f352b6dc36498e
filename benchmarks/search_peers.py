"""`bluebird predict` against what one would pick instead: whole processes, from their start to their end.

    python benchmarks/search_peers.py PHOTOS --large-photos CAMERA               everything, one to two hours
    python benchmarks/search_peers.py PHOTOS --only cnn --photos 200 --rounds 1  a look, a minute

All sides get the same files, the same architecture and the same weights, squash the whole photo to a
square (bilinear, antialiased), and give probabilities by name, which are compared. Weights are random,
batch norm as after a training. The peers' settings stand at the head of benchmarks/peers/with_*.py: batches
of 64, two workers, channels last, not compiled; a peer may have quicker ones. All take turns, after one short
run each that is not counted; a ratio is the peer's time by Bluebird's in the same round, its median over all
rounds and, in brackets, its least and greatest.

The peers live in an environment of their own (--peers), made by venv and pip where it is not there yet.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import numpy.typing as npt
from peers.prepare import CLASSES, MEAN, STD, copy_photos, multiply_photos, write_network

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = [*(f"{name}=={version(name).split('+')[0]}" for name in ("torch", "torchvision", "pillow")),
                "timm", "fastai", "ultralytics", "scikit-learn"]  # fmt: skip

Answers = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Case:
    """One comparison: a network at a size, and who is compared."""

    network: str
    image_size: int
    peers: tuple[str, ...]
    large: bool = False


CASES = {
    "resnet18": Case("resnet18", 224, ("timm", "torchvision", "fastai", "ultralytics")),
    "mobilenet": Case("mobilenet_v3_small", 224, ("timm", "torchvision", "fastai", "ultralytics")),
    "cnn": Case("CNN", 64, ("timm", "torchvision", "fastai")),
    "large": Case("mobilenet_v3_small", 224, ("torchvision", "ultralytics"), large=True),
}


class Bluebird:
    """The command, with one of its engines."""

    def __init__(self, engine: str, photos: Path, model: Path) -> None:
        self.name, self._bundle, self._out = engine, model / "bundle", model / f"finds_{engine}"
        self._engine = ["--engine", engine]
        if engine != "torch":
            pictures = ["--pictures", str(photos)]
            run([sys.executable, "scripts/export.py", str(self._bundle), "--to", engine, *pictures], ROOT)

    def seconds(self, photos: Path) -> float:
        shutil.rmtree(self._out, ignore_errors=True)
        options = ["--target", CLASSES[0], "--out", str(self._out), "--page-limit", "1", *self._engine]
        return run([sys.executable, "-m", "bluebird", "predict", str(self._bundle), str(photos), *options], ROOT)

    def answers(self) -> Answers:
        with sqlite3.connect(self._out / "finds.sqlite") as ledger:
            rows = ledger.execute("SELECT path, probs FROM pictures WHERE status = 'scored'")
            return {path: np.frombuffer(probs, "<f4") for path, probs in rows}


class Peer:
    """A program in benchmarks/peers, in the peers' environment."""

    def __init__(self, name: str, case: Case, model: Path, python: Path) -> None:
        self.name, self._case, self._model = name, case, model
        self._command = [str(python), str(ROOT / "benchmarks/peers" / f"with_{name}.py"), str(model / f"{name}.json")]

    def seconds(self, photos: Path) -> float:
        case, given, out = self._case, Path(self._command[-1]), self._model / f"{self.name}.npz"
        job = {
            "photos": str(photos), "network": "" if case.network == "CNN" else case.network,
            "weights": str(self._model / "weights"), "num_classes": len(CLASSES), "image_size": case.image_size,
            "mean": MEAN, "std": STD, "out": str(out),
        }  # fmt: skip
        given.write_text(json.dumps(job), encoding="utf-8")
        out.unlink(missing_ok=True)
        return run(self._command, self._model)

    def answers(self) -> Answers:
        with np.load(self._model / f"{self.name}.npz") as found:
            return dict(zip(found["names"].tolist(), found["probs"], strict=True))


def run(command: Sequence[str], folder: Path) -> float:
    """Run to the end; seconds."""
    # Ultralytics would ask the network and keep settings in the home folder
    own = {"YOLO_OFFLINE": "true", "YOLO_CONFIG_DIR": str(folder)}
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=os.environ | own, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stderr[-2000:]}")
    return seconds


def peers_python(place: Path) -> Path:
    """The Python of the peers' environment, which is made if it is not there; of all benchmarks with peers."""
    python = place / "bin/python"
    if not python.exists():
        print(f"making {place}: {' '.join(REQUIREMENTS)}", flush=True)
        run([sys.executable, "-m", "venv", str(place)], ROOT)
        run([str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS], ROOT)
    return python


def compare(
    title: str, case: Case, photos: Path, place: Path, engines: Sequence[str], python: Path, rounds: int
) -> None:
    """Measure all sides in turn and print a line for each pair."""
    model, few = place / title, place / f"{title}_few"
    model.mkdir()
    write_network(case.network, case.image_size, place / "photos", model)  # a few large ones would not do
    copy_photos(photos, few, 16)
    own = [Bluebird(engine, photos, model) for engine in engines]
    peers = [Peer(name, case, model, python) for name in case.peers]
    sides: list[Bluebird | Peer] = [*own, *peers]
    times: dict[str, list[float]] = {}
    for side in sides:
        side.seconds(few)
    for number in range(rounds):
        for side in sides[:: 1 if number % 2 else -1]:
            times.setdefault(side.name, []).append(side.seconds(photos))
    for mine in own:
        for peer in peers:
            print_pair(title, mine, peer, times)


def print_pair(title: str, own: Bluebird, peer: Peer, times: dict[str, list[float]]) -> None:
    mine, theirs = own.answers(), peer.answers()
    if mine.keys() != theirs.keys():
        raise SystemExit(f"{title}: {own.name} answered for {len(mine)} photos, {peer.name} for {len(theirs)} others")
    left, right = (np.stack([answers[name] for name in sorted(mine)]) for answers in (mine, theirs))
    ratios = [slow / quick for quick, slow in zip(times[own.name], times[peer.name], strict=True)]
    rates = [len(mine) / statistics.median(times[side.name]) for side in (own, peer)]
    print(
        f"{title:<11}{own.name:<10}{peer.name:<13}{rates[0]:>8.1f}{rates[1]:>9.1f}"
        f"{statistics.median(ratios):>9.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"
        f"{np.abs(left - right).max():>11.1e}{100 * np.mean(left.argmax(1) == right.argmax(1)):>10.2f} %",
        flush=True,
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("photos", type=Path, metavar="PHOTOS", help="a folder with JPEG files anywhere below it")
    add("--large-photos", type=Path, metavar="CAMERA", help="a folder of large photos, multiplied, for `large`")
    add("--only", choices=list(CASES), action="append", help="only this comparison; may be given again")
    add("--engines", nargs="+", default=["torch"], metavar="ENGINE", help="torch, onnx, openvino (default: torch)")
    add("--photos", dest="count", type=int, default=2000, metavar="N", help="how many of PHOTOS (default: 2000)")
    add("--large-count", type=int, default=1000, metavar="N", help="how many large ones (default: 1000, some 3 GB)")
    add("--rounds", type=int, default=3, help="default: 3")
    add("--peers", type=Path, default=ROOT / ".peers", metavar="VENV", help="their environment (default: .peers)")
    options = parser.parse_args()
    for folder in filter(None, (options.photos, options.large_photos)):
        if not any(folder.rglob("*.jpg")):
            parser.error(f"{str(folder)!r}: no .jpg files there; name a folder that has some")
    options.only = options.only or [name for name in CASES if options.large_photos or not CASES[name].large]
    if not options.large_photos and any(CASES[name].large for name in options.only):
        parser.error("--only large needs --large-photos")
    return options


def main() -> None:
    options = parse()
    python = peers_python(options.peers)
    listed = "import importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in %r), sep=', ')"
    names = ("timm", "fastai", "ultralytics", "torch", "torchvision", "pillow", "opencv-python")
    subprocess.run([python, "-c", listed % (names,)], check=True)
    print(f"{'':<11}{'engine':<10}{'peer':<13}{'pictures a second':>17}{'ratio':>10}{'greatest':>27}{'same':>10}")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        copy_photos(options.photos, place / "photos", options.count)
        if any(CASES[name].large for name in options.only):
            multiply_photos(options.large_photos, place / "large_photos", options.large_count)
        for name in options.only:
            photos = place / ("large_photos" if CASES[name].large else "photos")
            compare(name, CASES[name], photos, place, options.engines, python, options.rounds)


if __name__ == "__main__":
    main()
