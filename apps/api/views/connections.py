"""Connections to the systems that carry out deployments."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api import outputs
from apps.api.answers import time
from apps.api.connection_outputs import ConnectionIn, ConnectionOut, ConnectionPatchIn, GrantIn
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, repository_of
from apps.api.pages import AFTER_NAME, LIMIT, page, page_size
from apps.api.shapes import EmptyIn
from apps.deployments import services as deployments
from apps.deployments.access import can_manage_connections
from apps.deployments.models import Connection
from apps.deployments.queries.connections import find_connection, secret_names, visible_connections


@endpoint(
    "GET",
    response=outputs.page_of(ConnectionOut),
    summary="Connections",
    parameters=[AFTER_NAME, LIMIT],
)
def list_connections(request: Request) -> Response:
    """By name: all for administrators; for others those of the repositories that they maintain."""
    # Sorted here, where they are compared as well: a database may put dashes elsewhere.
    rows = sorted(visible_connections(caller(request)), key=lambda row: row.name)
    after, limit = request.query_params.get("after", ""), page_size(request)
    found = [row for row in rows if row.name > after][: limit + 1]
    return page(
        request,
        found[:limit],
        lambda row: _connection(request, row),
        found[limit - 1].name if len(found) > limit else None,
    )


@endpoint("GET", response=ConnectionOut, summary="One connection")
def show_connection(request: Request, name: str) -> Response:
    """Never its secrets: only their names, and these for administrators."""
    return Response(_connection(request, find_connection(caller(request), name)))


@endpoint("POST", scope="admin", request=ConnectionIn, response=ConnectionOut, status=201, summary="Make a connection")
def create_connection(request: Request) -> Response:
    """``values`` has the fields of the kind, secret or not. No repository may use it yet."""
    body = read(ConnectionIn, request)
    row = deployments.create_connection(caller(request), **{"values": {}, **body})
    return Response(_connection(request, row), status=201)


@endpoint("PATCH", scope="admin", request=ConnectionPatchIn, response=ConnectionOut, summary="Change a connection")
def update_connection(request: Request, name: str) -> Response:
    """What is not given stays; with another address every secret has to be given again."""
    row = find_connection(caller(request), name)
    row = deployments.update_connection(caller(request), connection=row, **read(ConnectionPatchIn, request))
    return Response(_connection(request, row))


@endpoint("DELETE", scope="admin", request=EmptyIn, status=204, summary="Remove a connection")
def remove_connection(request: Request, name: str) -> Response:
    """Refused while a deployment runs through it."""
    deployments.remove_connection(caller(request), connection=find_connection(caller(request), name))
    return Response(status=204)


@endpoint("POST", scope="manage", request=EmptyIn, response=ConnectionOut, summary="Try a connection")
def test_connection(request: Request, name: str) -> Response:
    """Asks the other system; what it said is in the answer."""
    deployments.try_connection(caller(request), connection=find_connection(caller(request), name))
    return Response(_connection(request, find_connection(caller(request), name)))


@endpoint("PUT", scope="admin", request=GrantIn, response=ConnectionOut, summary="Allow a connection in a repository")
def allow_connection(request: Request, name: str, repository: str) -> Response:
    """Into the named environments, or into all."""
    row = find_connection(caller(request), name)
    body = read(GrantIn, request)
    deployments.allow_connection(
        caller(request),
        connection=row,
        repository=repository_of(request, repository),
        environments=body.get("environments", []),
    )
    return Response(_connection(request, find_connection(caller(request), name)))


@endpoint("DELETE", scope="admin", request=EmptyIn, status=204, summary="Forbid a connection in a repository")
def forbid_connection(request: Request, name: str, repository: str) -> Response:
    """Nothing is started through it there any more; what runs is followed to its end."""
    row = find_connection(caller(request), name)
    deployments.forbid_connection(caller(request), connection=row, repository=repository_of(request, repository))
    return Response(status=204)


def _connection(request: Request, row: Connection) -> dict[str, object]:
    """``row`` as :func:`find_connection` reads it, with those only of its repositories that the caller may see, or of an administrator."""
    manages = can_manage_connections(caller(request)).allowed
    return {
        "name": row.name,
        "kind": row.kind,
        "url": row.url,
        "options": row.options if manages else None,
        "secrets": secret_names(row) if manages else None,
        "is_working": row.is_working,
        "test_text": row.test_text or None,
        "tested_at": time(row.tested_at),
        "last_used_at": time(row.last_used_at),
        "created_by": row.created_by.username,
        "updated_at": time(row.updated_at),
        "repositories": [
            {"repository": grant.repository.name, "environments": grant.environments}
            for grant in sorted(row.grants.all(), key=lambda grant: grant.repository.name)
        ],
    }
