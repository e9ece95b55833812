"""The ledger of one environment: what was live at a moment, and which changes each deployment brought."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.changes.models import ChangeRequest
from apps.deployments.models import Deployment, Environment

SHOWN = 5
"""Changes of one deployment that are named; the others are counted."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What a deployment changed of what is live: ``changes`` that came (``took_back``: that went), ``more`` unnamed ones.

    ``earlier`` is the deployment that was live before; ``None``: it was the first.
    """

    earlier: Deployment | None
    changes: tuple[ChangeRequest, ...]
    more: int = 0
    took_back: bool = False


def once_live(environment: Environment) -> QuerySet[Deployment]:
    """Every deployment that became live here, the newest first; not those that succeeded because something newer was live."""
    return Deployment.objects.filter(environment=environment, became_live=True).order_by("-ended_at", "-number")


def live_at(environment: Environment, moment: datetime) -> Deployment | None:
    """What was live at ``moment``; ``None``: nothing had been deployed yet."""
    rows = once_live(environment).filter(ended_at__lte=moment)
    return rows.select_related("change", "requested_by").first()


def was_live(change: ChangeRequest, environments: Collection[str], before: bool) -> bool:
    """Whether each of them ran what its branch was with ``change`` (or right ``before`` it), as far as that reaches it.

    That is so where the newest change until then that reaches it, and was not rolled back by then, was live there; and where none
    did, because it was left as the portal found it.
    """
    moment = change.merged_at
    if moment is None:
        return False
    until = Q(merged_at__lt=moment) if before else Q(merged_at__lte=moment)
    undoing = ChangeRequest.objects.filter(until, rolls_back=OuterRef("pk"))
    rows = ChangeRequest.objects.filter(~Exists(undoing), until, target_branch=change.target_branch)
    for environment in Environment.objects.filter(repository=change.repository_id, name__in=environments):
        here = Deployment.objects.filter(change=OuterRef("pk"), environment=environment)
        reaching = rows.filter(Exists(here)).order_by("-merged_at", "-number")
        newest = reaching.annotate(ran=Exists(here.filter(became_live=True))).values_list("ran", flat=True).first()
        if newest is False:
            return False
    return True


def brought_by(environment: Environment, rows: Sequence[Deployment]) -> dict[int, Brought]:
    """For each of ``rows`` (of one page of the history) that became live what it brought, by key; three queries.

    Changes land on the default branch one after another, so what lies between two live commits is what was merged between the
    changes that made them.
    """
    live = [row for row in rows if row.became_live and row.ended_at is not None]
    if not live:
        return {}
    live.sort(key=_when)
    before = once_live(environment).filter(ended_at__lte=live[0].ended_at).exclude(pk__in=[row.pk for row in live])
    chain = [before.select_related("change").first(), *live]
    moments = [row.change.merged_at for row in chain if row is not None and row.change.merged_at is not None]
    changes = _merged(environment, moments)
    return {row.pk: _brought(earlier, row, changes) for earlier, row in zip(chain, live, strict=False)}


def _when(row: Deployment) -> tuple[datetime, int]:
    assert row.ended_at is not None  # noqa: S101 - only those that became live are sorted
    return row.ended_at, row.number


def _merged(environment: Environment, moments: Sequence[datetime]) -> list[ChangeRequest]:
    """Changes that landed on the default branch from the first to the last of ``moments``, in order."""
    if not moments:
        return []
    rows = ChangeRequest.objects.filter(
        repository=environment.repository_id,
        target_branch=environment.repository.default_branch,
        merged_at__gte=min(moments),
        merged_at__lte=max(moments),
    )
    return list(rows.only("number", "title", "merged_at").order_by("merged_at", "number"))


def _brought(earlier: Deployment | None, row: Deployment, changes: Sequence[ChangeRequest]) -> Brought:
    """Between two changes; the first deployment brought at least its own."""
    until = row.change.merged_at
    start = earlier.change.merged_at if earlier is not None else None
    if until is None:
        return Brought(earlier, ())
    if start is None:
        return Brought(earlier, tuple(one for one in changes if one.pk == row.change_id))
    low, high = min(start, until), max(start, until)
    found = [one for one in changes if one.merged_at is not None and low < one.merged_at <= high]
    return Brought(earlier, tuple(found[-SHOWN:][::-1]), max(len(found) - SHOWN, 0), took_back=until < start)
