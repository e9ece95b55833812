"""What ``manage.py`` offers beside Django's own commands."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser


class PortalCommand(BaseCommand):
    """A command that starts at once: Django's system checks load every page, and belong to ``make check`` and ``migrate``."""

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **options)
        parser.set_defaults(skip_checks=True)  # and --skip-checks is still understood
        return parser
