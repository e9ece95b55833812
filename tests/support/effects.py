"""Effects in tests: plan and render whatever waits, as the engine does."""

from __future__ import annotations

from apps.changes.jobs import JOBS
from apps.changes.models import ChangeRequest, Rendering

NAMES = {"changes.plan_renderings", "changes.render"}


def render_all(change: ChangeRequest) -> dict[str, Rendering]:
    """Do the renderings that are due; those of the present revision by ``environment/target``."""
    for _ in range(3):
        for job in JOBS:
            if job.name in NAMES:
                for pk in list(job.due(1000)):
                    job.run(pk)
    change.refresh_from_db()
    return {row.label: row for row in Rendering.objects.filter(revision=change.revision)}
