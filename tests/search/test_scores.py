from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.search.ledgers import ask, failed, found, open_ledger, scored


def shown(folder: Path) -> dict[str, float]:
    """Scores as another program reads them."""
    rows = ask(folder, "SELECT path, score FROM finds")
    assert len(dict(rows)) == len(rows)
    return dict(rows)


def test_scores_in_the_file_are_for_the_last_target_however_rows_came_into_it(tmp_path: Path) -> None:
    one, two = (0.5, 0.25, 0.25), (0.125, 0.5, 0.375)
    with open_ledger(tmp_path) as ledger:
        ledger.record([scored("1.jpg", one)])
        assert shown(tmp_path) == {}
        ledger.aim(["bluebird"])
        ledger.record([scored("2.jpg", two), failed("3.jpg")])
        assert shown(tmp_path) == {"1.jpg": 0.5, "2.jpg": 0.125}
        ledger.aim(["blue jay", "robin"])
        assert shown(tmp_path) == {"1.jpg": 0.5, "2.jpg": 0.875}
    with open_ledger(tmp_path) as ledger:
        ledger.record([scored("3.jpg", two), failed("2.jpg"), scored("1.jpg", two)])
        assert shown(tmp_path) == {"1.jpg": 0.875, "3.jpg": 0.875}
        ledger.aim(["robin"])
        assert shown(tmp_path) == {"1.jpg": 0.375, "3.jpg": 0.375}
    with open_ledger(tmp_path) as ledger:
        ledger.unchanged([found("3.jpg")])
        ledger.finish()
        assert shown(tmp_path) == {"3.jpg": 0.375}
        ledger.unchanged([found("1.jpg")])
        assert shown(tmp_path) == {"1.jpg": 0.375, "3.jpg": 0.375}
    assert json.loads(ask(tmp_path, "SELECT value FROM search WHERE key = 'target'")[0][0]) == ["robin"]


def test_scores_in_the_file_are_of_the_last_model(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.record([scored("1.jpg"), scored("2.jpg")])
        ledger.aim(["bluebird"])
    with open_ledger(tmp_path, model="second") as ledger:
        assert shown(tmp_path) == {}
        ledger.record([scored("2.jpg", (0.0, 0.75, 0.25))])
        ledger.aim(["blue jay"])
        assert shown(tmp_path) == {"2.jpg": 0.75}
    with open_ledger(tmp_path) as ledger:
        ledger.aim(["blue jay"])  # the target is the same, the model is not
        assert shown(tmp_path) == {"1.jpg": np.float32(0.3)}
