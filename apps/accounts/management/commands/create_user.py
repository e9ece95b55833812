"""``manage.py create_user NAME``: an account made by the operator; the password comes on standard input."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from apps.accounts.services import create_user
from apps.core.command import PortalCommand
from apps.core.errors import PortalError


class Command(PortalCommand):
    help = "Create a local account. The first administrator is made like this: create_user NAME --administrator."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="handle")
        parser.add_argument("--email", default="", help="recorded as verified")
        parser.add_argument("--display-name", default="")
        parser.add_argument("--service", action="store_true", help="a service account (never approves)")
        parser.add_argument("--administrator", action="store_true")
        parser.add_argument("--connect-repositories", action="store_true")
        parser.add_argument("--no-password", action="store_true", help="nobody signs in to it with a password")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            user = create_user(
                None,
                username=options["user"],
                email=options["email"],
                display_name=options["display_name"],
                password=None if options["no_password"] or options["service"] else _password(),
                kind="service" if options["service"] else "human",
                can_connect_repositories=options["connect_repositories"],
                is_administrator=options["administrator"],
            )
        except PortalError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"Account {user.username} created.")


def _password() -> str:
    """Asked for on a terminal, else the first line of standard input; never an argument (others see those)."""
    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    try:
        validate_password(password)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    return password
