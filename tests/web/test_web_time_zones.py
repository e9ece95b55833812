"""Whose clock a page shows: that of the account, named; the API speaks UTC to everybody."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.template import Context, Template
from django.test import Client
from django.utils import timezone

from apps.accounts.services import set_time_zone
from tests.web.conftest import World

pytestmark = pytest.mark.django_db
AT = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)


def signed_in(world: World, name: str) -> Client:
    client = Client()
    client.force_login(getattr(world.people, name), backend="apps.accounts.backends.PortalBackend")
    return client


def test_pages_are_in_the_zone_of_the_account_and_the_api_in_utc(world: World) -> None:
    set_time_zone(world.people.bob, time_zone="Asia/Tokyo")
    bob, kim = signed_in(world, "bob"), signed_in(world, "kim")
    html = bob.get("/changes/?q=").content.decode()
    assert re.search(r"\d\d:\d\d JST</time>", html)
    assert 'data-time-zone="Asia/Tokyo"' in html
    assert timezone.get_current_timezone_name() == "UTC", "what the thread does next is nobody's"
    told = bob.get(f"/api/v1/changes/{world.numbers['open']}/").content.decode()
    assert "+09:00" not in told
    html = kim.get("/changes/?q=").content.decode()
    assert re.search(r"\d\d:\d\d UTC</time>", html)
    assert 'data-time-zone="UTC"' in html
    assert "Asia/Tokyo" in bob.get("/settings/").content.decode()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Europe/Berlin", "2 Jul 2026, 00:30 CEST"),
        ("America/New_York", "1 Jul 2026, 18:30 EDT"),
        ("America/Sao_Paulo", "1 Jul 2026, 19:30 UTC-03"),
    ],
)
def test_a_moment_names_its_zone_also_where_that_has_no_short_name(name: str, shown: str) -> None:
    with timezone.override(name):
        assert shown in Template('{% load portal %}{% when at "absolute" %}').render(Context({"at": AT}))
