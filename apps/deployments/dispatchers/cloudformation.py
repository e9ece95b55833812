"""``via: cloudformation``: a change set of the approved template, compared with what was approved, and executed once.

Its name is made of the key of the attempt, and so is the token of its execution: what was asked and whose answer was lost is
found by them. A change set that is not what was approved is deleted. What was executed is told by the events that carry our
token, so an operation of somebody else is never taken for ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.clock import now
from apps.core.errors import Conflict, Unavailable
from apps.deployments.dispatchers import (
    LOOK_FOR,
    Capabilities,
    Judged,
    Progress,
    Refused,
    Run,
    RunState,
    StepProgress,
    StepState,
    ToPlan,
    cloudformation_drift,
)
from apps.deployments.dispatchers.aws_api import Account, Answered, account_of, says_nothing
from apps.deployments.dispatchers.aws_operations import Operation, look_at, token_of
from apps.deployments.dispatchers.drift import Found
from apps.deployments.dispatchers.remote import as_ended, limited
from apps.deployments.dispatchers.words import minutes
from apps.deployments.masking import SecretMask

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]
"""What it does with rights was shown to who approved it."""
PLAN_SECONDS = 900.0
STEPS = {"plan": "change set", "compare": "compare", "execute": "execute"}
REVIEW = "REVIEW_IN_PROGRESS"
_ECHOES = ("InvalidChangeSetStatus", "TokenAlreadyExists")
_OVER = frozenset({"OBSOLETE", "UNAVAILABLE", ""})
_PENDING = frozenset({"CREATE_PENDING", "CREATE_IN_PROGRESS"})


@dataclass(frozen=True, slots=True)
class Work:
    """What one look needs of the run."""

    run: Run
    account: Account
    to_plan: ToPlan
    mask: SecretMask

    @classmethod
    def of(cls, run: Run) -> Work:
        if run.to_plan is None:
            raise Refused("nothing_to_plan", "What was approved of this stack is not known, so nothing is asked for.")
        hidden = [text for text in run.to_plan.hide if len(text.encode()) >= 6]
        return cls(run, account_of(run), run.to_plan, SecretMask(hidden))

    @property
    def stack(self) -> str:
        """By its id once that is known: a name can be given anew."""
        return str(self.run.external.get("stack") or self.to_plan.content["stack"])

    @property
    def change_set(self) -> str:
        return str(self.run.external.get("set") or token_of(self.run))

    def masked(self, text: str) -> str:
        return self.mask.apply(text.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")


class CloudFormationDispatcher:
    """See the module. Asking twice does nothing twice: names and tokens are those of the attempt."""

    capabilities = Capabilities(cancel=True, logs=True, remote=True, resends=True)

    def prepare(self, run: Run) -> dict[str, Any]:
        region, wanted = (run.outside.options.get("region") if run.outside else ""), ""
        if run.to_plan is not None:
            wanted = str(run.to_plan.options.get("region") or "")
        if wanted and wanted != region:
            raise Refused("other_region", f"The target is in {wanted}, and the connection speaks to {region}.")
        return {}

    def dispatch(self, run: Run) -> Mapping[str, Any]:
        """The next of: make the change set, compare it, execute it. What was found is stored before the next one is done."""
        work = Work.of(run)
        if run.external.get("stage") == "execute":
            return _execute(work)
        try:
            return _plan(work)
        except Answered as problem:
            return _given_up(work, problem.words)
        except Conflict as problem:  # what cannot be compared
            return _given_up(work, problem.message)

    def observe(self, run: Run) -> Progress:
        known = run.external
        if not run.is_sent:
            return Progress(RunState.NOT_STARTED)
        if known.get("problem"):
            return Progress(RunState.ENDED, _steps(run), "failed", problem=str(known["problem"]))
        if known.get("empty"):
            return Progress(RunState.ENDED, _steps(run), "succeeded", text="There is nothing to do.")
        if known.get("stage") != "execute":
            if run.is_cancelled:
                _looked(Work.of(run))  # who could not be asked was not told either
                return Progress(RunState.ENDED, _steps(run), "cancelled")
            return Progress(RunState.NOT_STARTED, _steps(run), text="CloudFormation makes the change set.")
        work = Work.of(run)
        return limited(run, _followed(work, _looked(work)), "The operation on the stack")

    def read_log(self, run: Run, key: str, offset: int, limit: int) -> bytes:
        return _log(run, key)[offset : offset + limit]

    def cancel(self, run: Run) -> bool:
        """Before the execution the change set is deleted; an update of a stack is cancelled, which rolls it back."""
        if not run.is_sent:
            return False
        work = Work.of(run)
        operation = _looked(work)
        try:
            if not operation.has_begun:
                _take_away(work)
            elif operation.can_be_cancelled:
                token = f"{token_of(run)}-cancel"
                work.account.ask("cancel_update_stack", StackName=work.stack, ClientRequestToken=token)
        except Answered as problem:
            raise Unavailable("outside_refused", problem.words) from None
        return operation.has_begun

    def discard(self, run: Run) -> None:
        return

    def find_drift(self, run: Run) -> Found:
        self.prepare(run)
        return cloudformation_drift.find_drift(run, account_of(run))


def _plan(work: Work) -> dict[str, Any]:
    """Make the change set unless it is there, and compare it when it is complete."""
    facts: dict[str, Any] = {"stage": "plan"}
    found = _described(work)
    if found is None:
        return {**facts, **_made(work)}
    facts |= {"set": found["ChangeSetId"], "stack": found["StackId"]}
    if found["Status"] in _PENDING:
        if work.run.age(now()) > PLAN_SECONDS:
            return {**facts, **_given_up(work, f"The change set was not complete in {minutes(PLAN_SECONDS)}.")}
        return facts
    reason = str(found.get("StatusReason") or "")
    is_nothing = found["Status"] == "FAILED" and says_nothing(reason)
    if found["Status"] != "CREATE_COMPLETE" and not is_nothing:
        text = f"CloudFormation could not make the change set: {reason or found['Status']}"
        return {**facts, **_given_up(work, text)}
    return {**facts, **_compared(work, found, is_nothing=is_nothing)}


def _made(work: Work) -> dict[str, Any]:
    """There is no change set: the first one, or none any more. In the first minute the answer may be older than what was made."""
    status = _stack_status(work)
    if not work.run.external.get("set"):
        return _create(work, status)
    if work.run.age(now()) <= LOOK_FOR:
        return {}
    return {"problem": "The change set is gone: somebody deleted it. Nothing was executed."}


def _create(work: Work, status: str) -> dict[str, Any]:
    token = token_of(work.run)
    content = work.to_plan.content
    try:
        created = work.account.ask(
            "create_change_set",
            StackName=content["stack"],
            ChangeSetName=token,
            ClientToken=f"{token}-create",  # its events are none of the execution
            ChangeSetType="CREATE" if status in {"", REVIEW} else "UPDATE",
            TemplateBody=content["template"],
            Parameters=content["parameters"],
            Capabilities=CAPABILITIES,
        )
    except Answered as problem:
        if problem.code == "ValidationError" and says_nothing(problem.message):
            return {"lines": list(work.to_plan.judge(None).lines), "empty": True}
        raise
    return {"set": created["Id"], "stack": created["StackId"], "is_ours": not status}


def _described(work: Work) -> dict[str, Any] | None:
    """Our change set, by name; ``None`` where there is none."""
    try:
        return work.account.ask("describe_change_set", StackName=work.stack, ChangeSetName=work.change_set)
    except Answered as problem:
        if problem.is_missing:
            return None
        raise


def _stack_status(work: Work) -> str:
    """Empty where there is no such stack."""
    try:
        found = work.account.ask("describe_stacks", StackName=work.to_plan.content["stack"])["Stacks"]
    except Answered as problem:
        if problem.is_missing:
            return ""
        raise
    return str(found[0]["StackStatus"]) if found else ""


def _compared(work: Work, found: Mapping[str, Any], *, is_nothing: bool) -> dict[str, Any]:
    """Whether it is what was approved: executed next, or taken away."""
    changes = None
    if not is_nothing:
        given = {"StackName": work.stack, "ChangeSetName": found["ChangeSetId"], "IncludePropertyValues": True}
        changes = list(work.account.pages("describe_change_set", "Changes", **given))
    verdict: Judged = work.to_plan.judge(changes)
    lines = [work.masked(line) for line in verdict.lines]
    if verdict.problem:
        return {"lines": lines, "stage": "compare", **_given_up(work, verdict.problem)}
    if is_nothing:
        _take_away(work)
        return {"lines": lines, "empty": True}
    return {"lines": lines, "stage": "execute"}


def _execute(work: Work) -> dict[str, Any]:
    """Ask for it once: a change set is executed at most once, and its token is that of this attempt.

    A no about its state may be the echo of a request whose answer was lost: then the next look tells.
    """
    operation = _looked(work)
    if operation.has_begun:
        return {"executed": now().isoformat()}
    is_late = work.run.age(now()) > 2 * PLAN_SECONDS
    if operation.execution in _OVER or is_late:
        reason = "it was not executed in time" if is_late else "somebody changed the stack, or it cannot be executed"
        return _given_up(work, f"The approved change set is no longer valid: {reason}. Nothing was executed.")
    token = token_of(work.run)
    try:
        work.account.ask(
            "execute_change_set", StackName=work.stack, ChangeSetName=work.change_set, ClientRequestToken=token
        )
    except Answered as problem:
        if any(word in problem.code for word in _ECHOES):
            return {}
        return _given_up(work, problem.words)
    return {"executed": now().isoformat()}


def _looked(work: Work) -> Operation:
    """What is known of the operation. A refusal to tell says nothing about it: it is asked again."""
    try:
        return look_at(work.account, work.run, work.stack, work.change_set)
    except Answered as problem:
        raise Unavailable("outside_refused", problem.words) from None


def _given_up(work: Work, problem: str) -> dict[str, Any]:
    """It ends here; the change set, and a stack that came to be with it, go."""
    _take_away(work)
    return {"problem": work.masked(problem)[:500]}


def _take_away(work: Work) -> None:
    """What fails here must not hide why it ends."""
    try:
        work.account.ask("delete_change_set", StackName=work.stack, ChangeSetName=work.change_set)
        if work.run.external.get("is_ours") and _stack_status(work) == REVIEW:
            left = work.account.ask("list_change_sets", StackName=work.stack)["Summaries"]
            if not left:
                work.account.ask("delete_stack", StackName=work.stack)
    except (Answered, Unavailable):
        return


def _followed(work: Work, operation: Operation) -> Progress:
    run = work.run
    run.memory["log"] = work.masked("".join(f"{line}\n" for line in operation.lines)).encode()
    if not operation.has_begun:
        return _not_shown(run)
    if not operation.has_ended:
        text = f"The stack is {operation.stack_status}." if operation.stack_status else ""
        return Progress(RunState.RUNNING, _steps(run), text=text, resources=operation.resources)
    if operation.is_success:
        steps = _steps(run, is_over=True)
        return Progress(
            RunState.ENDED, steps, "succeeded", f"The stack is {operation.status}.", resources=operation.resources
        )
    problem = work.masked(operation.problem)
    is_cancelled = run.is_cancelled and operation.is_rolled_back
    steps = _steps(run, is_over=True, failure="" if is_cancelled else problem, is_cancelled=is_cancelled)
    outcome = "cancelled" if is_cancelled else "failed"
    return Progress(RunState.ENDED, steps, outcome, problem=problem, resources=operation.resources)


def _not_shown(run: Run) -> Progress:
    """No execution is to be seen. One that the account took is under way: what it shows is older than that."""
    if run.external.get("executed"):
        text = "CloudFormation took the execution and shows nothing of it"
        if run.age(now()) > 2 * PLAN_SECONDS:
            return Progress(RunState.LOST, _steps(run), problem=f"{text}.")
        return Progress(RunState.RUNNING, _steps(run), text=f"{text} yet.")
    if run.is_cancelled:
        return Progress(RunState.ENDED, _steps(run), "cancelled")
    return Progress(RunState.NOT_STARTED, _steps(run))


def _steps(
    run: Run, *, is_over: bool = False, failure: str = "", is_cancelled: bool = False
) -> tuple[StepProgress, ...]:
    """The change set, its comparison, its execution; those before the present one are over."""
    known = run.external
    here = {"compare": 1, "execute": 2}.get(str(known.get("stage")), 0)
    ended_early = bool(known.get("problem")) or (run.is_cancelled and here < 2)
    if known.get("empty"):
        here = len(STEPS)
    found = []
    for position, (key, name) in enumerate(STEPS.items()):
        fields: dict[str, Any] = {"state": StepState.WAITING}
        if position < here:
            fields = as_ended()
        elif position == here and (is_over or ended_early):
            problem = failure or str(known.get("problem") or "")
            fields = as_ended(problem, is_cancelled=is_cancelled or (run.is_cancelled and not problem))
        elif position == here:
            fields = {"state": StepState.RUNNING}
        found.append(StepProgress(key=key, name=name, output_bytes=len(_log(run, key)), **fields))
    return tuple(found)


def _log(run: Run, key: str) -> bytes:
    if key == "execute":
        log: bytes = run.memory.get("log", b"")
        return log
    return "".join(f"{line}\n" for line in run.external.get("lines") or ()).encode() if key == "compare" else b""
