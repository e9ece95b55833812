"""Which connection a plan means, whether it may be used there, and what its dispatcher gets of it. Reads only."""

from __future__ import annotations

import json
from typing import Any

from django.db.models import Prefetch, QuerySet

from apps.accounts.models import User
from apps.core.errors import NotVisible, Unavailable
from apps.core.secrets import decrypt
from apps.deployments.access import can_see_connection
from apps.deployments.dispatchers import Outside
from apps.deployments.dispatchers.kinds import KIND_OF_DISPATCHER, KINDS, KINDS_OF_CHECKS
from apps.deployments.models import Connection, ConnectionGrant, Environment
from apps.repositories.models import Repository


def connection_for(environment: Environment, plan: dict[str, Any]) -> Connection | None:
    """The connection that ``plan`` deploys through; ``None`` for a dispatcher that needs none.

    :class:`Unavailable` ``no_connection`` says what is missing and who can give it.
    """
    kind = KIND_OF_DISPATCHER.get(plan["via"])
    if kind is None:
        return None
    return granted(environment, str(plan["raw"].get("connection") or ""), kind)


def require_connections(environment: Environment, plan: dict[str, Any]) -> None:
    """All that the plan needs, also for its health checks; :class:`Unavailable` names the first that is missing."""
    connection_for(environment, plan)
    for check in plan.get("health", {}).get("checks", []):
        if check["kind"] in KINDS_OF_CHECKS:
            granted(environment, check["connection"], check["kind"])


def granted(environment: Environment, name: str, kind: str) -> Connection:
    """The connection ``name`` to a system of ``kind``, if it may be used in ``environment``.

    One message for "there is none" and "it is not granted": the names of other people's connections are nobody's business.
    """
    grant = (
        ConnectionGrant.objects.select_related("connection")
        .filter(connection__name=name, connection__kind=kind, repository=environment.repository_id)
        .first()
    )
    if grant is None or (grant.environments and environment.name not in grant.environments):
        title = KINDS[kind].title
        what = f"the connection {name!r} ({title})" if name else f"a connection to {title}, and names none"
        raise Unavailable(
            "no_connection",
            f"portal.yaml needs {what} for {environment.name}, but no such connection may be used in {environment.name} "
            f"of {environment.repository.name}. An administrator can make it, or allow it here.",
        )
    return grant.connection


def outside_of(connection: Connection) -> Outside:
    """The connection with its credentials in clear; :class:`Unavailable` when they cannot be read."""
    sealed = decrypt(connection.sealed_credentials)
    return Outside(
        name=connection.name,
        kind=connection.kind,
        url=connection.url.rstrip("/"),
        credentials=json.loads(sealed) if sealed else {},
        options=connection.options,
    )


def visible_connections(user: User) -> list[Connection]:
    """By name: all for administrators, for others those that a repository of theirs may use."""
    return [row for row in _connections(user) if can_see_connection(user, row).allowed]


def find_connection(user: User, name: str) -> Connection:
    """The connection of that name; :class:`NotVisible` when ``user`` may not know of it."""
    row = _connections(user).filter(name=name).first()
    if row is None or not can_see_connection(user, row).allowed:
        raise NotVisible("not_found", f"There is no connection {name} that you can see.")
    return row


def _connections(user: User) -> QuerySet[Connection]:
    """Those that are there, each with the repositories that may use it and that ``user`` may see; which others do is not theirs."""
    grants = ConnectionGrant.objects.filter(repository__in=Repository.objects.visible_to(user))
    grants = grants.select_related("repository").order_by("repository__name")
    rows = Connection.objects.filter(is_removed=False)
    return rows.select_related("created_by").prefetch_related(Prefetch("grants", grants))


def secret_names(connection: Connection) -> list[str]:
    """Which secrets are stored, by name."""
    try:
        return sorted(outside_of(connection).credentials)
    except Unavailable:
        return []
