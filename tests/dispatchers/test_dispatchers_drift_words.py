"""Two values that differ never read alike, in findings and in the log of a check, wherever they are cut."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.deployments.dispatchers.drift import MOST_VALUE, both_words, of_values
from apps.rendering.comparing.equality import same
from apps.rendering.model import ABSENT, UNKNOWN

TEXTS = st.lists(st.sampled_from(["a", "b", " ", "\n", "\u200b", "é", "x" * 100]), max_size=6).map("".join)
VALUES = (
    st.sampled_from([ABSENT, UNKNOWN, None, "nothing", "not known", 1, "1", True])
    | TEXTS
    | st.lists(TEXTS, max_size=3)
    | st.dictionaries(TEXTS, TEXTS, max_size=3)
)


@given(one=VALUES, other=VALUES)
def test_what_differs_is_told_otherwise(one: Any, other: Any) -> None:
    if one is other or same(one, other):
        return
    words = both_words(one, other, 120)
    assert words[0] != words[1]
    assert max(map(len, words)) <= 120


@pytest.mark.parametrize("most", [120, MOST_VALUE])
def test_long_texts_are_told_from_where_they_differ(most: int) -> None:
    one, other = both_words("a" * most + "open", "a" * most + "shut", most)
    assert (one, other) == ("…" + "a" * 40 + 'open"', "…" + "a" * 40 + 'shut"')


def test_a_finding_names_both_values() -> None:
    long = "a" * MOST_VALUE
    found = of_values("ConfigMap web/a", ("data", "a"), long + "b", long + "c")
    assert found.wanted != found.found
    assert not found.is_exact
    short = of_values("ConfigMap web/a", ("data", "a"), "b", "c")
    assert (short.wanted, short.found, short.is_exact) == ('"b"', '"c"', True)
