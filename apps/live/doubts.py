"""What a process does that cannot hear all notices: it looks itself whether anything happened, and then reads what is watched.

Notices stay in their process without Redis, and none arrive while Redis is away; a page would be called live and be old.
Where all are heard nothing is looked at: in a process that does everything itself, and while Redis has our subscription.
"""

from __future__ import annotations

import threading

import structlog
from django.conf import settings
from django.db import Error, close_old_connections
from django.db.models import Max

from apps.audit.models import AuditHead
from apps.deployments.models import DeploymentEvent, DriftCheck
from apps.live.hub import hub
from apps.reviews.models import VerdictSnapshot

LOOK_SECONDS = 2.5
"""Half of a beat, so that no page that calls itself live is older than that."""
Position = tuple[object, ...]
log = structlog.get_logger(__name__)


def hears_all() -> bool:
    """Whether every notice reaches this process."""
    if not settings.REDIS_URL:
        return bool(settings.PORTAL_ENGINE == "embedded")  # it does everything itself; more than one of them need Redis
    from apps.live import relay  # loaded only where it is configured

    return relay.subscribed.is_set()


def position() -> Position:
    """Another value whenever something happened that a page may show.

    People's acts are entries of the log. What workers find out besides ends in events, in verdicts made anew, or in checks for drift.
    """
    return (
        AuditHead.objects.values_list("seq", flat=True).first(),
        DeploymentEvent.objects.aggregate(Max("pk"))["pk__max"],
        VerdictSnapshot.objects.aggregate(Max("computed_at"))["computed_at__max"],
        DriftCheck.objects.aggregate(Max("pk"))["pk__max"],
    )


class Watcher(threading.Thread):
    """The one of this process; looks for as long as notices may be missing."""

    def __init__(self) -> None:
        super().__init__(name="live-watcher", daemon=True)
        self._stopping = threading.Event()
        self._last: Position | None = None

    def run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            close_old_connections()
            try:
                self.look()
            except Error as error:
                log.warning("live_watcher_waits", error=type(error).__name__)
            close_old_connections()

    def stop(self) -> None:
        self._stopping.set()

    def look(self) -> None:
        """Ring everything that is watched if something happened since the last look, or if nobody knows."""
        if hears_all():
            self._last = None
            return
        found = position()
        if found != self._last:
            self._last = found
            hub.ring_all()
