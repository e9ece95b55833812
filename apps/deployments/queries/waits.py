"""What holds a pending deployment, each reason with a sentence (DESIGN §6). Reads only.

Codes: ``not_defined``, ``schedule``, ``connection``, ``locked``, ``superseded``, ``soak``, ``promotion``, ``outside``, ``gate``, ``freeze``, ``window``, ``manual``, ``lock``,
``frozen``, ``verification``, ``rollback``; ``not_judged`` is written by the job where it cannot tell. What portal.yaml does not define any more waits for that alone. Rollbacks that restore an earlier
state wait neither for the promotion order nor for the gate: that was the review of the inverse change. Others wait for the order only where they bring what is not there yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from itertools import islice

from django.db.models import Q

from apps.changes.models import ChangeRequest, OutsideChange
from apps.changes.outside import is_on, left_behind
from apps.core.clock import now
from apps.core.errors import PortalError, Unavailable
from apps.core.text import first_few
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment, Environment, MergeIntent
from apps.deployments.plans import has_pipeline
from apps.deployments.queries.connections import require_connections
from apps.deployments.queries.freezes import open_freeze, words_of
from apps.deployments.queries.gates import WINDOW_CODES, Gate, config_then, gate_of, present_policy, words_by_code
from apps.deployments.queries.locks import is_kept_from, lock_of
from apps.deployments.queries.promotion import (
    coming_along,
    newer_containing,
    promoted_at,
    replaced_by,
    unpromoted_text,
)
from apps.deployments.queries.renaming import runs_under_old_name
from apps.deployments.queries.riding import Along, gates_along
from apps.deployments.queries.rolled_back import due_text, rollback_text
from apps.deployments.queries.soaking import soak_text
from apps.deployments.queries.standing import live_successor
from apps.deployments.queries.undoing import contains, undone_text
from apps.deployments.querysets import HOLDING, DeploymentQuerySet
from apps.policies.config import HOLD, PortalConfig
from apps.policies.config.environments import NEWEST
from apps.policies.queries import BROKEN, Policy, policy_at
from apps.reviews.emergencies import restores_earlier_state
from apps.vcs.errors import ObjectMissing

LOCK = "lock"
NOT_DEFINED = "not_defined"
MANUAL = "manual"
ENDS_FOR_SEVERAL = {LOCK, NOT_DEFINED, "schedule", "soak", "locked", "frozen", *WINDOW_CODES}
"""What ends for several deployments of an environment in the same moment."""
MOST_OVERTAKEN = 5


@dataclass(frozen=True, slots=True)
class Wait:
    code: str
    text: str

    def to_dict(self) -> dict[str, str]:
        return {"code": self.code, "text": self.text}


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a pending deployment: what holds it, and its gate as it was judged (``None``: it has none).

    ``along``: what it brings along and the gates of that which are open; ``urgent``: those that an emergency of their own opened.
    """

    waits: tuple[Wait, ...]
    gate: Gate | None
    along: tuple[tuple[ChangeRequest, Gate], ...] = ()
    urgent: tuple[ChangeRequest, ...] = ()


def waits_of(deployment: Deployment) -> tuple[Wait, ...]:
    """Everything that holds ``deployment`` now; empty: it can start."""
    return look_at(deployment).waits


def look_at(deployment: Deployment) -> Look:
    """The same, with the judgement that it rests on. What is not yet at its turn is judged then for what it brings along."""
    found, gate, config = _reasons(deployment)
    turn = _lock(deployment, is_ready=not found)
    if config is not None and not (found or turn):  # it would start
        turn = _overtaken_by_newer(deployment, config)
    if turn or config is None:
        return Look((*found, *turn), gate)
    along = gates_along(deployment, config, gate)
    return Look(_joined(found, along), gate, tuple(along.opened), tuple(along.urgent))


def _joined(found: list[Wait], along: Along) -> tuple[Wait, ...]:
    """With what is held of that which comes along, beside what holds it itself by the same code; a start by hand comes last."""
    texts: dict[str, list[str]] = {}
    for code, text in along.held:
        texts.setdefault(code, []).append(text)
    rows = [Wait(wait.code, " ".join([wait.text, *texts.pop(wait.code, [])])) for wait in found]
    rows += [Wait(code, " ".join(said)) for code, said in texts.items()]
    return tuple(sorted(rows, key=lambda wait: wait.code == MANUAL))


