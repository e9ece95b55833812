"""Role × endpoint: every route of API and pages, asked by everybody, answers as the tables say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.api import role_table_api, role_table_pages
from tests.api.role_columns import ROLES, Row
from tests.support.api_world import World

pytestmark = pytest.mark.django_db
TABLES: dict[str, list[Row]] = {"api": role_table_api.ROWS, "web": role_table_pages.ROWS}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
CELLS = [(space, row) for space, rows in TABLES.items() for row in rows]


def _routes(patterns: list[Any], space: str = "") -> Iterator[tuple[str, URLPattern]]:
    for found in patterns:
        if isinstance(found, URLResolver):
            if str(found.pattern) != "accounts/":
                yield from _routes(found.url_patterns, found.namespace or space)
        else:
            yield space, found


ROUTES = [(space, str(pattern.name)) for space, pattern in _routes(get_resolver().url_patterns)]


def _filled(value: Any, names: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, names) for inner in value]
    if not isinstance(value, str) or "{" not in value:
        return value
    name = value.strip("{}")
    return names[name] if value == f"{{{name}}}" else value.format(**names)


def _address(space: str, row: Row, names: dict[str, Any]) -> str:
    name = row.call.split()[1]
    if (space, name) == ("api", "unknown"):
        return "/api/v1/no/such/thing/"
    return reverse(f"{space}:{name}", kwargs=_filled(row.args, names)) + _filled(row.query, names)


def _ask(world: World, role: str, space: str, row: Row) -> Any:
    method, body = row.call.split()[0], _filled(row.body, world.names)
    options: dict[str, Any] = {"data": body}
    if space == "api":
        options = {} if method == "GET" else {"data": json.dumps(body), "content_type": "application/json"}
    return getattr(world.browser(role), method.lower())(_address(space, row, world.names), **options)


@pytest.mark.parametrize(
    ("space", "row"), CELLS, ids=[f"{space} {row.call} {n}" for n, (space, row) in enumerate(CELLS)]
)
def test_every_role_gets_what_the_table_says(space: str, row: Row, world: World) -> None:
    wrong = {}
    for role in ROLES:
        with transaction.atomic():
            response = _ask(world, role, space, row)
            transaction.set_rollback(True)
        if str(response.status_code) != row.statuses[role]:
            text = getattr(response, "content", b"").decode("utf-8", "replace")
            detail = text[:300] if response.headers.get("Content-Type", "").endswith("json") else ""
            wrong[role] = f"{response.status_code} instead of {row.statuses[role]} {detail}"
    assert not wrong, "\n".join(f"{role}: {what}" for role, what in wrong.items())


@pytest.mark.parametrize("space", TABLES)
def test_every_route_and_method_has_a_row(space: str, world: World) -> None:
    """A route that is added without saying who may use it fails here."""
    told = {tuple(row.call.split()) for row in TABLES[space]}
    missing = [name for found, name in ROUTES if found == space and name not in {name for _, name in told}]
    by_name = {row.call.split()[1]: row for row in TABLES[space]}
    client = world.browser("erin")
    for name, row in by_name.items():
        if name == "unknown":
            continue
        with transaction.atomic():
            answer = client.generic("TRACE", _address(space, row, world.names))
            transaction.set_rollback(True)
        assert answer.status_code == 405, f"{name} does not say which methods it takes"
        allowed = set(answer.headers["Allow"].replace(" ", "").split(",")) & set(METHODS)
        missing += [f"{method} {name}" for method in allowed if (method, name) not in told]
    assert not missing, f"rows are missing in tests/api/role_table_{'api' if space == 'api' else 'pages'}.py: {missing}"


def test_no_table_has_a_row_for_a_route_that_is_gone() -> None:
    known = set(ROUTES)
    assert not [row.call for space, rows in TABLES.items() for row in rows if (space, row.call.split()[1]) not in known]


def test_no_cell_expects_a_failure() -> None:
    assert not [row.call for _, row in CELLS if any(int(status) >= 500 for status in row.expected.split())]
