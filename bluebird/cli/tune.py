"""`bluebird tune`: search for the settings with which a network learns best."""

from __future__ import annotations

from argparse import Namespace

from bluebird.errors import UsageError


def run(options: Namespace) -> int:
    """Search, and write down what was found."""
    try:
        import optuna  # noqa: F401 - what follows needs it
    except ImportError as error:
        raise UsageError("tune takes a library more: pip install 'bluebird[tune]'") from error
    from bluebird.cli.tuning.trials import search

    search(options, options.training)
    return 0
