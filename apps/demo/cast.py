"""The people of the demo organisation. Their password is printed on purpose."""

from __future__ import annotations

from dataclasses import dataclass

PASSWORD = "harbour-lane-demo"


@dataclass(frozen=True, slots=True)
class Character:
    """``role`` in the demo's repository (empty: none); ``job`` is what the sign-in table says."""

    username: str
    name: str
    job: str
    role: str = ""
    teams: tuple[str, ...] = ()
    connects: bool = False
    administrator: bool = False

    @property
    def email(self) -> str:
        return f"{self.username}@example.org"


CAST = (
    Character("alice", "Alice Nguyen", "author (engineer)", "author", ("platform",)),
    Character("eva", "Eva Lindqvist", "author (engineer)", "author", ("platform",)),
    Character("bob", "Bob Okafor", "reviewer, team sre", "reviewer", ("sre",)),
    Character("kim", "Kim Park", "reviewer, team sre", "reviewer", ("sre",)),
    Character("tom", "Tom Berger", "reviewer, team sre, away for a few days", "reviewer", ("sre",)),
    Character("lee", "Lee Fernandes", "reviewer, network expert", "reviewer", ("network",)),
    Character("raj", "Raj Patel", "reviewer, database expert", "reviewer", ("dba",)),
    Character("carol", "Carol Weiss", "release manager", "deployer", ("release",), connects=True),
    Character("dave", "Dave Moreau", "auditor", "auditor"),
    Character("erin", "Erin Castillo", "administrator", administrator=True),
    Character("mallory", "Mallory Quinn", "a stranger: sees nothing"),
)

TEAMS = {
    "platform": "Platform engineering",
    "sre": "Site reliability",
    "network": "Network experts",
    "dba": "Database experts",
    "release": "Release management",
}
