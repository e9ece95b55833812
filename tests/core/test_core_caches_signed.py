"""What somebody else wrote into Redis is neither run nor believed."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.contrib.sessions.backends import cached_db
from django.core.cache import caches
from django.test import override_settings

from gitops_portal.caches import on_redis

pytestmark = pytest.mark.redis
ran: list[str] = []


class Evil:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return ran.append, ("here",)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[redis.Redis]:
    url = os.environ.get("TEST_REDIS_URL") or os.environ.get("REDIS_URL")
    if not url:
        pytest.skip("NOT RUN: no Redis; set REDIS_URL")
    made = on_redis(url)
    for one in made.values():
        one["KEY_PREFIX"] = tmp_path.name
    client = redis.Redis.from_url(url)
    ran.clear()
    with override_settings(CACHES=made, SESSION_CACHE_ALIAS="sessions"):
        yield client
    for key in client.scan_iter(f"{tmp_path.name}:*"):
        client.delete(key)


@pytest.mark.parametrize("alias", ["default", "sessions"])
def test_what_others_wrote_is_not_unpickled_and_is_a_miss(there: redis.Redis, alias: str) -> None:
    cache = caches[alias]
    mark = f"{__name__}.Evil"
    for forged in (
        pickle.dumps(Evil()),
        bytes(32) + pickle.dumps(Evil()),
        b"{}",
        b"",
        bytes(32) + b'{"_auth_user_id": "1"}',
    ):
        there.set(cache.make_key(mark), forged)
        assert cache.get(mark, "miss") == "miss"
    assert ran == []
    cache.set(mark, {"who": "alice"})
    assert cache.get(mark) == {"who": "alice"}, "a miss is mended by the next write"


def test_what_another_portal_signed_is_a_miss(there: redis.Redis, settings: Any) -> None:
    caches["sessions"].set("x", {"who": "alice"})
    caches["default"].set("x", (1, "two", b"three"))
    assert caches["default"].get("x") == (1, "two", b"three")
    settings.PORTAL_ENCRYPTION_KEY = "another portal's key, long enough to be one"
    assert (caches["sessions"].get("x"), caches["default"].get("x")) == (None, None)


def test_counters_stay_numbers_that_redis_can_count(there: redis.Redis) -> None:
    cache = caches["default"]
    cache.set("n", 1)
    cache.incr("n", 2)
    assert (cache.get("n"), there.get(cache.make_key("n"))) == (3, b"3")


@pytest.mark.django_db
def test_a_session_whose_copy_was_replaced_is_read_from_the_database(there: redis.Redis) -> None:
    session = cached_db.SessionStore()
    session["who"] = "alice"
    session.create()
    session.save()
    assert session.session_key
    place = caches["sessions"].make_key(session.cache_key)
    assert b"alice" in (there.get(place) or b"")
    there.set(place, pickle.dumps(Evil()))
    assert cached_db.SessionStore(session.session_key)["who"] == "alice"
    assert ran == []
