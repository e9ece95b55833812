"""``manage.py create_token USER``: prints the token and nothing else, so that a script can take it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from apps.accounts.queries import user_by_handle
from apps.accounts.scopes import SCOPES
from apps.accounts.services import create_token
from apps.accounts.services.tokens import DEFAULT_DAYS
from apps.core.command import PortalCommand
from apps.core.errors import PortalError


class Command(PortalCommand):
    help = "Create an API token and print it. Without --scope it may do all that the person may do."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="handle of the owner")
        parser.add_argument("--scope", action="append", metavar="SCOPE", help=f"one of {', '.join(SCOPES)}; repeatable")
        parser.add_argument("--name", default="command line")
        parser.add_argument("--days", type=int, default=DEFAULT_DAYS, help="days until it expires")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            owner = user_by_handle(options["user"])
            _token, secret = create_token(
                owner, user=owner, name=options["name"], scopes=options["scope"], days=options["days"]
            )
        except PortalError as error:
            raise CommandError(error.message) from error
        self.stdout.write(secret)
