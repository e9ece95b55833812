"""Throw the demo organisation away and tell it anew. Asks first, unless FORCE=1.

What goes is the embedded database and what the portal keeps beside it in PORTAL_DATA_DIR; the
secret key and everything else there stays. A directory in which no demo was told is left alone,
also with FORCE=1. A PostgreSQL database is never dropped from here.
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

from data_dir import ROOT, data_dir, hold, holds_demo, is_cut_off, is_served, remove_demo


def stop(message: str) -> None:
    sys.exit(f"make demo-reset: {message}")


def is_confirmed(place: Path) -> bool:
    if os.environ.get("FORCE") == "1":
        return True
    if not sys.stdin.isatty():
        stop("there is nobody to ask here; FORCE=1 says that you mean it. Nothing was deleted.")
    print(f"This deletes every change, deployment, account and audit entry in {place}.")
    return input("Type 'reset' to go on: ").strip() == "reset"


def main() -> None:
    place = data_dir()
    # Asked before the settings are read, because they make a key there.
    if place.exists() and any(place.iterdir()) and not (holds_demo(place) or is_cut_off(place)):
        stop(f"{place} holds no demo organisation. Nothing was deleted.")
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gitops_portal.settings")
    from django.conf import settings
    from django.core.management import call_command

    if settings.DATABASE_URL:
        stop("DATABASE_URL names a database server. Drop and create that database yourself, then call make run.")
    starting = hold(place, "start.lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
    if starting is None or is_served(place):
        stop(f"a portal is running on {place}. Stop it first.")
    if not is_confirmed(place):
        stop("nothing was deleted.")
    remove_demo(place)
    import django

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    call_command("demo", "--if-empty")
    call_command("demo", "--sign-in")


if __name__ == "__main__":
    main()
