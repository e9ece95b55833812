"""Throw the demo organisation away and tell it anew. Asks first, unless FORCE=1."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def is_confirmed(place: str) -> bool:
    if os.environ.get("FORCE") == "1":
        return True
    if not sys.stdin.isatty():
        print("make demo-reset: nobody to ask here; FORCE=1 says that you mean it.")
        return False
    print(f"This deletes every change, deployment, account and audit entry in {place}.")
    return input("Type 'reset' to go on: ").strip() == "reset"


def main() -> None:
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gitops_portal.settings")
    if not is_confirmed(os.environ.get("DATABASE_URL") or os.environ.get("PORTAL_DATA_DIR") or "var/"):
        sys.exit("Nothing was deleted.")
    from django.core.management import execute_from_command_line

    execute_from_command_line(["manage.py", "demo", "--reset"])


if __name__ == "__main__":
    main()
