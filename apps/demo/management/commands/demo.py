"""``manage.py demo``: fill an empty portal with the demo organisation, or start it again."""

from __future__ import annotations

import shutil
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from apps.accounts.models import User
from apps.core.command import PortalCommand
from apps.demo.cast import CAST, PASSWORD
from apps.demo.guard import guard
from apps.demo.story import tell


class Command(PortalCommand):
    help = "Fill an empty portal with the demo organisation (people, a Git repository, changes, deployments)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--if-empty", action="store_true", help="do nothing when there are people already")
        parser.add_argument(
            "--guard", action="store_true", help="only let the demo's Git host ask this portal about pushes"
        )
        parser.add_argument("--sign-in", action="store_true", help="only print how to sign in")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["sign_in"]:
            self._print_sign_in()
            return
        if options["guard"]:
            guard()
            return
        telling = Path(settings.PORTAL_DATA_DIR) / "demo.telling"  # scripts/data_dir.py looks for it
        if User.objects.exists():
            if telling.exists():
                self.stderr.write(
                    "The story of the demo organisation was cut off, so some of it is missing. "
                    "`make demo-reset` starts again from nothing; a database server is emptied by hand."
                )
            if options["if_empty"]:
                return
            raise CommandError("There are people in this portal already. `make demo-reset` starts again from nothing.")
        leftovers = Path(settings.PORTAL_DEMO_DIR)
        if leftovers.exists():
            # A demo repository without its database: an earlier start was interrupted.
            shutil.rmtree(leftovers)
        self.stdout.write("Telling the story of the demo organisation (half a minute, once) …")
        telling.touch()
        tell()
        telling.unlink()
        self.stdout.write("The demo organisation is ready.")

    def _print_sign_in(self) -> None:
        if not User.objects.filter(username="alice").exists():
            return
        self.stdout.write(f"\nSign in with one of these names and the password {PASSWORD}")
        for character in CAST:
            self.stdout.write(f"  {character.username:9} {character.job}")
