"""``manage.py recover_audit_log``: after an older database was restored, take back what was published since."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from apps.audit.models import AuditHead
from apps.audit.published import Held
from apps.audit.publishing import open_log, publish, told
from apps.audit.recovery import start_over, take_back
from apps.core.command import PortalCommand
from apps.core.errors import PortalError


class Command(PortalCommand):
    help = "Append the entries that the published log has and the database has forgotten. Stop the portal first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--begin-anew",
            metavar="REASON",
            help="the two logs cannot be joined: publish what the database has as a new log, and say why",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        reason = options["begin_anew"]
        try:
            self._look_elsewhere(judged=reason is None)
            if reason is None:
                self.stdout.write(f"{take_back()} entries were taken back.")
            else:
                start_over(reason)
                self.stdout.write(
                    "A new log was begun; the old one stays in the history of audit.git, or was set aside."
                )
        except PortalError as problem:
            raise CommandError(told(problem)) from problem
        publish()
        held = AuditHead.objects.values_list("held", flat=True).first()
        if held:
            raise CommandError(held)

    def _look_elsewhere(self, *, judged: bool) -> None:
        try:
            open_log(judged=judged)
        except Held:
            raise
        except PortalError as problem:
            self.stderr.write(f"The copy elsewhere was not looked at: {problem.message}")
