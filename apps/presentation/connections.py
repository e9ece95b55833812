"""Read models of the pages about connections."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from apps.accounts.models import User
from apps.deployments.access import can_manage_connections
from apps.deployments.dispatchers.kinds import KINDS, Kind
from apps.deployments.models import Attempt, Connection, ConnectionGrant
from apps.deployments.queries.connections import find_connection, secret_names, visible_connections
from apps.repositories.models import Repository

RECENT = 10
MOST_CHOICES = 200
"""Repositories that are offered to choose from; where there are more a name is written."""


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """One line of the list. ``state``: works | does not work | not tested, as the words of the status chips.

    ``repositories``: those that may use it and that the reader may see.
    """

    connection: Connection
    title: str
    host: str
    state: str
    repositories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConnectionPage:
    """One connection; ``grants`` and ``used`` (its newest runs) are what this person may see.

    ``options``, ``secrets`` (names, never values) and ``repositories`` (to choose from) are for who keeps connections.
    """

    row: ConnectionRow
    kind: Kind
    options: tuple[tuple[str, str], ...]
    secrets: tuple[str, ...]
    grants: tuple[ConnectionGrant, ...]
    used: tuple[Attempt, ...]
    repositories: tuple[str, ...]
    manages: bool

    @property
    def url(self) -> str:
        return f"/connections/{self.row.connection.name}/"


def connection_rows(user: User) -> list[ConnectionRow]:
    """The connections that ``user`` may see, by name."""
    return [_row(row) for row in visible_connections(user)]


def connection_page(user: User, name: str) -> ConnectionPage:
    """One of them; :class:`NotVisible` otherwise."""
    connection = find_connection(user, name)
    kind = KINDS[connection.kind]
    labels = {field.name: field.label for field in kind.fields}
    manages = can_manage_connections(user).allowed
    visible = Repository.objects.visible_to(user)
    used = Attempt.objects.filter(connection=connection, deployment__environment__repository__in=visible)
    return ConnectionPage(
        row=_row(connection),
        kind=kind,
        options=tuple((labels.get(key, key), value) for key, value in connection.options.items() if manages),
        secrets=tuple(labels.get(key, key) for key in secret_names(connection)) if manages else (),
        grants=tuple(connection.grants.all()),
        used=tuple(used.select_related("deployment__environment__repository").order_by("-pk")[:RECENT]),
        repositories=choosable_repositories(user) if manages else (),
        manages=manages,
    )


def choosable_repositories(user: User) -> tuple[str, ...]:
    """Names of all that ``user`` can see; none where there are more than :data:`MOST_CHOICES`."""
    rows = Repository.objects.visible_to(user).order_by("name").values_list("name", flat=True)
    names = tuple(rows[: MOST_CHOICES + 1])
    return names if len(names) <= MOST_CHOICES else ()


def _row(connection: Connection) -> ConnectionRow:
    states = {True: "working", False: "not_working", None: "not_tested"}
    return ConnectionRow(
        connection,
        KINDS[connection.kind].title,
        urlsplit(connection.url).hostname or "",
        states[connection.is_working],
        tuple(grant.repository.name for grant in connection.grants.all()),
    )
