"""Gates of what rides along: changes that a commit contains, that its environment does not run yet and that are due there. Reads only.

An override and an emergency are for the change that they name: what that brings along needs its own. A change that was taken out
again before the commit, and the roll-back that did so, bring nothing and need nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from django.db.models import Exists, OuterRef

from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.gates import WINDOW_CODES, Gate, gate_for, holds_some, words_by_code
from apps.deployments.queries.rolled_back import taken_out_by
from apps.deployments.queries.standing import goes_back, live_successor
from apps.deployments.queries.undoing import contains
from apps.policies.config import DEPLOY, PortalConfig
from apps.policies.evaluation import Requirement
from apps.policies.queries import policy_at
from apps.reviews.emergencies import emergency_that_opened, restores_earlier_state

MOST_JUDGED = 100
"""Changes of which the gates are judged in one look; what brings more has to go in steps."""
MOST_NAMED = 3
"""Of those that are held; then nothing more is judged."""


@dataclass(slots=True)
class Along:
    """``held``: code and words of what holds each; ``opened``: the gates of the others; ``urgent``: those that a confirmed emergency opened."""

    held: list[tuple[str, str]] = field(default_factory=list)
    opened: list[tuple[ChangeRequest, Gate]] = field(default_factory=list)
    urgent: list[ChangeRequest] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cargo:
    """A commit that is to run in ``environment``, and when the change that made it landed."""

    environment: Environment
    branch: str
    commit: str
    until: datetime

    def holds(self, change: ChangeRequest) -> bool:
        return contains(self.environment.repository.mirror_path, self.commit, change.merge_commit)


def gates_along(deployment: Deployment, config: PortalConfig, own: Gate | None) -> Along:
    """What the gates of all that ``deployment`` brings beside its own change say now; a window that holds it anyway is not told twice."""
    change, environment = deployment.change, deployment.environment
    if not holds_some(environment, config) or change.merged_at is None or deployment.commit == environment.live_commit:
        return Along()
    if live_successor(deployment) is not None and not goes_back(deployment):  # nothing runs
        return Along()
    told = {row.text for row in own.unmet if row.code in WINDOW_CODES} if own is not None else set()
    cargo = Cargo(environment, change.target_branch, deployment.commit, change.merged_at)
    return _judge_along(cargo, config, but={change.pk}, told=told)


def _judge_along(cargo: Cargo, config: PortalConfig, *, but: Collection[int], told: Collection[str] = ()) -> Along:
    """The same for any commit: ``but`` are keys of changes that it is for or takes out itself."""
    found, name = Along(), cargo.environment.name
    changes = _due(cargo, but)
    for change in changes[:MOST_JUDGED]:
        gate = gate_for(change, cargo.environment, config)
        if gate is None or not cargo.holds(change):
            continue
        if gate.is_by_emergency:
            found.urgent.append(change)
        if not gate.unmet:
            found.opened.append((change, gate))
        elif not _was_let_through(change, name):
            found.held += _words(change, [row for row in gate.unmet if row.text not in told])
        if len(found.held) >= MOST_NAMED:
            return found
    if len(changes) > MOST_JUDGED:
        text = f"It brings more than {MOST_JUDGED} changes that {name} does not run yet, which is more than are judged at once."
        found.held.append(("gate", f"{text} Start an older one first."))
    return found


def held_along(undone: ChangeRequest, environment: Environment, tip: str) -> tuple[str, ...]:
    """What a roll-back of ``undone`` that is made on ``tip`` now would wait for in ``environment``, for what it brings there."""
    config = policy_at(undone.repository, undone.target_branch, tip).config
    if not holds_some(environment, config):
        return ()
    along = _judge_along(Cargo(environment, undone.target_branch, tip, now()), config, but={undone.pk})
    return tuple(text for _, text in along.held)


def _words(change: ChangeRequest, unmet: Sequence[Requirement]) -> list[tuple[str, str]]:
    return [(code, f"{change.label}, which this brings along: {text}") for code, text in words_by_code(unmet)]


def _due(cargo: Cargo, but: Collection[int]) -> list[ChangeRequest]:
    """What merged since what is live and is to be deployed there, the oldest first; one more than are judged, if there are more.

    A deployment that was cancelled does not say that the change is gone from the branch: it comes all the same.
    """
    rows = ChangeRequest.objects.filter(
        repository=cargo.environment.repository_id, target_branch=cargo.branch, merged_at__lte=cargo.until
    ).exclude(merge_commit="")
    live = cargo.environment.live_deployment
    if live is not None and live.change.merged_at is not None:
        rows = rows.filter(merged_at__gt=live.change.merged_at)
    undoing = rows.filter(kind=ChangeRequest.Kind.ROLLBACK).select_related("repository", "revision", "rolls_back")
    landed = [row for row in undoing.order_by("-number") if cargo.holds(row)]
    due = rows.filter(Exists(Deployment.objects.filter(change=OuterRef("pk"), environment=cargo.environment)))
    within = set(due.values_list("pk", flat=True))
    others = (
        due.exclude(pk__in=but).select_related("repository", "revision", "requester").order_by("merged_at", "number")
    )
    asked = (row for row in others.iterator(chunk_size=MOST_JUDGED) if not _needs_none(row, cargo, landed, within))
    return list(islice(asked, MOST_JUDGED + 1))


def _needs_none(row: ChangeRequest, cargo: Cargo, landed: Sequence[ChangeRequest], within: Collection[int]) -> bool:
    """Whether it was taken out again, takes out what comes along, or goes back to what was approved and live there before."""
    if landed and taken_out_by(row, cargo.environment.name, landed) is not None:
        return True
    if row.kind != ChangeRequest.Kind.ROLLBACK:
        return False
    return row.rolls_back_id in within or restores_earlier_state(row)


def _was_let_through(change: ChangeRequest, environment: str) -> bool:
    """Whether it has begun there by an emergency for what it still is: that is owed, and not asked for again."""
    row = emergency_that_opened(change)
    return row is not None and [str(DEPLOY), environment] in row.uses
