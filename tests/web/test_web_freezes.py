"""A freeze is told at the top of every page to those who see its repository, from a day before until it ends."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.core.clock import now
from apps.policies import calendar, reading
from apps.presentation import freezes, read_policies
from apps.presentation.freezes import freeze_notices
from apps.vcs.objects import commit_tree_oid, entry_at
from tests.support.delivery import Delivery, pipeline, run_until_idle
from tests.support.repositories import connected

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


ALWAYS = (
    pipeline() + 'windows:\n  - {name: for good, kind: freeze, from: "2020-01-01T00:00Z", to: "2099-01-01T00:00Z"}\n'
)


def signed_in(user: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user, backend="apps.accounts.backends.PortalBackend")
    return client


def nothing_is_remembered() -> None:
    freezes._TOLD.clear()
    for memory in (reading._read_at, reading._portal, reading._owners, commit_tree_oid):
        memory.cache_clear()


@pytest.mark.parametrize("damage", ["no mirror", "no object", "a broken file"])
def test_a_mirror_that_cannot_be_read_ends_no_page(tmp_path: Path, damage: str) -> None:
    """Of all repositories one; the freezes of the others are told."""
    delivery = Delivery.start(tmp_path, ALWAYS)
    other, _ = connected(tmp_path, delivery.people.carol, name="other", files={reading.PORTAL_PATH: ALWAYS})
    run_until_idle()
    mirror = delivery.repository.mirror_path
    if damage == "no mirror":
        shutil.rmtree(mirror)
    else:
        blob = entry_at(mirror, delivery.work.rev_parse("main"), reading.PORTAL_PATH).oid  # type: ignore[union-attr]
        loose = unpacked(mirror) / blob[:2] / blob[2:]
        loose.unlink()
        if damage == "a broken file":
            loose.write_bytes(b"")
    nothing_is_remembered()
    carol = signed_in(delivery.people.carol)
    statuses = {url: carol.get(url).status_code for url in ("/settings/", "/changes/999999/", "/nowhere/")}
    assert statuses == {"/settings/": 200, "/changes/999999/": 404, "/nowhere/": 404}
    assert f"all environments of {other.name}" in banner(delivery.people.carol, "/settings/")
    for url in ("/environments/", "/environments/infra/staging/", "/calendar/"):
        assert carol.get(url).status_code == 200, url
    assert "it is not known what holds" in carol.get("/environments/infra/staging/_windows/").content.decode()
    assert "What holds in infra is not known" in carol.get("/calendar/").content.decode()
    told = carol.get("/api/v1/calendar/").json()
    assert (told["unread"], {row["repository"] for row in told["results"]}) == (["infra"], {"other"})


def unpacked(mirror: Path) -> Path:
    """The folder of the mirror's objects, each in a file of its own."""
    for pack in list((mirror / "objects" / "pack").glob("*.pack")):
        moved = mirror / pack.name
        pack.rename(moved)
        pack.with_suffix(".idx").unlink()
        subprocess.run(["git", "--git-dir", mirror, "unpack-objects", "-q"], stdin=moved.open("rb"), check=True)
        moved.unlink()
    for file in (mirror / "objects").glob("??/*"):
        file.chmod(0o644)
    return mirror / "objects"


@pytest.mark.parametrize("url", ["/changes/999999/", "/nowhere/"])
def test_a_page_that_refuses_asks_neither_git_nor_the_calendar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    bob = signed_in(Delivery.start(tmp_path, ALWAYS).people.bob)
    monkeypatch.setattr("apps.presentation.context.freeze_notices", lambda _: 1 / 0)
    assert bob.get(url).status_code == 404


def test_the_second_page_asks_the_database_once_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    weekly = '{name: weekends, kind: freeze, cron: "0 18 * * 5", duration: 62h}'
    bob = Delivery.start(tmp_path, f"{ALWAYS}  - {weekly}\n").people.bob
    asked: list[str] = []
    for name in ("span_at", "span_after"):
        real = getattr(calendar, name)
        monkeypatch.setattr(calendar, name, lambda *given, real=real, name=name: (asked.append(name), real(*given))[1])
    real_policy = read_policies.policy_at
    monkeypatch.setattr(read_policies, "policy_at", lambda *given: (asked.append("policy"), real_policy(*given))[1])
    first = freeze_notices(bob)
    assert {"policy", "span_at"} <= set(asked)
    asked.clear()
    with django_assert_num_queries(1):
        assert freeze_notices(bob).rows == first.rows
    assert asked == []


def test_of_very_many_freezes_a_page_looks_at_a_part_and_the_next_one_at_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = Delivery.start(tmp_path, ALWAYS).people
    for name in ("other", "third"):
        connected(tmp_path, people.carol, name=name, files={reading.PORTAL_PATH: ALWAYS})
    monkeypatch.setattr(freezes, "MOST_FREEZES", 2)
    told = [freeze_notices(people.carol) for _ in range(3)]
    assert [len(found.rows) for found in told] == [1, 2, 3]
    assert [found.lasts == 1 for found in told] == [True, True, False]
