from __future__ import annotations

from bluebird.search.row import Counts


def test_what_was_found_is_scored_or_failed_or_skipped_and_what_has_gone_is_not_there() -> None:
    assert Counts(scored=5, failed=2, skipped=1, gone=9).found == 8
    assert Counts().found == 0
