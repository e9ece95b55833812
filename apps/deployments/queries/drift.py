"""What is known of the drift of environments now, with how old that is. Old news is never good news."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.accounts.models import User
from apps.changes.lifecycle import OPEN, Status
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.deployments.dispatchers import standing
from apps.deployments.models import Deployment, DriftAcceptance, DriftAdoption, DriftCheck, DriftWatch, Environment
from apps.deployments.querysets import HOLDING
from apps.repositories.access import can_write

USUAL_SECONDS = 1800
"""How often an environment is taken to be looked at whose portal.yaml does not say."""
AHEAD = timedelta(minutes=2)
"""How far the clocks of two machines may differ; a check that is later than that is not believed."""
SLICE = 100
"""Drifted environments of which it is looked up at once what is known, until enough alerts are found."""
NEVER, STALE, DRIFTED, UNKNOWN, IN_SYNC, ACCEPTED = "never", "stale", "drifted", "unknown", "in_sync", "accepted"
Open = list[tuple[DriftCheck, list[dict[str, Any]]]]
STATES = (NEVER, STALE, DRIFTED, UNKNOWN, IN_SYNC, ACCEPTED)
UNDER_WAY = [str(status) for status in (*OPEN, Status.MERGED)]
"""States of a change that may still bring Git and what runs in line."""


@dataclass(frozen=True, slots=True)
class SeenHealth:
    """How what is live was found to do: a word of ``dispatchers.standing``, why, since when each look tells so, and when the last was.

    ``is_old``: the look is too old to be believed.
    """

    word: str
    why: str
    since: datetime | None
    at: datetime
    is_old: bool

    @property
    def is_known(self) -> bool:
        return not self.is_old and self.word != standing.UNKNOWN


@dataclass(frozen=True, slots=True)
class Drift:
    """``state``: one of :data:`STATES`; ``accepted``: it differs, and somebody let all of it be for now.

    ``fields`` and ``resources``: findings that count, and in how many resources; ``accepted``: those that do not.
    ``checked_at``: of the oldest target; ``since``: from when on it has drifted. ``why``: why it is not known. ``was``: what
    the last check told where that is too old to be believed. ``health``: ``None`` where no look at what is live could say.
    ``old_at``: the moment behind which that is too old to be believed; ``None`` where it is, or there is nothing. ``by_target``: the
    same of each target that was looked at by itself.
    """

    state: str
    fields: int = 0
    resources: int = 0
    accepted: int = 0
    checked_at: datetime | None = None
    since: datetime | None = None
    why: str = ""
    was: str = ""
    every_seconds: int = 0
    is_asked: bool = False
    health: SeenHealth | None = None
    old_at: datetime | None = None
    by_target: Mapping[str, Drift] = field(default_factory=dict)


def drift_of(environments: Iterable[Environment]) -> dict[int, Drift]:
    """By key; three queries, however many there are. The values of findings are not read."""
    rows = {row.pk: row for row in environments}
    watches = {row.environment_id: row for row in DriftWatch.objects.filter(environment__in=rows)}
    checks: dict[int, list[DriftCheck]] = {}
    overtaken: set[int] = set()
    latest = DriftCheck.objects.filter(environment__in=rows, is_latest=True).annotate(is_overtaken=_is_overtaken())
    for check in latest.defer("findings", "not_looked").order_by("target"):
        checks.setdefault(check.environment_id, []).append(check)
        if check.is_overtaken:
            overtaken.add(check.environment_id)
    accepted = _accepted(rows)

    def told_by(row: Environment, found: list[DriftCheck]) -> Drift:
        holds = accepted.get(row.pk, frozenset())
        return _drift(row, watches.get(row.pk), found, holds, is_past=row.pk in overtaken)

    return {
        pk: replace(
            told_by(row, checks.get(pk, [])),
            by_target={check.target: told_by(row, [check]) for check in checks.get(pk, []) if check.target},
        )
        for pk, row in rows.items()
    }


def findings_of(environment: Environment) -> list[DriftCheck]:
    """The latest check of each target, whole."""
    rows = DriftCheck.objects.filter(environment=environment, is_latest=True)
    return list(rows.select_related("deployment").order_by("target"))


def holder_of(environment: Environment) -> Deployment | None:
    """What holds the environment, so that nobody looks before it is over."""
    return Deployment.objects.filter(environment=environment, status__in=HOLDING).order_by("number").first()


def acceptances_of(environment: Environment) -> dict[str, DriftAcceptance]:
    """Those that hold now, by the mark of the finding."""
    return {row.mark: row for row in _holding().filter(environment=environment).select_related("accepted_by")}


def to_adopt(environment: Environment) -> Open:
    """Findings that nobody accepted, with the check that told of them."""
    accepted = acceptances_of(environment)
    found = [
        (check, [one for one in check.findings if one["mark"] not in accepted]) for check in findings_of(environment)
    ]
    return [(check, findings) for check, findings in found if findings]


def adoption_of(environment: Environment) -> DriftAdoption | None:
    """The one that was asked for last."""
    rows = DriftAdoption.objects.filter(environment=environment).select_related("asked_by", "change")
    return rows.order_by("-pk").first()


def adopted_for(user: User, environment: Environment) -> ChangeRequest | None:
    """The open change that leaves nothing to adopt for ``user``; ``None`` where something was found that it was not made of.

    One for which nothing was written is no end for somebody else who could write it.
    """
    row = adoption_of(environment)
    if row is None or row.change is None or row.change.status not in OPEN:
        return None
    if not row.commit and row.asked_by_id != user.pk and can_write(user, environment.repository).allowed:
        return None
    marks = {one["mark"] for _, findings in to_adopt(environment) for one in findings}
    return row.change if marks and marks <= set(row.marks) else None


def drifted_among(environments: QuerySet[Environment]) -> list[int]:
    """Keys of those whose last check found drift that nobody accepted, however old that is."""
    latest = DriftCheck.objects.filter(environment__in=environments, is_latest=True, state=DriftCheck.State.DRIFTED)
    rows = list(latest.values_list("environment", "marks", "more"))
    accepted = _accepted({pk: None for pk, _, _ in rows})
    return sorted({pk for pk, marks, more in rows if more or _open(marks, accepted.get(pk, frozenset()))})


def count_open(environment: Environment, checks: Iterable[DriftCheck]) -> int:
    """How many findings of ``checks`` nobody accepted."""
    accepted = _accepted({environment.pk: None}).get(environment.pk, frozenset())
    return sum(len(_open(check.marks, accepted)) + check.more for check in checks)


def alerts_among(environments: QuerySet[Environment], limit: int) -> list[tuple[Environment, Drift]]:
    """Those that drifted and are not known to be in sync again, the newest first; four queries for each slice that is read.

    Not while all that was found is accepted, or a change that adopts it is under way.
    """
    since = OuterRef("drift_watch__found_at")
    adopting = DriftAdoption.objects.filter(
        environment=OuterRef("pk"), asked_at__gte=since, change__status__in=UNDER_WAY
    )
    rows = environments.filter(defined=True, drift_watch__found_at__isnull=False).exclude(Exists(adopting))
    rows = rows.select_related("repository", "live_deployment").order_by("-drift_watch__found_at", "pk")
    alerts: list[tuple[Environment, Drift]] = []
    for start in count(0, SLICE):
        places = list(rows[start : start + SLICE])
        found = drift_of(places) if places else {}
        alerts += [(row, found[row.pk]) for row in places if (found[row.pk].was or found[row.pk].state) != ACCEPTED]
        if len(alerts) >= limit or len(places) < SLICE:
            break
    return alerts[:limit]


def _holding() -> QuerySet[DriftAcceptance]:
    return DriftAcceptance.objects.filter(ended_at=None, until__gt=now())


def _accepted(keys: Mapping[int, object]) -> dict[int, frozenset[str]]:
    found: dict[int, set[str]] = {}
    for pk, mark in _holding().filter(environment__in=list(keys)).values_list("environment", "mark"):
        found.setdefault(pk, set()).add(mark)
    return {pk: frozenset(marks) for pk, marks in found.items()}


def _is_overtaken() -> Q:
    """Whether an attempt of any deployment to the environment of a check began after it, or is under way, however it ended.

    Two questions, so that each has its index however many deployments there were.
    """
    there = Deployment.objects.filter(environment=OuterRef("environment"))
    holding = there.filter(status__in=HOLDING)
    return Exists(there.filter(started_at__gte=OuterRef("checked_at"))) | Exists(holding)


def _open(marks: Iterable[list[str]], accepted: frozenset[str]) -> list[list[str]]:
    return [pair for pair in marks if pair[0] not in accepted]


def _drift(
    row: Environment, watch: DriftWatch | None, checks: list[DriftCheck], accepted: frozenset[str], *, is_past: bool
) -> Drift:
    every = watch.every_seconds if watch else 0
    is_due = watch is not None and watch.next_at is not None and watch.next_at <= now()
    is_asked = is_due and row.defined  # nobody looks at what is not defined any more
    if not checks:
        return Drift(NEVER, every_seconds=every, is_asked=is_asked)
    counted = [pair for check in checks for pair in _open(check.marks, accepted)]
    more = sum(check.more for check in checks)
    everything = sum(len(check.marks) for check in checks)
    oldest = min(check.checked_at for check in checks)
    state = _state(checks, is_open=bool(counted) or more > 0)
    is_old = is_past or _is_old(row, checks, oldest, every)
    return Drift(
        STALE if is_old else state,
        fields=len(counted) + more,
        resources=len({resource for _, resource in counted}),
        accepted=everything - len(counted),
        checked_at=oldest,
        since=min((check.since for check in checks if check.since is not None), default=None),
        why=" ".join(check.why for check in checks if check.why),
        was=state if is_old else "",
        every_seconds=every,
        is_asked=is_asked,
        health=_seen_health(row, checks, is_old=is_old),
        old_at=None if is_old else oldest + _lasts(every),
    )


def _seen_health(row: Environment, checks: list[DriftCheck], *, is_old: bool) -> SeenHealth | None:
    """The worst of all targets; of one that nobody could look at, nothing is known."""
    told = [check for check in checks if check.health]
    if not told or any(check.deployment_id != row.live_deployment_id for check in told):
        return None
    word = next(one for one in standing.WORST_FIRST if any(check.health == one for check in told))
    mine = [check for check in told if check.health == word]
    return SeenHealth(
        word,
        " ".join(check.health_why for check in mine if check.health_why),
        min((check.health_since for check in mine if check.health_since is not None), default=None),
        min(check.checked_at for check in told),
        is_old,
    )


def _state(checks: list[DriftCheck], *, is_open: bool) -> str:
    """The worst of all targets; in sync only where every one of them is. What could not be compared is not accepted."""
    states = {check.state for check in checks}
    if DriftCheck.State.DRIFTED in states and is_open:
        return DRIFTED
    if DriftCheck.State.UNKNOWN in states or any(check.why for check in checks):
        return UNKNOWN
    return ACCEPTED if DriftCheck.State.DRIFTED in states else IN_SYNC


def _is_old(row: Environment, checks: list[DriftCheck], oldest: datetime, every: int) -> bool:
    """Older than two intervals, about something that is no longer live, or from a clock that nobody can believe."""
    moment = now()
    if any(check.deployment_id != row.live_deployment_id for check in checks):
        return True
    if any(check.checked_at > moment + AHEAD for check in checks):
        return True
    return moment - oldest > _lasts(every)


def _lasts(every: int) -> timedelta:
    """For how long a look is believed: two intervals."""
    return 2 * timedelta(seconds=every or USUAL_SECONDS)
