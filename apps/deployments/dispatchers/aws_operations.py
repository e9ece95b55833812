"""What became of one operation on a stack: told by its change set and by the events that carry our token."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from apps.deployments.dispatchers import ResourceState, Run
from apps.deployments.dispatchers.aws_api import Account, Answered
from apps.deployments.dispatchers.remote import plain

MOST_EVENTS, MOST_RESOURCES = 5_000, 500
STACK = "AWS::CloudFormation::Stack"
GOOD = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})
ROLLED_BACK = frozenset({"ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"})
UPDATING = "UPDATE_IN_PROGRESS"
_EXECUTED = frozenset({"EXECUTE_COMPLETE", "EXECUTE_FAILED"})
_BEGUN = _EXECUTED | {"EXECUTE_IN_PROGRESS"}
_ENDS = ("_COMPLETE", "_FAILED")
_FOLLOWS = "cancelled"
"""In the reason of a resource that failed only because another one did."""


def token_of(run: Run) -> str:
    """Of the key: a name of a change set begins with a letter and has letters, digits and - alone."""
    return f"portal-{hashlib.sha256(run.key.encode()).hexdigest()[:48]}"


@dataclass(frozen=True, slots=True)
class Operation:
    """``execution``: of the change set; empty where it is gone. ``events``: ours, the oldest first."""

    execution: str
    stack_status: str
    events: tuple[Mapping[str, Any], ...] = ()
    resources: tuple[ResourceState, ...] = field(default=())

    @property
    def has_begun(self) -> bool:
        return self.execution in _BEGUN or bool(self.events)

    @property
    def status(self) -> str:
        """The last state of the stack by our events; where the account tells none, by the change set and the stack."""
        mine = [str(event["ResourceStatus"]) for event in self.events if _is_of_stack(event)]
        return mine[-1] if mine else self.stack_status

    @property
    def has_ended(self) -> bool:
        """By the words for an end; one that nobody knows is none."""
        if any(_is_of_stack(event) for event in self.events):
            return self.status.endswith(_ENDS)
        is_over = not self.stack_status or self.stack_status.endswith(_ENDS)
        return is_over and self.execution in _EXECUTED

    @property
    def can_be_cancelled(self) -> bool:
        """Whether the update in which the stack is, is ours: CloudFormation cancels whichever goes on there."""
        is_updating = self.stack_status == self.status == UPDATING
        return self.has_begun and is_updating and self.execution not in _EXECUTED

    @property
    def is_success(self) -> bool:
        return self.status in GOOD and self.execution != "EXECUTE_FAILED"

    @property
    def is_rolled_back(self) -> bool:
        return self.status in ROLLED_BACK

    @property
    def problem(self) -> str:
        """Why it failed: the first resource that did, by itself."""
        failed = [event for event in self.events if str(event["ResourceStatus"]).endswith("_FAILED")]
        own = [event for event in failed if _FOLLOWS not in str(event.get("ResourceStatusReason") or "").lower()]
        first = next((event for event in own if not _is_of_stack(event)), next(iter(own or failed), None))
        what = "CloudFormation rolled the stack back." if self.is_rolled_back else f"The stack is {self.status}."
        if self.status.endswith("_FAILED"):
            what += " Somebody has to put it right in the account before anything else is deployed."
        return what if first is None else f"{what} First failure: {_told(first)}"

    @property
    def lines(self) -> list[str]:
        return [f"{event['Timestamp']:%H:%M:%S} {_told(event)}" for event in self.events]


def look_at(account: Account, run: Run, stack: str, change_set: str) -> Operation:
    """Ask for all of it. :class:`Answered` where the account refuses to tell."""
    described = _or_none(account, "describe_change_set", StackName=stack, ChangeSetName=change_set)
    execution = str((described or {}).get("ExecutionStatus") or "")
    found = _or_none(account, "describe_stacks", StackName=stack)
    stacks = (found or {}).get("Stacks") or [{}]
    status = str(stacks[0].get("StackStatus") or "")
    if not stacks[0]:
        return Operation(execution, "")
    events = tuple(reversed(list(_events(account, run, stack, since=(described or {}).get("CreationTime")))))
    begun = execution in _BEGUN or bool(events)
    return Operation(execution, status, events, tuple(_resources(account, stack)) if begun else ())


def _or_none(account: Account, operation: str, **given: Any) -> dict[str, Any] | None:
    try:
        return account.ask(operation, **given)
    except Answered as problem:
        if problem.is_missing:
            return None
        raise


def _events(account: Account, run: Run, stack: str, *, since: Any) -> Iterator[Mapping[str, Any]]:
    """Ours, the newest first, of those after the change set was made."""
    token = token_of(run)
    for event in islice(account.pages("describe_stack_events", "StackEvents", StackName=stack), MOST_EVENTS):
        if since is not None and event["Timestamp"] < since:
            return
        if event.get("ClientRequestToken") in {token, f"{token}-cancel"}:
            yield event


def _is_of_stack(event: Mapping[str, Any]) -> bool:
    """Of the stack itself, and not of one that is nested in it."""
    return event.get("ResourceType") == STACK and event.get("PhysicalResourceId") == event.get("StackId")


def _told(event: Mapping[str, Any]) -> str:
    reason = plain(event.get("ResourceStatusReason"), 300)
    name = f"{plain(event.get('LogicalResourceId'), 100)} ({plain(event.get('ResourceType'), 100)})"
    return f"{name}: {event['ResourceStatus']}{f': {reason}' if reason else ''}"


def _resources(account: Account, stack: str) -> Iterator[ResourceState]:
    rows = account.pages("list_stack_resources", "StackResourceSummaries", StackName=stack)
    for row in islice(rows, MOST_RESOURCES):
        status = str(row["ResourceStatus"])
        message = plain(row.get("ResourceStatusReason"), 300)
        kind, name = plain(row["ResourceType"], 100), plain(row["LogicalResourceId"], 100)
        yield ResourceState(kind, name, sync=_sync(status), health=_health(status), message=message)


def _health(status: str) -> str:
    if status.endswith("_FAILED"):
        return "degraded"
    if status.endswith("_IN_PROGRESS"):
        return "progressing"
    return "missing" if status in {"DELETE_COMPLETE", "DELETE_SKIPPED"} else "healthy"


def _sync(status: str) -> str:
    return "synced" if status in GOOD else "out_of_sync" if status in ROLLED_BACK else "unknown"
