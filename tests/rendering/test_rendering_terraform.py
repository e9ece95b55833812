"""Terraform: plans of real modules, documents that a pipeline hands in, and what must never be taken for a plan."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.rendering.comparing import apply_fields
from apps.rendering.comparing.codec import decode_difference, encode_difference
from apps.rendering.handed_in import read_plan
from apps.rendering.model import UNKNOWN, Action, Failure, Kind, RenderError
from apps.rendering.planners import PLANNERS
from apps.rendering.planning import Planned
from apps.rendering.protocol import Target
from apps.rendering.redaction import MARK, keyed
from tests.support.tools import toolbox
from tests.support.trees import MemoryTree

CANARY = "canary-7f3e9a5b1d"
FINGERPRINT = keyed(b"key of a test")
MAIN = """
variable "names" { default = ["a", "b"] }
resource "terraform_data" "each" {
  for_each = toset(var.names)
  input    = { name = each.key }
}
resource "terraform_data" "one" {
  input            = "first"
  triggers_replace = ["v1"]
}
module "net" { source = "../modules/net" }
"""
NET = 'resource "terraform_data" "subnet" { input = "10.0.0.0/16" }\n'


def planned(before: dict[str, str], after: dict[str, str]) -> Planned:
    target = Target("net", "staging", Kind.TERRAFORM, {"path": "live"})
    box = toolbox("terraform")
    return PLANNERS[Kind.TERRAFORM].plan(MemoryTree(before), MemoryTree(after), target, box, FINGERPRINT)


def entry(actions: list[str], **change: Any) -> dict[str, Any]:
    return {
        "address": "aws_db_instance.main", "type": "aws_db_instance", "name": "main", "mode": "managed",
        "provider_name": "registry/aws", "change": {"actions": actions, "before": None, "after": None, **change},
    }  # fmt: skip


def document(*entries: dict[str, Any], **more: Any) -> bytes:
    plan = {"format_version": "1.2", "terraform_version": "1.11.4", "planned_values": {}, **more}
    return json.dumps({**plan, "resource_changes": list(entries)}).encode()


def handed_in(*entries: dict[str, Any], **more: Any) -> Planned:
    return read_plan(document(*entries, **more), FINGERPRINT)


def test_what_a_real_module_would_make_is_compared_on_both_sides() -> None:
    before = {"live/main.tf": MAIN, "modules/net/main.tf": NET}
    after = {
        "live/main.tf": MAIN.replace('["a", "b"]', '["b", "c"]').replace('"v1"', '"v2"').replace('"first"', '"second"'),
        "modules/net/main.tf": NET.replace("10.0", "10.1"),
    }
    found = planned(before, after)
    assert {change.id.name: change.action for change in found.difference.changes} == {
        'terraform_data.each["a"]': Action.DELETE,
        'terraform_data.each["c"]': Action.CREATE,
        "terraform_data.one": Action.REPLACE,
        "module.net.terraform_data.subnet": Action.UPDATE,
    }
    one = next(change for change in found.difference.changes if change.id.name == "terraform_data.one")
    assert one.replace_paths
    assert found.tool.name == "terraform"
    assert found.difference.unchanged == 1
    assert "state of the environment is not known" in found.warnings[0]


def test_a_module_that_is_new_makes_everything_and_equal_sides_nothing() -> None:
    files = {"live/main.tf": MAIN, "modules/net/main.tf": NET}
    assert {change.action for change in planned({}, files).difference.changes} == {Action.CREATE}
    assert planned(files, files).difference.changes == ()


def test_inputs_are_the_folders_of_the_modules_that_are_called() -> None:
    target = Target("net", "staging", Kind.TERRAFORM, {"path": "live"})
    tree = MemoryTree({"live/main.tf": MAIN, "modules/net/main.tf": NET, "modules/other/main.tf": NET})
    assert PLANNERS[Kind.TERRAFORM].inputs(tree, target) == ("live/", "modules/net/")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('\nresource "aws_instance" "a" {}\n', 2, "aws_instance needs a provider"),
        ('data "external" "a" {\n  program = ["sh", "-c", "id"]\n}\n', 1, "external needs a provider"),
        ('terraform {\n  backend "s3" {}\n}\n', 2, "Its state is kept elsewhere (s3)"),
        ('terraform { backend "s3" {} }\n', 1, "Its state is kept elsewhere (s3)"),
        ('terraform {\n  required_providers { aws = { source = "hashicorp/aws" } }\n}\n', 2, "hashicorp/aws is not in"),
        ("terraform {\n  cloud {}\n}\n", 2, "Its state is kept elsewhere"),
        ('provider "aws" {}\n', 1, "The provider aws"),
        ('module "a" {\n  source = "hashicorp/consul/aws"\n}\n', 2, "is not in the repository"),
        ('module "a" {\n  source = "git::ssh://git@example.org/a"\n}\n', 2, "is not in the repository"),
    ],
)
def test_what_needs_the_environment_s_own_runner_asks_for_its_plan(text: str, line: int, words: str) -> None:
    with pytest.raises(RenderError) as found:
        planned({}, {"live/main.tf": text})
    assert found.value.failure is Failure.UNSUPPORTED
    assert words in found.value.message
    assert "hand the plan in" in found.value.message
    assert (found.value.path, found.value.line) == ("live/main.tf", line)


def test_what_is_commented_out_needs_nothing() -> None:
    text = '# provider "aws" {}\n/* resource "aws_instance" "a" {}\n*/\nresource "terraform_data" "a" {}\n'
    assert len(planned({}, {"live/main.tf": text}).difference.changes) == 1


def test_a_module_that_leaves_the_repository_is_refused() -> None:
    with pytest.raises(RenderError, match="leaves the repository"):
        planned({}, {"live/main.tf": 'module "a" {\n  source = "../../outside"\n}\n'})


def test_e1_what_a_plan_would_run_has_neither_network_nor_files_of_the_server() -> None:
    text = 'resource "terraform_data" "a" { input = fileexists("/etc/passwd") }\n'
    (change,) = planned({}, {"live/main.tf": text}).difference.changes
    assert change.after is not None
    assert change.after["input"] is False


def test_an_error_of_terraform_names_file_and_line() -> None:
    with pytest.raises(RenderError) as found:
        planned({}, {"live/main.tf": '\nresource "terraform_data" "a" { input = var.nothing }\n'})
    assert found.value.failure is Failure.TEMPLATE
    assert (found.value.path, found.value.line) == ("live/main.tf", 2)
    assert "undeclared" in found.value.message


@pytest.mark.parametrize(
    ("actions", "action", "sides"),
    [
        (["create"], Action.CREATE, ["after"]), (["update"], Action.UPDATE, ["before", "after"]),
        (["delete"], Action.DELETE, ["before"]), (["delete", "create"], Action.REPLACE, ["before", "after"]),
        (["create", "delete"], Action.REPLACE, ["before", "after"]), (["forget"], Action.UPDATE, ["before"]),
        (["create", "forget"], Action.REPLACE, ["before", "after"]),
    ],
)  # fmt: skip
def test_every_word_of_terraform_has_one_of_ours(actions: list[str], action: Action, sides: list[str]) -> None:
    (change,) = handed_in(entry(actions, **{side: {"a": side} for side in sides})).difference.changes
    assert change.action is action


def test_what_stays_is_counted_and_a_moved_address_is_said() -> None:
    moved = {**entry(["no-op"], before={"a": 1}, after={"a": 1}), "previous_address": "aws_db_instance.old"}
    found = handed_in(entry(["no-op"]), entry(["read"]), moved)
    assert found.difference.unchanged == 2
    (change,) = found.difference.changes
    assert "aws_db_instance.old" in change.risks[0].text


def test_a_replacement_says_what_forces_it_and_what_is_lost() -> None:
    change = {"before": {"engine": "11", "id": "x"}, "after": {"engine": "12"}, "after_unknown": {"id": True}}
    (found,) = handed_in(entry(["delete", "create"], **change, replace_paths=[["engine"]])).difference.changes
    assert found.replace_paths == (("engine",),)
    assert found.after is not None
    assert found.after["id"] is UNKNOWN
    assert {risk.code for risk in found.risks} == {"replace", "destroy"}
    assert any("its data may be lost" in risk.text for risk in found.risks)


def test_sensitive_values_are_fingerprints_and_equal_ones_stay_equal() -> None:
    same = handed_in(
        entry(
            ["update"], before={"password": CANARY, "a": {"b": [CANARY, 1]}, "whole": {"x": CANARY}, "n": 1},
            after={"password": CANARY, "a": {"b": [CANARY, 1]}, "whole": {"x": CANARY}, "n": 2},
            before_sensitive={"password": True, "a": {"b": [True, False]}, "whole": True},
            after_sensitive={"password": True, "a": {"b": [True, False]}, "whole": True},
        )
    )  # fmt: skip
    assert CANARY not in repr(same)
    (change,) = same.difference.changes
    assert [field.path for field in change.fields] == [("n",)]
    assert change.before is not None
    assert change.before["whole"].startswith(MARK)


def test_a_sensitive_value_that_changes_is_seen_to_change() -> None:
    mark = {"before_sensitive": {"password": True}, "after_sensitive": {"password": True}}
    found = handed_in(entry(["update"], before={"password": CANARY}, after={"password": f"{CANARY}2"}, **mark))
    (field,) = found.difference.changes[0].fields
    assert field.before != field.after
    assert CANARY not in repr(found)


def test_e6_secrets_stand_in_no_warning() -> None:
    output = {"actions": ["create"], "before": None, "after": CANARY, "after_sensitive": True}
    found = handed_in(
        output_changes={"key": output}, resource_drift=[{"address": "aws_x.a", "change": {"after": CANARY}}]
    )
    assert len(found.warnings) == 2
    assert CANARY not in repr(found)


@pytest.mark.parametrize(
    ("kind", "change", "code"),
    [
        ("aws_s3_bucket", {"actions": ["delete"], "before": {"a": 1}}, "destroy"),
        ("aws_iam_policy", {"actions": ["create"], "after": {"policy": '{"Action": "*"}'}}, "iam"),
        ("aws_security_group", {"actions": ["update"], "before": {"ingress": []},
                                "after": {"ingress": [{"cidr_blocks": ["0.0.0.0/0"]}]}}, "exposure"),
        ("aws_db_instance", {"actions": ["update"], "before": {"publicly_accessible": False},
                             "after": {"publicly_accessible": True}}, "exposure"),
        ("aws_db_instance", {"actions": ["update"], "before": {"deletion_protection": True},
                             "after": {"deletion_protection": False}}, "destroy"),
        ("google_project_iam_member", {"actions": ["create"], "after": {"member": "allUsers"}}, "exposure"),
    ],
)  # fmt: skip
def test_risks_of_the_clouds_are_named(kind: str, change: dict[str, Any], code: str) -> None:
    (found,) = handed_in({**entry(**change), "type": kind}).difference.changes
    assert code in {risk.code for risk in found.risks}
    assert any(risk.weight == "high" for risk in found.risks)


def test_what_was_open_before_and_what_goes_out_is_no_news() -> None:
    open_before = {"ingress": [{"cidr_blocks": ["0.0.0.0/0"]}], "tags": {}}
    changes = [
        entry(["update"], before=open_before, after={**open_before, "tags": {"a": "b"}}),
        entry(["create"], after={"egress": [{"cidr_blocks": ["0.0.0.0/0"]}]}),
    ]
    for one in changes:
        (found,) = handed_in({**one, "type": "aws_security_group"}).difference.changes
        assert found.risks == ()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no JSON"), (b"[]", "It is no plan"), (b"{}", "It is no plan"), (b"\xff", "no JSON"),
        (b'{"format_version": "2.0", "planned_values": {}}', "2.0 are not understood"),
        (b'{"format_version": "1.0"}', "a state or a configuration"),
        (b'{"format_version": "1.0", "format_version": "1.0"}', "twice"),
        (document(errored=True), "ended with errors"),
        (document({"address": "a"}), "has no change"),
        (document(entry(["explode"])), "knows the action explode"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "nested"), (b"[" * 100_000, "nested"),
        (b'{"format_version": "1.0", "resource_changes": {}}', "no list"),
    ],
    ids=range(13),
)  # fmt: skip
def test_what_is_no_plan_is_refused_with_the_reason(data: bytes, words: str) -> None:
    with pytest.raises(RenderError, match=words):
        read_plan(data, FINGERPRINT)


def test_a_plan_that_is_not_complete_says_so() -> None:
    assert "not complete" in handed_in(complete=False).warnings[0]


LEAF = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4)
BODY = st.dictionaries(
    st.sampled_from(["a", "b", "name", "tags"]),
    st.recursive(
        LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "name"]), inner)
    ),
    max_size=4,
)


@settings(max_examples=120, deadline=None)
@given(BODY, BODY, st.dictionaries(st.sampled_from(["a", "new"]), st.just(True)))
def test_the_fields_of_an_update_lead_from_before_to_after(before: Any, after: Any, unknown: Any) -> None:
    for change in handed_in(entry(["update"], before=before, after=after, after_unknown=unknown)).difference.changes:
        assert change.before is not None
        assert apply_fields(change.before, change.fields) == change.after
    found = handed_in(entry(["update"], before=before, after=after, after_unknown=unknown)).difference
    assert decode_difference(json.loads(json.dumps(encode_difference(found)))) == found
