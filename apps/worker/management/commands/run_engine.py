"""``manage.py run_engine``: the embedded engine as a process of its own, or the sweeper of a scaled-out portal."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from apps.core.command import PortalCommand
from apps.deployments.dispatchers.staying import stay_for_steps
from apps.vcs.version import require_git
from apps.worker.connections import have_a_connection_for_each
from apps.worker.dispatching import SweepingDispatcher
from apps.worker.embedded import THREADS, Engine
from apps.worker.signals import engine_process_started


class Command(PortalCommand):
    help = "Do the background work of the portal until stopped (SIGTERM, Ctrl+C). Any number may run side by side."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--send-to-celery",
            action="store_true",
            help="Only find what is due and send it to Celery workers; one such process replaces Celery beat.",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        require_git()
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if not options["send_to_celery"]:
            have_a_connection_for_each(sum(THREADS.values()))
        engine = SweepingDispatcher() if options["send_to_celery"] else Engine()
        engine.start()
        engine_process_started.send(sender=self.__class__)
        self.stdout.write(f"Engine runs ({settings.PORTAL_DATA_DIR}).")
        self.stdout.flush()
        stop.wait()
        engine.stop()
        stay_for_steps()
