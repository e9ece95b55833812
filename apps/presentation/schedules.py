"""What is scheduled, as pages show it: the schedule of a change, and all of a week with what could get into each other's way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.changes.overlaps import overlapping_pairs
from apps.core.clock import now
from apps.core.text import first_few
from apps.deployments.models import Deployment, MergeSchedule
from apps.deployments.services.scheduling import DEFAULT_PATIENCE, FARTHEST, open_schedule
from apps.policies import calendar
from apps.policies.config import DEPLOY, FREEZE, MERGE, PortalConfig, WindowConfig
from apps.policies.evaluation import HoldFact
from apps.policies.queries import Policy
from apps.presentation.reached import reached_environments
from apps.repositories.models import Repository
from apps.reviews.holds import hold_facts, windows_for
from apps.reviews.queries import policy_of
from apps.vcs.errors import GitFailed, ObjectMissing

AN_HOUR = timedelta(hours=1)
NEAR = AN_HOUR
"""What begins so soon after another ends, or at the same time, is named beside it."""
MOST = 200


@dataclass(frozen=True, slots=True)
class Planned:
    """A merge, or a deployment (then ``deployment`` is set), from ``at`` to ``until``. ``clashes`` are sentences."""

    change: ChangeRequest
    deployment: Deployment | None
    at: datetime
    until: datetime
    by: User | None
    environments: tuple[str, ...]
    clashes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return self.deployment.label if self.deployment else f"Merge of {self.change.label}"

    @property
    def url(self) -> str:
        return f"/deployments/{self.deployment.number}/" if self.deployment else f"/changes/{self.change.number}/"


def zone_of(user: User) -> ZoneInfo:
    """In whose clock times are typed and read."""
    return ZoneInfo(user.time_zone or "UTC")


def schedule_of(change: ChangeRequest) -> MergeSchedule | None:
    """What waits, while the change can still be merged."""
    return open_schedule(change) if change.status == "in_review" else None


def first_proposal(change: ChangeRequest, zone: ZoneInfo, environment: str = "") -> datetime | None:
    """The next full hour, or the first minute after it, at which no window of the policy holds the change in any environment
    that it reaches, or the deployment to ``environment``, and which the clocks of ``zone`` show once; ``None``: there is none
    within the time that can be chosen.
    """
    moment = now()
    policy = None if _passes(change) else _policy(change)
    places = _places(policy, change, environment) if policy is not None else ()
    at: datetime | None = moment.replace(minute=0, second=0, microsecond=0) + AN_HOUR
    while at is not None:
        at = calendar.next_common_slot(places, at, moment + FARTHEST)
        if at is None or _is_shown_once(at.astimezone(zone)):
            return at
        at += AN_HOUR
    return None


def _is_shown_once(wall: datetime) -> bool:
    return wall.replace(fold=0).utcoffset() == wall.replace(fold=1).utcoffset()


def held_then(change: ChangeRequest, at: datetime, environment: str = "") -> str:
    """What of the policy, as it is now, will hold the change, or the deployment to ``environment``, at that time; empty: nothing,
    or it cannot be known.
    """
    return _held(_policy(change), change, at, environment) if now() < at <= now() + FARTHEST else ""


def _held(policy: Policy | None, change: ChangeRequest, at: datetime, environment: str) -> str:
    if policy is None or _passes(change):
        return ""
    names = _names(policy, change, environment)
    facts = hold_facts(policy, DEPLOY if environment else MERGE, names, at)
    return " ".join(_said(fact) for fact in facts)


def _passes(change: ChangeRequest) -> bool:
    """A roll-back may pass what holds others, so nothing is said of one."""
    return change.kind == ChangeRequest.Kind.ROLLBACK


def _names(policy: Policy, change: ChangeRequest, environment: str) -> tuple[str, ...]:
    """The environments that are asked, each for itself; the empty one is for windows that speak of all."""
    return (environment,) if environment else (*_reached(change, policy.config), "")


def _said(fact: HoldFact) -> str:
    names, until = first_few(fact.windows), f", until {fact.until}" if fact.until else ""
    unless = f", unless {first_few(fact.principals)} lets it through" if fact.principals else ""
    what = f"{names} freezes it then" if fact.kind == FREEZE else f"It is outside of {names} then"
    return f"{what}{until}{unless}."


def _places(policy: Policy, change: ChangeRequest, environment: str) -> tuple[tuple[WindowConfig, ...], ...]:
    """The windows that concern each environment in question."""
    stage = DEPLOY if environment else MERGE
    names = _names(policy, change, environment)
    return tuple(windows_for(policy.config.windows, name, stage) for name in names)


def planned_between(user: User, start: datetime, end: datetime) -> tuple[Planned, ...]:
    """All that ``user`` may see of what is scheduled to begin in that time, in its order, with its clashes."""
    visible = Repository.objects.visible_to(user)
    merges = MergeSchedule.objects.open().filter(change__repository__in=visible, change__status="in_review")
    merges = merges.filter(at__gte=start, at__lt=end).select_related(
        "change__repository", "change__revision", "scheduled_by"
    )
    deployments = Deployment.objects.visible_to(user).filter(status="pending", start_at__gte=start, start_at__lt=end)
    found = [_merge(row) for row in merges.order_by("at")[:MOST]]
    related = ("change__repository", "change__revision", "environment", "scheduled_by")
    policies = _Policies()
    found += [_deployment(row, policies) for row in deployments.select_related(*related).order_by("start_at")[:MOST]]
    found.sort(key=lambda one: (one.at, one.label))
    pairs = overlapping_pairs({one.change.revision_id for one in found if one.change.revision_id})
    return tuple(replace(one, clashes=(*one.clashes, *_clashes(one, found, pairs))) for one in found)


class _Policies:
    """The policies of what is planned, each read once: many deployments come from one branch."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], Policy | None] = {}

    def of(self, row: Deployment) -> Policy | None:
        key = (row.change.repository_id, row.change.target_branch)
        if key not in self._known:
            self._known[key] = _policy(row.change)
        return self._known[key]


