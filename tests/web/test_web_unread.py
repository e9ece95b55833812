"""Repositories whose mirror or policy cannot be read are named where freezes are told: silence would mean that none holds."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.core.clock import now
from apps.policies import reading
from apps.presentation import board, freezes
from apps.presentation.freezes import freeze_notices
from apps.presentation.read_policies import unread_words
from apps.vcs.objects import commit_tree_oid
from tests.support.delivery import Delivery, pipeline, run_until_idle
from tests.support.repositories import connected

pytestmark = pytest.mark.django_db(transaction=True)
BOARD, API = "/environments/", "/api/v1/environments/board/"
HIDDEN = 'hx-swap="outerMorph" hidden>'
NAMED = "1 repository could not be read: infra"


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="apps.accounts.backends.PortalBackend")
    return client


def shown(user: User, url: str) -> str:
    return client_of(user).get(url, headers={"HX-Request": "true"}).content.decode()


def banner(user: User) -> str:
    found = re.search(
        r'<div class="top-freeze".*?</div>', client_of(user).get("/settings/").content.decode(), re.DOTALL
    )
    assert found is not None
    return found[0]


def nothing_is_remembered() -> None:
    freezes._TOLD.clear()
    for memory in (reading._read_at, reading._portal, reading._owners, commit_tree_oid):
        memory.cache_clear()


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    """Two repositories with environments; the mirror of one is gone."""
    found = Delivery.start(tmp_path, pipeline())
    connected(tmp_path, found.people.carol, name="other", files={reading.PORTAL_PATH: pipeline()})
    run_until_idle()
    assert "could not be read" not in shown(found.people.carol, BOARD)
    assert HIDDEN in banner(found.people.carol)
    shutil.rmtree(found.repository.mirror_path)
    nothing_is_remembered()
    return found


def test_page_and_api_count_what_was_not_looked_at_for_a_freeze(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    carol = delivery.people.carol
    assert client_of(carol).get(f"{API}?state=frozen").json()["left_out"] == 0
    monkeypatch.setattr(board, "MOST_REPOSITORIES", 1)
    assert "1 repository was not looked at" in shown(carol, f"{BOARD}?state=frozen")
    assert client_of(carol).get(f"{API}?state=frozen").json()["left_out"] == 1


def test_the_board_names_what_cannot_be_read_and_shows_the_others(delivery: Delivery) -> None:
    carol = delivery.people.carol
    html = shown(carol, BOARD)
    assert f"{NAMED}. Whether a freeze holds there is not known." in html
    assert 'id="env-staging:other"' in html
    frozen = shown(carol, f"{BOARD}?state=frozen")
    assert "Nothing matches where it is known" in frozen
    assert NAMED in frozen
    assert client_of(carol).get(API).json()["unread"] == ["infra"]
    assert "could not be read" not in shown(carol, f"{BOARD}?repository=other")
    assert "infra" not in shown(delivery.people.mallory, BOARD)


def test_the_top_bar_names_it_and_looks_again_soon(delivery: Delivery) -> None:
    carol = delivery.people.carol
    found = banner(carol)
    assert "Freezes not known" in found
    assert NAMED in found
    assert HIDDEN not in found
    told = freeze_notices(carol)
    assert told.unread == ("infra",)
    assert told.lasts is not None
    assert told.lasts <= 61
    assert freeze_notices(delivery.people.mallory).unread == ()


def test_a_freeze_elsewhere_is_told_with_it(tmp_path: Path) -> None:
    moment = now()
    policy = f'windows:\n  - {{name: audit week, kind: freeze, from: "{moment.year - 1}-01-01T00:00Z", to: "2099-01-01T00:00Z"}}\n'
    delivery = Delivery.start(tmp_path, pipeline())
    connected(tmp_path, delivery.people.carol, name="other", files={reading.PORTAL_PATH: pipeline() + policy})
    shutil.rmtree(delivery.repository.mirror_path)
    nothing_is_remembered()
    found = banner(delivery.people.carol)
    assert "audit week" in found
    assert f". {NAMED}" in found


def test_a_policy_that_never_was_valid_is_not_taken_for_one_without_freezes(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, "apiVersion: portal/v1\nenvironments: 7\n")
    bob = client_of(delivery.people.bob)
    assert NAMED in banner(delivery.people.bob)
    assert "What holds in infra is not known" in bob.get("/calendar/").content.decode()


def test_many_are_counted_and_some_named() -> None:
    assert unread_words([]) == ""
    assert unread_words(["a", "b"]) == "2 repositories could not be read: a, b"
    assert unread_words(list("abcdefg")) == "7 repositories could not be read: a, b, c, d, e and 2 more"
