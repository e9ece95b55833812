"""After the run: its health is watched, for as long as portal.yaml says, before the deployment has succeeded.

All that is known stands in ``Attempt.health`` (``{"since", "good_since", "looked_at", "took", "by_commands", "checks": {name: {"at",
"is_good", "text"}}}``, times ISO, and what stands in the log of each check; ``at``: when it was asked, ``looked_at``: when all answers were there, ``took``: seconds that this
took), so a worker that takes over goes on where the last one was. Time in which nobody looked counts for nothing, neither for what
was good nor against it: ``since`` moves on by it. A wait for a thread, while others are looked at, is not held against it either, and
what was good before it stays good.

Commands take minutes, so what is asked by one is looked at by a job of its own: it never holds a thread that follows runs.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef

from apps.audit import services as audit
from apps.audit.actors import SYSTEM
from apps.changes.models import ChangeRequest
from apps.changes.transitions import lock_change, lock_pair
from apps.core.clock import now
from apps.core.errors import PortalError
from apps.core.leases import lease_now
from apps.deployments.dispatchers import Progress
from apps.deployments.dispatchers.checking import prepare
from apps.deployments.dispatchers.local import require_fence
from apps.deployments.health import Reading
from apps.deployments.jobs.asking import ask_check
from apps.deployments.jobs.keeping import LONGEST_WAIT
from apps.deployments.jobs.outcomes import end_cancelled
from apps.deployments.jobs.recording import OF_CHECKS
from apps.deployments.jobs.runs import run_of
from apps.deployments.lifecycle import Event, Status
from apps.deployments.models import Attempt, Deployment, DeploymentEvent, Step
from apps.deployments.queries.freezes import open_freeze, words_of
from apps.deployments.queries.rolled_back import covered_by
from apps.deployments.services import roll_back_by_rule
from apps.deployments.transitions import LeaseLost, append_event, end_deployment, say, tell_deployers
from apps.rendering.limits import MIB
from apps.reviews.queries import judge

UNSEEN = timedelta(seconds=30)
"""How late a look may be, beside three times the shortest interval, before what was good counts from the start again."""

MOST_STORED, FULL_LOG_PAUSE = MIB, timedelta(minutes=1)
"""Bytes of the log of one check; then only what was found is added, and only so often: a command may print something else each time."""
NOT_ASKED = "Nothing is rolled back by rule for what the portal itself could not ask: somebody decides what to do."
NOT_BY_RULE = {
    # One would bring back what the other took away, without end.
    Deployment.Kind.ROLLBACK.value: "A roll-back is not rolled back by rule: somebody decides what to do.",
    # The state before it is this very change: undoing that would take away what had been good.
    Deployment.Kind.REDEPLOY.value: "It was live before, so nothing is rolled back by rule: somebody decides what to do.",
}


def is_watched(deployment: Deployment) -> bool:
    """Whether portal.yaml asks for anything after the run."""
    return bool(deployment.plan.get("health"))


def has_commands(plan: dict[str, Any]) -> bool:
    """Whether anything of ``plan["health"]`` is asked by a command."""
    return any(check["kind"] == "command" for check in plan.get("health", {}).get("checks", []))


def by_commands() -> Exists:
    """Of a deployment: whether its health is watched now, and asked by commands."""
    return Exists(
        Attempt.objects.filter(deployment=OuterRef("pk"), number=OuterRef("attempts"), health__by_commands=True)
    )


def require_askable(deployment: Deployment, attempt: Attempt) -> None:
    """Before anything is changed: fails where this worker could not run what the health is asked by, or not check its commit out."""
    if has_commands(deployment.plan):
        require_fence()
        prepare(run_of(deployment, attempt, with_secrets=False))


def watch(deployment: Deployment, attempt: Attempt, progress: Progress, fence: int) -> bool:
    """Ask what is due; end the deployment when it is decided. True: it has ended. Commands are left to their own job the first time."""
    if deployment.cancel_requested_by is not None:
        with transaction.atomic():
            end_cancelled(deployment, fence, progress)
        return True
    plan = deployment.plan["health"]
    if not attempt.health and has_commands(deployment.plan):
        _hand_over(deployment, attempt, fence)
        return False
    known = attempt.health or {"since": now().isoformat(), "good_since": "", "checks": {}}
    _leave_out(attempt, plan, known)
    began = now()
    asked: list[tuple[dict[str, Any], datetime, Reading]] = []
    for check in _due(plan, known):
        at = now()
        asked.append((check, at, ask_check(deployment, attempt, check, progress, partial(_is_wanted, deployment))))
    with transaction.atomic():
        _require_lease(deployment, fence)
        for check, at, reading in asked:
            _take(deployment, attempt, fence, known, check["name"], at, reading)
        _count_out(known, began)
        over = now()
        known |= {"looked_at": over.isoformat(), "took": max(0.0, (over - began).total_seconds())}
        known["good_since"] = _good_since(plan, known)
        Attempt.objects.filter(pk=attempt.pk).update(health=known)
        attempt.health = known
        return _decide(deployment, attempt, plan, fence)


def _hand_over(deployment: Deployment, attempt: Attempt, fence: int) -> None:
    """To the job that asks by commands. Until the first look is over it may take as long as they may."""
    moment = now()
    longest = sum(
        check["timeout_seconds"] for check in deployment.plan["health"]["checks"] if check["kind"] == "command"
    )
    known = {"since": moment.isoformat(), "good_since": "", "looked_at": moment.isoformat(), "took": float(longest)}
    with transaction.atomic():
        _require_lease(deployment, fence)
        Attempt.objects.filter(pk=attempt.pk).update(health={**known, "by_commands": True, "checks": {}})
        Deployment.objects.filter(pk=deployment.pk, fence=fence).update(followed_at=lease_now(), check_at=moment)


def is_over_time(deployment: Deployment, attempt: Attempt, fence: int) -> bool:
    """Of a run that was over and is at work again, such as a roll-out that somebody scaled: nothing counts as good until it rests.

    True: the time is over, and it has failed.
    """
    plan, known = deployment.plan["health"], {**attempt.health, "good_since": ""}
    _leave_out(attempt, plan, known)
    known["looked_at"] = now().isoformat()
    with transaction.atomic():
        _require_lease(deployment, fence)
        Attempt.objects.filter(pk=attempt.pk).update(health=known)
        attempt.health = known
        if now() - datetime.fromisoformat(known["since"]) < timedelta(seconds=plan["within_seconds"]):
            return False
        _fail(deployment, attempt, plan, fence)
        return True


def _leave_out(attempt: Attempt, plan: dict[str, Any], known: dict[str, Any]) -> None:
    """What nobody saw, where that is longer than a look may be late: no thread was free, no worker ran, or a clock was moved.

    None of it counts against what is watched, beside one interval. What was good counts on where it was a wait for a thread: the looks
    are as far apart as they take long, and those at other deployments come in between.
    """
    before = known.get("looked_at") or max((found["at"] for found in known["checks"].values()), default="")
    if not before:
        return
    unseen = now() - datetime.fromisoformat(before)
    shortest = timedelta(seconds=min(check["every_seconds"] for check in plan["checks"]))
    if unseen <= 3 * shortest + UNSEEN:
        return
    known["since"] = (datetime.fromisoformat(known["since"]) + unseen - shortest).isoformat()
    look = timedelta(seconds=known.get("took", 0.0))
    if unseen > 3 * max(shortest, look) + UNSEEN + _others(attempt, known):
        known["good_since"] = ""


def _count_out(known: dict[str, Any], began: datetime) -> None:
    """Time in which the portal could not ask says nothing: it is added to what there is when all can be asked again."""
    if any(_is_unasked(found) for found in known["checks"].values()):
        known.setdefault("unasked_since", known.get("looked_at") or began.isoformat())
    elif unasked_since := known.pop("unasked_since", ""):
        lost = now() - datetime.fromisoformat(unasked_since)
        known["since"] = min(datetime.fromisoformat(known["since"]) + lost, now()).isoformat()


def _is_unasked(found: dict[str, Any]) -> bool:
    return not found.get("is_asked", True)


def _others(attempt: Attempt, known: dict[str, Any]) -> timedelta:
    """How long the looks at all others that are asked by commands take: this one may have waited for the thread that did them."""
    if not known.get("by_commands"):
        return timedelta(0)
    rows = Attempt.objects.filter(
        deployment__status=Status.RUNNING, number=F("deployment__attempts"), health__by_commands=True
    ).exclude(pk=attempt.pk)
    return timedelta(seconds=sum(float(took or 0.0) for took in rows.values_list("health__took", flat=True)))


def _due(plan: dict[str, Any], known: dict[str, Any]) -> list[dict[str, Any]]:
    """What its interval makes due; and every check once more when the time is over, so that none is taken on trust."""
    moment, end = now(), _end_of(plan, known)
    found = []
    for check in plan["checks"]:
        before = known["checks"].get(check["name"])
        if before is None or _is_due(datetime.fromisoformat(before["at"]), check, moment, end):
            found.append(check)
    return found


def _is_due(at: datetime, check: dict[str, Any], moment: datetime, end: datetime | None) -> bool:
    is_last = end is not None and moment >= end > at
    return is_last or moment - at >= timedelta(seconds=check["every_seconds"])


def _end_of(plan: dict[str, Any], known: dict[str, Any]) -> datetime | None:
    """When everything will have held long enough, if it holds now."""
    if not known["good_since"]:
        return None
    return datetime.fromisoformat(known["good_since"]) + timedelta(seconds=plan["for_seconds"])


def _is_wanted(deployment: Deployment) -> bool:
    return Deployment.objects.filter(pk=deployment.pk, cancel_requested_by=None).exists()


def _require_lease(deployment: Deployment, fence: int) -> None:
    """Locked behind its change, because what is decided here may end it."""
    lock_pair(deployment.change)
    rows = Deployment.objects.select_for_update(no_key=True).filter(pk=deployment.pk, fence=fence)
    if not rows.exists():
        raise LeaseLost


def _take(
    deployment: Deployment,
    attempt: Attempt,
    fence: int,
    known: dict[str, Any],
    name: str,
    at: datetime,
    reading: Reading,
) -> None:
    """Keep a reading; one that differs from the last stands in the log of its step."""
    before = known["checks"].get(name, {})
    step = _step(deployment, attempt, fence, name)
    found = {"at": at.isoformat(), "is_good": reading.is_good, "text": reading.text}
    if not reading.is_asked:
        found["is_asked"] = False
    told = {word: before[word] for word in ("stored", "told_at", "is_behind") if word in before}
    is_news = not before or (before["is_good"], before["text"]) != (reading.is_good, reading.text)
    if is_news or before.get("is_behind"):
        told = _tell(deployment, attempt, fence, step, told, at, reading)
    known["checks"][name] = found | told


def _tell(
    deployment: Deployment,
    attempt: Attempt,
    fence: int,
    step: Step,
    told: dict[str, Any],
    at: datetime,
    reading: Reading,
) -> dict[str, Any]:
    """In the log of its step, which has a bound; what is known of that log then."""
    stored, lines = told.get("stored", 0), list(reading.lines)
    if stored >= MOST_STORED:
        if timedelta(0) <= at - datetime.fromisoformat(told["told_at"]) < FULL_LOG_PAUSE:
            return told | {"is_behind": True}
        lines = []
    word = "ok" if reading.is_good else "not ok" if reading.is_asked else "not asked"
    lines.append(f"{word}: {reading.text}")
    text = "\n".join(lines)
    append_event(
        deployment, kind=DeploymentEvent.Kind.LOG, attempt=attempt.number, step=step.name, text=text,
        first_line=step.lines + 1, data={"lines": len(lines)}, fence=fence,
    )  # fmt: skip
    Step.objects.filter(pk=step.pk).update(lines=step.lines + len(lines))
    return {"stored": stored + len(text.encode()), "told_at": at.isoformat()}


def _step(deployment: Deployment, attempt: Attempt, fence: int, name: str) -> Step:
    """The step of a check: it runs as long as the health is watched."""
    key = f"{OF_CHECKS}{name}"
    row = attempt.steps.filter(key=key).first()
    if row is not None:
        return row
    taken = set(attempt.steps.values_list("name", flat=True))
    shown = name if name not in taken else f"check {name}"
    row = Step.objects.create(
        attempt=attempt, position=attempt.steps.count(), key=key, name=shown[:80], status=Step.Status.RUNNING,
        launched_at=now(),
    )  # fmt: skip
    append_event(
        deployment, kind=DeploymentEvent.Kind.STEP, attempt=attempt.number, step=row.name,
        text=f"Check {name} is asked.", data={"status": "running"}, fence=fence,
    )  # fmt: skip
    return row


def _good_since(plan: dict[str, Any], known: dict[str, Any]) -> str:
    """Since when everything holds in one piece; empty while something does not, or was not asked yet."""
    readings = [known["checks"].get(check["name"]) for check in plan["checks"]]
    if not all(reading is not None and reading["is_good"] for reading in readings):
        return ""
    return str(known["good_since"]) or now().isoformat()


def _decide(deployment: Deployment, attempt: Attempt, plan: dict[str, Any], fence: int) -> bool:
    known, moment = attempt.health, now()
    end = _end_of(plan, known)
    asked = [datetime.fromisoformat(found["at"]) for found in known["checks"].values()]
    if end is not None and moment >= end and all(at >= end for at in asked):
        text = f"{deployment.environment.name} runs {deployment.commit[:10]}, and its checks have held."
        end_deployment(deployment, Event.SUCCEED, text=text, fence=fence)
        return True
    if moment - datetime.fromisoformat(known["since"]) >= timedelta(seconds=plan["within_seconds"]):
        _fail(deployment, attempt, plan, fence)
        return True
    pause = min(check["every_seconds"] for check in plan["checks"])
    Deployment.objects.filter(pk=deployment.pk, fence=fence).update(
        followed_at=lease_now(), check_at=moment + min(timedelta(seconds=pause), LONGEST_WAIT)
    )
    return False


def _fail(deployment: Deployment, attempt: Attempt, plan: dict[str, Any], fence: int) -> None:
    bad = {name: found for name, found in attempt.health["checks"].items() if not found["is_good"]}
    why = "; ".join(f"{name} {found['text'].removesuffix('.')}" for name, found in bad.items())
    why = why or "its checks held, but not long enough in one piece"
    by_rule = plan["otherwise"] == "roll-back"
    if bad and all(map(_is_unasked, bad.values())):
        text = f"It was applied, but whether it is healthy could not be asked: {why}."
        by_rule, text = False, f"{text} {NOT_ASKED}" if by_rule else text
    else:
        text = f"It was applied, but is not healthy: {why}."
    if by_rule and deployment.kind in NOT_BY_RULE:
        by_rule, text = False, f"{text} {NOT_BY_RULE[deployment.kind]}"
    if bad:  # the checks that held are none that failed
        held = [f"{OF_CHECKS}{name}" for name in attempt.health["checks"] if name not in bad]
        attempt.steps.filter(key__in=held).update(status=Step.Status.SUCCEEDED, ended_at=now())
    end_deployment(deployment, Event.FAIL, text=text, problem=text, fence=fence)
    if by_rule:
        Deployment.objects.filter(pk=deployment.pk).update(rollback_due=True)


def rollbacks_due(limit: int) -> list[int]:
    """Deployments that portal.yaml wants rolled back because they are not healthy."""
    return list(Deployment.objects.filter(rollback_due=True).order_by("pk").values_list("pk", flat=True)[:limit])


def roll_back_unhealthy(pk: int) -> None:
    """Ask for the roll-back in the name of who asked for the deployment; it goes through the gate of every roll-back."""
    row = Deployment.objects.select_related("change", "environment__repository", "requested_by").get(pk=pk)
    with transaction.atomic():
        lock_change(row.change)
        if not Deployment.objects.filter(pk=pk, rollback_due=True).update(rollback_due=False):
            return
        row.refresh_from_db(fields=["status", "attempts"])
        say(row, _rolled_back(row), attempt=row.attempts)


def _rolled_back(row: Deployment) -> str:
    """What became of the rule, in words."""
    rule = "portal.yaml says to roll back what is not healthy"
    if row.status != Status.FAILED:
        return f"{rule}, but somebody has begun {row.label} again, so it is left to them."
    covering = covered_by(row)
    if covering is not None:
        return f"{rule}: {covering.label} takes it back here, too."
    try:
        with transaction.atomic():
            inverse = roll_back_by_rule(row)
    except PortalError as problem:
        text = f"{rule}, but that cannot be done: {problem.message}"
        where = row.environment
        tell_deployers(row, f"{row.label} to {where.name} is not rolled back. {text}")
        audit.record(
            SYSTEM, "rollback.refused", target=row.label, repository=where.repository.name, environment=where.name,
            change=row.change.number, summary=f"{row.label} to {where.name} is not rolled back: {problem.message}",
            data={"code": problem.code, "reason": problem.message, "on_behalf_of": row.requested_by.username},
        )  # fmt: skip
        return text
    return f"{rule}: {_what_becomes_of(inverse)}"


def _what_becomes_of(inverse: ChangeRequest) -> str:
    """A roll-back merges by itself where its gate lets it; else people have to act."""
    freeze = open_freeze(inverse.repository_id, inverse.target_branch)
    verdict = judge(inverse).verdict
    if freeze is None and verdict.allowed:
        return f"{inverse.label} does it, and merges by itself."
    why = words_of(freeze) if freeze is not None else verdict.text or verdict.summary
    return f"{inverse.label} would do it, but waits and nothing is rolled back yet. {why}"
