"""The public page of an environment, and above all what it must not say, and to whom it is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.cache import cache
from django.test import Client

from apps.accounts.services import set_time_zone
from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, InvalidInput, NotAllowed, NotVisible
from apps.deployments.models import Environment, StatusPage
from apps.deployments.services import merge_change, set_secret, set_status_page
from tests.support.delivery import Delivery, pipeline, run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    """A change is live in staging, and production failed; staging keeps a secret."""
    cache.clear()
    found = Delivery.start(tmp_path, pipeline(production="exit 3"))
    merge_change(found.people.alice, change=found.approved())
    run_until_idle()
    set_secret(found.people.carol, environment=staging(found), name="DEPLOY_TOKEN", value="hunter2-hunter2")
    return found


def staging(delivery: Delivery) -> Environment:
    return Environment.objects.select_related("repository").get(repository=delivery.repository, name="staging")


def switched(delivery: Delivery, **options: object) -> StatusPage:
    wanted = {"is_on": True, "environment": staging(delivery)} | options
    return set_status_page(delivery.people.carol, **wanted)  # type: ignore[arg-type]


def test_a_stranger_reads_what_is_live_and_nothing_else(delivery: Delivery) -> None:
    answer = Client().get(switched(delivery).path)
    html = answer.content.decode()
    assert answer.status_code == 200
    assert answer["Refresh"] == "60", "an open page does not stay green for ever"
    assert "staging" in html
    assert staging(delivery).live_commit[:10] in html
    assert "as of" in html
    hidden = (
        "CHG-",
        "Change one",
        "alice",
        "Alice",
        "DEPLOY_TOKEN",
        "hunter2",
        "infra",
        "echo",
        "<a ",
        "<script",
        "production",
    )
    assert [word for word in hidden if word in html] == []
    assert staging(delivery).live_commit not in html


def test_its_title_and_heading_tell_a_stranger_what_it_is(delivery: Delivery) -> None:
    page = switched(delivery)
    html = Client().get(page.path).content.decode()
    assert "<title>GitOps Portal · staging – Live</title>" in html
    assert "<h1>Environment staging</h1>" in html
    assert "What is deployed there, and how the last deployments ended." in html
    assert "infra" not in html, "which repository it is of, is nobody's business"


def test_its_title_says_also_that_a_freeze_holds(tmp_path: Path) -> None:
    cache.clear()
    freeze = "windows:\n  - {name: audit week, kind: freeze, from: 2020-01-01T00:00Z, to: 2099-01-01T00:00Z}\n"
    delivery = Delivery.start(tmp_path, pipeline() + freeze)
    run_until_idle()
    html = Client().get(switched(delivery).path).content.decode()
    assert "<title>GitOps Portal · staging – Never deployed, frozen</title>" in html
    assert "audit week" not in html


def test_titles_and_people_are_shown_only_where_they_were_chosen(delivery: Delivery) -> None:
    titles = Client().get(switched(delivery, shows_titles=True).path).content.decode()
    assert "Change one" in titles
    assert "Alice" not in titles
    people = Client().get(switched(delivery, shows_people=True).path).content.decode()
    assert "Alice" in people
    assert "Change one" not in people


def test_a_page_that_is_off_answers_as_if_it_had_never_been(delivery: Delivery) -> None:
    page = switched(delivery, slug="our-staging")
    assert Client().get(page.path).status_code == 200
    switched(delivery, is_on=False)
    off, never = Client().get(page.path), Client().get("/status/never-was-any/")
    assert (off.status_code, never.status_code) == (404, 404)
    assert _plain(off.content, "our-staging") == _plain(never.content, "never-was-any")
    carol = Client()
    carol.force_login(delivery.people.carol, backend="apps.accounts.backends.PortalBackend")
    assert carol.get(page.path).status_code == 404


def _plain(html: bytes, slug: str) -> str:
    """Without what is another in every answer: the request's number and its address."""
    text = html.decode().replace(slug, "")
    return "\n".join(line for line in text.splitlines() if "equest" not in line and "csrf" not in line.lower())


