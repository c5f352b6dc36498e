"""What each piece of the training craft is worth: the recipe without it, or with it where the recipe has it not.

    python benchmarks/ablation.py PHOTOS
    python benchmarks/ablation.py PHOTOS --seeds 1 --only crops --more --trainer.max_epochs 40
    python benchmarks/ablation.py cifar10 --per-class 100 --seeds 1 --more --data.image_size 32 \
        --model.network.init_args.widths "[32, 64, 128]" --trainer.max_epochs 60

PHOTOS holds train/CLASS and test/CLASS. Every line is `scripts/train.py --config configs/no_weights.yaml` with the
options that stand in it, from the same seeds; what is told is the accuracy on test, and the difference to the recipe,
in points, seed by seed: its mean and the standard error of that. Two trainings run at a time, one thread each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECIPE = "the recipe"

PIECES: dict[str, list[str]] = {
    RECIPE: [],
    "without flip": ["--data.augment.flip", "false"],
    "with crops": ["--data.augment.zoom", "0.4", "--data.augment.aspect", "0.25"],
    "with shift": ["--data.augment.shift", "0.1"],
    "without TrivialAugment": ["--data.augment.policy", "none"],
    "RandAugment instead": ["--data.augment.policy", "rand"],
    "with erasing": ["--data.augment.erase", "0.25"],
    "with mixup": ["--data.augment.mixup", "0.2"],
    "with cutmix": ["--data.augment.cutmix", "1.0"],
    "without label smoothing": ["--model.label_smoothing", "0"],
    "without ema": ["--ema.decay", "null"],
    "stochastic averaging instead": ["--ema.decay", "null", "--swa.start", "0.75"],
    "constant rate": ["--model.schedule", "constant"],
    "without warm-up": ["--model.warmup", "0"],
    "without dropout": ["--model.network.init_args.dropout", "0"],
    "without mirrored look": ["--model.network.init_args.mirror", "false"],
    "AdamW instead of Muon": ["--model.optimizer", "torch.optim.AdamW", "--model.optimizer.init_args.lr", "0.005",
                              "--model.optimizer.init_args.weight_decay", "0.05"],
    "SGD instead of Muon": ["--model.optimizer", "torch.optim.SGD", "--model.optimizer.init_args.lr", "0.1",
                            "--model.optimizer.init_args.momentum", "0.9",
                            "--model.optimizer.init_args.weight_decay", "0.0005"],
    "with clipping": ["--trainer.gradient_clip_val", "1.0"],
    "half batches, accumulated": ["--data.batch_size", "32", "--trainer.accumulate_grad_batches", "2"],
    "with balanced sampling": ["--data.balanced_sampling", "true"],
}  # fmt: skip


def accuracies(name: str, options: argparse.Namespace, place: Path) -> list[float]:
    """On test, of each seed."""
    run = name.replace(" ", "_").replace(",", "")
    command = [
        sys.executable, "scripts/train.py", "--config", str(options.config), "--data.root", str(options.photos),
        *PIECES[name], *options.more, "--seeds", ",".join(map(str, range(options.seeds))) + ",",
        "--data.cache_dir", str(place / "cache"), "--runs_dir", str(place), "--name", run,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr.strip()[-2000:]}")
    figures = json.loads((place / run / "seeds.json").read_text(encoding="utf-8"))["seeds"]
    return [one["test/accuracy"] for one in figures.values()]


def fewer(photos: Path, per_class: int | None, place: Path) -> Path:
    """The folder itself, or one of links to the first photos of each class of train, and to all of test."""
    if per_class is None:
        return photos
    for label in (photos / "train").iterdir():
        (place / "train" / label.name).mkdir(parents=True)
        for file in sorted(label.iterdir())[:per_class]:
            (place / "train" / label.name / file.name).symlink_to(file)
    (place / "test").symlink_to(photos / "test")
    return place


def line(name: str, found: Sequence[float], recipe: Sequence[float]) -> str:
    text = f"{name:<28}{statistics.mean(found):>8.1%}"
    if name == RECIPE:
        return text + (f"  (± {statistics.stdev(found):.1%} from seed to seed)" if len(found) > 1 else "")
    gaps = [100 * (one - other) for one, other in zip(found, recipe, strict=True)]
    error = f" ± {statistics.stdev(gaps) / len(gaps) ** 0.5:.1f}" if len(gaps) > 1 else ""
    return f"{text}{statistics.mean(gaps):>+8.1f}{error}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("photos", type=Path, metavar="PHOTOS")
    add("--config", type=Path, default=Path("configs/no_weights.yaml"), help="the recipe (default: no_weights.yaml)")
    add("--per-class", type=int, metavar="N", help="learn from the first N photos of each class only")
    add("--seeds", type=int, default=3, help="default: 3")
    add("--only", action="append", default=[], metavar="WORD", help="lines in which it stands; may be given again")
    add("--more", nargs=argparse.REMAINDER, default=[], help="last: further options, for all")
    options = parser.parse_args(arguments)
    options.photos = options.photos.absolute()
    chosen = [name for name in PIECES if name == RECIPE or not options.only or any(w in name for w in options.only)]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as two:
        options.photos = fewer(options.photos, options.per_class, Path(folder) / "photos")
        first, *others = (two.submit(accuracies, name, options, Path(folder)) for name in chosen)
        recipe = first.result()
        print(line(RECIPE, recipe, recipe), flush=True)
        for name, found in zip(chosen[1:], others, strict=True):
            print(line(name, found.result(), recipe), flush=True)


if __name__ == "__main__":
    main()
