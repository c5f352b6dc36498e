"""The command line: one door for each job, and the only place where an error becomes a line and a code.

Exit codes: 0 all done; 2 the command, its data or its output cannot be used; 3 done, but some files
could not be read; 130 interrupted; 141 whoever read the output has gone. Heavy imports happen behind
the door that needs them, once it is known what is wanted.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module

from bluebird import __version__
from bluebird.errors import BluebirdError, UsageError, is_out_of_memory

COMMANDS = {
    "train": "learn to tell birds apart, from a folder of labelled pictures (or painted ones)",
    "tune": "search for the settings with which a network learns best",
    "predict": "go through any number of pictures with a trained model, and hand over the finds",
    "evaluate": "tell how well a trained model finds its bird, and why it errs, on a page",
    "explain": "show where in a picture a trained model looked",
    "estimate": "tell how many pictures of the bird a searched database holds",
    "inspect_data": "look for copies, wrong labels and broken files before anyone trains",
    "export": "write a trained model for ONNX Runtime, OpenVINO or torch, checked",
    "seven": "fit a curve with the seven-parameter network, gradients by hand",
    "paint": "paint a set of labelled birds to train on, or one sheet to look at",
}

HELP = f"""usage: bluebird COMMAND [OPTIONS]

Find one bird in a mountain of pictures.

commands:
{chr(10).join(f"  {name:<14}{text}" for name, text in COMMANDS.items())}

  bluebird train                                 train on painted birds, no download needed
  bluebird train --config configs/cnn.yaml --data.root my_birds
  bluebird predict runs/cnn/version_0 my_photos --out finds
  tensorboard --logdir runs                      watch

`bluebird COMMAND --help` tells more; `bluebird --version` prints the version.
exit codes: 0 done; 2 cannot be done as asked; 3 done, some files unreadable; 130 interrupted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; never raises for a user's mistake."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _quiet_libraries()
    for stream in (sys.stdout, sys.stderr):  # a file name may hold bytes that are no UTF-8
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = _answer(arguments)
        sys.stdout.flush()
        return code
    except BluebirdError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt as interrupt:
        return _fail(str(interrupt) or "interrupted", 130)
    except BrokenPipeError:  # whoever read our output has gone; nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as a shell tells of a program that the closed pipe ended
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return _fail(
            "out of memory; end what else takes it, or give another --device or a smaller --batch-size, where "
            f"bluebird {arguments[0]} --help has them"
        )
    except OSError as error:
        place = f"{error.filename!r}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}")


def _answer(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP)
        return 0
    if arguments[0] in ("-V", "--version"):
        print(f"bluebird {__version__}")
        return 0
    if arguments[0] not in COMMANDS:
        raise UsageError(f"no command {arguments[0]!r}; expected one of {', '.join(COMMANDS)}")
    command, *rest = arguments
    asked = rest if command == "train" else import_module(f"bluebird.cli.parsers.{command}").parse(rest)
    code: int = import_module(f"bluebird.cli.{command}").run(asked)
    return code


def _quiet_libraries() -> None:
    """Libraries advise programmers; what concerns the user, Bluebird says itself. `python -W` still shows it."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)


def _fail(message: str, code: int = 2) -> int:
    print(f"bluebird: {' '.join(message.split())}", file=sys.stderr)
    return code