def test_an_environment_that_is_no_longer_defined_has_no_page(delivery: Delivery) -> None:
    page = switched(delivery)
    Environment.objects.filter(name="staging").update(defined=False)
    assert Client().get(page.path).status_code == 404


def test_an_address_that_nobody_chose_cannot_be_guessed_and_stays(delivery: Delivery) -> None:
    page = switched(delivery)
    assert len(page.slug) >= 24
    assert "staging" not in page.slug
    assert switched(delivery, is_on=False).slug == page.slug
    for guess in ("staging", "infra", "infra-staging", "1", str(page.pk), page.slug[:-1], page.slug.swapcase()):
        assert Client().get(f"/status/{guess}/").status_code == 404


def test_the_answer_is_the_same_for_everybody_cached_shortly_and_sets_no_cookie(delivery: Delivery) -> None:
    page = switched(delivery)
    alice = Client()
    alice.force_login(delivery.people.alice, backend="apps.accounts.backends.PortalBackend")
    stranger, known = Client().get(page.path), alice.get(page.path)
    assert stranger.content == known.content
    assert stranger["Cache-Control"] == "public, max-age=15"
    assert "Cookie" not in stranger.get("Vary", "")
    assert not stranger.cookies
    again = Client().get(page.path, headers={"If-None-Match": stranger["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert Client().post(page.path).status_code == 405


def test_whose_clock_the_first_reader_has_makes_no_difference(delivery: Delivery) -> None:
    page = switched(delivery)
    set_time_zone(delivery.people.alice, time_zone="Asia/Tokyo")
    alice = Client()
    alice.force_login(delivery.people.alice, backend="apps.accounts.backends.PortalBackend")
    first, stranger = alice.get(page.path), Client().get(page.path)
    assert first.content == stranger.content
    assert re.search(r"\d\d:\d\d UTC", stranger.content.decode())
    assert "JST" not in stranger.content.decode()
    for answer in (first, stranger):
        assert "Cookie" not in answer.get("Vary", ""), "a cache on the way keeps it for all"


def test_only_maintainers_switch_it_and_each_time_is_on_record(delivery: Delivery) -> None:
    people, environment = delivery.people, staging(delivery)
    for person, refusal in ((people.alice, NotAllowed), (people.bob, NotAllowed), (people.dave, NotAllowed)):
        with pytest.raises(refusal):
            set_status_page(person, environment=environment, is_on=True)
    with pytest.raises((NotVisible, NotAllowed)):
        set_status_page(people.mallory, environment=environment, is_on=True)
    assert StatusPage.objects.count() == 0
    page = switched(delivery)
    entries = AuditEntry.objects.filter(action="status_page.set")
    assert [("carol" in str(entry.actor), entry.data["on"]) for entry in entries] == [(True, True)]
    assert page.slug not in str([(entry.summary, entry.data, entry.target) for entry in entries])


def test_addresses_are_well_formed_and_belong_to_one_environment(delivery: Delivery) -> None:
    switched(delivery, slug="our-status")
    other = Environment.objects.select_related("repository").get(repository=delivery.repository, name="production")
    with pytest.raises(Conflict):
        switched(delivery, environment=other, slug="our-status")
    for bad in ("short", "Has-Capitals", "-edge-", "with space", "../../etc", "a" * 64):
        with pytest.raises(InvalidInput):
            switched(delivery, environment=other, slug=bad)


def test_a_maintainer_switches_it_on_without_javascript(delivery: Delivery) -> None:
    carol = Client()
    carol.force_login(delivery.people.carol, backend="apps.accounts.backends.PortalBackend")
    answer = carol.post("/environments/infra/staging/status-page/", {"is_on": "on", "slug": "our-staging"})
    assert answer.status_code == 303
    assert 'href="/status/our-staging/"' in carol.get("/environments/infra/staging/").content.decode()
    refused = carol.post("/environments/infra/staging/status-page/", {"is_on": "on", "slug": "No"})
    assert refused.status_code == 422
    bob = Client()
    bob.force_login(delivery.people.bob, backend="apps.accounts.backends.PortalBackend")
    assert "our-staging" not in bob.get("/environments/infra/staging/").content.decode()
