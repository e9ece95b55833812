"""How the rows of the role tables are written: one status for each of the columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

ROLES = ("anonymous", "mallory", "viewer", "alice", "bob", "carol", "maintainer", "dave", "erin")
"""Nobody, an outsider, a viewer, the author who owns every change, a reviewer, a deployer, a maintainer, an auditor, an
administrator without a role in the repository."""


@dataclass(frozen=True)
class Row:
    """``METHOD name`` of a route with what is sent; ``{…}`` in ``args`` and ``body`` are names of the world."""

    call: str
    expected: str
    args: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    query: str = ""

    @property
    def statuses(self) -> dict[str, str]:
        given = self.expected.split()
        assert len(given) == len(ROLES), f"{self.call}: {len(given)} statuses for {len(ROLES)} roles"
        return dict(zip(ROLES, given, strict=True))


def everybody(status: int) -> str:
    """Also who is not signed in."""
    return " ".join([str(status)] * len(ROLES))


def signed_in(status: int, anonymous: int = 401) -> str:
    return f"{anonymous} " + " ".join([str(status)] * (len(ROLES) - 1))


def who(names: str, status: int, *, others: int = 403, outsider: int = 404, anonymous: int = 401) -> str:
    """``names`` are answered with ``status``, other members with ``others``."""
    allowed = names.split()
    cells = [str(anonymous), str(outsider)]
    return " ".join(cells + [str(status if role in allowed else others) for role in ROLES[2:]])


TOMORROW = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M}"
"""A time to which something can be scheduled, on the clock of UTC."""

MEMBERS = "viewer alice bob carol maintainer dave erin"
ASK = "viewer alice bob carol maintainer erin"
WRITE = "alice bob carol maintainer"
REVIEW = "bob carol maintainer"
MERGE = "alice carol maintainer"
DEPLOY = "carol maintainer"
OWN = "alice maintainer erin"
MAINTAIN = "maintainer erin"
AUDIT = "maintainer dave erin"
CONNECT = "maintainer erin"
ADMINISTER = "erin"
