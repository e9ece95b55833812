"""A Redis that is away slows the portal down and takes nothing from it."""

from __future__ import annotations

import pytest
from django.contrib.sessions.backends import cached_db
from django.core.cache import caches
from django.test import override_settings
from redis.exceptions import RedisError

from gitops_portal.caches import on_redis


@pytest.fixture(autouse=True)
def redis_is_away() -> object:
    with override_settings(CACHES=on_redis("redis://127.0.0.1:1/0"), SESSION_CACHE_ALIAS="sessions"):
        yield


def test_what_must_be_counted_is_counted_in_this_process_while_redis_is_away() -> None:
    shared = caches["default"]
    assert shared.add("lock", 1)
    assert not shared.add("lock", 1)
    shared.delete("lock")
    assert shared.add("lock", 1)
    shared.set("attempts", [1, 2])
    assert shared.get("attempts") == [1, 2]
    assert shared.get("nothing", "default") == "default"


@pytest.mark.django_db
def test_a_session_is_read_from_the_database_while_redis_is_away() -> None:
    session = cached_db.SessionStore()
    session["who"] = "alice"
    session.create()
    session.save()
    assert cached_db.SessionStore(session.session_key)["who"] == "alice"


@pytest.mark.django_db
def test_a_session_is_not_said_to_be_over_while_redis_may_keep_a_copy() -> None:
    session = cached_db.SessionStore()
    session.create()
    with pytest.raises(RedisError):
        session.delete()
