"""A freeze is told at the top of every page to those who see its repository, from a day before until it ends."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.core.clock import now
from apps.presentation import freezes
from apps.presentation.freezes import freeze_notices
from tests.support.delivery import Delivery, pipeline

pytestmark = pytest.mark.django_db(transaction=True)


def banner(user: User, url: str, **headers: str) -> str:
    client = Client()
    client.force_login(user, backend="apps.accounts.backends.PortalBackend")
    html = client.get(url, headers=headers).content.decode()
    assert html.count('id="freeze-banner"') == 1
    return re.search(r'<div class="top-freeze".*?</div>', html, re.DOTALL)[0]  # type: ignore[index]


def test_a_freeze_is_told_from_a_day_before_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begins = now().replace(second=0, microsecond=0) + timedelta(days=3)
    ends = begins + timedelta(hours=8)
    policy = (
        "windows:\n  - {name: audit week, kind: freeze, environments: [production], "
        f"from: {begins.isoformat(timespec='minutes')}, to: {ends.isoformat(timespec='minutes')}}}\n"
    )
    bob, mallory = (people := Delivery.start(tmp_path, pipeline() + policy).people).bob, people.mallory

    def told(at: datetime) -> tuple[list[bool], int | None]:
        monkeypatch.setattr(freezes, "now", lambda: at)
        monkeypatch.setattr("apps.presentation.moments.now", lambda: at)
        found = freeze_notices(bob)
        return [row.is_on for row in found.rows], found.lasts

    assert told(begins - timedelta(hours=25)) == ([], 3_601)
    assert "audit week" not in banner(bob, "/queue/")
    assert told(begins - timedelta(hours=24)) == ([False], 24 * 3_600 + 1)
    assert re.search(r"Freeze soon.*audit week</bdi>: production of infra from ", banner(bob, "/queue/"))
    assert told(begins) == ([True], 8 * 3_600 + 1)
    shown = banner(bob, "/queue/")
    assert re.search(r"Frozen.*audit week</bdi>: production of infra until ", shown)
    assert f'data-lasts="{8 * 3_600 + 1}"' in shown
    assert banner(bob, "/calendar/_freezes/", **{"HX-Request": "true"}) == shown
    assert banner(bob, "/calendar/_freezes/") == shown
    assert "audit week" not in banner(mallory, "/queue/")
    assert told(ends) == ([], None)
