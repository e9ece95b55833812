"""From an approved change to the stack, on moto's real server: exactly the change set that was reviewed, or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from apps.changes.models import ChangeRequest, Rendering
from apps.deployments import queries, services
from apps.deployments.dispatchers.aws_api import Account, Answered
from apps.deployments.dispatchers.aws_operations import token_of
from apps.deployments.jobs.runs import run_of
from apps.deployments.models import Attempt, Connection, Deployment, DriftCheck, Environment
from tests.support.aws import aws_server, reset
from tests.support.delivery import Delivery, run_jobs
from tests.support.drifting import CHECK
from tests.support.outside import until

pytestmark = pytest.mark.django_db
KEY, CANARY = "deployer-key-value-2", "canary-7f3e9a5b1d"
PORTAL = """
apiVersion: portal/v1
environments:
  production:
    targets:
      shop: {kind: cloudformation, template: shop.yaml, parameters: shop.json, stack: shop, region: eu-west-1, plan: runner}
    deploy: {via: cloudformation, connection: corp, target: shop}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""


def template(seconds: int, **more: Any) -> dict[str, str]:
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": str(seconds)}}
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "Code"}}}
    parameters = {"Code": {"Type": "String", "NoEcho": True}}
    return {
        "shop.yaml": json.dumps(
            {"Parameters": parameters, "Resources": {"Orders": queue, "News": topic, **more}}, indent=1
        ),
        "shop.json": json.dumps({"Code": CANARY}),
    }


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with aws_server() as address:
        yield address


@pytest.fixture
def client(server: str) -> Any:
    reset(server)
    return boto3.client(
        "cloudformation", region_name="eu-west-1", endpoint_url=server, aws_access_key_id="a", aws_secret_access_key="b"
    )


@pytest.fixture
def delivery(tmp_path: Path, server: str, client: Any) -> Delivery:
    found = Delivery.start(tmp_path, PORTAL, template(60))
    run_jobs("deployments.read_environments")
    environment = Environment.objects.get(repository=found.repository, name="production")
    given = {
        "AWS_ACCESS_KEY_ID": "reader-key-id-1",
        "AWS_SECRET_ACCESS_KEY": "reader-key-value-2",
        "AWS_ENDPOINT_URL": server,
    }
    for name, value in given.items():
        services.set_secret(found.people.carol, environment=environment, name=name, value=value, used_for="plan")
    values = {"region": "eu-west-1", "accessKeyId": "deployer-key-id", "secretAccessKey": KEY}
    corp = services.create_connection(found.people.erin, name="corp", kind="aws", url=server, values=values)
    services.allow_connection(found.people.erin, connection=corp, repository=found.repository, environments=[])
    return found


def make_stack(client: Any, seconds: int) -> None:
    given = [{"ParameterKey": "Code", "ParameterValue": CANARY}]
    client.create_stack(StackName="shop", TemplateBody=template(seconds)["shop.yaml"], Parameters=given)


def proposed(delivery: Delivery, files: dict[str, str], name: str = "one") -> ChangeRequest:
    change = delivery.proposed(name, files)
    run_jobs()
    run_jobs()
    change.refresh_from_db()
    row = Rendering.objects.get(revision=change.revision)
    assert row.state == "rendered", row.message
    return change


def elsewhere(delivery: Delivery, name: str) -> ChangeRequest:
    """A change of something else in the repository."""
    change = delivery.proposed(name, {f"scripts/{name}.sh": "true\n"})
    run_jobs()
    assert not Rendering.objects.filter(revision=change.revision).exists()
    return change


def landed(delivery: Delivery, change: ChangeRequest) -> Deployment:
    delivery.approve(change)
    change.refresh_from_db()
    services.merge_change(delivery.people.alice, change=change)
    run_jobs("deployments.carry_out_merges")
    row = delivery.deployment(change, "production")
    return until(row, "succeeded", "failed", "unknown", seconds=40)


def queues(client: Any) -> dict[str, str]:
    """The resources of the stack, with what the account made them."""
    rows = client.list_stack_resources(StackName="shop")["StackResourceSummaries"]
    return {row["LogicalResourceId"]: row["PhysicalResourceId"] for row in rows}


def left(client: Any) -> list[str]:
    """Change sets that were not executed."""
    rows = client.list_change_sets(StackName="shop")["Summaries"]
    return [row["ChangeSetName"] for row in rows if row["ExecutionStatus"] != "EXECUTE_COMPLETE"]


def test_a_reviewed_change_set_becomes_the_stack(delivery: Delivery, client: Any) -> None:
    make_stack(client, 60)
    row = landed(
        delivery,
        proposed(delivery, template(90, Returns={"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": "1"}})),
    )
    assert row.status == "succeeded", row.problem
    assert set(queues(client)) == {"Orders", "News", "Returns"}
    assert client.describe_stacks(StackName="shop")["Stacks"][0]["StackStatus"] == "UPDATE_COMPLETE"
    assert [(step.name, step.status) for step in queries.steps_of(row)] == [
        ("change set", "succeeded"), ("compare", "succeeded"), ("execute", "succeeded"),
    ]  # fmt: skip
    attempt = Attempt.objects.get(deployment=row)
    said = json.dumps([attempt.external_run, attempt.resources, [event.text for event in queries.events(row)]])
    assert "Orders would be updated" in said
    assert CANARY not in said
    assert KEY not in said
    assert attempt.sealed_rendering == ""
    assert {one["name"]: one["health"] for one in attempt.resources} == dict.fromkeys(
        ["Orders", "News", "Returns"], "healthy"
    )


