"""A plan that only refreshes: what is there against the state, in the direction in which people read it, and without secrets."""

from __future__ import annotations

from typing import Any

import pytest

from apps.rendering.model import Action, RenderError
from apps.rendering.redaction import keyed
from apps.rendering.terraform.refreshing import refreshed

HIDE = keyed(b"a key")
CANARY = "the-password-of-nobody"


STATE = {"values": {"root_module": {"child_modules": [{"resources": [{"mode": "managed", "type": "aws_instance"}]}]}}}


def drift(actions: list[str], before: Any, after: Any, **more: Any) -> dict[str, Any]:
    return {
        "address": more.pop("address", "aws_instance.web"), "type": "aws_instance",
        "provider_name": "registry.terraform.io/hashicorp/aws",
        "change": {"actions": actions, "before": before, "after": after, "after_unknown": {}, **more},
    }  # fmt: skip


def plan(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "format_version": "1.2", "terraform_version": "1.11.4", "planned_values": {}, "errored": False, "complete": True,
        "resource_drift": list(entries), "prior_state": STATE, **more,
    }  # fmt: skip


def test_nothing_that_drifted_is_nothing() -> None:
    assert refreshed(plan(), HIDE).changes == ()
    same = {"actions": ["no-op"], "before": "a", "after": "a"}
    assert refreshed(plan(output_changes={"x": same}), HIDE).changes == ()


def test_a_field_that_somebody_changed_goes_from_the_state_to_what_is_there() -> None:
    (change,) = refreshed(
        plan(drift(["update"], {"size": "small", "id": "i"}, {"size": "large", "id": "i"})), HIDE
    ).changes
    assert (change.action, str(change.id.name)) == (Action.UPDATE, "aws_instance.web")
    assert [(field.path, field.before, field.after) for field in change.fields] == [(("size",), "small", "large")]


def test_what_somebody_deleted_is_gone() -> None:
    (change,) = refreshed(plan(drift(["delete"], {"size": "small"}, None)), HIDE).changes
    assert change.action is Action.DELETE


def test_outputs_that_are_others_count_and_new_ones_do_not() -> None:
    outputs = {
        "size": {"actions": ["update"], "before": "small", "after": "large"},
        "old": {"actions": ["delete"], "before": "x", "after": None},
        "new": {"actions": ["create"], "before": None, "after": "y"},
    }
    changes = refreshed(plan(output_changes=outputs), HIDE).changes
    assert [(one.id.name, one.action) for one in changes] == [
        ("output.old", Action.DELETE), ("output.size", Action.UPDATE),
    ]  # fmt: skip


def test_secrets_are_fingerprints_also_where_another_resource_shows_them() -> None:
    marked = drift(["update"], {"word": CANARY}, {"word": f"{CANARY}-2"}, before_sensitive={"word": True})
    shown = drift(["update"], {"tag": "x"}, {"tag": CANARY}, address="aws_instance.other")
    output = {"actions": ["update"], "before": CANARY, "after": f"{CANARY}-3", "before_sensitive": True}
    found = refreshed(plan(marked, shown, output_changes={"word": output}), HIDE)
    assert len(found.changes) == 3
    assert CANARY not in repr(found)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (plan(complete=False), "has not looked at everything"),
        (plan(errored=True), "ended with errors"),
        ([], "It is no plan"),
        (plan(drift(["dance"], {}, {})), "nobody here knows the action"),
    ],
)
def test_a_plan_that_is_not_whole_says_nothing(document: Any, words: str) -> None:
    with pytest.raises(RenderError, match=words):
        refreshed(document, HIDE)


@pytest.mark.parametrize("state", [{}, {"values": {"root_module": {"resources": [{"mode": "data"}]}}}])
def test_a_state_that_holds_nothing_is_no_evidence_that_all_is_there(state: dict[str, Any]) -> None:
    with pytest.raises(RenderError, match="The state holds nothing"):
        refreshed(plan(prior_state=state), HIDE)
    assert refreshed(plan(drift(["delete"], {"size": "small"}, None), prior_state=state), HIDE).changes, (
        "this one is told"
    )
    kept, new = ({"x": {"actions": [action], "before": None, "after": 1}} for action in ("no-op", "create"))
    assert refreshed(plan(prior_state=state, output_changes=kept), HIDE).changes == ()
    with pytest.raises(RenderError, match="The state holds nothing"):
        refreshed(plan(prior_state=state, output_changes=new), HIDE)
