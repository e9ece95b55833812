"""Throw the demo organisation away and tell it anew. Asks first, unless FORCE=1.

What goes is the embedded database and everything in PORTAL_DATA_DIR that was made from it;
the secret key stays. A PostgreSQL database is never dropped from here.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT = {"secret.key", "static"}


def stop(message: str) -> None:
    sys.exit(f"make demo-reset: {message}")


def is_confirmed(place: Path) -> bool:
    if os.environ.get("FORCE") == "1":
        return True
    if not sys.stdin.isatty():
        stop("there is nobody to ask here; FORCE=1 says that you mean it. Nothing was deleted.")
    print(f"This deletes every change, deployment, account and audit entry in {place}.")
    return input("Type 'reset' to go on: ").strip() == "reset"


def is_served() -> bool:
    """Whether something listens where this portal would: a running one must not lose its files."""
    address = (os.environ.get("HOST") or "127.0.0.1", int(os.environ.get("PORT") or 8000))
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(address) == 0


def empty(place: Path) -> None:
    for entry in place.iterdir():
        if entry.name in KEPT:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def main() -> None:
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gitops_portal.settings")
    from django.conf import settings
    from django.core.management import call_command

    place = Path(settings.PORTAL_DATA_DIR)
    if settings.DATABASE_URL:
        stop("DATABASE_URL names a database server. Drop and create that database yourself, then call make run.")
    if is_served():
        stop("a portal is running at HOST:PORT. Stop it first.")
    if not is_confirmed(place):
        stop("nothing was deleted.")
    if not (place / "secret.key").exists() and any(place.iterdir()):
        stop(f"{place} does not look like a portal's data directory. Nothing was deleted.")
    empty(place)
    import django

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    call_command("demo", "--if-empty")
    call_command("demo", "--sign-in")


if __name__ == "__main__":
    main()
