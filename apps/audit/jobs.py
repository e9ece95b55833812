"""Background work of the audit context: the log is published within a second of being written."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Q

from apps.audit.models import AuditHead, Publication
from apps.audit.publishing import publish, rests
from apps.core.clock import now
from apps.core.work import Job

_has_looked = False


def logs_due(_limit: int) -> list[int]:
    """The one log: when entries wait, the copy elsewhere is behind, or this process has not looked whether both logs are one."""
    global _has_looked  # noqa: PLW0603  # a restored database says itself that all is published
    if not settings.PORTAL_AUDIT_PUBLISH:
        return []
    row = Publication.objects.filter(pk=Publication.ONLY).first() or Publication()
    waits = AuditHead.objects.filter(~Q(seq=row.size) | ~Q(held=""), pk=AuditHead.ONLY).exists()
    if _has_looked and not _copy_waits(row) and (rests() or not waits):
        return []
    _has_looked = True
    return [Publication.ONLY]


def _copy_waits(row: Publication) -> bool:
    is_late = bool(settings.PORTAL_AUDIT_REMOTE) and row.pushed != row.commit
    return is_late and (row.retry_at is None or row.retry_at <= now())


def publish_log(_pk: int) -> None:
    """One turn of the publisher."""
    publish()


JOBS = (Job(name="audit.publish", due=logs_due, run=publish_log, every=1.0, slow=True),)
