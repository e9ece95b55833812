"""Drift of a stack, as its account detects it: named, without secrets, and never in sync where something was not compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import Judged, Outside, Run, ToApply, ToPlan, cloudformation_drift
from apps.deployments.dispatchers.aws_operations import token_of
from apps.deployments.dispatchers.cloudformation import CloudFormationDispatcher
from apps.deployments.dispatchers.drift import CannotTell, Found
from apps.deployments.jobs.drift_stacks import everything_hidden
from apps.rendering.cloudformation.secrets import hidden
from apps.rendering.redaction import MARK, keyed
from tests.support.dispatching import run_for, sent
from tests.support.stubs_aws import STACK_ID, Cloud, Refusal, cloud
from tests.support.stubs_aws_drift import NESTED, Detection, differs, resource

AWS = CloudFormationDispatcher()
KEY = "secret-key-1234"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudformation_drift, "PAUSE", 0.01)


@pytest.fixture
def there() -> Iterator[Cloud]:
    with cloud() as found:
        found.event("shop", "UPDATE_COMPLETE", kind=NESTED, token=token_of(run_at(found)))
        found.status = "UPDATE_COMPLETE"
        found.event("Q", "UPDATE_COMPLETE", token="of-somebody-in-a-nested-stack")
        found.resources = [resource("Q"), resource("R")]
        yield found


def run_at(there: Cloud, **facts: Any) -> Run:
    plan = ToPlan("shop", {}, lambda _: Judged(), {"stack": "shop", "parameters": []})
    clean = ToApply((), "", lambda value: hidden(value, keyed(b"k")))
    values = {"region": "eu-west-1", "accessKeyId": "AKID12345"}
    outside = Outside("corp", "aws", there.url, {"secretAccessKey": KEY}, values)
    run = replace(run_for("aws", there.url, {"target": "shop"}), outside=outside, to_plan=plan, to_apply=clean)
    return sent(run, **{"stack": STACK_ID, **facts})


def look(there: Cloud, detection: Detection) -> Found:
    detection.arm(there)
    found = AWS.find_drift(run_at(there))
    assert KEY not in repr(found)
    return found


def seen(*names: str) -> Detection:
    detection = Detection()
    for name in names:
        detection.row(name)
    return detection


def test_a_stack_that_nobody_touched_is_in_sync_and_all_pages_are_read(there: Cloud) -> None:
    found = look(there, seen("Q", "R"))
    assert (found.findings, found.problems, found.looked_at) == ((), (), 2)
    assert found.not_looked == ("CloudFormation compares only the properties that the template names.",)
    assert there.calls("DetectStackDrift") == [{"StackName": STACK_ID}]
    assert there.calls("DescribeStackResourceDrifts")[1]["NextToken"] == "more"
    assert len(there.calls("DescribeStackDriftDetectionStatus")) == 2
    asked = {name for name, _ in there.asked}
    assert {name for name in asked if not name.startswith(("Describe", "List"))} == {"DetectStackDrift"}


def test_properties_are_named_with_both_values_and_what_is_gone_is(there: Cloud) -> None:
    detection = Detection()
    before = {"VisibilityTimeout": "60", "Tags": [{"Key": "team", "Value": "a"}]}
    detection.row(
        "Q", "MODIFIED", differs("/VisibilityTimeout", "60", "90"), differs("/Tags/0/Value", "a", "b"),
        differs("/DelaySeconds", "null", "5", "ADD"), differs("/KmsKeyId", "k", "null", "REMOVE"),
        before={**before, "KmsKeyId": "k"}, after={**before, "DelaySeconds": 5},
    )  # fmt: skip
    detection.row("R", "DELETED")
    found = look(there, detection)
    assert found.problems == ()
    queue = "AWS::SQS::Queue Q"
    assert [(one.resource, one.kind, one.wanted, one.found) for one in found.findings] == [
        (queue, "field", "60", "90"), (queue, "field", '"a"', '"b"'), (queue, "field", "nothing", "5"),
        (queue, "field", '"k"', "nothing"), ("AWS::SQS::Queue R", "missing", "there", "gone"),
    ]  # fmt: skip
    assert [one.path for one in found.findings] == [
        "VisibilityTimeout", "Tags[0].Value", "DelaySeconds", "KmsKeyId", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("/MasterUserPassword", {"MasterUserPassword": "hunter-two"}, {"MasterUserPassword": "hunter-three"}),
        ("/Env/0/Value", {"Env": [{"Name": "DB_PASSWORD", "Value": "x"}]}, {"Env": [{"Name": "DB_PASSWORD", "Value": "y"}]}),
        ("/Env/7/Value", {"Env": []}, {"Env": []}),
        ("/Url", {"Url": "https://me:hunter-two@a.example"}, {"Url": "hunter-three"}),
    ],
)  # fmt: skip
def test_secrets_are_fingerprints_on_both_sides(there: Cloud, path: str, before: Any, after: Any) -> None:
    wanted = before.get("Url", "hunter-two")
    detection = seen("R")
    detection.row("Q", "MODIFIED", differs(path, wanted, "hunter-three"), before=before, after=after)
    (finding,) = look(there, detection).findings
    assert MARK in finding.wanted
    assert MARK in finding.found
    assert finding.wanted != finding.found
    assert "hunter" not in repr(finding)


@pytest.mark.parametrize(
    ("status", "more", "words"),
    [
        ("NOT_CHECKED", {}, "did not check it"),
        ("UNKNOWN", {"DriftStatusReason": "Rate exceeded"}, r"could not find out \(Rate exceeded\)"),
        ("IN_SYNC", {"ago": 60}, "from an earlier detection"),
        ("IN_SYNC", {"kind": NESTED}, "does not look into it"),
    ],
)
def test_what_was_not_compared_is_a_problem(there: Cloud, status: str, more: dict[str, Any], words: str) -> None:
    detection = seen("R")
    detection.row("Q", status, **more)
    found = look(there, detection)
    assert found.findings == ()
    (problem,) = found.problems
    assert problem.startswith(f"{more.get('kind', 'AWS::SQS::Queue')} Q could not be compared: ")
    assert words.replace("\\", "") in problem


def test_resources_that_the_account_does_not_name_at_all_are_a_problem(there: Cloud) -> None:
    there.resources += [resource("Odd", "Custom::Thing"), resource("Old", status="DELETE_COMPLETE")]
    found = look(there, seen("Q", "R"))
    (problem,) = found.problems
    assert problem.startswith(
        "CloudFormation did not compare 1 resource, which it cannot do for every type: Custom::Thing (Odd). "
    )


def test_types_that_can_never_be_compared_are_named_in_one_sentence_however_many_they_are(there: Cloud) -> None:
    there.resources += [resource(f"Odd{number}", "Custom::Thing") for number in range(6)]
    detection = seen("Q", "R")
    detection.row("Plain", "UNSUPPORTED", kind="AWS::Plain::One")
    detection.row("Later", "UNKNOWN")
    found = look(there, detection)
    first, second = found.problems
    assert first == (
        "CloudFormation did not compare 7 resources, which it cannot do for every type: AWS::Plain::One (Plain), "
        "Custom::Thing (Odd0, Odd1, Odd2 …). While the stack has them it is never called in sync, however often it is looked at."
    )
    assert second.startswith("AWS::SQS::Queue Later could not be compared")
    assert (found.findings, found.looked_at) == ((), 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ended": "DETECTION_FAILED", "reason": "No rights for Q"}, "could not look at all of shop: No rights for Q"),
        ({"status": "UNKNOWN"}, "does not know whether shop has drifted (UNKNOWN)"),
        ({"status": "NOT_CHECKED"}, "does not know whether shop has drifted (NOT_CHECKED)"),
        ({"status": "DRIFTED"}, "says that more of shop has drifted than it names"),
    ],
)
def test_a_detection_that_failed_or_contradicts_itself_is_never_in_sync(
    there: Cloud, change: dict[str, str], words: str
) -> None:
    (problem,) = look(there, replace(seen("Q", "R"), **change)).problems
    assert words in problem


def test_a_detection_that_does_not_end_is_given_up(there: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudformation_drift, "SECONDS", 0.1)
    with pytest.raises(CannotTell, match="did not finish looking at shop"):
        look(there, replace(seen("Q", "R"), busy=1000))
    assert 1 < len(there.calls("DescribeStackDriftDetectionStatus")) < 15
    assert there.calls("DescribeStackResourceDrifts") == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("", "There is no stack shop: somebody deleted it"),
        ("DELETE_COMPLETE", "There is no stack shop: somebody deleted it"),
        ("UPDATE_IN_PROGRESS", "is UPDATE_IN_PROGRESS: somebody is at work on it"),
        ("UPDATE_ROLLBACK_FAILED", "somebody has to put it right"),
    ],
)
def test_a_stack_that_is_gone_or_does_not_rest_is_not_asked_about(there: Cloud, status: str, words: str) -> None:
    there.status = status
    with pytest.raises(CannotTell, match=words):
        look(there, seen("Q", "R"))
    assert there.calls("DetectStackDrift") == []


def test_without_rights_the_words_say_which_and_a_server_in_trouble_says_nothing(there: Cloud) -> None:
    detection = seen("Q", "R")
    detection.arm(there)
    there.answers["DetectStackDrift"] = [Refusal("AccessDenied", "User is not authorized", 403)]
    with pytest.raises(
        CannotTell, match=r"AccessDenied\. User is not authorized.* needs cloudformation:DetectStackDrift"
    ):
        AWS.find_drift(run_at(there))
    for refusal in (Refusal("Throttling", "Rate exceeded"), Refusal("InternalFailure", "x", 500)):
        there.answers["DetectStackDrift"] = [refusal]
        with pytest.raises(Unavailable):
            AWS.find_drift(run_at(there))


def test_what_somebody_deployed_past_the_portal_is_never_compared_as_ours(there: Cloud) -> None:
    there.event("shop", "UPDATE_COMPLETE", kind=NESTED, token="theirs")
    with pytest.raises(CannotTell, match="Somebody deployed to the stack shop past the portal"):
        look(there, seen("Q", "R"))
    there.events.clear()
    with pytest.raises(CannotTell, match="no longer tells who deployed shop last"):
        look(there, seen("Q", "R"))
    assert there.calls("DetectStackDrift") == []


def test_what_somebody_deploys_while_it_is_looked_at_is_seen(there: Cloud) -> None:
    now = there.events[:]
    there.event("shop", "UPDATE_COMPLETE", kind=NESTED, token="theirs")
    there.answers["DescribeStackEvents"] = [{"StackEvents": now}, {"StackEvents": there.events}]
    with pytest.raises(CannotTell, match="past the portal"):
        look(there, seen("Q", "R"))


def test_where_nothing_was_to_be_done_only_later_operations_count(there: Cloud) -> None:
    there.events.clear()
    there.event("shop", "UPDATE_COMPLETE", kind=NESTED, token="earlier")
    later = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    before = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
    seen("Q", "R").arm(there)
    assert AWS.find_drift(run_at(there, sent=later, empty=True)).problems == ()
    for facts in ({"sent": before, "empty": True}, {"sent": later}):
        with pytest.raises(CannotTell, match="past the portal"):
            AWS.find_drift(run_at(there, **facts))


def test_where_only_the_account_knows_a_secret_every_value_is_hidden_and_every_name_stays(there: Cloud) -> None:
    detection = seen("R")
    detection.row(
        "Q", "MODIFIED", differs("/A/0/B", "one", "two"), before={"A": [{"B": "one"}]}, after={"A": [{"B": "two"}]}
    )
    detection.arm(there)
    clean = ToApply((), "", lambda value: everything_hidden(value, keyed(b"k")))
    (finding,) = AWS.find_drift(replace(run_at(there), to_apply=clean)).findings
    assert finding.path == "A[0].B"
    assert finding.wanted.startswith(f'"{MARK}')
    assert finding.found.startswith(f'"{MARK}')
    assert finding.wanted != finding.found
