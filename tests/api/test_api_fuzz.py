"""Requests made up from the published description: never a failure of ours, never an answer of another shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from apps.accounts.models import ApiToken, User
from apps.api.schema import published
from tests.support.api_world import World

pytestmark = pytest.mark.django_db
description = schemathesis.openapi.from_dict(json.loads(json.dumps(published())))
OPERATIONS = [found.ok() for found in description.get_all_operations()]
NAMES = [f"{operation.method} {operation.path}" for operation in OPERATIONS]


def _call(world: World, case: Any, person: str) -> Any:
    path = case.formatted_path
    for name, value in {"{number}": world.names["review"], "infra": "infra"}.items():
        path = path.replace(name, str(value))
    client = world.browser(person)
    body = case.body if isinstance(case.body, dict | list | str | int | float | bool | type(None)) else {}
    headers = {key: str(value) for key, value in dict(case.headers or {}).items() if key.lower() != "authorization"}
    return client.generic(
        str(case.method).upper(),
        path,
        json.dumps(body, default=str),
        content_type="application/json",
        headers=headers,
        query_params={key: str(value) for key, value in dict(case.query or {}).items()},
    )


def _aimed(world: World, case: Any, data: Any) -> None:
    """Half of the addresses name something that exists: a made-up one is mostly 404."""
    real = {
        "number": [world.names[name] for name in ("review", "approved", "draft", "backlog", "succeeded", "failed")],
        "name": ["infra", "network", "KEY"],
        "repository": ["infra"],
        "environment": ["staging"],
        "thread": [1, 2],
        "revision": [1],
        "username": ["kim", "bob"],
        "member": ["kim", "team/network"],
        "provider": ["github", "generic"],
    }
    for name in dict(case.path_parameters or {}):
        if name in real and data.draw(st.booleans()):
            case.path_parameters[name] = data.draw(st.sampled_from(real[name]))


def _explore(operation: Any, world: World, examples: int, seed_free: bool) -> None:
    strategy = (
        operation.as_strategy() | operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)
        if _has_input(operation)
        else operation.as_strategy()
    )

    @settings(
        max_examples=examples,
        derandomize=not seed_free,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy, data=st.data())
    def explore(case: Any, data: Any) -> None:
        _aimed(world, case, data)
        answer = _call(world, case, "maintainer")
        assert answer.status_code < 500 or answer.status_code == 503, (answer.status_code, answer.content[:500])
        documented = set(operation.definition.raw["responses"])
        assert str(answer.status_code) in documented | {"304", "405"}, (answer.status_code, answer.content[:300])
        if answer.status_code >= 400:
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code
        _keep_people_working(world)

    explore()


def _has_input(operation: Any) -> bool:
    return bool(list(operation.path_parameters) or list(operation.query) or list(operation.body))


def _keep_people_working(world: World) -> None:
    ApiToken.objects.update(revoked_at=None)
    User.objects.filter(is_active=False).update(is_active=True)
    world.repository.roles.filter(user=world.people["maintainer"]).update(role="maintainer")


@pytest.mark.parametrize("operation", OPERATIONS, ids=NAMES)
def test_made_up_requests_are_answered(operation: Any, world: World) -> None:
    _explore(operation, world, 6, seed_free=False)


@pytest.mark.soak
@pytest.mark.parametrize("operation", OPERATIONS, ids=NAMES)
def test_thousands_of_made_up_requests_are_answered(operation: Any, world: World) -> None:
    _explore(operation, world, 1_000, seed_free=True)
