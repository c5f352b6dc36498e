"""How long help takes, beside a Python that does nothing and one that imports torch.

python benchmarks/start_time.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "bluebird --help": ["-m", "bluebird", "--help"],
    "bluebird predict --help": ["-m", "bluebird", "predict", "--help"],
    "import torch": ["-c", "import torch"],
}


def main() -> None:
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(9):
        for name, arguments in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - began)
    for name, values in seconds.items():
        print(f"{name:<24} median {statistics.median(values):.3f} s  ({min(values):.3f} to {max(values):.3f})")


if __name__ == "__main__":
    main()
