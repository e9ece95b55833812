"""The pages of the board and of comparisons: words, filters in the address, what strangers do not learn."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.core.clock import now
from apps.deployments.models import Environment, EnvironmentSecret, TargetComparison
from apps.deployments.services import lock_environment, merge_change, set_secret
from tests.support.delivery import Delivery, pipeline, run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)
COMPARE = "/environments/compare/?from=infra%2Fproduction&to=infra%2Fstaging"


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="apps.accounts.backends.PortalBackend")
    return client


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    """A change that is live in staging and failed in production."""
    found = Delivery.start(tmp_path, pipeline(production="exit 3"))
    merge_change(found.people.alice, change=found.approved())
    run_until_idle()
    return found


def test_the_board_says_two_words_in_every_cell_and_never_that_something_is_healthy(delivery: Delivery) -> None:
    html = client_of(delivery.people.bob).get("/environments/").content.decode()
    for words in ("Up to date", "Behind by 1 change", "Deploy failed", "Health not checked", "Drift: never checked"):
        assert words in html
    board = html[html.index('id="board"') :]
    assert "Healthy" not in board
    assert "Synced" not in board
    assert "st--ok" not in board
    assert 'href="/environments/compare/?from=infra%2Fproduction&amp;to=git"' in board


def test_filters_are_in_the_address_and_can_be_taken_away(delivery: Delivery) -> None:
    bob = client_of(delivery.people.bob)
    found = bob.get("/environments/?state=failed&q=inf").content.decode()
    assert 'id="env-production:infra"' in found
    assert 'href="/environments/?state=failed"' in found  # the chip of q, taken away
    assert "Nothing matches" in bob.get("/environments/?state=deploying").content.decode()
    assert 'id="env-staging:infra"' in bob.get("/environments/?state=nonsense&column=77&after=a/b").content.decode()


def test_the_board_of_a_stranger_names_nothing(delivery: Delivery) -> None:
    html = client_of(delivery.people.mallory).get("/environments/?repository=infra&q=infra").content.decode()
    assert "staging" not in html
    assert "production" not in html
    assert client_of(delivery.people.mallory).get(COMPARE).status_code == 404


def test_a_comparison_is_asked_for_with_a_button_and_no_page_writes(delivery: Delivery) -> None:
    bob = client_of(delivery.people.bob)
    assert "Nothing was live" in bob.get(COMPARE).content.decode()
    answer = bob.get("/environments/compare/?from=infra%2Fstaging&to=git")
    assert "The same commit" in answer.content.decode()
    assert TargetComparison.objects.count() == 0


def test_a_comparison_that_cannot_be_read_says_what_is_wrong(delivery: Delivery) -> None:
    bob = client_of(delivery.people.bob)
    for query, words in (
        ("from=staging&to=git", "repository/environment"),
        ("from=infra/staging&at=2026-01-01T10:00", "time zone"),
    ):
        answer = bob.get(f"/environments/compare/?{query}")
        assert answer.status_code == 422
        assert words in answer.content.decode()


def test_the_source_difference_is_plain_text(delivery: Delivery) -> None:
    bob = client_of(delivery.people.bob)
    at = "2000-01-01T00:00Z"
    assert (
        bob.get(f"/environments/compare/source/?from=infra/staging&at={at}&to=infra/staging").status_code == 422
    )  # nothing was live
    answer = bob.get("/environments/compare/source/?from=infra/staging&to=git")
    assert answer["Content-Type"].startswith("text/plain")
    assert answer["X-Content-Type-Options"] == "nosniff"


def _lasts(html: str) -> list[int]:
    return [int(one) for one in re.findall(r'data-lasts="(\d+)"', html)]


def test_words_about_a_freeze_say_how_long_they_are_true_and_so_do_those_about_a_lock(tmp_path: Path) -> None:
    """Nothing rings at the edge of a window or at the end of a lock: an open page asks again by itself (live.js)."""
    begins = now() + timedelta(hours=2)
    freeze = (
        "windows:\n  - {name: audit week, kind: freeze, environments: [production], "
        f"from: {begins.isoformat(timespec='minutes')}, to: {(begins + timedelta(days=1)).isoformat(timespec='minutes')}}}\n"
    )
    delivery = Delivery.start(tmp_path, pipeline() + freeze)
    run_until_idle()
    bob = client_of(delivery.people.bob)
    board = bob.get("/environments/", headers={"HX-Request": "true"}).content.decode()
    assert [6_900 < one < 7_300 for one in _lasts(board)] == [True], "of production alone"
    url = "/environments/infra/production/"
    for part in (url, f"{url}_windows/"):
        html = bob.get(part, headers={"HX-Request": "true"}).content.decode()
        assert [6_900 < one < 7_300 for one in _lasts(html)] == [True], part
        assert 'hx-trigger="portal:board"' in html
    assert f'hx-get="{url}_windows/"' in bob.get(url).content.decode()
    staging = Environment.objects.get(name="staging")
    lock_environment(
        delivery.people.carol, environment=staging, reason="A rehearsal", until=now() + timedelta(minutes=30)
    )
    state = bob.get("/environments/infra/staging/", headers={"HX-Request": "true"}).content.decode()
    assert [1_700 < one <= 1_802 for one in _lasts(state)] == [True]


def test_a_secret_is_removed_only_after_a_question_that_says_what_ends(tmp_path: Path) -> None:
    found = Delivery.start(tmp_path, pipeline())
    run_until_idle()
    staging = Environment.objects.get(name="staging")
    for used_for in ("deploy", "plan"):
        set_secret(found.people.carol, environment=staging, name="TOKEN", value="a-long-value", used_for=used_for)
    carol, address = client_of(found.people.carol), "/environments/infra/staging/"
    page = carol.get(address).content.decode()
    for used_for in ("deploy", "plan"):
        assert f'href="{address}secrets/remove/?name=TOKEN&amp;used_for={used_for}"' in page
    assert f'action="{address}secrets/remove/"' not in page, "nothing is removed by one press"
    refused = carol.post(f"{address}secrets/", {"name": "1", "value": "x", "used_for": "deploy"})
    assert f'action="{address}secrets/"' in refused.content.decode(), "also from the page of a refused form"
    asked = carol.get(f"{address}secrets/remove/?name=TOKEN&used_for=plan").content.decode()
    assert "Its value is deleted and cannot be shown or brought back." in asked
    assert "a-long-value" not in asked
    assert EnvironmentSecret.objects.count() == 2, "reading removes nothing"
    assert carol.get(f"{address}secrets/remove/?name=NONE").status_code == 404
    fields = dict(re.findall(r'<input type="hidden" name="(name|used_for)" value="([^"]+)">', asked))
    assert carol.post(f"{address}secrets/remove/", fields).status_code == 303
    assert EnvironmentSecret.objects.get().used_for == "deploy"