def _merge(row: MergeSchedule) -> Planned:
    policy = _policy(row.change)
    reached = _reached(row.change, policy.config) if policy else ()
    held = _held(policy, row.change, row.at, "")
    return Planned(row.change, None, row.at, row.until, row.scheduled_by, reached, (held,) if held else ())


def _deployment(row: Deployment, policies: _Policies) -> Planned:
    at, name = row.start_at or now(), row.environment.name
    held = _held(policies.of(row), row.change, at, name)
    return Planned(row.change, row, at, at + DEFAULT_PATIENCE, row.scheduled_by, (name,), (held,) if held else ())


def _policy(change: ChangeRequest) -> Policy | None:
    """What governs ``change``; nothing is asked of it while the mirror lacks the commit, or cannot be read."""
    try:
        return policy_of(change)
    except (ObjectMissing, GitFailed):
        return None


def _reached(change: ChangeRequest, config: PortalConfig) -> tuple[str, ...]:
    return tuple(row.name for row in reached_environments(change, config))


def _clashes(one: Planned, rows: Sequence[Planned], pairs: dict[frozenset[int], int]) -> Iterable[str]:
    for other in rows:
        if other is one or other.change == one.change or not _meet(one, other):
            continue
        why = list(_reasons(one, other, pairs))
        if why:
            yield f"{other.label} is near it: {'; '.join(why)}."


def _meet(one: Planned, other: Planned) -> bool:
    return one.at <= other.until + NEAR and other.at <= one.until + NEAR


def _reasons(one: Planned, other: Planned, pairs: dict[frozenset[int], int]) -> Iterable[str]:
    both = [name for name in one.environments if name in other.environments]
    if both and one.change.repository_id == other.change.repository_id:
        yield f"the same environment, {', '.join(both)}"
    keys = frozenset({one.change.revision_id or 0, other.change.revision_id or 0})
    if keys in pairs:
        yield f"both touch the same ({pairs[keys]})"
    people = {one.by, one.change.owner} & {other.by, other.change.owner} - {None}
    names = sorted(person.username for person in people if person is not None)
    if names:
        yield f"the same people, {', '.join(names)}"
