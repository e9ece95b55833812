"""``manage.py replay_verdicts``: 0 when every stored verdict comes out again from its record, 1 when one does not."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from apps.changes.models import ChangeRequest
from apps.core.command import PortalCommand
from apps.deployments.queries.verdicts import past_verdicts


class Command(PortalCommand):
    help = (
        "Judge every recorded gate again from its stored facts and rules. Exit status 0: all are equal. 1: one is not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--change", type=int, help="only those of this change")

    def handle(self, *_: Any, **options: Any) -> None:
        change = None
        if options["change"] is not None:
            change = ChangeRequest.objects.filter(number=options["change"]).first()
            if change is None:
                raise CommandError(f"There is no CHG-{options['change']}.")
        count, differing = 0, 0
        for one in past_verdicts(change):
            count += 1
            if not one.is_equal:
                differing += 1
                why = one.problem or "judging again gives something else"
                self.stderr.write(f"DIFFERS: {one.change.label} {one.what} {one.environment} of {one.at:%F %T}: {why}")
        if differing:
            raise SystemExit(1)
        self.stdout.write(f"ok: {count} verdicts, each equal to what its record gives")
