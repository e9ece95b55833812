"""Variables of Flux are put in as its own evaluator does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.rendering.substitution import BadSubstitution, Values, substituted

KNOWN = {
    "a": "abcABC123ABCabc", "path": "/home/x/a.b.txt", "name": "bash.string.txt", "empty": "", "one": "1", "lower": "äb", "up": "ABC",
}  # fmt: skip
CASES = [
    ("plain text", "plain text"), ("${one}", "1"), ("x${one}y${one}", "x1y1"), ("${gone}", ""), ("$one $ $", "$one $ $"),
    ("$${one}", "${one}"), ("$$${one}", "$${one}".replace("$${one}", "$1")), ("$$", "$"), ("a$$b", "a$b"), ("${#a}", "15"), ("${#lower}", "3"),
    ("${gone:=x}", "x"), ("${gone:-x y}", "x y"), ("${gone=x}", "x"), ("${one:=x}", "1"), ("${empty:-x}", "x"), ("${gone:=}", ""),
    ("${gone:+x}", "x"), ("${gone:=${one}}", "1"), ("${gone:=p${one}-s}", "p1-s"), ("${gone:-${other:-z}}", "z"), ("${gone:=a:b/c}", "a:b/c"),
    ("${up,}", "aBC"), ("${up,,}", "abc"), ("${lower^}", "Äb"), ("${lower^^}", "ÄB"),
    ("${path:5}", "/x/a.b.txt"), ("${path:1:4}", "home"), ("${path:-3}", "/home/x/a.b.txt"), ("${a:90}", ""), ("${a:1:-1}", "bcABC123ABCab"), ("${a:x}", KNOWN["a"]),
    ("${a/abc/X}", "XABC123ABCabc"), ("${a//abc/X}", "XABC123ABCX"), ("${a/#abc/X}", "XABC123ABCabc"), ("${a/%abc/X}", "abcABC123ABCX"),
    ("${a//abc/}", "ABC123ABC"), ("${path//\\//-}", "-home-x-a.b.txt"), ("${one/#/v}", "v1"), ("${one/%/v}", "1v"),
    ("${name#*.}", "string.txt"), ("${name##*.}", "txt"), ("${name%.*}", "bash.string"), ("${name%%.*}", "bash"), ("${path##*/}", "a.b.txt"),
    ("${name#nothing}", "bash.string.txt"), ("${name#[ab]ash}", ".string.txt"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_expressions_have_the_values_that_flux_gives_them(text, expected):
    assert substituted(text, Values(KNOWN)) == expected


@pytest.mark.parametrize(
    "text", ["${", "${}", "${a", "${.a}", "${a-b}", "${a:}", "${a/b}", "${gone:=x", "${a#}", "${ a}", "${a b}", "${#}"]
)
def test_broken_expressions_are_refused(text):
    with pytest.raises(BadSubstitution):
        substituted(text, Values(KNOWN))


def test_expressions_of_names_that_nobody_here_can_know_stay_and_are_counted():
    values = Values({"one": "1"}, complete=False)
    assert substituted("${one} ${secret} ${other:=x} $${kept}", values) == "1 ${secret} ${other:=x} ${kept}"
    assert values.left == {"secret", "other"}


def test_hostile_patterns_and_depths_end_quickly():
    with pytest.raises(BadSubstitution):
        substituted("${a:=" * 60 + "}" * 60, Values({}))
    for text in ("${v##*a*a*a*a*a*a*b}", "${v#[}", "${v##" + "?" * 200 + "}"):
        with pytest.raises(BadSubstitution):
            substituted(text, Values({"v": "a" * 4_000}))
    assert substituted("${v##*a*b}", Values({"v": "a" * 1_000})) == "a" * 1_000


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="${}ab:=-/#%^,\\*[] ", max_size=20))
def test_any_text_is_substituted_or_refused(text):
    try:
        found = substituted(text, Values({"a": "b"}))
    except BadSubstitution:
        return
    assert isinstance(found, str)
    if "$" not in text:
        assert found == text
