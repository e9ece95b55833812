"""Lines carried from one text to another: equal lines only, in order, and as many as can be."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from apps.diffs.carry import map_lines

LINES = st.lists(st.sampled_from([b"", b"a", b"b", b"}", b"unique 1", b"unique 2", b"x: 1"]), max_size=40)


@given(LINES, LINES)
def test_every_match_holds_equal_lines_and_matches_never_cross(old: list[bytes], new: list[bytes]) -> None:
    matches = map_lines(old, new).matches
    for match in matches:
        assert match.size > 0
        assert old[match.old : match.old + match.size] == new[match.new : match.new + match.size]
    for before, after in pairwise(matches):
        assert before.old + before.size <= after.old
        assert before.new + before.size <= after.new
        assert (before.old + before.size, before.new + before.size) != (after.old, after.new)


@given(LINES)
def test_in_an_equal_text_every_range_stays(lines: list[bytes]) -> None:
    found = map_lines(lines, list(lines))
    for first in range(1, len(lines) + 1):
        assert found.range(first, len(lines)) == (first, len(lines))


@given(st.integers(0, 2**32 - 1))
def test_lines_that_no_edit_touched_are_carried(seed: int) -> None:
    """Random edits of a text of distinct lines: what was neither changed nor removed is found, where it now is."""
    rand = random.Random(seed)
    old = [b"line %d" % number for number in range(60)]
    new = list(old)
    for step in range(rand.randrange(12)):
        at = rand.randrange(len(new)) if new else 0
        choice = rand.randrange(3)
        if choice == 0:
            new.insert(at, b"new %d" % step)
        elif new and choice == 1:
            new[at] = b"changed %d" % step
        elif new:
            del new[at]
    found = map_lines(old, new)
    for number, line in enumerate(old, start=1):
        place = found.range(number, number)
        assert place == ((new.index(line) + 1,) * 2 if line in new else None)


def test_a_range_into_which_a_line_was_put_is_outdated() -> None:
    found = map_lines([b"a", b"b", b"c"], [b"a", b"b", b"new", b"c"])
    assert found.range(1, 2) == (1, 2)
    assert found.range(2, 3) is None
    assert found.range(3, 3) == (4, 4)
    assert found.range(4, 4) is None


def test_a_large_text_of_equal_lines_is_given_up_rather_than_guessed() -> None:
    old, new = [b"x", b"y"] * 3_000, [b"y", b"x"] * 3_100
    assert map_lines(old, new).range(3_000, 3_000) in {None, (3_001, 3_001), (2_999, 2_999)}
