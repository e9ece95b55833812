"""Starting one change in many environments with one press."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.core.errors import InvalidInput, PortalError
from apps.core.text import first_few
from apps.deployments import access
from apps.deployments.models import Deployment
from apps.deployments.queries.groups import group_of, waiting_for_start
from apps.deployments.services.running import release


@dataclass(frozen=True, slots=True)
class Started:
    """What came of one environment. ``text`` says it in a sentence."""

    environment: str
    deployment: int
    started: bool
    text: str


def start_group(
    actor: User, *, change: ChangeRequest, environments: Iterable[str] = (), group: str = ""
) -> tuple[Started, ...]:
    """Start what waits for a start by hand in the ``environments``, or in all of ``group``; canaries first.

    Each in its own transaction with its own entry in the log: one that is refused leaves the others as they are, and is told.
    Everything else that holds one still holds it, also that an environment comes after another. :class:`InvalidInput`
    ``nothing_chosen``, or ``not_waiting`` naming environments where nothing waits; then nothing is started.
    """
    access.require_deploy(actor, change)
    rows = {row.environment.name: row for row in waiting_for_start(change)}
    wanted = set(environments) or {name for name in rows if group and group_of(name) == group}
    if not wanted:
        text = "Choose at least one environment in which a deployment waits for a start by hand."
        raise InvalidInput("nothing_chosen", text, field="environments")
    missing = sorted(wanted - set(rows))
    if missing:
        text = (
            f"Nothing of {change.label} waits for a start by hand in {first_few(missing)}. "
            f"It does in: {first_few(list(rows), 20) or 'no environment'}."
        )
        raise InvalidInput("not_waiting", text, field="environments")
    return tuple(_started(actor, row) for name, row in rows.items() if name in wanted)


def _started(actor: User, row: Deployment) -> Started:
    name = row.environment.name
    try:
        release(actor, deployment=row)
    except PortalError as problem:
        return Started(name, row.number, started=False, text=f"{name}: not started. {problem.message}")
    return Started(name, row.number, started=True, text=f"{name}: {row.label} starts as soon as nothing else holds it.")
