"""``via: cloudformation``: a change set that is what was approved is executed once; everything else is taken away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from apps.core.errors import InvalidInput
from apps.deployments.dispatchers import InDoubt, Judged, NotSent, Outside, Progress, Refused, Run, RunState, ToPlan
from apps.deployments.dispatchers.aws_api import test as try_connection
from apps.deployments.dispatchers.aws_operations import token_of
from apps.deployments.dispatchers.cloudformation import CloudFormationDispatcher
from tests.support.dispatching import log_of, look, older, run_for, sent
from tests.support.stubs_aws import Cloud, Refusal, cloud

AWS = CloudFormationDispatcher()
CANARY = "canary-7f3e9a5b1d"
QUEUE = {
    "Type": "Resource",
    "ResourceChange": {"Action": "Modify", "LogicalResourceId": "Q", "ResourceType": "AWS::SQS::Queue"},
}
STACK = "AWS::CloudFormation::Stack"


@pytest.fixture
def there() -> Iterator[Cloud]:
    with cloud() as found:
        found.changes = [
            QUEUE,
            {"Type": "Resource", "ResourceChange": {**QUEUE["ResourceChange"], "LogicalResourceId": "R"}},
        ]
        yield found


def run_at(there: Cloud, problem: str = "", **more: Any) -> Run:
    """A run whose change set is judged as ``problem`` says; what was judged stands in ``seen``."""
    seen: list[Any] = []

    def judge(changes: Any) -> Judged:
        seen.append(changes)
        return Judged(problem, changes is None, ("It is exactly the approved plan:",))

    content = {
        "stack": "shop",
        "template": json.dumps({"Resources": {}}),
        "parameters": [{"ParameterKey": "Code", "ParameterValue": CANARY}],
    }
    run = run_for("aws", there.url, {"target": "shop", **more})
    outside = Outside(
        "corp",
        "aws",
        there.url,
        {"secretAccessKey": "secret-key-1234"},
        {"region": "eu-west-1", "accessKeyId": "AKID12345"},
    )
    return replace(
        run,
        outside=outside,
        to_plan=ToPlan("shop", {"stack": "shop"}, judge, content, (CANARY,)),
        memory={"seen": seen},
    )


def executing(there: Cloud, run: Run | None = None) -> Run:
    """Looks until the change set was executed."""
    run = run or run_at(there)
    for _ in range(6):
        run, progress = look(AWS, run)
        if there.calls("ExecuteChangeSet"):
            return run
    raise AssertionError(progress)


def done(run: Run) -> Progress:
    progress = look(AWS, run)[1]
    assert progress.state == RunState.ENDED, progress
    return progress


def test_the_change_set_is_compared_whole_and_executed_once(there: Cloud) -> None:
    run = executing(there)
    assert [change["ResourceChange"]["LogicalResourceId"] for change in seen_of(run)] == ["Q", "R"]
    [created] = there.calls("CreateChangeSet")
    assert (created["ChangeSetName"], created["ClientToken"]) == (token_of(run), f"{token_of(run)}-create")
    assert created["ChangeSetType"] == "UPDATE"
    [executed] = there.calls("ExecuteChangeSet")
    assert executed["ClientRequestToken"] == token_of(run)
    there.event("Q", "UPDATE_COMPLETE")
    there.resources.append(
        {
            "LogicalResourceId": "Q",
            "ResourceType": "AWS::SQS::Queue",
            "LastUpdatedTimestamp": there.events[0]["Timestamp"],
            "ResourceStatus": "UPDATE_COMPLETE",
        }
    )
    run, progress = look(AWS, run)
    assert (progress.state, progress.text) == (RunState.RUNNING, "The stack is UPDATE_IN_PROGRESS.")
    there.event("shop", "UPDATE_COMPLETE", kind=STACK)
    progress = done(run)
    assert progress.outcome == "succeeded"
    assert [(step.name, step.is_success) for step in progress.steps] == [
        ("change set", True),
        ("compare", True),
        ("execute", True),
    ]
    assert [(one.name, one.health, one.sync) for one in progress.resources] == [("Q", "healthy", "synced")]
    assert [line[9:] for line in log_of(AWS, run, "execute").splitlines()] == [
        "shop (AWS::CloudFormation::Stack): UPDATE_IN_PROGRESS: User Initiated",
        "Q (AWS::SQS::Queue): UPDATE_COMPLETE",
        "shop (AWS::CloudFormation::Stack): UPDATE_COMPLETE",
    ]


def seen_of(run: Run) -> list[Any]:
    assert run.to_plan is not None
    closure = run.to_plan.judge.__closure__ or ()
    return next(cell.cell_contents for cell in closure if isinstance(cell.cell_contents, list))[-1]


def test_what_was_not_approved_is_deleted_and_never_executed(there: Cloud) -> None:
    run = run_at(there, f"Q would now be replaced, which was not approved ({CANARY}).")
    for _ in range(3):
        run, progress = look(AWS, run)
    assert (progress.state, progress.outcome) == (RunState.ENDED, "failed")
    assert "Q would now be replaced" in progress.problem
    assert CANARY not in progress.problem
    assert there.change_sets == {}
    assert there.calls("ExecuteChangeSet") == []


def test_a_stack_that_came_with_the_change_set_goes_with_it(there: Cloud) -> None:
    there.status = ""
    run = run_at(there, "Not approved.")
    for _ in range(3):
        run, progress = look(AWS, run)
    assert there.calls("CreateChangeSet")[0]["ChangeSetType"] == "CREATE"
    assert (progress.outcome, there.status, there.change_sets) == ("failed", "", {})


def test_where_nothing_would_happen_nothing_is_executed(there: Cloud) -> None:
    there.reason = "The submitted information didn't contain changes."
    run = run_at(there)
    for _ in range(3):
        run, progress = look(AWS, run)
    assert (progress.outcome, seen_of(run)) == ("succeeded", None)
    assert there.calls("ExecuteChangeSet") == []
    assert there.change_sets == {}


@pytest.mark.parametrize("at", ["the change set", "the request"])
def test_a_refusal_in_words_of_others_is_no_success(there: Cloud, at: str) -> None:
    """A hook or a constraint says what its author wrote."""
    words = "Parameter 'Mode' failed to satisfy constraint: no changes; No updates are to be performed in the audit"
    if at == "the request":
        there.answers["CreateChangeSet"] = [Refusal("ValidationError", words)]
    else:
        there.reason = words
    run = run_at(there)
    for _ in range(3):
        run, progress = look(AWS, run)
    assert (progress.state, progress.outcome) == (RunState.ENDED, "failed")
    assert words in progress.problem
    assert there.calls("ExecuteChangeSet") == []


@pytest.mark.parametrize(("code", "outcome"), [("ValidationError", "succeeded"), ("AccessDenied", "failed")])
def test_only_the_accounts_own_word_says_that_nothing_would_happen(there: Cloud, code: str, outcome: str) -> None:
    there.answers["CreateChangeSet"] = [Refusal(code, "No updates are to be performed.")]
    run = run_at(there)
    for _ in range(3):
        run, progress = look(AWS, run)
    assert progress.outcome == outcome


def test_a_change_set_that_cannot_be_made_fails_with_the_accounts_words(there: Cloud) -> None:
    there.reason = f"Template error: {CANARY} is not valid"
    run = run_at(there)
    for _ in range(3):
        run, progress = look(AWS, run)
    assert progress.problem == "CloudFormation could not make the change set: Template error: •••• masked is not valid"


def test_a_roll_back_is_a_failure_with_the_first_reason(there: Cloud) -> None:
    run = executing(there)
    there.event("Q", "UPDATE_FAILED", f"Queue {CANARY} exists already")
    there.event("R", "UPDATE_FAILED", "Resource update cancelled")
    there.event("shop", "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [Q].", kind=STACK)
    assert look(AWS, run)[1].state == RunState.RUNNING
    there.event("shop", "UPDATE_ROLLBACK_COMPLETE", kind=STACK)
    progress = done(run)
    assert progress.outcome == "failed"
    assert progress.problem == (
        "CloudFormation rolled the stack back. First failure: Q (AWS::SQS::Queue): UPDATE_FAILED: Queue •••• masked exists already"
    )
    assert CANARY not in log_of(AWS, run, "execute")


def test_a_roll_back_that_failed_says_that_somebody_has_to_act(there: Cloud) -> None:
    run = executing(there)
    there.event("shop", "UPDATE_ROLLBACK_FAILED", "The role may not do this", kind=STACK)
    progress = done(run)
    assert "The stack is UPDATE_ROLLBACK_FAILED. Somebody has to put it right" in progress.problem


def test_what_somebody_else_does_to_the_stack_is_not_taken_for_ours(there: Cloud) -> None:
    run = executing(there)
    there.event("shop", "UPDATE_COMPLETE", kind=STACK)
    there.event("shop", "UPDATE_IN_PROGRESS", kind=STACK, token="theirs")
    there.event("shop", "UPDATE_ROLLBACK_COMPLETE", kind=STACK, token="theirs")
    there.status = "UPDATE_ROLLBACK_COMPLETE"
    there.change_sets.clear()  # AWS takes them away after an update
    progress = done(run)
    assert progress.outcome == "succeeded"
    assert "theirs" not in log_of(AWS, run, "execute")


@pytest.mark.parametrize("operation", ["CreateChangeSet", "ExecuteChangeSet", "DescribeChangeSet"])
def test_a_lost_answer_is_looked_up_and_nothing_is_done_twice(there: Cloud, operation: str) -> None:
    there.drop = {operation}
    run = run_at(there)
    for _ in range(8):
        try:
            run, _ = look(AWS, run)
        except InDoubt:
            run = sent(run)
    assert len(there.calls("CreateChangeSet")) == 1
    assert len(there.calls("ExecuteChangeSet")) == 1
    there.event("shop", "UPDATE_COMPLETE", kind=STACK)
    assert done(run).outcome == "succeeded"


def test_an_execution_that_the_account_does_not_show_yet_is_not_taken_for_a_failure(there: Cloud) -> None:
    """The second request is refused because the first one arrived."""
    run = executing(there)
    run = replace(run, external={key: value for key, value in run.external.items() if key != "executed"})
    there.answers["DescribeStackEvents"] = [{"StackEvents": []}, {"StackEvents": []}]
    found = next(iter(there.change_sets.values()))
    there.answers["DescribeChangeSet"] = [
        {**found, "ExecutionStatus": "AVAILABLE"},
        {**found, "ExecutionStatus": "AVAILABLE"},
    ]
    run, progress = look(AWS, run)
    assert len(there.calls("ExecuteChangeSet")) == 2
    assert progress.state == RunState.RUNNING
    there.event("shop", "UPDATE_COMPLETE", kind=STACK)
    assert done(run).outcome == "succeeded"


def test_a_change_set_that_became_obsolete_is_not_executed(there: Cloud) -> None:
    run = run_at(there)
    for _ in range(2):
        run, _ = look(AWS, run)
    next(iter(there.change_sets.values()))["ExecutionStatus"] = "OBSOLETE"
    run, progress = look(AWS, run)
    assert progress.outcome == "failed"
    assert "no longer valid" in progress.problem
    assert there.calls("ExecuteChangeSet") == []


def test_cancelling_before_the_execution_takes_the_change_set_away(there: Cloud) -> None:
    run, _ = look(AWS, run_at(there))
    run, progress = look(AWS, replace(run, is_cancelled=True))
    assert (progress.state, progress.outcome, there.change_sets) == (RunState.ENDED, "cancelled", {})
    assert there.calls("ExecuteChangeSet") == []


def test_cancelling_an_update_rolls_it_back(there: Cloud) -> None:
    run = replace(executing(there), is_cancelled=True)
    run, progress = look(AWS, run)
    assert progress.state == RunState.RUNNING
    [cancelled] = there.calls("CancelUpdateStack")
    assert cancelled["ClientRequestToken"] == f"{token_of(run)}-cancel"
    there.event("shop", "UPDATE_ROLLBACK_COMPLETE", kind=STACK, token=f"{token_of(run)}-cancel")
    there.status = "UPDATE_ROLLBACK_COMPLETE"
    assert done(run).outcome == "cancelled"
    assert len(there.calls("CancelUpdateStack")) == 1


@pytest.mark.parametrize("execution", ["EXECUTE_IN_PROGRESS", "EXECUTE_COMPLETE"])
@pytest.mark.parametrize("told", ["UPDATE_COMPLETE", ""])
def test_cancelling_leaves_the_update_of_somebody_else_alone(there: Cloud, execution: str, told: str) -> None:
    run = replace(executing(there), is_cancelled=True)
    there.change_sets[token_of(run)]["ExecutionStatus"] = execution
    if told:
        there.event("shop", told, kind=STACK)
    there.event("shop", "UPDATE_IN_PROGRESS", kind=STACK, token="theirs")
    there.status = "UPDATE_IN_PROGRESS"
    is_ours = (execution, told) == ("EXECUTE_IN_PROGRESS", "")
    AWS.cancel(run)
    assert bool(there.calls("CancelUpdateStack")) is is_ours


def test_a_creation_cannot_be_cancelled_and_is_waited_for(there: Cloud) -> None:
    there.status = ""
    run = replace(executing(there), is_cancelled=True)
    assert look(AWS, run)[1].state == RunState.RUNNING
    assert there.calls("CancelUpdateStack") == []
    there.event("shop", "CREATE_COMPLETE", kind=STACK)
    assert done(run).outcome == "succeeded"


def test_without_rights_it_fails_and_a_server_in_trouble_is_asked_again(there: Cloud) -> None:
    there.answers["DescribeChangeSet"] = [Refusal("AccessDenied", "User is not authorized", 403)]
    _, progress = look(AWS, run_at(there))
    assert progress.outcome == "failed"
    assert "AccessDenied" in progress.problem
    for refusal, kind in (
        (Refusal("Throttling", "Rate exceeded"), NotSent),
        (Refusal("InternalFailure", "x", 500), InDoubt),
    ):
        there.answers["DescribeChangeSet"] = [refusal]
        with pytest.raises(kind):
            AWS.dispatch(sent(run_at(there)))


def test_a_run_that_takes_too_long_is_unknown(there: Cloud) -> None:
    run = executing(there, run_at(there, timeout=1800))
    progress = look(AWS, older(run, 1801))[1]
    assert progress.state == RunState.LOST
    assert "did not end within 1800 s" in progress.problem


def test_a_connection_elsewhere_gets_nothing(there: Cloud, settings: Any) -> None:
    run = run_at(there)
    assert run.to_plan is not None
    with pytest.raises(Refused, match="The target is in us-east-1, and the connection speaks to eu-west-1"):
        AWS.prepare(replace(run, to_plan=replace(run.to_plan, options={"region": "us-east-1"})))
    settings.PORTAL_CONNECTION_PLAIN_HTTP = []
    with pytest.raises(InvalidInput, match=r"Credentials would go to 127\.0\.0\.1 in clear"):
        AWS.dispatch(run)
    assert there.asked == []


def test_one_that_cannot_be_reached_was_sent_nothing(there: Cloud) -> None:
    run = run_at(there)
    assert run.outside is not None
    with pytest.raises(NotSent, match="cannot be reached"):
        AWS.dispatch(replace(run, outside=replace(run.outside, url="http://127.0.0.1:9")))
    with pytest.raises(NotSent):
        try_connection(replace(run.outside, url="http://127.0.0.1:9"))
