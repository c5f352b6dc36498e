from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bluebird.search.sources.members import Numbering

NAMES = st.lists(st.sampled_from(["a", "b", "a (2)", "a (2) (2)", "b (3)", ""]))


@given(NAMES)
def test_no_two_members_share_a_name(names: list[str]) -> None:
    numbering = Numbering()
    unique = [numbering.unique(name) for name in names]
    assert len(set(unique)) == len(names)
    assert all(one.startswith(name) for one, name in zip(unique, names, strict=True))


@given(NAMES)
def test_the_first_of_a_name_keeps_it_unless_it_was_given_away(names: list[str]) -> None:
    numbering = Numbering()
    unique = [numbering.unique(name) for name in names]
    for place, name in enumerate(names):
        assert (unique[place] == name) == (name not in unique[:place])