def _reasons(deployment: Deployment) -> tuple[list[Wait], Gate | None, PortalConfig | None]:
    """Everything but the lock of the environment, its queue and what comes along; the gate as it was judged, and by what
    (``None``: nothing is judged).
    """
    is_rollback = deployment.kind == Deployment.Kind.ROLLBACK
    is_free = is_rollback and restores_earlier_state(deployment.change)  # that was the review of the inverse change
    policy = present_policy(deployment)
    config = policy.config
    retired = _retired(deployment.environment, policy) or _not_defined_then(deployment)
    if retired:
        return retired, None, None
    gate = None if is_free else gate_of(deployment, config)
    found = _schedule(deployment) + _connection(deployment) + _lock_of_person(deployment)
    if not is_free:
        found += _order(deployment, config) + _outside(deployment, config)
        found += [Wait(code, text) for code, text in words_by_code(gate.unmet if gate is not None else ())]
    found += _frozen(deployment) + _verification(deployment)
    if not any(wait.code == "promotion" for wait in found):  # that says the same of what was rolled back before
        found += _rollback(deployment)
    found += _renamed(deployment)
    if deployment.manual_start:
        found.append(Wait(MANUAL, "Starts by hand: somebody who may deploy presses Start."))
    return found, gate, None if is_free else config


def _retired(environment: Environment, policy: Policy) -> list[Wait]:
    """Nothing starts where portal.yaml defines nothing any more, whatever was planned when it still did."""
    name = environment.name
    if environment.defined and policy.config.environment(name) is not None:
        return []
    if environment.defined and policy.governs == BROKEN:
        text = "portal.yaml has mistakes, and no earlier version that is valid governs, so nothing starts."
        return [Wait(NOT_DEFINED, f"{text} Correct it; the page of the policy says what is wrong.")]
    text = f"portal.yaml defines no environment {name} any more, so nothing starts there."
    return [Wait(NOT_DEFINED, f"{text} Define {name} again, or cancel this.")]


def _not_defined_then(deployment: Deployment) -> list[Wait]:
    """One that was made before such were refused: its commit says nothing of the environment, and nothing is no way to deploy."""
    if has_pipeline(deployment.plan):
        return []
    change, name = deployment.change, deployment.environment.name
    if config_then(change).environment(name) is not None:
        return []
    text = f"portal.yaml at {deployment.commit[:10]} has no environment {name}, so nothing starts there."
    return [Wait(NOT_DEFINED, f"{text} Deploy a newer change, which contains {change.label}, and cancel this.")]


def _renamed(deployment: Deployment) -> list[Wait]:
    """What still runs where portal.yaml has another name now holds it like what runs here."""
    found = runs_under_old_name(deployment)
    if found is None:
        return []
    text = f"{found.label} ({found.status}) still holds {found.environment.name}, which portal.yaml does not define any more, and works on the same."
    return [Wait(LOCK, f"{text} {_undecided(found)}".strip())]


def _frozen(deployment: Deployment) -> list[Wait]:
    freeze = open_freeze(deployment.environment.repository_id, deployment.change.target_branch)
    return [Wait("frozen", words_of(freeze))] if freeze is not None else []


def _rollback(deployment: Deployment) -> list[Wait]:
    """What is undone, or is to be, is not brought again: neither by itself nor inside something newer."""
    text = rollback_text(deployment) or due_text(deployment)
    return [Wait("rollback", text)] if text else []


def _verification(deployment: Deployment) -> list[Wait]:
    """Until another job has seen at the remote that what landed is what was approved; for ever where it is not."""
    intent = MergeIntent.objects.filter(change=deployment.change_id, state=MergeIntent.State.LANDED).last()
    if intent is None or intent.verification not in {"pending", "failed"}:
        return _unverified_beneath(deployment)
    said = str(intent.outcome.get("message", ""))
    if intent.verification == MergeIntent.Verification.FAILED:
        return [Wait("verification", f"{said} That is not what was approved, so it is never deployed: cancel this.")]
    text = "What landed is being compared with what was approved, through a connection of its own."
    return [Wait("verification", f"{text} {said}".strip())]


def _unverified_beneath(deployment: Deployment) -> list[Wait]:
    """A merge that this deployment's commit contains, and that nobody has compared yet, would run with it."""
    git_dir = deployment.environment.repository.mirror_path
    rows = MergeIntent.objects.filter(verification=MergeIntent.Verification.PENDING)
    rows = rows.filter(change__repository=deployment.environment.repository_id).exclude(change=deployment.change_id)
    for row in rows.select_related("change").order_by("pk"):
        if contains(git_dir, deployment.commit, row.change.merge_commit):
            label = row.change.label
            return [
                Wait(
                    "verification",
                    f"What landed of {label}, which this contains, is being compared with what was approved.",
                )
            ]
    return []


