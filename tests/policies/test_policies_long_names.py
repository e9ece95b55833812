"""Whatever portal.yaml may call an environment fits wherever that name is kept or asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db.models import CharField
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from apps.deployments.models import Deployment, Environment
from apps.policies.config import parse_portal_yaml
from apps.policies.config.environments import LONGEST_NAME
from tests.support.delivery import Delivery, run_until_idle

NAME = "e" * LONGEST_NAME
YAML = "apiVersion: portal/v1\nenvironments: {{{0}: {{deploy: {{start: manual, steps: [{{name: apply, run: 'true'}}]}}}}}}\n"
RULES = "rules: [{name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}]\n"


def columns() -> Iterator[CharField[str, str]]:
    """All that keep the name of an environment."""
    yield Environment._meta.get_field("name")  # type: ignore[misc]
    for model in apps.get_models():
        yield from (
            field for field in model._meta.get_fields() if isinstance(field, CharField) and field.name == "environment"
        )


def narrow(shape: Any, name: str = "") -> Iterator[str]:
    """Fields of bodies of the API that take an environment's name and are too short for it."""
    if not isinstance(shape, dict):
        return
    text = shape.get("items", shape) if name in {"environment", "environments", "group"} else {}
    if text.get("maxLength", LONGEST_NAME) < LONGEST_NAME:
        yield name
    for key, inner in shape.get("properties", {}).items():
        yield from narrow(inner, key)


def test_the_longest_name_is_as_long_as_said() -> None:
    assert parse_portal_yaml(YAML.format(NAME).encode()).config is not None
    assert parse_portal_yaml(YAML.format(NAME + "e").encode()).config is None


def test_every_column_and_every_body_takes_it() -> None:
    found = {f"{field.model.__name__}.{field.name}": field.max_length for field in columns()}
    assert len(found) > 4
    assert {name: size for name, size in found.items() if size is not None and size < LONGEST_NAME} == {}
    schema = SchemaGenerator(api_version="v1").get_schema(request=None, public=True)
    shapes = schema["components"]["schemas"]
    assert {name: list(narrow(shape)) for name, shape in shapes.items() if list(narrow(shape))} == {}


@pytest.mark.django_db
def test_a_change_is_merged_started_and_found_there(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, YAML.format(NAME) + RULES)
    change = delivery.merged()
    run_until_idle()
    carol = Client()
    carol.force_login(delivery.people.carol)
    started = carol.post(
        f"/api/v1/changes/{change.number}/start/", {"environments": [NAME]}, content_type="application/json"
    )
    assert started.status_code == 200, started.content
    run_until_idle()
    assert Deployment.objects.get().status == "succeeded"
    assert change.label in carol.get("/environments/", {"environment": NAME}).content.decode()
    (row,) = carol.get("/api/v1/environments/board/", {"environment": NAME}).json()["results"]
    assert row["cells"][0]["live_by"] == "alice"
