"""The commands that a page of docs/ tells people to give, so that tests give the very same."""

from __future__ import annotations

import re
from textwrap import dedent

from tests.support.server import ROOT


def recipes(page: str) -> list[str]:
    """Each block of shell commands on docs/``page``, also those inside of lists."""
    text = (ROOT / "docs" / page).read_text()
    return [dedent(found) for found in re.findall(r"^ *```sh\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)]


def commands_of_postgres(recipe: str) -> str:
    """Those that PostgreSQL is restored with, for ``sh -c`` beside ``portal.dump`` with ``DATABASE_URL`` set."""
    return "".join(f"{line}\n" for line in recipe.splitlines() if line.startswith(("pg_restore", "psql")))


def commands_to_restore_postgres() -> str:
    """The same in every recipe of the page."""
    (found,) = {commands_of_postgres(recipe) for recipe in recipes("operations.md")} - {""}
    return found
