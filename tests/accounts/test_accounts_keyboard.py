"""One's own keys: what may be chosen, what is refused with a reason, and that it is one's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.keymaps import checked, effective
from apps.accounts.services import choose_shortcuts
from apps.accounts.shortcuts import BY_ID, SHORTCUTS, caps
from apps.audit.models import AuditEntry
from apps.core.errors import InvalidInput, NotAllowed
from tests.support.people import Cast, cast

TYPED = st.text("gnpbNéж+? ShiftHome\u202e", max_size=8)
DEFAULTS = {one.id: one.keys for one in SHORTCUTS}


@pytest.fixture
def people() -> Cast:
    return cast()


def refusals(wanted: dict[str, str]) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refusal:
        checked(wanted)
    assert refusal.value.code == "bad_shortcuts"
    return refusal.value.details["fields"]


def test_the_table_gives_every_key_one_meaning() -> None:
    assert checked(DEFAULTS) == {}, "the defaults keep the rules of the settings"
    assert len(BY_ID) == len(SHORTCUTS)
    assert all(one.text and one.group for one in SHORTCUTS)


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("b", "b"),
        (" b ", "b"),
        ("B", "B"),
        ("Shift+b", "B"),
        ("shift + B", "B"),
        ("g  b", "g b"),
        ("g Shift+B", "g B"),
        ("+", "+"),
        ("Shift+ж", "Ж"),
        ("é", "é"),
        ("pageup", "PageUp"),
        ("", ""),
    ],
)
def test_keys_are_taken_as_people_write_them(typed: str, keys: str) -> None:
    assert checked({"next-block": typed}) == {"next-block": keys}


def test_what_is_written_on_the_page_is_what_is_kept() -> None:
    for one in SHORTCUTS:
        if not one.fixed:
            assert checked({one.id: " ".join(caps(one.keys))}) == {}, one.id


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("Enter", "needed"),
        ("Tab", "needed"),
        ("esc", "needed"),
        ("ArrowDown", "needed"),
        ("Space", "needed"),
        ("Delete", "needed"),
        ("F5", "needed"),
        ("Ctrl+s", "belong to the browser"),
        ("⌘k", "belong to the browser"),
        ("Alt+n", "belong to the browser"),
        ("nn", "no key"),
        ("a b c", "two keys"),
        ("g Home", "two keys"),
        ("Shift+1", "Shift goes with letters"),
        ("Shift+Home", "no key"),
        ("\u202e", "no key"),
        ("😀", "no key"),
        ("<b>", "no key"),
    ],
)
def test_reserved_and_impossible_keys_are_refused_with_a_reason(typed: str, reason: str) -> None:
    said = refusals({"next-block": typed})
    assert set(said) == {"next-block"}
    assert reason in said["next-block"]


def test_a_key_that_is_given_twice_is_refused_and_both_are_named() -> None:
    said = refusals({"next-block": "p"})
    assert set(said) == {"next-block", "previous-block"}
    assert "“p”" in said["next-block"]
    assert BY_ID["previous-block"].text in said["next-block"]
    assert BY_ID["next-block"].text in said["previous-block"]


def test_a_key_that_begins_two_others_is_refused() -> None:
    said = refusals({"next-block": "g"})
    assert "cannot also be the first of two" in said["next-block"]
    assert "go-queue" in said
    assert checked({"next-block": "n b"}) == {"next-block": "n b"}, "n is free then"


def test_two_shortcuts_may_change_places_and_one_may_have_none() -> None:
    assert checked({"next-block": "p", "previous-block": "n"}) == {"next-block": "p", "previous-block": "n"}
    assert checked({"next-block": "", "previous-block": "n"}) == {"next-block": "", "previous-block": "n"}
    assert effective({"next-block": ""})["next-block"] == ""


def test_fixed_and_unknown_shortcuts_are_refused() -> None:
    assert "cannot be changed" in refusals({"palette": "b"})["palette"]
    assert checked({"palette": "Mod+k"}) == {}
    assert "There is no shortcut" in refusals({"approve": "a"})["approve"]


def test_ids_that_ended_do_not_break_the_keys_of_somebody() -> None:
    assert effective({"gone": "b"}) == DEFAULTS


@pytest.mark.parametrize(
    ("own", "without"),
    [
        ({"select": "J"}, {"more-lines"}),
        ({"select": "J x"}, {"more-lines"}),
        ({"select": "g"}, {name for name in BY_ID if name.startswith("go-")}),
        ({"select": "g q"}, {"go-queue"}),
        ({"select": "J", "more-lines": "L"}, set()),
        ({"gone": "J"}, set()),
    ],
)
def test_keys_that_a_person_has_are_before_a_default_that_came_later(own: dict[str, str], without: set[str]) -> None:
    keys = effective(own)
    assert {name for name, held in keys.items() if not held} == without
    assert set(own) - {"gone"} <= {name for name, held in keys.items() if held == own.get(name)}
    typed = {name: held for name, held in keys.items() if not BY_ID[name].fixed}
    assert checked(typed) == {name: held for name, held in own.items() if name in BY_ID} | dict.fromkeys(without, "")


@given(st.dictionaries(st.sampled_from(sorted(BY_ID)), TYPED, max_size=6))
def test_whatever_is_typed_is_taken_without_a_collision_or_refused(wanted: dict[str, str]) -> None:
    try:
        own = checked(wanted)
    except InvalidInput:
        return
    keys = [value for value in effective(own).values() if value]
    assert len(keys) == len(set(keys))
    assert not [(one, two) for one in keys for two in keys if two.startswith(f"{one} ")]
    assert checked(own) == own


@pytest.mark.django_db
def test_keys_are_kept_with_one_entry_and_reset_by_choosing_none(people: Cast) -> None:
    before = AuditEntry.objects.count()
    choose_shortcuts(people.bob, user=people.bob, is_on=False, keys={"next-block": "b", "fold": "z"})
    people.bob.refresh_from_db()
    assert (people.bob.shortcuts_on, people.bob.shortcut_keys) == (False, {"next-block": "b"})
    entry = AuditEntry.objects.order_by("-pk").first()
    assert entry
    assert (AuditEntry.objects.count(), entry.action) == (before + 1, "user.preferences_changed")
    choose_shortcuts(people.bob, user=people.bob, is_on=True, keys={})
    people.bob.refresh_from_db()
    assert (people.bob.shortcuts_on, people.bob.shortcut_keys) == (True, {})


@pytest.mark.django_db
def test_nobody_else_changes_my_keys_and_a_refusal_changes_nothing(people: Cast) -> None:
    for actor in (people.alice, people.erin, people.mallory):
        with pytest.raises(NotAllowed):
            choose_shortcuts(actor, user=people.bob, is_on=False, keys={})
    with pytest.raises(InvalidInput):
        choose_shortcuts(people.bob, user=people.bob, is_on=False, keys={"next-block": "Enter"})
    people.bob.refresh_from_db()
    assert (people.bob.shortcuts_on, people.bob.shortcut_keys) == (True, {})
    assert not AuditEntry.objects.filter(action="user.preferences_changed").exists()
