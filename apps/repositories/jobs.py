"""Background work of the repositories context."""

from __future__ import annotations

from apps.core.clock import now
from apps.core.work import Job
from apps.repositories.models import Repository
from apps.repositories.services import synchronise


def repositories_due(limit: int) -> list[int]:
    """Repositories that were asked for, announced by their host, or whose time to be polled has come."""
    due = Repository.objects.due_for_sync(now()).order_by("-sync_requested_at", "next_poll_at")
    return list(due.values_list("pk", flat=True)[:limit])


def sync(repository_id: int) -> None:
    """One look at one remote; does nothing while another worker is at it."""
    synchronise(repository_id)


JOBS = (Job(name="repositories.sync", due=repositories_due, run=sync, every=2.0, slow=True),)
