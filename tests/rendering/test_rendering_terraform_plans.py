"""Plans that pipelines hand in: every action is told, nothing sensitive gets out, and what is no plan is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.rendering.comparing import apply_fields, difference_digest
from apps.rendering.comparing.codec import decode_difference, encode_difference
from apps.rendering.comparing.equality import same
from apps.rendering.handed_in import read_plan
from apps.rendering.model import UNKNOWN, Action, Failure, RenderError
from apps.rendering.redaction import MARK, keyed
from apps.rendering.terraform.documents import MOST_BYTES
from apps.rendering.terraform.values import hidden, with_unknown
from tests.support.timing import processor_seconds

CANARY = "canary-7f3e9a5b1d"
FINGERPRINT = keyed(b"key of a test")
PROFILE = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)
)
KEYS = st.sampled_from(["a", "b", "name", "size", "x y", "$", ""])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))
BODIES = st.dictionaries(KEYS, VALUES, max_size=5)
MARKS = st.recursive(
    st.booleans(), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
)


def entry(actions, before=None, after=None, address="aws_db_instance.main", change=None, **more):
    found = {"actions": actions, "before": before, "after": after, "after_unknown": {}, **(change or {})}
    return {
        "address": address,
        "mode": "managed",
        "type": address.partition(".")[0],
        "name": "main",
        "provider_name": "example.test/hashicorp/aws",
        "change": found,
        **more,
    }


def document(*entries, **more):
    return {"format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": list(entries), **more}


def read(*entries, **more):
    return read_plan(json.dumps(document(*entries, **more)).encode(), FINGERPRINT)


def refused(data):
    with pytest.raises(RenderError) as found:
        read_plan(data if isinstance(data, bytes) else json.dumps(data).encode(), FINGERPRINT)
    assert len(found.value.message) < 400
    return found.value


def only(found):
    (change,) = found.difference.changes
    return change


@pytest.mark.parametrize(
    ("actions", "before", "after", "action"),
    [
        (["create"], None, {"a": 1}, Action.CREATE),
        (["update"], {"a": 1}, {"a": 2}, Action.UPDATE),
        (["delete"], {"a": 1}, None, Action.DELETE),
        (["delete", "create"], {"a": 1}, {"a": 2}, Action.REPLACE),
        (["create", "delete"], {"a": 1}, {"a": 2}, Action.REPLACE),
        (["create", "forget"], {"a": 1}, {"a": 2}, Action.REPLACE),
    ],
)
def test_every_action_is_told_with_its_sides(actions, before, after, action):
    change = only(read(entry(actions, before, after)))
    assert (change.action, change.before, change.after) == (action, before, after)
    assert (change.id.api, change.id.kind) == ("example.test/hashicorp/aws", "aws_db_instance")
    assert change.id.name == "aws_db_instance.main"


def test_what_stays_and_what_is_read_is_counted():
    found = read(
        entry(["no-op"], {"a": 1}, {"a": 1}),
        entry(["read"], None, {"a": 1}, address="aws_ami.a", mode="data"),
        entry(["no-op"], {}, {}, address="aws_ami.b", mode="data"),
    )
    assert (found.difference.changes, found.difference.unchanged) == ((), 3)
    assert (found.tool.name, found.tool.version, found.tool.sha256) == ("terraform", "1.11.4", "")


def test_what_is_said_to_stay_but_differs_is_shown():
    assert only(read(entry(["no-op"], {"a": 1}, {"a": 2}))).fields[0].after == 2


def test_forgotten_moved_imported_and_deposed_objects_are_told():
    found = read(
        entry(["forget"], {"a": 1}, None),
        entry(["no-op"], {"a": 1}, {"a": 1}, address="aws_eip.a", previous_address="aws_eip.b"),
        entry(["update"], {"a": 1}, {"a": 2}, address="aws_eip.c", change={"importing": {"id": "eip-1"}}),
        entry(["delete"], {"a": 1}, None, address="aws_eip.c", deposed="00ff00ff"),
    )
    changes = {change.id.name: change for change in found.difference.changes}
    assert list(changes) == ["aws_eip.c (deposed 00ff00ff)", "aws_db_instance.main", "aws_eip.a", "aws_eip.c"]
    texts = {name: [risk.text for risk in change.risks if risk.code == "state"] for name, change in changes.items()}
    assert texts == {
        "aws_db_instance.main": ["aws_db_instance.main stays as it is, but Terraform manages it no longer."],
        "aws_eip.a": ["aws_eip.a was aws_eip.b until now; only its address moves."],
        "aws_eip.c": ["aws_eip.c exists already and is imported (id eip-1)."],
        "aws_eip.c (deposed 00ff00ff)": [],
    }
    assert changes["aws_db_instance.main"].after == {"a": 1}


def test_values_known_only_afterwards_are_unknown_at_any_depth():
    unknown = {"id": True, "list": [False, {"ip": True}], "gone": False, "tags": {}}
    change = only(read(entry(["update"], {"id": "i-1", "list": [1, {"ip": "a"}], "tags": {}},
                             {"list": [1, {}], "tags": {}}, change={"after_unknown": unknown})))  # fmt: skip
    assert change.after == {"id": UNKNOWN, "list": [1, {"ip": UNKNOWN}], "tags": {}}
    assert {(field.path, field.after) for field in change.fields} == {(("id",), UNKNOWN), (("list", 1, "ip"), UNKNOWN)}


def test_paths_that_force_a_replacement_are_kept_and_end_before_what_is_hidden():
    change = only(read(entry(
        ["delete", "create"], {"engine": "a", "m": {CANARY: 1}}, {"engine": "b", "m": {CANARY: 2}},
        change={"replace_paths": [["engine"], ["m", CANARY]], "before_sensitive": {"m": True}, "after_sensitive": {}},
    )))  # fmt: skip
    assert change.replace_paths == (("engine",), ("m",))
    assert CANARY not in repr(change)
    assert "because engine, m cannot be changed in place" in change.risks[0].text


def test_outputs_are_compared_and_told_and_drift_checks_and_incomplete_plans_are_warnings():
    found = read(
        complete=False,
        deferred_changes=[{}, {}],
        output_changes={
            "url": {"actions": ["update"], "before": "a", "after": "b"},
            "new": {"actions": ["create"], "before": None, "after_unknown": True},
            "old": {"actions": ["delete"], "before": [1], "after": None},
            "same": {"actions": ["no-op"], "before": 1, "after": 1},
        },
        resource_drift=[entry(["update"], {}, {}), entry(["delete"], {}, None, address="aws_eip.a")],
        checks=[{"status": "fail", "address": {"to_display": "check.up"}}, {"status": "pass"}],
    )
    assert [(change.id.name, change.action, change.before, change.after) for change in found.difference.changes] == [
        ("output.old", Action.DELETE, {"old": [1]}, None),
        ("output.url", Action.UPDATE, {"url": "a"}, {"url": "b"}),
        ("output.new", Action.CREATE, None, {"new": UNKNOWN}),
    ]
    assert {risk for change in found.difference.changes for risk in change.risks} == set()
    assert found.difference.unchanged == 0
    assert found.warnings == (
        "The plan is not complete: after it is applied, another one is needed to reach what the code says.",
        "Terraform puts off 2 changes until more is known; they are not shown.",
        "aws_db_instance.main was changed outside of Terraform since it was last applied.",
        "aws_eip.a was deleted outside of Terraform since it was last applied.",
        "The output new is new: known after it is applied.",
        "The output old goes away; it was [1].",
        "The output url changes from a to b.",
        "The check check.up of the code fails.",
    )


def test_an_output_whose_name_says_that_it_is_secret_is_hidden():
    change = only(
        read(output_changes={"db_password": {"actions": ["update"], "before": CANARY, "after": f"{CANARY}2"}})
    )
    assert CANARY not in repr(change)
    assert change.before != change.after


def test_actions_of_providers_are_told():
    assert "Terraform would run actions of providers" in read(action_invocations=[{}]).warnings[0]


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ({"v": CANARY}, {"v": f"{CANARY}2"}, {"before_sensitive": {"v": True}, "after_sensitive": {"v": True}}),
        ({"v": CANARY}, {"v": CANARY, "w": 1}, {"before_sensitive": {"v": True}, "after_sensitive": {}}),
        ({"v": CANARY}, {"v": "x"}, {"before_sensitive": True}),
        ({"v": [{"k": CANARY}]}, {"v": []}, {"before_sensitive": {"v": [{"k": True}]}}),
        ({"v": [CANARY]}, {"v": []}, {"before_sensitive": {"v": [False, True]}}),
        ({"v": {"k": CANARY}}, {"v": {}}, {"before_sensitive": {"v": "yes"}}),
        ({"v": {CANARY: 1}}, {"v": {}}, {"before_sensitive": {"v": True}}),
        ({"v": CANARY}, {"copy": f"a {CANARY} b"}, {"before_sensitive": {"v": True}}),
        ({"password": CANARY}, {"password": "x"}, {}),
        ({"env": [{"name": "API_TOKEN", "value": CANARY}]}, {}, {}),
        ({"url": f"postgres://me:{CANARY}@db/x"}, {"url": "x"}, {}),
    ],
)
def test_nothing_sensitive_is_in_anything_that_comes_out(before, after, change):
    outputs = {"o": {"actions": ["update"], "before": CANARY, "after": "x", "before_sensitive": True}}
    drift = [entry(["update"], before, after, address=f'aws_eip.a["{CANARY}"]', change=change)]
    found = read(entry(["update"], before, after, change=change), output_changes=outputs, resource_drift=drift)
    assert CANARY not in repr(found)
    assert MARK in repr(found.difference.changes)
    assert MARK in repr(found.warnings)
    assert CANARY not in json.dumps(encode_difference(found.difference))


def test_a_sensitive_value_that_changes_is_a_change_and_one_that_stays_is_none():
    marks = {"before_sensitive": {"v": True}, "after_sensitive": {"v": True}}
    assert len(only(read(entry(["update"], {"v": [1]}, {"v": [2]}, change=marks))).fields) == 1
    assert only(read(entry(["update"], {"v": [1], "w": 1}, {"v": [1], "w": 2}, change=marks))).fields[0].path == ("w",)


def test_sensitive_variables_of_the_plan_are_hidden_wherever_they_stand():
    found = read(
        entry(["create"], None, {"script": f"login {CANARY}", "whole": "four"}, address=f"aws_eip.{CANARY}"),
        variables={"a": {"value": CANARY}, "b": {"value": "four"}},
        configuration={"root_module": {"variables": {"a": {"sensitive": True}, "b": {"sensitive": True}}}},
    )
    assert CANARY not in repr(found)
    assert "four" not in repr(found)


@PROFILE
@given(BODIES, BODIES, MARKS, MARKS, MARKS)
def test_fields_applied_to_the_body_before_give_the_body_after(before, after, unknown, was, willbe):
    marks = {
        "after_unknown": unknown if isinstance(unknown, dict) else {},
        "before_sensitive": was,
        "after_sensitive": willbe,
    }
    found = read(entry(["update"], before, after, change=marks))
    change = only(found)
    assert same(apply_fields(change.before, change.fields), change.after)
    assert decode_difference(encode_difference(found.difference)) == found.difference
    assert len(difference_digest(found.difference, found.tool)) == 64


@PROFILE
@given(VALUES, MARKS)
def test_marks_of_any_form_hide_at_least_what_they_name(value, marks):
    assert same(hidden(value, False, FINGERPRINT), value)
    if marks is True and value is not None:
        assert hidden(value, marks, FINGERPRINT).startswith(MARK)
    assert with_unknown(value, True) is UNKNOWN
    assert same(with_unknown(value, False), value)


def nested(depth):
    return b'{"format_version": "1.2", "resource_changes": ' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize(
    ("data", "failure", "words"),
    [
        (b"", Failure.REFUSED, "no JSON"),
        (b"{", Failure.REFUSED, "no JSON"),
        (b"PK\x03\x04\x00", Failure.REFUSED, "the plan file itself"),
        ("{}".encode("utf-16"), Failure.REFUSED, "UTF-16"),
        (b'{"a": "\xff"}', Failure.REFUSED, "UTF-8"),
        (b'{"a": 1, "a": 2}', Failure.REFUSED, "stands twice"),
        (b'{"a": NaN}', Failure.REFUSED, "NaN"),
        (b'{"a": ' + b"9" * 5000 + b"}", Failure.TOO_LARGE, "digits"),
        (b'{"@level": "info"}\n{"@level": "info"}', Failure.REFUSED, "more than one JSON document"),
        (nested(101), Failure.TOO_LARGE, "nested"),
        (nested(200_000), Failure.TOO_LARGE, "nested"),
        (b"[]", Failure.REFUSED, "no plan"),
        (b"{}", Failure.REFUSED, "no plan"),
        (b'{"format_version": "1.0", "values": {}}', Failure.REFUSED, "no plan"),
        (document() | {"format_version": "2.0"}, Failure.UNSUPPORTED, "format 2.0"),
        (document() | {"format_version": "0.2"}, Failure.UNSUPPORTED, "format 0.2"),
        (document() | {"terraform_version": "x" * 1000}, Failure.REFUSED, "no version"),
        (document(errored=True), Failure.REFUSED, "error"),
        (document(resource_changes={}), Failure.REFUSED, "no list"),
        (document(1), Failure.REFUSED, "no object"),
        (document({}), Failure.REFUSED, "no change"),
        (document(entry([], {}, {})), Failure.REFUSED, "action"),
        (document(entry(["explode"], {}, {})), Failure.REFUSED, "action explode"),
        (document(entry(["create"], {}, {})), Failure.REFUSED, "sides"),
        (document(entry(["delete"], None, {})), Failure.REFUSED, "sides"),
        (document(entry(["update"], {}, None)), Failure.REFUSED, "sides"),
        (document(entry(["update"], [], {})), Failure.REFUSED, "no object"),
        (document(entry(["create"], None, {}, address="")), Failure.REFUSED, "no text"),
        (document(entry(["create"], None, {}, deposed=7)), Failure.REFUSED, "no text"),
        (document(entry(["create"], None, {}), entry(["create"], None, {})), Failure.REFUSED, "another one changes"),
        (document(entry(["create"], None, {}, change={"replace_paths": [[None]]})), Failure.REFUSED, "no paths"),
        (document(entry(["create"], None, {}, change={"replace_paths": "x"})), Failure.REFUSED, "no list"),
    ],
)  # fmt: skip
def test_what_is_no_plan_is_refused_with_a_clear_word(data, failure, words):
    error = refused(data)
    assert error.failure is failure
    assert words in error.message


def test_a_plan_that_is_too_large_is_refused_before_it_is_read():
    assert refused(b" " * (MOST_BYTES + 1)).failure is Failure.TOO_LARGE


def test_endless_strings_are_refused_at_once():
    with processor_seconds(5):
        assert refused(b'{"a": "' + b'\\"' * 2_000_000).failure is Failure.REFUSED


def test_messages_repeat_nothing_of_what_was_handed_in():
    assert CANARY not in refused(f'{{"a": {CANARY}'.encode()).message
    assert CANARY not in refused(document(entry(["no"], {"v": CANARY}, {}, address=CANARY))).message
    assert CANARY not in refused(document(entry(["create"], None, {}), resource_changes=CANARY)).message


@PROFILE
@given(st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["format_version", "resource_changes", "change", "actions", "address", "output_changes", "checks",
                     "resource_drift", "before", "after", "planned_values", "root_module", "outputs", "variables"]),
    inner, max_size=6)))  # fmt: skip
def test_no_document_makes_anything_but_a_plan_or_a_clear_error(value):
    for made in (value, document() | (value if isinstance(value, dict) else {"resource_changes": value})):
        try:
            read_plan(json.dumps(made).encode(), FINGERPRINT)
        except RenderError as error:
            assert error.message  # noqa: PT017 - either is right


def test_a_value_that_is_set_to_its_own_fingerprint_is_told() -> None:
    def told(value):
        (change,) = read(entry(["update"], {"password": CANARY}, {"password": value})).difference.changes
        return change.fields[0]

    known = told("x").before
    assert known.startswith(MARK)
    assert told(known).after not in {known, CANARY}