def test_a_new_stack_is_made(delivery: Delivery, client: Any) -> None:
    row = landed(delivery, proposed(delivery, template(90)))
    assert row.status == "succeeded", row.problem
    assert set(queues(client)) == {"Orders", "News"}


def test_what_became_of_the_stack_meanwhile_is_named_and_nothing_is_executed(delivery: Delivery, client: Any) -> None:
    make_stack(client, 60)
    change = proposed(delivery, template(90))
    client.update_stack(
        StackName="shop", TemplateBody=template(75, Old={"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": "2"}})["shop.yaml"],
        Parameters=[{"ParameterKey": "Code", "ParameterValue": CANARY}],
    )  # fmt: skip
    row = landed(delivery, change)
    assert row.status == "failed"
    assert "What would happen is no longer what was approved of production/shop: " in row.problem
    assert "Old would now be deleted, which was not approved" in row.problem
    assert "Old" in queues(client)
    assert left(client) == []


def test_a_stack_that_the_change_does_not_reach_must_be_as_it_is(delivery: Delivery, client: Any) -> None:
    row = landed(delivery, elsewhere(delivery, "other"))
    assert row.status == "failed"
    assert "the change does not reach production/shop, and Orders would be created" in row.problem or (
        "the change does not reach production/shop, and News would be created" in row.problem
    )
    assert client.describe_stacks()["Stacks"] == []
    make_stack(client, 60)
    row = landed(delivery, elsewhere(delivery, "more"))
    assert row.status == "succeeded", row.problem
    assert left(client) == []


def test_drift_of_the_stack_is_told_without_the_secrets_of_the_repository(
    delivery: Delivery, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server knows nothing of drift, so what an account would say of it is put before its other answers."""
    row = landed(delivery, proposed(delivery, template(90)))
    services.ask_drift_check(delivery.people.alice, environment=row.environment)
    assert run_jobs(CHECK) == 1
    check = DriftCheck.objects.latest("pk")
    assert (check.target, check.way, check.state) == ("shop", "cloudformation", "unknown"), check.why
    ask, began = Account.ask, datetime.now(UTC)
    token = token_of(run_of(row, Attempt.objects.get(deployment=row), with_secrets=False))
    difference = {
        "PropertyPath": "/DisplayName", "ExpectedValue": CANARY, "ActualValue": "word-of-another", "DifferenceType": "NOT_EQUAL",
    }  # fmt: skip
    ours: dict[str, Any] = {"Timestamp": began, "ResourceType": "AWS::SNS::Topic", "LogicalResourceId": "News"}
    told = {
        "detect_stack_drift": {"StackDriftDetectionId": "d"},
        "describe_stack_drift_detection_status": {
            "DetectionStatus": "DETECTION_COMPLETE", "StackDriftStatus": "DRIFTED", "Timestamp": began,
        },
        "describe_stack_resource_drifts": {"StackResourceDrifts": [
            {**ours, "StackResourceDriftStatus": "MODIFIED", "PropertyDifferences": [difference],
             "ExpectedProperties": json.dumps({"DisplayName": CANARY}), "ActualProperties": '{"DisplayName": "word-of-another"}'},
            {**ours, "ResourceType": "AWS::SQS::Queue", "LogicalResourceId": "Orders", "StackResourceDriftStatus": "IN_SYNC"},
        ]},
        "describe_stack_events": {"StackEvents": [
            {**ours, "ResourceType": "AWS::CloudFormation::Stack", "StackId": "s", "PhysicalResourceId": "s", "ClientRequestToken": token},
        ]},
    }  # fmt: skip
    monkeypatch.setattr(
        Account, "ask", lambda self, name, **given: told[name] if name in told else ask(self, name, **given)
    )
    services.ask_drift_check(delivery.people.alice, environment=row.environment)
    assert run_jobs(CHECK) == 1
    check = DriftCheck.objects.latest("pk")
    assert (check.state, check.looked_at) == ("drifted", 2), check.why
    [finding] = check.findings
    assert (finding["resource"], finding["path"]) == ("AWS::SNS::Topic News", "DisplayName")
    assert finding["wanted"] != finding["found"]
    assert not any(word in json.dumps(check.findings) for word in (CANARY, "word-of-another"))


def test_the_connection_is_tried_as_the_user_and_as_the_role(delivery: Delivery) -> None:
    erin = delivery.people.erin
    row = services.try_connection(erin, connection=Connection.objects.get(name="corp"))
    assert row.test_text.startswith("It knows the credentials as arn:aws:sts::123456789012:user/moto"), row.test_text
    role = "arn:aws:iam::123456789012:role/portal"
    row = services.update_connection(erin, connection=row, values={"role": role})
    row = services.try_connection(erin, connection=row)
    assert "assumed-role/portal/gitops-portal" in row.test_text, row.test_text


def test_a_role_that_may_look_at_no_other_stack_works(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(self: Account, operation: str, **_: Any) -> Any:
        raise Answered("AccessDenied", f"not authorized to perform {operation} on stack/gitops-portal")

    monkeypatch.setattr(Account, "ask", ask)
    row = services.try_connection(delivery.people.erin, connection=Connection.objects.get(name="corp"))
    assert (row.is_working, "they may not look at every stack" in row.test_text) == (True, True), row.test_text


def test_the_proxy_of_the_machine_is_used(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    row = services.try_connection(delivery.people.erin, connection=Connection.objects.get(name="corp"))
    assert (row.is_working, "cannot be reached (ProxyConnectionError)" in row.test_text) == (False, True), row.test_text
