"""A value is written into its characters and nothing else; what cannot be written like that is not written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.rendering.yaml_places import places, rewritten
from apps.rendering.yaml_reader import documents


def written(data: str | bytes, path: tuple[str | int, ...], value: object) -> bytes | None:
    raw = data.encode() if isinstance(data, str) else data
    (place,) = [one for one in places(raw) if one.path == path]
    return rewritten(raw, place, value)


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("a: 1 # one\n", 9, "a: 9 # one\n"),
        ("a: 1\r\nb: 2\r\n", 9, "a: 9\r\nb: 2\r\n"),
        ("# é\na: x\n", "yes", '# é\na: "yes"\n'),
        ("a: x\n", "1e3", 'a: "1e3"\n'),
        ("a: x\n", "y: z", 'a: "y: z"\n'),
        ("a: x\n", "y # z", 'a: "y # z"\n'),
        ("a: x\n", "y\nb: 1", 'a: "y\\nb: 1"\n'),
        ("a: x\n", "", 'a: ""\n'),
        ("a: x\n", ".inf", 'a: ".inf"\n'),
        ("a: x\n", "*b", 'a: "*b"\n'),
        ("a: 'x'\n", "it's", "a: 'it''s'\n"),
        ('a: "x"\n', 'say "hi"', 'a: "say \\"hi\\""\n'),
        ("a: x\n", True, "a: true\n"),
        ("a: {b: [x, y]}\n", "p, q", None),
        ('{"a": 1, "b": 2}\n', "x", '{"a": "x", "b": 2}\n'),
        ("\ufeffa: 1\n", 2, "\ufeffa: 2\n"),
    ],
)
def test_only_the_characters_of_the_value_change(before: str, value: object, after: str | None) -> None:
    if after is None:
        assert written(before, ("a", "b", 0), value) == before.replace("x", '"p, q"').encode()
    else:
        assert written(before, ("a",), value) == after.encode()


@pytest.mark.parametrize(
    "text",
    [
        "a: &x 1\nb: *x\n",
        "a: &x {b: 1}\n",
        "a: !!str 1\n",
        "a: |\n  1\n",
        "a: >-\n  1\n",
        "a: 1\n  2\n",
        "a: '1\n  2'\n",
    ],
)
def test_places_that_stand_for_more_or_on_more_lines_are_not_their_own(text: str) -> None:
    assert not places(text.encode())[0].is_own


def test_an_alias_is_no_place_and_documents_are_told_apart() -> None:
    found = [(one.document, one.path, one.line) for one in places(b"a: &x 1\nb: *x\n---\n- a\n- [b]\n")]
    assert found == [(1, ("a",), 1), (2, (0,), 4), (2, (1, 0), 5)]


def test_an_empty_value_has_no_characters_to_change() -> None:
    assert written("a:\nb: 1\n", ("a",), "x") is None


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(st.text(max_size=12), st.integers(-99, 99), st.booleans()), st.sampled_from(["x", "'x'", '"x"', "[x]"])
)
def test_whatever_is_written_is_read_as_that_and_all_else_as_before(value: object, old: str) -> None:
    data = f"k: 1\r\nl: {old} # c\r\nm: {{q: x}}\r\n".encode()
    place = places(data)[1]
    made = rewritten(data, place, value)
    if made is not None:
        (document,) = documents(made)
        wanted = [value] if old == "[x]" else value
        assert document.value == {"k": 1, "l": wanted, "m": {"q": "x"}}
        assert made.endswith(b" # c\r\nm: {q: x}\r\n")
