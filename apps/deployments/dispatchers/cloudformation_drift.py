"""Drift of a stack as CloudFormation detects it: which properties of which resources are no longer those of the template.

CloudFormation compares with the template that was deployed last, by whomever. So its answer counts only where the last
operation on the stack is that of the ledger. What it did not compare, or compared some other time, is a problem and never
in sync. A detection changes nothing in the stack.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any

from apps.core.text import first_few
from apps.deployments.dispatchers import Run
from apps.deployments.dispatchers.aws_api import Account, Answered
from apps.deployments.dispatchers.aws_operations import STACK, token_of
from apps.deployments.dispatchers.cloudformation_values import as_shown, text_of
from apps.deployments.dispatchers.drift import MISSING, TOLD, CannotTell, Finding, Found, of_values
from apps.deployments.dispatchers.remote import moment, plain
from apps.deployments.dispatchers.words import minutes

SECONDS, PAUSE = 240.0, 3.0
"""How long a detection is waited for, which is less than the margin of the lease of a look; and between two questions."""
NOT_LOOKED = "CloudFormation compares only the properties that the template names."
RIGHTS = "The account of the connection needs cloudformation:DetectStackDrift and may read what the stack has."
_WHY = {
    "NOT_CHECKED": "CloudFormation did not check it",
    "UNKNOWN": "CloudFormation could not find out",
    "OLD": "what CloudFormation tells of it is from an earlier detection",
    "NESTED": "it is a stack of its own, and CloudFormation does not look into it",
}
_COMPARED = frozenset({"IN_SYNC", "MODIFIED", "DELETED"})
_GONE = frozenset({"DELETE_COMPLETE", "DELETE_SKIPPED"})


def find_drift(run: Run, account: Account) -> Found:
    """See the module. :class:`CannotTell` where nothing can be said of the stack at all."""
    if run.to_plan is None or run.to_apply is None:
        raise CannotTell("no_target", "What was approved of this stack is not known, so nothing is compared.")
    stack = str(run.external.get("stack") or run.to_plan.content["stack"])
    name = plain(run.to_plan.content["stack"], 130)
    try:
        _require_ours(run, account, stack, name)
        told = _detected(account, stack, name)
        rows = list(account.pages("describe_stack_resource_drifts", "StackResourceDrifts", StackName=stack))
        there = list(account.pages("list_stack_resources", "StackResourceSummaries", StackName=stack))
        _require_ours(run, account, stack, name)  # nobody changed it in between
    except Answered as problem:
        if problem.is_missing:
            raise CannotTell("no_stack", _missing(name)) from None
        words = text_of(run, problem.words)
        raise CannotTell("outside_refused", f"{words} {RIGHTS}" if "Denied" in problem.code else words) from None
    return _judged(run, name, told, rows, there)


def _missing(name: str) -> str:
    return f"There is no stack {name}: somebody deleted it, or the connection speaks to another account or region."


def _require_ours(run: Run, account: Account, stack: str, name: str) -> None:
    """That it rests, and that nobody has deployed to it since."""
    found = account.ask("describe_stacks", StackName=stack)["Stacks"]
    status = str(found[0]["StackStatus"]) if found else "DELETE_COMPLETE"
    if status == "DELETE_COMPLETE":
        raise CannotTell("no_stack", _missing(name))
    if status.endswith("_IN_PROGRESS"):
        raise CannotTell("busy", f"The stack {name} is {status}: somebody is at work on it. It is looked at again.")
    if status.endswith("_FAILED"):
        raise CannotTell("not_whole", f"The stack {name} is {status}: somebody has to put it right in the account.")
    rows = account.pages("describe_stack_events", "StackEvents", StackName=stack)
    last = next((row for row in rows if _is_of_stack(row)), None)
    if last is None:
        text = (
            f"CloudFormation no longer tells who deployed {name} last (it keeps events for 90 days); deploy it again."
        )
        raise CannotTell("no_events", text)
    if not _is_ours(run, last):
        text = (
            f"Somebody deployed to the stack {name} past the portal at {last['Timestamp'].astimezone(UTC):%Y-%m-%d %H:%M} UTC, "
            "and CloudFormation compares with that. Bring the stack or the repository in line with a change that is deployed."
        )
        raise CannotTell("other_operation", text)


def _is_of_stack(row: Mapping[str, Any]) -> bool:
    return row.get("ResourceType") == STACK and row.get("PhysicalResourceId") == row.get("StackId")


def _is_ours(run: Run, last: Mapping[str, Any]) -> bool:
    """Where the deployment had nothing to do, the stack was as approved when it was sent."""
    if last.get("ClientRequestToken") == token_of(run):
        return True
    sent = moment(run.external.get("sent"))
    return bool(run.external.get("empty")) and sent is not None and last["Timestamp"] <= sent


def _detected(account: Account, stack: str, name: str) -> Mapping[str, Any]:
    """The end of a detection that was begun now."""
    end = time.monotonic() + SECONDS
    detection = account.ask("detect_stack_drift", StackName=stack)["StackDriftDetectionId"]
    while True:
        told = account.ask("describe_stack_drift_detection_status", StackDriftDetectionId=detection)
        if told.get("DetectionStatus") != "DETECTION_IN_PROGRESS":
            return told
        if time.monotonic() + PAUSE > end:
            text = f"CloudFormation did not finish looking at {name} in {minutes(SECONDS)}. It is looked at again."
            raise CannotTell("timeout", text)
        time.sleep(PAUSE)


def _judged(
    run: Run, name: str, told: Mapping[str, Any], rows: list[dict[str, Any]], there: list[dict[str, Any]]
) -> Found:
    findings: list[Finding] = []
    problems = []
    seen = {row["LogicalResourceId"] for row in rows}
    never = [row for row in there if row["LogicalResourceId"] not in seen and row["ResourceStatus"] not in _GONE]
    compared = 0
    for row in rows:
        status = _status(row, told)
        if status in _COMPARED:
            compared += 1
            findings += _of_resource(run, row, status)
        elif status == "UNSUPPORTED":
            never.append(row)
        else:
            problems.append(_not_compared(row, status, text_of(run, row.get("DriftStatusReason"))))
    problems += [_not_compared(row, "NESTED") for row in rows if row["ResourceType"] == STACK]
    problems = [*_of_stack(run, name, told, rows), *_of_types(never), *problems]
    return Found(tuple(findings), (NOT_LOOKED,), tuple(problems), compared)


def _of_stack(run: Run, name: str, told: Mapping[str, Any], rows: list[dict[str, Any]]) -> Iterator[str]:
    """What keeps the whole answer from being one."""
    ended, status = told.get("DetectionStatus"), told.get("StackDriftStatus")
    if ended != "DETECTION_COMPLETE":
        reason = text_of(run, told.get("DetectionStatusReason")) or "it says nothing more"
        yield f"CloudFormation could not look at all of {name}: {reason}"
    elif status not in {"IN_SYNC", "DRIFTED"}:
        yield f"CloudFormation does not know whether {name} has drifted ({plain(status, 30) or 'no answer'})."
    differing = [row for row in rows if _status(row, told) in {"MODIFIED", "DELETED"}]
    if status == "DRIFTED" and len(differing) < max(1, int(told.get("DriftedStackResourceCount") or 0)):
        yield f"CloudFormation says that more of {name} has drifted than it names."
    if not rows:
        yield f"CloudFormation compared nothing of {name}."


def _of_types(rows: list[dict[str, Any]]) -> Iterator[str]:
    """What CloudFormation has no way to compare, by type: looking again does not help, and one sentence has room for many."""
    named: dict[str, list[str]] = {}
    for row in rows:
        named.setdefault(plain(row["ResourceType"], 100), []).append(plain(row["LogicalResourceId"], 100))
    if named:
        types = first_few([f"{kind} ({first_few(sorted(names), 3)})" for kind, names in sorted(named.items())], 10)
        count = f"{len(rows)} resource{'s' if len(rows) != 1 else ''}"
        yield (
            f"CloudFormation did not compare {count}, which it cannot do for every type: {types}. "
            "While the stack has them it is never called in sync, however often it is looked at."
        )


def _status(row: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    """What this detection says of the resource; ``OLD`` for the word of an earlier one."""
    return "OLD" if row["Timestamp"] < told["Timestamp"] else str(row["StackResourceDriftStatus"])


def _name(row: Mapping[str, Any]) -> str:
    return f"{plain(row['ResourceType'], 100)} {plain(row['LogicalResourceId'], 100)}"


def _not_compared(row: Mapping[str, Any], status: str, reason: str = "") -> str:
    why = _WHY.get(status) or f"CloudFormation says {plain(status, 30)}"
    return f"{_name(row)} could not be compared: {why}{f' ({reason})' if reason else ''}."


def _of_resource(run: Run, row: Mapping[str, Any], status: str) -> list[Finding]:
    if status == "IN_SYNC":
        return []
    if status == "DELETED":
        return [Finding(_name(row), MISSING, wanted="there", found="gone")]
    fields = [
        of_values(_name(row), *as_shown(run, row, difference)) for difference in row.get("PropertyDifferences") or ()
    ]
    return fields or [Finding(_name(row), TOLD, wanted="in sync", found="modified", is_vague=True)]
