"""A plan is the approved one with its outputs, and whole: what cannot be approved is not applied."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.deployments.dispatchers import Judged
from apps.deployments.masking import SecretMask
from apps.deployments.planning.approved import ApprovedPlan
from apps.deployments.planning.judging import terraform_judge
from apps.rendering.comparing import difference_digest
from apps.rendering.handed_in import read_plan
from apps.rendering.redaction import keyed
from tests.support.outside import until
from tests.support.terraform_state import StateServer, state_server
from tests.support.terraform_world import LARGE, PASSWORD, USER, begun, terraform, told
from tests.support.tools import toolbox

HIDE = keyed(b"key of a test")
CANARY = "canary-of-an-output-0815"
OTHERS = (
    'terraform {\n  backend "http" {\n    address = "ADDRESS/others"\n  }\n}\noutput "range" { value = "10.0.0.0/8" }\n'
)
READS = f"""
data "terraform_remote_state" "others" {{
  backend = "http"
  config  = {{ address = "ADDRESS/others", username = "{USER}", password = "{PASSWORD}" }}
}}
output "range" {{ value = data.terraform_remote_state.others.outputs.range }}
"""


def plan(value: str, *, is_sensitive: bool = False, **more: Any) -> bytes:
    output = {
        "actions": ["update"], "before": "10.0.0.0/8", "after": value, "after_unknown": False,
        "before_sensitive": is_sensitive, "after_sensitive": is_sensitive,
    }  # fmt: skip
    document = {
        "format_version": "1.2", "terraform_version": "1.11.4", "applyable": True, "complete": True, "errored": False,
        "planned_values": {}, "resource_changes": [], "output_changes": {"range": output}, **more,
    }  # fmt: skip
    return json.dumps(document).encode()


def judge_of(approved: bytes) -> Callable[[bytes], Judged]:
    read = read_plan(approved, HIDE)
    digest = difference_digest(read.difference, read.tool)
    tool = (read.tool.name, read.tool.version, "")
    stored = ApprovedPlan("production/net", digest, tool, read.difference)
    return terraform_judge(stored, HIDE, SecretMask(()), None)


def test_an_output_with_the_approved_value_is_applied_and_another_one_is_named() -> None:
    judge = judge_of(plan("10.1.0.0/16"))
    assert judge(plan("10.1.0.0/16")).problem == ""
    problem = judge(plan("0.0.0.0/0")).problem
    assert "output.range would be updated with other values than were approved" in problem
    assert "0.0.0.0" not in problem


def test_an_output_that_was_not_approved_at_all_is_named() -> None:
    problem = judge_of(plan("", output_changes={}))(plan("0.0.0.0/0")).problem
    assert "output.range would now be updated, which was not approved" in problem


def test_a_sensitive_output_is_compared_without_being_shown() -> None:
    approved = plan(CANARY, is_sensitive=True)
    assert CANARY not in repr(read_plan(approved, HIDE))
    judge = judge_of(approved)
    assert judge(approved).problem == ""
    assert "output.range" in judge(plan(f"{CANARY}-2", is_sensitive=True)).problem


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"action_invocations": [{"address": "action.aws_lambda_invoke.drop"}]}, "would run actions of providers"),
        ({"deferred_action_invocations": [{}]}, "would run actions of providers"),
        ({"deferred_changes": [{"reason": "unknown"}]}, "puts off changes until more is known"),
        ({"complete": False}, "does not say all that would happen"),
    ],
)
def test_what_cannot_be_compared_is_refused_even_where_it_was_there_when_it_was_approved(
    more: dict[str, Any], words: str
) -> None:
    whole = plan("10.1.0.0/16", **more)
    assert words in judge_of(whole)(whole).problem


@pytest.fixture
def server() -> Iterator[StateServer]:
    toolbox("terraform")
    with state_server(USER, PASSWORD) as found:
        yield found


@pytest.mark.django_db
def test_an_output_that_became_another_one_since_it_was_approved_is_not_applied(
    tmp_path: Path, server: StateServer
) -> None:
    """It is read from elsewhere, so that the same commit plans it in another way."""
    folder = tmp_path / "others"
    folder.mkdir()

    def applied(text: str) -> None:
        (folder / "main.tf").write_text(text.replace("ADDRESS", server.address))
        terraform(folder, "init", "-input=false")
        terraform(folder, "apply", "-auto-approve", "-lock=false")

    applied(OTHERS)
    world = begun(tmp_path, server)
    change = world.proposed(LARGE + READS.replace("ADDRESS", server.address))
    applied(OTHERS.replace("10.0.0.0/8", "0.0.0.0/0"))
    serial = world.serial()
    row = until(world.landed(change), "succeeded", "failed", "unknown", seconds=90)
    assert row.status == "failed", told(row)
    assert "output.range would be created with other values than were approved" in row.problem
    assert world.serial() == serial
