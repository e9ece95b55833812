"""What changed, and when: what moved in environments, newest first, from deployments and the record. Reads only.

A deployment stands at the moment it began and belongs to every window of time that it reaches into: an incident at 14:05 may
come from one that began at 13:40. Whoever sees a repository sees what moved in it; who was given access is for its auditors.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import nlargest
from typing import TypeVar

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.changes.models import TouchedThing
from apps.deployments.models import Deployment
from apps.repositories.models import Repository
from apps.repositories.queries import auditable

ENTRIES: dict[str, tuple[str, ...]] = {
    "drift": ("drift.found", "drift.gone", "drift.accepted", "drift.acceptance_ended", "drift.acceptance_over"),
    "policy": ("policy.changed", "policy.broken"),
    "outside": ("repository.outside_change", "change.adopted"),
    "freeze": (
        "target.frozen", "target.unfrozen", "environment.locked", "environment.lock_taken_over", "environment.unlocked",
        "window.overridden", "emergency.declared", "emergency.used",
    ),
    "access": ("repository.member_set", "repository.member_removed", "connection.allowed", "connection.forbidden"),
}  # fmt: skip
DEPLOYS = ("deploy", "rollback")
KINDS: tuple[str, ...] = (*DEPLOYS, *ENTRIES)
FOR_AUDITORS = frozenset({"access"})
M = TypeVar("M", Deployment, AuditEntry)
MOST_THINGS = 30
"""Resources and paths that are listed of one deployment; the others are counted."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Narrowing of the timeline; an empty value does not narrow.

    ``since <= moment < until``. ``environment`` may end with ``*``. ``thing``: part of a rendered resource or path, in any case.
    ``person``: a user name (who started it, or whose change it is). ``text``: part of a change's title, a commit or an entry.
    ``before``: only what began earlier than this, which is how the next page goes on.
    """

    since: datetime
    until: datetime
    kinds: frozenset[str] = frozenset()
    repository: str = ""
    environment: str = ""
    person: str = ""
    thing: str = ""
    text: str = ""
    before: datetime | None = None

    def wants(self, kind: str) -> bool:
        return not self.kinds or kind in self.kinds


@dataclass(frozen=True, slots=True)
class Happening:
    """One row. ``ended``: ``None`` while it goes on; ``state``: of a deployment. ``things`` of ``thing_count`` that it touched."""

    kind: str
    at: datetime
    ended: datetime | None
    text: str
    person: str
    repository: str
    environment: str = ""
    state: str = ""
    change: int | None = None
    title: str = ""
    deployment: int | None = None
    commit: str = ""
    entry: int | None = None
    revision: int | None = None
    things: tuple[str, ...] = ()
    thing_count: int = 0


@dataclass(frozen=True, slots=True)
class Timeline:
    """``next_before`` is :attr:`Asked.before` of the next page; ``None``: this was the last."""

    rows: tuple[Happening, ...]
    next_before: datetime | None


def timeline(user: User, asked: Asked, *, limit: int) -> Timeline:
    """One page. The same number of queries whatever there is."""
    found = [*_deployments(user, asked, limit), *_entries(user, asked, limit)]
    rows = nlargest(limit, found, key=lambda row: row.at)
    more = len(found) > limit
    if more:  # what came at the very same moment as the last row stands on this page, too: the next begins before it
        last = rows[-1].at
        rows += [row for row in found if row.at == last and row not in rows]
    return Timeline(_with_things(rows, asked.thing), rows[-1].at if more else None)


def _deployments(user: User, asked: Asked, limit: int) -> list[Happening]:
    kinds = [kind for kind in DEPLOYS if asked.wants(kind)]
    if not kinds:
        return []
    rows = _seen_by(user)
    if len(kinds) == 1:
        is_rollback = Q(kind=Deployment.Kind.ROLLBACK)
        rows = rows.filter(is_rollback if kinds == ["rollback"] else ~is_rollback)
    rows = _of_place(rows, asked, repository="environment__repository__name", environment="environment__name")
    if asked.person:
        rows = rows.filter(
            _any_equal(asked.person, "requested_by", "scheduled_by", "change__owner", "change__requester")
        )
    if asked.thing:
        things = TouchedThing.objects.filter(revision=OuterRef("change__revision"), label__icontains=asked.thing)
        rows = rows.filter(Exists(things))
    if asked.text:
        label = asked.text.upper().removeprefix("CHG-")
        number = Q(change__number=int(label)) if label.isdecimal() and len(label) < 10 else Q()
        rows = rows.filter(number | Q(change__title__icontains=asked.text) | Q(commit__startswith=asked.text.lower()))
    related = ("change", "change__revision", "environment__repository", "requested_by")
    newest = rows.select_related(*related).defer("plan", "waits", "change__description").order_by("-started_at", "-pk")
    return [_of_deployment(row) for part in _in_window(newest, asked) for row in part[: limit + 1]]


def _seen_by(user: User) -> QuerySet[Deployment]:
    """Those that ``user`` may see, found by their time: by the column itself SQLite would go through all environments first."""
    place = Deployment.objects.alias(place=F("environment__repository_id") + 0)
    return place.filter(place__in=Repository.objects.visible_to(user).values("pk"))


def _in_window(rows: QuerySet[Deployment], asked: Asked) -> tuple[QuerySet[Deployment], QuerySet[Deployment]]:
    """Those that began in the window, and those that began before and reached into it: asked apart, so that each has its index.

    The keys of the latter are read first. They are few: of each environment at most one at a time is under way.
    """
    reached = Deployment.objects.filter(Q(ended_at=None) | Q(ended_at__gte=asked.since), started_at__lt=asked.since)
    keys = list(reached.order_by().values_list("pk", flat=True))
    rows = rows.filter(started_at__lt=_end(asked))
    return rows.filter(started_at__gte=asked.since), rows.filter(pk__in=keys)


def _any_equal(name: str, *people: str) -> Q:
    found = Q()
    for person in people:
        found |= Q(**{f"{person}__username__iexact": name})
    return found


def _of_deployment(row: Deployment) -> Happening:
    kind = "rollback" if row.kind == Deployment.Kind.ROLLBACK else "deploy"
    return Happening(
        kind,
        row.started_at or row.queued_at,
        row.ended_at,
        f"{row.change.label} to {row.environment.name}",
        row.requested_by.username,
        row.environment.repository.name,
        environment=row.environment.name,
        state=row.status,
        change=row.change.number,
        title=row.change.title,
        deployment=row.number,
        commit=row.commit,
        revision=row.change.revision_id,
    )


def _entries(user: User, asked: Asked, limit: int) -> list[Happening]:
    """Entries of the log; whoever asks for resources or paths asks for deployments."""
    kinds = [kind for kind in ENTRIES if asked.wants(kind)]
    if not kinds or asked.thing:
        return []
    open_to_all = [action for kind in kinds if kind not in FOR_AUDITORS for action in ENTRIES[kind]]
    closed = [action for kind in kinds if kind in FOR_AUDITORS for action in ENTRIES[kind]]
    seen = Repository.objects.visible_to(user).values("name")
    rows = AuditEntry.objects.filter(
        Q(action__in=open_to_all, repository__in=seen)
        | Q(action__in=closed, repository__in=auditable(user).values("name"))
    )
    rows = rows.filter(at__gte=asked.since, at__lt=_end(asked))
    rows = _of_place(rows, asked, repository="repository", environment="environment")
    if asked.person:
        rows = rows.filter(actor_name__iexact=asked.person)
    if asked.text:
        rows = rows.filter(summary__icontains=asked.text)
    names = {action: kind for kind, actions in ENTRIES.items() for action in actions}
    return [_of_entry(row, names[row.action]) for row in rows.order_by("-at", "-seq")[: limit + 1]]


def _of_entry(row: AuditEntry, kind: str) -> Happening:
    return Happening(
        kind,
        row.at,
        row.at,
        row.summary,
        row.actor_name,
        row.repository,
        environment=row.environment,
        change=row.change_number,
        deployment=row.deployment_number,
        entry=row.seq,
    )


def _end(asked: Asked) -> datetime:
    return min(asked.until, asked.before) if asked.before else asked.until


def _of_place(rows: QuerySet[M], asked: Asked, *, repository: str, environment: str) -> QuerySet[M]:
    if asked.repository:
        rows = rows.filter(**{repository: asked.repository})
    if asked.environment.endswith("*"):
        return rows.filter(**{f"{environment}__startswith": asked.environment[:-1]})
    return rows.filter(**{environment: asked.environment}) if asked.environment else rows


def _with_things(rows: Sequence[Happening], asked: str) -> tuple[Happening, ...]:
    """The same with what each deployment touched: of many, those that were asked for."""
    revisions = {row.revision for row in rows if row.revision}
    labels, counts = _things(revisions, asked)
    return tuple(
        replace(row, things=tuple(labels[row.revision]), thing_count=counts[row.revision]) if row.revision else row
        for row in rows
    )


def _things(revisions: Iterable[int | None], asked: str) -> tuple[dict[int, list[str]], dict[int, int]]:
    touched = TouchedThing.objects.filter(revision__in=list(revisions))
    counts = dict(touched.values_list("revision").annotate(count=Count("pk")))
    place = Window(RowNumber(), partition_by=[F("revision")], order_by=["pk"])
    matching = touched.filter(label__icontains=asked) if asked else touched
    labels: dict[int, list[str]] = defaultdict(list)
    for revision, label in (
        matching.annotate(place=place).filter(place__lte=MOST_THINGS).order_by("pk").values_list("revision", "label")
    ):
        labels[revision].append(label)
    return labels, defaultdict(int, counts)
