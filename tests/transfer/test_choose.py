"""The recipe that is chosen where nobody chose."""

from __future__ import annotations

import pytest

from bluebird.transfer import choose_recipe


@pytest.mark.parametrize(
    ("counts", "recipe"),
    [
        ([1, 1, 1], "few_shot"),
        ([2, 2, 90], "few_shot"),
        ([3, 3, 3], "probe"),
        ([30, 30], "probe"),
        ([31, 31], "fine_tune"),
    ],
)
def test_the_middle_class_decides(counts: list[int], recipe: str) -> None:
    choice = choose_recipe(counts, has_weights=True)
    assert choice.recipe == recipe
    assert f"the middle class has {sorted(counts)[len(counts) // 2]} picture" in choice.reason


def test_by_covariance_a_fit_tells_more_from_the_first_picture_on() -> None:
    assert choose_recipe([1, 1], has_weights=True, by_covariance=True).recipe == "probe"


def test_without_weights_one_begins_from_scratch() -> None:
    assert choose_recipe([5000] * 10, has_weights=False).recipe == "scratch"


def test_one_picture_is_not_called_pictures() -> None:
    assert "has 1 picture to learn from" in choose_recipe([1, 1], has_weights=True).reason