def _schedule(deployment: Deployment) -> list[Wait]:
    if deployment.start_at is None or now() >= deployment.start_at:
        return []
    by = f" by {deployment.scheduled_by.shown_name}" if deployment.scheduled_by else ""
    return [Wait("schedule", f"Scheduled for {deployment.start_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC{by}.")]


def _lock_of_person(deployment: Deployment) -> list[Wait]:
    lock = lock_of(deployment.environment)
    if lock is None or not is_kept_from(lock, deployment):
        return []
    until = f"{lock.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    text = f"Locked by {lock.holder.shown_name} until {until}: {lock.reason}. A deployer can take the lock over."
    return [Wait("locked", text)]


def _replaced(newer: Deployment | None) -> list[Wait]:
    """With ``queue: newest`` it does not run if a newer one that contains it does."""
    if newer is None:
        return []
    return [Wait("superseded", f"{newer.label} ({newer.change.label}) contains it and runs instead.")]


def _connection(deployment: Deployment) -> list[Wait]:
    """Whether every connection that the plan needs may be used here."""
    try:
        require_connections(deployment.environment, deployment.plan)
    except Unavailable as problem:
        return [Wait("connection", problem.message)]
    return []


def _order(deployment: Deployment, config: PortalConfig) -> list[Wait]:
    """The order of the environments, and what runs instead. A roll-back keeps it for what it would bring along."""
    environment = config.environment(deployment.environment.name)
    soak_seconds = environment.soak_seconds if environment else 0
    if deployment.kind == Deployment.Kind.ROLLBACK:
        return _brought_along(deployment, soak_seconds)
    found: list[Wait] = []
    if deployment.commit != deployment.environment.live_commit:  # what is live came through the order already
        found += _promotion(deployment, soak_seconds)
    return found + (_replaced(replaced_by(deployment)) if environment and environment.queue == NEWEST else [])


def _brought_along(deployment: Deployment, soak_seconds: int) -> list[Wait]:
    """What merged after the change that a roll-back takes out, and would come with it to where it never was."""
    change, name = deployment.change, deployment.environment.name
    changes = coming_along(change.rolls_back, deployment.environment, change.merged_at) if change.rolls_back else []
    if not changes:
        return []
    labels = first_few([row.label for row in changes])
    more = (
        f"It brings {labels}, which {name} does not run yet. To go back without, bring an earlier state back to {name}."
    )
    return [Wait(wait.code, f"{wait.text} {more}") for wait in _promotion(deployment, soak_seconds)]


def _promotion(deployment: Deployment, soak_seconds: int) -> list[Wait]:
    environment = deployment.environment
    earlier = Environment.objects.filter(repository=environment.repository_id, name__in=environment.after)
    rows = {row.name: row for row in earlier}
    waits = (_after(deployment, rows.get(name), name, soak_seconds) for name in environment.after)
    return [wait for wait in waits if wait is not None]


def _after(deployment: Deployment, earlier: Environment | None, name: str, soak_seconds: int) -> Wait | None:
    """Whether this commit or a descendant of it succeeded in ``earlier``, nothing of it was undone there, and long enough ago."""
    since = promoted_at(deployment, earlier) if earlier is not None else None
    if earlier is None or since is None:
        return Wait("promotion", unpromoted_text(deployment, earlier, name))
    undone = undone_text(deployment, earlier, since)
    if undone:
        return Wait("promotion", undone)
    text = soak_text(earlier, since, soak_seconds) if soak_seconds else ""
    return Wait("soak", text) if text else None


def _outside(deployment: Deployment, config: PortalConfig) -> list[Wait]:
    """What went past the portal and is in the commit, where the policy holds that until it is adopted or reverted."""
    repository, branch = deployment.environment.repository, deployment.change.target_branch
    rows = OutsideChange.objects.open().filter(repository=repository, branch=branch).select_related("repository")
    within = [row for row in rows.order_by("pk") if is_on(row, deployment.commit)]
    if not within or not _holds_outside(deployment, within[0], config):
        return _left_behind(deployment, config)
    commits = first_few([row.new_oid[:10] for row in within])
    text = f"{branch} was moved past the portal ({commits}), and this commit contains it. Adopt or revert it first."
    return [Wait("outside", text)]


