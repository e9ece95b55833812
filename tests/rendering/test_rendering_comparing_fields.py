"""Fields of a difference give the new body from the old one, exactly, whatever the bodies are."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.rendering.comparing import RULES, apply_fields, compare, words
from apps.rendering.comparing.equality import same
from apps.rendering.comparing.fields import field_changes
from apps.rendering.comparing.kinds import KINDS, shape_of
from apps.rendering.comparing.shapes import UNKNOWN, Shape
from apps.rendering.model import ABSENT, Action, Element, FieldChange, Order
from tests.support.bodies import (
    BODIES,
    DEPLOYMENT,
    MANIFESTS,
    ROLLOUT,
    SERVICE,
    body,
    changed,
    mutated,
    resource,
    shaped,
)

SHAPES = st.one_of(st.just(UNKNOWN), st.sampled_from(sorted(KINDS)).map(KINDS.__getitem__))
PROFILE = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
POD = ("spec", "template", "spec")


@PROFILE
@given(BODIES, BODIES, SHAPES)
def test_fields_applied_to_any_body_give_any_other(before, after, shape):
    fields = field_changes(before, after, shape)
    assert same(apply_fields(before, fields), after)
    assert bool(fields) is not same(before, after)
    assert {field.rule for field in fields} <= {"", *RULES}


@PROFILE
@given(st.data())
def test_fields_applied_to_a_real_body_give_its_mutation(data):
    before = body(data.draw(st.sampled_from(MANIFESTS)))
    after = data.draw(mutated(before))
    for old, new in ((before, after), (after, before)):
        fields = field_changes(old, new, shape_of(before, before))
        assert same(apply_fields(old, fields), new)
        assert bool(fields) is not same(old, new)
        assert [field.rule != "" for field in fields] == sorted(field.rule != "" for field in fields)


@PROFILE
@given(st.data())
def test_fields_applied_to_a_body_of_a_known_type_give_any_other_of_it(data):
    shape = data.draw(st.sampled_from(sorted(KINDS)).map(KINDS.__getitem__))
    before = {"spec": data.draw(shaped(shape)), "metadata": {}}
    after = data.draw(st.one_of(mutated(before), st.fixed_dictionaries({"spec": shaped(shape)})))
    around = Shape(fields={"spec": shape})
    for old, new in ((before, after), (after, before)):
        fields = field_changes(old, new, around)
        assert same(apply_fields(old, fields), new)
        assert bool(fields) is not same(old, new)


@PROFILE
@given(st.data())
def test_nothing_of_an_unknown_kind_is_without_effect(data):
    before = body(ROLLOUT)
    after = data.draw(mutated(before))
    assert all(not field.rule for field in field_changes(before, after, UNKNOWN))


@settings(max_examples=100, deadline=None)
@given(BODIES, BODIES)
def test_fields_of_another_body_are_refused_or_have_nothing_to_do(before, after):
    fields = field_changes(before, after, UNKNOWN)
    other = {"entirely": "other"}
    if any(field.before is not ABSENT for field in fields):
        with pytest.raises(ValueError, match="do not belong"):
            apply_fields(other, fields)


@pytest.mark.parametrize(
    ("steps", "to", "path"),
    [
        ((*POD, "containers", 0, "image"), "nginx:1.28", "spec.template.spec.containers[nginx].image"),
        ((*POD, "containers", 0, "env", 0, "value"), "x", "spec.template.spec.containers[nginx].env[MODE].value"),
        (
            (*POD, "containers", 0, "ports", 1, "name"),
            "x",
            "spec.template.spec.containers[nginx].ports[8080/UDP].name",
        ),
        (
            (*POD, "containers", 0, "volumeMounts", 1, "readOnly"),
            False,
            "spec.template.spec.containers[nginx].volumeMounts[/etc/web].readOnly",
        ),
        ((*POD, "containers", 1, "args", 1), "x", "spec.template.spec.containers[log].args[1]"),
        (("metadata", "annotations", "example.org/owner"), "b", 'metadata.annotations["example.org/owner"]'),
        ((*POD, "tolerations", 0, "key"), "x", "spec.template.spec.tolerations[0].key"),
        (("spec", "replicas"), 3, "spec.replicas"),
    ],
)
def test_a_change_is_one_field_with_a_path_that_people_read(steps, to, path):
    [field] = field_changes(body(DEPLOYMENT), changed(DEPLOYMENT, *steps, to=to), KINDS["apps/v1", "Deployment"])
    assert (words(field.path), field.after, field.rule) == (path, to, "")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("a", 3, "b"), "a[3].b"),
        (("a.b", "c"), '["a.b"].c'),
        (("list", Element((("name", "with ] bracket"),))), 'list["with ] bracket"]'),
        (("list", Element((("name", "12"),))), 'list["12"]'),
        (("list", Element((("port", 80), ("protocol", "TCP")))), "list[80/TCP]"),
        (("list", Element((("", ""),))), 'list[""]'),
        (("subjects", Element((("kind", "User"), ("namespace", ""), ("name", "bob")))), "subjects[User/bob]"),
        (("list", Order(("name",))), "list (order)"),
        (("", "ключ"), '[""]["ключ"]'),
        (("a\u202eb", "c\nd"), '["a\\u202eb"]["c\\nd"]'),
    ],
)
def test_words_of_a_path_cannot_be_misread(path, text):
    assert words(path) == text


def test_true_one_and_one_point_nothing_are_three_values():
    for left, right in ((1, True), (1.0, True), (0, False), (1, "1"), (None, False), (0.0, -0.0), ([], {})):
        assert not same({"a": [left]}, {"a": [right]})
        fields = field_changes({"a": left}, {"a": right}, UNKNOWN)
        assert fields == (FieldChange(("a",), left, right),)
    assert same({"a": float("nan"), "b": 1}, {"b": 1, "a": float("nan")})


def test_null_is_not_absent_where_nothing_is_known():
    assert field_changes({"a": None}, {}, UNKNOWN) == (FieldChange(("a",), None, ABSENT),)


def test_a_list_with_a_doubled_or_missing_key_is_compared_by_place():
    old = [{"name": "a", "value": 1}, {"name": "a", "value": 2}]
    new = [{"name": "a", "value": 1}, {"name": "a", "value": 3}]
    assert field_changes({"env": old}, {"env": new}, UNKNOWN) == (FieldChange(("env", 1, "value"), 2, 3),)
    [field] = field_changes({"env": [{"name": "a"}, {"x": 1}]}, {"env": [{"name": "a"}, {"x": 2}]}, UNKNOWN)
    assert field.path == ("env", 1, "x")


def test_an_element_that_goes_from_the_middle_does_not_change_its_neighbours():
    args = [f"--flag-{at}" for at in range(9)]
    [removed] = field_changes({"args": args}, {"args": args[:4] + args[5:]}, UNKNOWN)
    assert (removed.path, removed.before, removed.after) == (("args", 4), "--flag-4", ABSENT)
    [added] = field_changes({"args": args[:4] + args[5:]}, {"args": args}, UNKNOWN)
    assert (added.path, added.before, added.after) == (("args", 4), ABSENT, "--flag-4")


def test_lists_that_share_nothing_and_are_long_are_compared_by_place():
    old, new = [f"a{at}" for at in range(1500)], [f"b{at}" for at in range(1501)]
    fields = field_changes({"a": old}, {"a": new}, UNKNOWN)
    assert len(fields) == 1501
    assert apply_fields({"a": old}, fields) == {"a": new}


def test_a_port_is_the_same_port_with_and_without_its_protocol():
    after = changed(SERVICE, "spec", "ports", 0, "protocol", to="TCP")
    after["spec"]["ports"].reverse()
    difference = compare([resource(body(SERVICE))], [resource(after)])
    [change] = difference.changes
    assert change.action is Action.UPDATE
    assert [(words(field.path), field.rule) for field in change.fields] == [
        ("spec.ports (order)", ""),
        ("spec.ports[80/TCP].protocol", "default"),
    ]
    assert apply_fields(change.before, change.fields) == after
