"""What becomes live with a deployment, as pages list it: with what is known of each change in that environment. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from apps.changes.models import ChangeRequest
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.coming import Coming, coming_with
from apps.deployments.queries.comparing import GIT
from apps.presentation.board import side_of
from apps.presentation.first_error import failed_line

MOST_ERRORS = 3
"""Failures whose logs are looked into, the newest; of the others it is told what the deployment says."""


@dataclass(frozen=True, slots=True)
class ComingRow:
    """``failed``: its newest deployment here, where that failed; ``error``: its first error; ``taken_back``: by what comes along."""

    change: ChangeRequest
    is_due: bool = True
    failed: Deployment | None = None
    error: str = ""
    taken_back: ChangeRequest | None = None


@dataclass(frozen=True, slots=True)
class ComingPage:
    """``again``: the row of what the last run here failed with, where it is to be live and nothing takes it back."""

    deployment: Deployment
    coming: Coming
    rows: tuple[ComingRow, ...]
    again: ComingRow | None

    @property
    def environment(self) -> Environment:
        return self.deployment.environment

    @property
    def compare_url(self) -> str:
        """Beside what Git has."""
        return f"/environments/compare/?{urlencode({'from': side_of(self.environment), 'to': GIT})}"


def coming_page(deployment: Deployment) -> ComingPage:
    """Of one that waits, or would be asked for. Two queries beside :func:`coming_with`, and two for each of a few errors."""
    coming = coming_with(deployment)
    if coming.goes_back:  # these go: how they came is nobody's question
        return ComingPage(deployment, coming, tuple(map(ComingRow, coming.changes)), None)
    rows = tuple(_rows(deployment.environment, coming.changes))
    last = _last_run(deployment.environment)
    again = next((row for row in rows if row.failed and row.failed == last and not row.taken_back), None)
    return ComingPage(deployment, coming, rows, again)


def _rows(environment: Environment, changes: Sequence[ChangeRequest]) -> Iterator[ComingRow]:
    here = Deployment.objects.filter(environment=environment, change__in=changes).order_by("number")
    newest = {row.change_id: row for row in here}
    failed = sorted((row for row in newest.values() if row.status == Status.FAILED), key=lambda row: -row.number)
    errors = {row.pk: failed_line(row) if i < MOST_ERRORS else row.problem for i, row in enumerate(failed)}
    undone = _undone(changes)
    for change in changes:
        row = newest.get(change.pk)
        bad = row if row is not None and row.pk in errors else None
        yield ComingRow(change, row is not None, bad, errors[bad.pk] if bad else "", undone.get(change.pk))


def _undone(changes: Sequence[ChangeRequest]) -> dict[int, ChangeRequest]:
    """Which of ``changes``, in the order in which they merged, takes which of them back, unless it is taken back itself."""
    found: dict[int, ChangeRequest] = {}
    for row in reversed(changes):
        if row.rolls_back_id is not None and row.pk not in found:
            found[row.rolls_back_id] = row
    return found


def _last_run(environment: Environment) -> Deployment | None:
    rows = Deployment.objects.filter(environment=environment, attempts__gt=0)
    return rows.order_by("-started_at", "-number").first()