def _left_behind(deployment: Deployment, config: PortalConfig) -> list[Wait]:
    """That it was reverted does not approve it: the commits in between bring it all the same, and never run by themselves.

    Where something newer is live that contains this one it holds nothing: then nothing runs.
    """
    branch = deployment.change.target_branch
    since = deployment.change.merged_at
    rows = left_behind(deployment.environment.repository, branch, deployment.commit, since=since)
    if not rows or not _holds_outside(deployment, rows[0], config) or live_successor(deployment):
        return []
    commits = first_few([row.new_oid[:10] for row in rows])
    text = f"{branch} was moved past the portal ({commits}). {branch} is rid of it since, and this commit still contains it."
    return [Wait("outside", f"{text} Deploy a newer change, which comes without it, or cancel this.")]


def _holds_outside(deployment: Deployment, oldest: OutsideChange, config: PortalConfig) -> bool:
    """What governs now, or what governed before the push: it must not switch off what holds it."""
    if config.outside_changes == HOLD:
        return True
    try:
        before = policy_at(deployment.environment.repository, oldest.branch, oldest.old_oid)
    except ObjectMissing:
        return True
    return before.config.outside_changes == HOLD


def _lock(deployment: Deployment, *, is_ready: bool) -> list[Wait]:
    """Held by the deployment that runs there, or first in first out by the ones that are ready too."""
    others = Deployment.objects.filter(environment=deployment.environment_id).exclude(pk=deployment.pk)
    holder = others.filter(status__in=HOLDING).first()
    ahead = queue_ahead(deployment) if is_ready else []
    if is_ready and holder is None and not ahead:  # it would start
        ahead = _overtaken(deployment)
    if holder is None and not ahead:
        return []
    behind = holder or ahead[-1]
    if is_ready:
        text = f"Queued behind {behind.label} ({behind.status}), position {len(ahead) + 1}."
    else:
        name = deployment.environment.name
        text = f"{behind.label} ({behind.status}) holds {name}; this joins the queue when nothing else holds it."
    return [Wait(LOCK, f"{text} {_undecided(behind)}".strip())]


def _undecided(holder: Deployment) -> str:
    if holder.status != Status.UNKNOWN:
        return ""
    return f"Nobody knows how {holder.label} ended: a deployer decides that first."


def queue_ahead(deployment: Deployment) -> list[Deployment]:
    """Older pending deployments of the environment that wait for nothing but the lock."""
    return [row for row in _older(deployment) if waits_for_its_turn(row)]


def waits_for_its_turn(row: Deployment) -> bool:
    """Whether a pending deployment was last seen waiting for nothing but the lock, or was not looked at yet."""
    return all(wait["code"] == LOCK for wait in row.waits)


def _older(deployment: Deployment) -> DeploymentQuerySet:
    """Those of which the turn comes first. A roll-back does not wait for what would bring again what it takes out.

    That merged between the two, and is held by it for as long as the roll-back is not live; so nobody waits for each other.
    """
    rows = Deployment.objects.filter(
        environment=deployment.environment_id, status=Status.PENDING, number__lt=deployment.number
    ).order_by("number")
    change = deployment.change
    within = Q(change__merged_at__lt=change.merged_at)
    if change.rolls_back is not None:
        within &= Q(change__merged_at__gte=change.rolls_back.merged_at)
    elif deployment.environment.name not in change.rollback_environments:
        return rows
    if deployment.kind != Deployment.Kind.ROLLBACK:
        return rows
    return rows.exclude(within & ~Q(kind=Deployment.Kind.ROLLBACK))


def _overtaken(deployment: Deployment) -> list[Deployment]:
    """The oldest one that ``deployment`` would overtake only because it is looked at first: what held both has just ended.

    Looked at are the :data:`MOST_OVERTAKEN` oldest; one that cannot be judged now lets the others pass.
    """
    held = [row for row in _older(deployment).to_judge() if _ended_for_several(row)]
    return next(([row] for row in held[:MOST_OVERTAKEN] if _is_free(row)), [])


def _overtaken_by_newer(deployment: Deployment, config: PortalConfig) -> list[Wait]:
    """The same with ``queue: newest``: what contains this one and was held by the same until now is as ready, and runs instead."""
    environment = config.environment(deployment.environment.name)
    if environment is None or environment.queue != NEWEST or deployment.kind == Deployment.Kind.ROLLBACK:
        return []
    newer = islice(newer_containing(deployment, _ended_for_several), MOST_OVERTAKEN)
    return _replaced(next((row for row in newer if _is_free(row)), None))


def _ended_for_several(row: Deployment) -> bool:
    """Whether what it was last seen waiting for ends for others in the same moment, so that it may be free now."""
    return {wait["code"] for wait in row.waits} <= ENDS_FOR_SEVERAL


def _is_free(row: Deployment) -> bool:
    try:
        found, gate, config = _reasons(row)
        return not found and (config is None or not gates_along(row, config, gate).held)
    except PortalError:
        return False
