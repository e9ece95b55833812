"""Two values that differ never read alike, whatever they are made of and wherever they are cut."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.presentation.rendered_rows import LONGEST, FieldRow, field_row, shown, staying
from apps.rendering.comparing import compare
from apps.rendering.comparing.equality import same
from apps.rendering.model import (
    ABSENT,
    UNKNOWN,
    Action,
    FieldChange,
    Json,
    Order,
    Resource,
    ResourceChange,
    ResourceId,
    Step,
)

ID = ResourceId("apps", "Deployment", "web", "app")
WORDS = st.sampled_from(["1", "1.0", "true", "null", "", " ", '"', '"1"', "[1]", '{"a": 1}', "(known after apply)"])
ODD = st.sampled_from(["\u200b", "[U+200B]", "\t", "[U+0009]", "\u0430", "a", "x" * LONGEST, "…", "\ud800"])
TEXTS = st.lists(WORDS | ODD, max_size=4).map("".join)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    SCALARS | st.just(UNKNOWN),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def row(before: Json, after: Json, *path: Step, forcing: tuple[tuple[Step, ...], ...] = ()) -> FieldRow:
    field = FieldChange(path or ("x",), before, after)
    return field_row(field, ResourceChange(ID, Action.UPDATE, (field,), replace_paths=forcing))


@given(before=VALUES, after=VALUES)
@example(before="true", after=True)
@example(before="8080", after=8080)
@example(before={"a": 1}, after='{"a": 1}')
@example(before=UNKNOWN, after="(known after apply)")
@example(before=[UNKNOWN], after=["(known after apply)"])
@example(before="\u200b" + "x" * LONGEST + "a", after="[U+200B]" + "x" * LONGEST + "b")
@example(before="x" * (LONGEST + 1), after="x" * (LONGEST + 2))
def test_values_that_differ_never_read_alike(before: Json, after: Json) -> None:
    if same(before, after):
        return
    found = row(before, after)
    if found.lines:
        assert {line.sign for line in found.lines} & {"+", "-"}
    else:
        assert found.before != found.after


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("80", 80, ('"80"', "80")),
        ("app:1", "app:2", ("app:1", "app:2")),
        (ABSENT, "yes", (None, "yes")),
        (ABSENT, "true", (None, '"true"')),
        (UNKNOWN, "(known after apply)", ("(known after apply)", '"(known after apply)"')),
        ('{"a":1}', '{"a":2}', ('{"a":1}', '{"a":2}')),
        ('{"a":1}', {"a": 1}, ('{"a":1}', '{"a": 1}')),
    ],
)
def test_a_text_that_reads_like_something_else_stands_between_quotes(
    before: Json, after: Json, found: tuple[str | None, str | None]
) -> None:
    assert shown(before, after) == found


def test_a_text_is_cut_around_the_place_where_it_differs() -> None:
    before, after = "a" * 700 + "open" + "b" * 300, "a" * 700 + "shut" + "b" * 300
    old, new = shown(before, after)
    assert old is not None
    assert new is not None
    assert old.startswith("…" + "a" * 40 + "open")
    assert new.startswith("…" + "a" * 40 + "shut")
    assert new.endswith("b (1,004 characters)")


def test_what_is_added_whole_is_read_line_by_line_where_it_is_long() -> None:
    container = {
        "name": "side",
        "image": "side:1",
        "args": ["x" * LONGEST],
        "securityContext": {"privileged": True},
    }
    found = row(ABSENT, container)
    assert (found.sign, found.lines[-1].text) == ("+", "  privileged: true")
    assert row(container, ABSENT).sign == "-"


@pytest.mark.parametrize(
    ("before", "after", "sign"), [(ABSENT, "a\nb\n", "+"), ("a\nb\n", ABSENT, "-"), ("", "a\nb", "~")]
)
def test_texts_of_many_lines_come_and_go_as_others_do(before: Json, after: Json, sign: str) -> None:
    assert row(before, after).sign == sign


@pytest.mark.parametrize("place", [("tags",), ("tags", "a"), ("tags", "a", "b")])
def test_what_forces_a_replacement_is_told_at_the_field_around_it_too(place: tuple[Step, ...]) -> None:
    assert row({"a": {"b": 1}}, None, "tags", forcing=(place,)).forces
    assert not row({"a": {"b": 1}}, None, "tags", forcing=(("name",),)).forces


def test_what_is_said_to_stay_is_what_stays() -> None:
    kept = {"name": "app", "image": "app:1", "args": ["a", "b"]}
    new = {"name": "side", "image": "side:1", "args": ["c"]}
    bodies = [{"kind": "Deployment", "spec": {"replicas": 2, "containers": some}} for some in ([kept], [new, kept])]
    old, after = (Resource(ID, body) for body in bodies)
    for one, other in ((old, after), (after, old)):
        (change,) = compare([one], [other]).changes
        assert staying(change) == 6, "kind, replicas and the four of the container that stays"
    assert any(isinstance(field.path[-1], Order) for field in compare([old], [after]).changes[0].fields)
