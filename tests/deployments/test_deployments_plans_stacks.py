"""The runner of an environment asks the account what a change does to a stack, and leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from apps.changes.effects.reading import difference_of
from apps.changes.models import Rendering
from apps.deployments import services
from apps.deployments.models import Environment
from apps.deployments.planning import stacks
from apps.rendering.model import Kind
from apps.rendering.planners import PLANNERS
from apps.rendering.protocol import Target
from apps.rendering.redaction import keyed
from tests.support.aws import aws_server, reset
from tests.support.delivery import Delivery, run_jobs
from tests.support.effects import render_all
from tests.support.tools import toolbox
from tests.support.trees import MemoryTree

pytestmark = pytest.mark.django_db

KEY_ID, KEY, CANARY = "reader-key-id-1", "reader-key-value-2", "canary-7f3e9a5b1d"
PORTAL = """
apiVersion: portal/v1
environments:
  production:
    targets:
      shop: {kind: cloudformation, template: shop.yaml, parameters: shop.json, stack: shop, plan: runner}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""
BEFORE = {
    "Parameters": {"Size": {"Type": "String"}, "Code": {"Type": "String", "NoEcho": True, "Default": "none"}},
    "Resources": {
        "Orders": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": {"Ref": "Size"}}},
        # moto calls a resource without properties modified, whatever happens to it, so each here has some
        "Images": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "images-of-the-shop"}},
        "News": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "Code"}}},
    },
}
RESOURCES = BEFORE["Resources"]
AFTER = {
    **BEFORE,
    "Resources": {
        "Orders": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": "90"}},
        "News": RESOURCES["News"],
        "Returns": {"Type": "AWS::SQS::Queue"},
    },
}
SIZE = {"Size": "60", "Code": CANARY}


@dataclass
class Account:
    url: str

    def client(self, region: str = "eu-west-1") -> Any:
        return boto3.client(
            "cloudformation",
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )

    def create(self) -> None:
        given = [{"ParameterKey": name, "ParameterValue": value} for name, value in SIZE.items()]
        self.client().create_stack(StackName="shop", TemplateBody=json.dumps(BEFORE), Parameters=given)

    def left(self) -> list[str]:
        client = self.client()
        names = [stack["StackName"] for stack in client.describe_stacks()["Stacks"]]
        return names + [
            one["ChangeSetName"] for name in names for one in client.list_change_sets(StackName=name)["Summaries"]
        ]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with aws_server() as address:
        yield address


@pytest.fixture
def account(server: str, settings: Any) -> Account:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    reset(server)
    return Account(server)


def files(template: dict[str, Any], given: dict[str, str] = SIZE) -> dict[str, str]:
    return {"shop.yaml": json.dumps(template, indent=1), "shop.json": json.dumps(given)}


def planned(tmp_path: Path, account: Account, template: dict[str, Any], **secrets: str) -> Rendering:
    delivery = Delivery.start(tmp_path, PORTAL, files(BEFORE))
    run_jobs("deployments.read_environments")
    environment = Environment.objects.get(repository=delivery.repository, name="production")
    known = {
        "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": KEY, "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": account.url, **secrets,
    }  # fmt: skip
    for name, value in known.items():
        if value:
            services.set_secret(delivery.people.carol, environment=environment, name=name, value=value, used_for="plan")
    change = delivery.proposed("shop", {**files(template), "shop.json": json.dumps({**SIZE, "Size": "60"}, indent=2)})
    render_all(change)
    run_jobs("deployments.plan")
    return Rendering.objects.get(revision=change.revision, target="shop")


def actions(row: Rendering) -> dict[str, str]:
    difference = difference_of(row)
    assert difference is not None, row.message
    return {change.id.name: change.action.value for change in difference.changes}


def test_what_changes_is_what_the_account_says_and_nothing_is_left_there(tmp_path: Path, account: Account) -> None:
    account.create()
    row = planned(tmp_path, account, AFTER)
    assert row.state == "rendered", row.message
    assert actions(row) == {"Orders": "update", "Images": "delete", "Returns": "create"}
    assert account.left() == ["shop"]
    assert CANARY not in str(row.facts) + str(difference_of(row))


def test_a_new_stack_is_all_created_and_goes_away_with_its_change_set(tmp_path: Path, account: Account) -> None:
    row = planned(tmp_path, account, AFTER)
    assert actions(row) == {"Orders": "create", "News": "create", "Returns": "create"}
    assert account.left() == []


def test_an_account_that_sees_no_change_makes_an_empty_difference(tmp_path: Path, account: Account) -> None:
    account.create()
    row = planned(tmp_path, account, BEFORE)
    assert (row.state, actions(row)) == ("rendered", {})
    assert account.left() == ["shop"]


