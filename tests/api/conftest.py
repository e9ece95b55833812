"""One world for all tests of the API that only look at it, or undo what they did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connections
from django.test import Client

from apps.audit import triggers
from tests.support.api_world import World


@pytest.fixture(scope="package")
def built_world(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: Any
) -> Iterator[World]:
    base = tmp_path_factory.mktemp("api-world")
    before = (
        django_settings.PORTAL_DATA_DIR,
        django_settings.PORTAL_LOCAL_REPOSITORY_DIRS,
        django_settings.PORTAL_ENGINE,
    )
    data_dir = base / "data"
    data_dir.mkdir()
    with django_db_blocker.unblock():
        django_settings.PORTAL_DATA_DIR, django_settings.PORTAL_LOCAL_REPOSITORY_DIRS = data_dir, [str(base)]
        django_settings.PORTAL_ENGINE = "none"
        try:
            world = World.build(base, data_dir)
            world.sign_in()
        finally:
            (
                django_settings.PORTAL_DATA_DIR,
                django_settings.PORTAL_LOCAL_REPOSITORY_DIRS,
                django_settings.PORTAL_ENGINE,
            ) = before
        yield world
        with triggers.suspended(connections["default"]):
            call_command("flush", verbosity=0, interactive=False, inhibit_post_migrate=False)
        connections.close_all()


@pytest.fixture
def world(built_world: World, db: None, data_dir: Path, settings: Any) -> Iterator[World]:
    """The world; whatever the test writes to the database is taken back."""
    settings.PORTAL_DATA_DIR = built_world.data_dir
    settings.PORTAL_LOCAL_REPOSITORY_DIRS = [str(built_world.local_dir)]
    tokens = dict(built_world.tokens)
    yield built_world
    built_world.tokens = tokens


@pytest.fixture
def api(world: World) -> Any:
    """``api("alice").get("/api/v1/me/")``: a client with that person's token."""

    def client(name: str, *scopes: str) -> Client:
        return Client(headers={"Authorization": f"Bearer {world.token(name, *scopes)}"}, raise_request_exception=False)

    return client
