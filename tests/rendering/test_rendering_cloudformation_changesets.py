"""What an account says that a change set will do, in the shape in which boto3 gives it."""

from __future__ import annotations

import json

import pytest

from apps.rendering.cloudformation.changesets import change_set_difference
from apps.rendering.comparing import apply_fields, words
from apps.rendering.model import ABSENT, UNKNOWN, Failure, RenderError
from tests.support.stacks import FINGERPRINT


def told(action, kind="AWS::S3::Bucket", name="Images", **more):
    change = {"Action": action, "LogicalResourceId": name, "ResourceType": kind, **more}
    return {"Type": "Resource", "ResourceChange": change}


def detail(name, recreation="Never", attribute="Properties", **more):
    return {
        "Target": {"Attribute": attribute, "Name": name, "RequiresRecreation": recreation, **more},
        "Evaluation": "Static",
    }


def one(*changes):
    (found,) = change_set_difference(changes, "shop", FINGERPRINT).changes
    return found


def texts(change):
    return [(risk.code, risk.weight.value, risk.text) for risk in change.risks]


ACTIONS = [
    (told("Add"), "create", []),
    (told("Remove", PolicyAction="Retain"), "delete", ["kept in the account (DeletionPolicy: Retain)"]),
    (told("Remove", PolicyAction="Delete"), "delete", ["objects may be lost"]),
    (told("Remove"), "delete", ["objects may be lost"]),
    (told("Remove", "Custom::A"), "delete", ["Custom::A shop/Images is deleted."]),
    (told("Modify", Replacement="False"), "update", []),
    (told("Modify", Replacement="Conditional"), "update", ["depends on how it changes"]),
    (told("Modify", Replacement="True"), "replace", ["must be deleted and created again.", "objects may be lost"]),
    (
        told("Modify", Replacement="True", PolicyAction="ReplaceAndRetain"),
        "replace",
        ["deleted and created again", "kept in the account (UpdateReplacePolicy: Retain)"],
    ),
    (told("Modify"), "update", ["the change set does not say"]),
    (told("Import"), "update", ["taken into the stack"]),
    (told("Dynamic", "AWS::CloudFormation::Stack"), "update", ["only when the change set runs"]),
]


@pytest.mark.parametrize(("entry", "action", "risks"), ACTIONS)
def test_what_happens_is_what_the_account_says(entry, action, risks):
    found = one(entry)
    assert found.action.value == action
    assert (found.id.namespace, found.id.name) == ("shop", "Images")
    assert len(found.risks) == len(risks), found.risks
    assert all(any(wanted in text for _, _, text in texts(found)) for wanted in risks)


def test_fields_are_named_where_their_values_are_not_told():
    details = [
        detail("BucketName", "Always"),
        detail("Tags", attribute="Tags"),
        detail("Lifecycle", Path="/Properties/Lifecycle/Rules/0/a~1b", BeforeValue="1", AfterValue="2"),
        detail("New", Path="/Properties/New", AfterValue="x", AttributeChangeType="Add"),
        detail("Old", Path="/Properties/Old", BeforeValue="x", AttributeChangeType="Remove"),
        {"Target": {"Attribute": "Metadata"}},
    ]
    found = one(told("Modify", Replacement="True", Details=details))
    assert [(words(field.path), field.before, field.after) for field in found.fields] == [
        ("Properties.BucketName", UNKNOWN, UNKNOWN),
        ("Tags.Tags", UNKNOWN, UNKNOWN),
        ('Properties.Lifecycle.Rules[0]["a/b"]', "1", "2"),
        ("Properties.New", ABSENT, "x"),
        ("Properties.Old", "x", ABSENT),
        ("Metadata", UNKNOWN, UNKNOWN),
    ]
    assert found.replace_paths == (("Properties", "BucketName"),)
    assert "because Properties.BucketName cannot be changed in place" in found.risks[0].text
    perhaps = one(told("Modify", Replacement="Conditional", Details=[detail("Tenancy", "Conditionally")]))
    assert "depends on how Properties.Tenancy changes" in perhaps.risks[0].text


def test_bodies_are_compared_where_they_are_told_and_secrets_are_hidden():
    before = {
        "Properties": {"PubliclyAccessible": "false", "MasterUserPassword": "canary-1", "DeletionProtection": "true"}
    }
    after = {"Properties": {"PubliclyAccessible": "true", "MasterUserPassword": "canary-2"}}
    values = [detail("MasterUserPassword", BeforeValue="canary-1", AfterValue="canary-2")]
    contexts = {"BeforeContext": json.dumps(before), "AfterContext": json.dumps(after)}
    kind = "AWS::RDS::DBInstance"
    whole = one(told("Modify", kind, Replacement="False", Details=values, **contexts))
    named = one(told("Modify", kind, Replacement="False", Details=values))
    assert "canary" not in repr((whole, named))
    assert apply_fields(whole.before, whole.fields) == whole.after
    assert {text.partition(" (")[2] for _, _, text in texts(whole)} == {"PubliclyAccessible).", "DeletionProtection)."}
    (field,) = named.fields
    assert (field.before, field.after) == (FINGERPRINT(b"canary-1"), FINGERPRINT(b"canary-2"))


@pytest.mark.parametrize(
    "entry",
    [{}, {"Type": "Hook"}, told("Explode"), told("Add", kind=""), told("Add", name=""), told("Add", kind=None)],
)
def test_what_is_not_known_is_refused(entry):
    with pytest.raises(RenderError) as caught:
        one(entry)
    assert caught.value.failure is Failure.UNSUPPORTED


def test_contexts_that_are_broken_are_refused():
    for text in ("{", "[" * 100_000, '{"a":' * 200 + "1" + "}" * 200):
        with pytest.raises(RenderError):
            one(told("Modify", Replacement="False", BeforeContext=text, AfterContext="{}"))


def test_the_heaviest_changes_come_first():
    entries = [
        told("Add", name="D"),
        told("Modify", name="C", Replacement="False"),
        told("Modify", name="B", Replacement="True"),
    ]
    found = change_set_difference([*entries, told("Remove", name="A")], "shop", FINGERPRINT)
    assert [change.id.name for change in found.changes] == ["A", "B", "C", "D"]
    assert found.counts == {"delete": 1, "replace": 1, "update": 1, "create": 1}
