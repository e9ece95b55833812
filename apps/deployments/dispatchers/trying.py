"""Trying a connection through which nothing is deployed: what health checks ask, asked once without a question."""

from __future__ import annotations

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import Outside
from apps.deployments.dispatchers.answers import FORBIDDEN, UNAUTHENTICATED
from apps.deployments.dispatchers.http import Client
from apps.deployments.dispatchers.remote import mapping


def bearer(outside: Outside | None) -> dict[str, str]:
    """The header that carries the connection's token; none where it has none."""
    token = outside.credentials.get("token", "") if outside else ""
    return {"Authorization": f"Bearer {token}"} if token else {}


def address(outside: Outside) -> str:
    """Whether something answers there and lets us in; what it says to a path is the affair of the check that asks for it."""
    with Client(outside, bearer(outside)) as client:
        status = client.look("").status
    if status in {UNAUTHENTICATED, FORBIDDEN}:
        text = f"{outside.name} answered {status}: it wants a token, or another one. An administrator enters it."
        raise Unavailable("outside_refused", text)
    return f"It answers, with {status} to its own address; each health check asks for a path of its own."


def prometheus(outside: Outside) -> str:
    """Whether the query API answers (``/api/v1/query``), with a query that needs no data."""
    with Client(outside, bearer(outside)) as client:
        found = mapping(client.read("/api/v1/query", params={"query": "1"}).json())
    if found.get("status") != "success":
        text = f"{outside.name} answers, but not as the query API of Prometheus does. An administrator looks at its address."
        raise Unavailable("bad_answer", text)
    return "It answers queries."