@pytest.mark.parametrize("name", ["add", "modify", "remove", "all"])
def test_our_comparison_without_an_account_finds_what_the_account_finds(account: Account, name: str) -> None:
    account.create()
    resources = {
        "add": {**RESOURCES, "Returns": {"Type": "AWS::SQS::Queue"}},
        "modify": {**RESOURCES, "Orders": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": "90"}}},
        "remove": {key: value for key, value in RESOURCES.items() if key != "Images"},
        "all": AFTER["Resources"],
    }[name]
    before, after = (MemoryTree(files({**BEFORE, "Resources": each})) for each in (RESOURCES, resources))
    options = {"template": "shop.yaml", "parameters": "shop.json", "stack": "shop", "region": "eu-west-1"}
    target, hide = Target("shop", "production", Kind.CLOUDFORMATION, options), keyed(b"key of a test")
    known = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": KEY, "AWS_ENDPOINT_URL": account.url}
    asked = stacks.plan_stack(after, target, hide, known).difference
    ours = PLANNERS[Kind.CLOUDFORMATION].plan(before, after, target, toolbox(), hide).difference
    found, expected = ({each.id: each.action for each in one.changes} for one in (asked, ours))
    assert found == expected
    assert len(found) == (3 if name == "all" else 1)


def test_what_is_missing_is_named_and_nobody_is_asked(tmp_path: Path, account: Account) -> None:
    row = planned(tmp_path, account, AFTER, AWS_SECRET_ACCESS_KEY="", AWS_REGION="")
    assert (row.state, row.failure) == ("failed", "missing_input")
    assert "lack AWS_SECRET_ACCESS_KEY, AWS_REGION" in row.message
    assert account.left() == []


def test_credentials_and_settings_of_the_machine_are_not_used(
    tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.create()
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "of-the-machine"), ("AWS_SECRET_ACCESS_KEY", "of-the-machine"), ("AWS_REGION", "eu-west-1"),
        ("AWS_PROFILE", "no-such-profile"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    row = planned(tmp_path, account, AFTER)
    assert row.state == "rendered", row.message
    with pytest.raises(stacks.RenderError, match="lack AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"):
        stacks._client(Target("shop", "production", Kind.CLOUDFORMATION, {}), {"AWS_REGION": "eu-west-1"})


def test_an_api_that_is_not_there_is_a_state_without_the_credentials(tmp_path: Path, account: Account) -> None:
    row = planned(tmp_path, account, AFTER, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert (row.state, row.failure) == ("failed", "missing_input")
    assert "could not be asked (EndpointConnectionError)" in row.message


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://169.254.169.254/latest", "is a link-local address"),
        ("http://cloud.example.org", "in clear"),
        ("https://user:pass@cloud.example.org", "No user or password"),
        ("file:///etc/passwd", "begins with https"),
    ],
)
def test_an_address_that_no_connection_may_have_is_not_asked_for_a_plan_either(url: str, words: str) -> None:
    """Who maintains a repository writes it, and what answers there stands in the message of the plan."""
    known = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": KEY, "AWS_REGION": "eu-west-1"}
    with pytest.raises(stacks.RenderError, match="AWS_ENDPOINT_URL cannot be asked: .*" + words):
        stacks._client(Target("shop", "production", Kind.CLOUDFORMATION, {}), {**known, "AWS_ENDPOINT_URL": url})


class Recorded:
    """Answers that moto does not give."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.calls = answers, list[str]()

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.calls.append(name)
            answer = self.answers.get(name, {})
            answer = answer(arguments) if callable(answer) else answer
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def refusal(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "CreateChangeSet")


def asked_of(client: Recorded, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(stacks, "_client", lambda *_: client)
    options = {"template": "shop.yaml", "parameters": "shop.json", "stack": "shop"}
    target = Target("shop", "production", Kind.CLOUDFORMATION, options)
    return stacks.plan_stack(MemoryTree(files(AFTER)), target, keyed(b"k"), {})


def told(name: str) -> dict[str, Any]:
    change = {"Action": "Add", "LogicalResourceId": name, "ResourceType": "AWS::SQS::Queue"}
    change["AfterContext"] = json.dumps({"Properties": {"QueueName": f"x-{CANARY}"}})
    return {"Type": "Resource", "ResourceChange": change}


MISSING = refusal("ValidationError", "Stack with id shop does not exist")


def test_all_pages_are_read_and_a_parameter_without_echo_stands_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def page(arguments: dict[str, Any]) -> dict[str, Any]:
        number = int(arguments.get("NextToken", "0"))
        more = {"NextToken": str(number + 1)} if number < 2 else {}
        return {"Status": "CREATE_COMPLETE", "Changes": [told(f"Q{number}")], **more}

    found = asked_of(
        Recorded(describe_stacks={"Stacks": [{"StackStatus": "CREATE_COMPLETE"}]}, describe_change_set=page),
        monkeypatch,
    )
    assert [change.id.name for change in found.difference.changes] == ["Q0", "Q1", "Q2"]
    assert CANARY not in str(found)


def test_a_refusal_has_its_name_and_the_change_set_is_deleted_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    states = iter([MISSING, {"Stacks": [{"StackStatus": "REVIEW_IN_PROGRESS"}]}])
    client = Recorded(
        describe_stacks=lambda _: next(states), list_change_sets={"Summaries": []},
        describe_change_set=refusal("AccessDenied", f"not for {CANARY}"),
    )  # fmt: skip
    with pytest.raises(stacks.RenderError, match="AccessDenied") as found:
        asked_of(client, monkeypatch)
    assert CANARY not in found.value.message
    assert client.calls[-4:] == ["delete_change_set", "describe_stacks", "list_change_sets", "delete_stack"]


def test_a_stack_under_review_that_somebody_else_made_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Recorded(
        describe_stacks={"Stacks": [{"StackStatus": "REVIEW_IN_PROGRESS"}]},
        describe_change_set={"Status": "FAILED", "StatusReason": "Macro X is not there"},
    )
    with pytest.raises(stacks.RenderError, match=r"ChangeSetFailed\. Macro X is not there"):
        asked_of(client, monkeypatch)
    assert client.calls[-1] == "delete_change_set"
    assert "delete_stack" not in client.calls


def test_a_stack_that_somebody_began_to_use_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    states = iter([MISSING, {"Stacks": [{"StackStatus": "REVIEW_IN_PROGRESS"}]}])
    client = Recorded(
        describe_stacks=lambda _: next(states), list_change_sets={"Summaries": [{"ChangeSetName": "theirs"}]},
        describe_change_set={"Status": "CREATE_COMPLETE", "Changes": []},
    )  # fmt: skip
    assert asked_of(client, monkeypatch).difference.changes == ()
    assert "delete_stack" not in client.calls
