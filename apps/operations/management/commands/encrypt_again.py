"""``manage.py encrypt_again``: after a change of PORTAL_ENCRYPTION_KEY, bring what is stored under the new one."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from apps.core.command import PortalCommand
from apps.operations import sealing


class Command(PortalCommand):
    help = (
        "Encrypt stored credentials and secrets with the present PORTAL_ENCRYPTION_KEY; those before stand in "
        "PORTAL_OLD_ENCRYPTION_KEYS. May run beside the portal, and again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--look", action="store_true", help="only say what is stored under which key")

    def handle(self, *_args: Any, look: bool, **_options: Any) -> None:
        found = sealing.look() if look else sealing.encrypt_again()
        for name in sorted({*found.present, *found.old, *found.unreadable}):
            counts = f"{found.present.get(name, 0)} under the present key, {found.old.get(name, 0)} under one before"
            self.stdout.write(f"{name}: {counts}{_rows(found.unreadable.get(name, []))}")
        if found.unreadable:
            raise CommandError(
                "No key that is set can read some of them. Name theirs in PORTAL_OLD_ENCRYPTION_KEYS, or enter them again."
            )
        if not found.old:
            self.stdout.write("All is under the present key: PORTAL_OLD_ENCRYPTION_KEYS can be left out.")
        elif not look:
            self.stdout.write(
                f"{sum(found.old.values())} were encrypted again. Look once more when all processes have the present key."
            )


def _rows(unreadable: list[int]) -> str:
    """The rows that cannot be read, the first of them named."""
    if not unreadable:
        return ""
    named = ", ".join(map(str, unreadable[:20]))
    return f", {len(unreadable)} unreadable (rows {named}{', …' if len(unreadable) > 20 else ''})"
