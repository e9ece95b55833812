"""Drift on the board and on its page: words with their age, never green for old news, and what can be done without a script."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput, NotAllowed
from apps.deployments import services
from apps.deployments.models import Deployment, DriftAcceptance, DriftCheck
from tests.support.delivery import run_jobs
from tests.support.drifting import CANARY, Drifting, drifting

pytestmark = pytest.mark.django_db
BOARD, PAGE, API = "/environments/", "/environments/infra/staging/drift/", "/api/v1/environments/infra/staging/drift/"


@pytest.fixture
def world(tmp_path: Path, settings: Any) -> Iterator[Drifting]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    settings.PORTAL_LEASE_SECONDS = 1
    with drifting(tmp_path) as found:
        yield found


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="apps.accounts.backends.PortalBackend")
    return client


def html(user: User, url: str) -> str:
    return client_of(user).get(url).content.decode()


def cell(user: User) -> str:
    found = html(user, BOARD)
    return found[found.index('id="env-staging:infra:web"') :].partition("</td>")[0]


def accept(world: Drifting, at: int = 0, **how: int) -> DriftAcceptance:
    mark = world.latest.findings[at]["mark"]
    until = now() + timedelta(**(how or {"days": 1}))
    carol = world.delivery.people.carol
    return services.accept_drift(carol, environment=world.environment, mark=mark, reason="known", until=until)


def test_the_board_says_when_it_was_in_sync_and_never_that_old_news_is_good(world: Drifting) -> None:
    bob = world.delivery.people.bob
    assert "Drift: never checked" in cell(bob)
    world.check()
    found = cell(bob)
    assert "In sync" in found
    assert "checked <time datetime=" in found
    assert "st--ok" in found
    world.later(minutes=61)
    found = cell(bob)
    assert "Drift: not checked" in found
    assert "since <time datetime=" in found
    assert "data-relative" not in found.partition("Drift: not checked")[2]
    assert "st--ok" not in found
    assert "In sync" not in found
    page = html(bob, PAGE)
    assert "st--ok" not in page[page.index('id="drift"') :]
    assert "Not checked since" in page


def test_drift_is_counted_on_the_board_found_by_its_filter_and_shown_field_by_field(world: Drifting) -> None:
    bob = world.delivery.people.bob
    world.check()
    assert "Nothing matches" in html(bob, f"{BOARD}?drift=1")
    world.change()
    world.check()
    assert "Drift: 1 field in 1 resource" in cell(bob)
    assert 'id="env-staging:infra:web"' in html(bob, f"{BOARD}?drift=1")
    assert "Nothing matches" in html(bob, f"{BOARD}?drift=1&state=frozen")
    page = html(bob, PAGE)
    for words in (
        "ConfigMap web/one",
        "data.a",
        "&quot;1&quot;",
        "&quot;9&quot;",
        world.live.label,
        "As deployed",
        "are not compared",
    ):
        assert words in page
    assert f"/environments/infra/staging/drift/{''}" in html(bob, "/environments/infra/staging/")


def test_without_scripts_the_page_asks_again_while_a_check_is_under_way(world: Drifting) -> None:
    carol, again = world.delivery.people.carol, '<noscript><meta http-equiv="refresh" content="10"></noscript>'
    world.check()
    assert again not in html(carol, PAGE)
    assert client_of(carol).post(f"{PAGE}check/").status_code == 303
    assert again in html(carol, PAGE)
    run_jobs("deployments.check_drift")
    assert again not in html(carol, PAGE)
    world.change()
    world.check()
    assert client_of(carol).post(f"{PAGE}adopt/").status_code == 303
    assert again in html(carol, PAGE), "also while the change that adopts it is being written"
    refused = client_of(carol).post(f"{PAGE}accept/", {"mark": world.latest.findings[0]["mark"]})
    assert refused.status_code == 422
    assert again not in refused.content.decode(), "what was typed stays"


def test_strangers_learn_nothing(world: Drifting) -> None:
    world.change()
    world.check()
    mallory = world.delivery.people.mallory
    assert "staging" not in html(mallory, f"{BOARD}?drift=1")
    assert client_of(mallory).get(PAGE).status_code == 404
    for what in ("check", "accept", "unaccept", "reapply", "adopt"):
        assert client_of(mallory).post(f"{PAGE}{what}/").status_code == 404
    api = APIClient()
    api.force_authenticate(mallory)
    assert api.get(API).status_code == 404


def test_no_page_and_no_answer_has_a_secret(world: Drifting) -> None:
    world.there.objects["secrets", "web", "s"]["stringData"]["password"] = f"{CANARY}-changed"
    world.check()
    carol = world.delivery.people.carol
    api = APIClient()
    api.force_authenticate(carol)
    change = adopted(world, carol)
    texts = [html(carol, PAGE), html(carol, BOARD), api.get(API).content.decode(), change.description]
    assert all("password" in text for text in (texts[0], texts[2], texts[3]))
    assert not any(CANARY in text for text in texts)


def test_what_cannot_be_checked_says_why(world: Drifting) -> None:
    world.there.answers["GET configmaps"] = [503]
    world.check()
    assert "Drift: unknown" in cell(world.delivery.people.bob)
    page = html(world.delivery.people.bob, PAGE)
    assert "Cannot be checked:" in page
    assert "Compared with" not in page
    assert "st--ok" not in page[page.index('id="drift"') :]


def test_what_has_drifted_stands_first_and_what_was_compared_in_part_is_not_called_unchecked(world: Drifting) -> None:
    world.change()
    world.check()
    latest = world.latest
    for target, state, why in (("aaa", "in_sync", ""), ("bbb", "unknown", "Not every type can be.")):
        DriftCheck.objects.create(
            environment=latest.environment, deployment=latest.deployment, commit=latest.commit, target=target,
            way="cloudformation", state=state, why=why, looked_at=3, checked_at=now(),
        )  # fmt: skip
    page = html(world.delivery.people.bob, PAGE)
    assert page.index("ConfigMap web/one") < page.index("bbb ") < page.index("aaa ")
    assert "Not all of it was compared: Not every type can be." in page
    assert "Cannot be checked" not in page


def test_a_finding_is_accepted_with_reason_and_end_stays_visible_and_comes_back(world: Drifting) -> None:
    world.change()
    world.change("two")
    world.check()
    carol = client_of(world.delivery.people.carol)
    marks = [one["mark"] for one in world.latest.findings]
    refused = carol.post(f"{PAGE}accept/", {"mark": marks[0], "reason": "", "days": "7"})
    assert (refused.status_code, b"It was not accepted." in refused.content) == (422, True)
    done = carol.post(f"{PAGE}accept/", {"mark": marks[0], "reason": "an incident", "days": "7"})
    assert done.status_code in {302, 303}
    assert (world.drift.state, world.drift.fields, world.drift.accepted) == ("drifted", 1, 1)
    assert "an incident" in html(world.delivery.people.bob, PAGE)
    accept(world, 1)
    assert (world.drift.state, world.drift.accepted) == ("accepted", 2)
    assert "st--ok" not in cell(world.delivery.people.bob)
    assert world.check().state == "accepted"
    world.change("two", "8")
    assert (world.check().state, world.drift.fields) == ("drifted", 1)
    DriftAcceptance.objects.update(until=now() - timedelta(seconds=1))
    assert (world.drift.fields, world.drift.accepted) == (2, 0)
    entry = AuditEntry.objects.filter(action="drift.accepted").order_by("pk").first()
    assert entry is not None
    assert (entry.data["reason"], entry.data["resource"]) == ("an incident", "ConfigMap web/one")


def test_an_acceptance_can_be_ended_and_is_replaced_by_a_new_one(world: Drifting) -> None:
    world.change()
    world.check()
    first, second = accept(world), accept(world, days=2)
    first.refresh_from_db()
    assert first.ended_at is not None
    carol = client_of(world.delivery.people.carol)
    carol.post(f"{PAGE}unaccept/", {"mark": second.mark})
    assert world.drift.state == "drifted"
    assert carol.post(f"{PAGE}unaccept/", {"mark": second.mark}).status_code == 409


def test_what_may_not_be_accepted(world: Drifting) -> None:
    world.change()
    world.check()
    people, row = world.delivery.people, world.environment
    mark, soon = world.latest.findings[0]["mark"], now() + timedelta(days=1)
    for user in (people.alice, people.bob, people.mallory):
        with pytest.raises(NotAllowed):
            services.accept_drift(user, environment=row, mark=mark, reason="known", until=soon)
    for until in (now() - timedelta(seconds=1), now() + timedelta(days=91)):
        with pytest.raises(InvalidInput, match="next 90 days"):
            services.accept_drift(people.carol, environment=row, mark=mark, reason="known", until=until)
    with pytest.raises(InvalidInput, match="Say why"):
        services.accept_drift(people.carol, environment=row, mark=mark, reason=" ", until=soon)
    with pytest.raises(Conflict, match="does not find this any more"):
        services.accept_drift(people.carol, environment=row, mark="0" * 64, reason="known", until=soon)
    assert not DriftAcceptance.objects.exists()


def test_what_cannot_be_accepted_says_why_and_what_to_do_instead(world: Drifting) -> None:
    world.there.objects["configmaps", "web", "one"]["data"]["a"] = "9"
    world.check()
    row = world.latest
    row.findings = [{**one, "is_vague": True} for one in row.findings]
    row.save(update_fields=["findings"])
    why = "cannot be: only that it differs is known, not how."
    people = world.delivery.people
    for who, next_step in ((people.carol, "Deploy what is live again, or put it right"), (people.bob, "Put it right")):
        found = html(who, PAGE)
        assert f'<td data-label="Accepted"><span class="muted small">{why} {next_step} where it is.</span>' in found
        assert "Accept…" not in found
    with pytest.raises(Conflict, match="only that it differs is known, not how") as refused:
        accept(world)
    assert refused.value.code == "not_known"


def test_what_is_live_is_deployed_again_through_the_ordinary_start(world: Drifting) -> None:
    world.change()
    world.check()
    people = world.delivery.people
    answer = client_of(people.carol).post(f"{PAGE}reapply/")
    row = Deployment.objects.latest("number")
    assert answer["Location"] == f"/deployments/{row.number}/"
    assert (row.kind, row.commit, row.status) == ("redeploy", world.live.commit, "pending")
    assert client_of(people.carol).post(f"{PAGE}reapply/").status_code == 409
    assert client_of(people.bob).post(f"{PAGE}reapply/").status_code == 403


def adopted(world: Drifting, user: User) -> ChangeRequest:
    services.adopt_drift(user, environment=world.environment)
    run_jobs(services.ADOPT_DRIFT)
    return ChangeRequest.objects.latest("number")


def test_drift_is_adopted_by_a_change_without_what_is_accepted_and_the_page_leads_to_it(world: Drifting) -> None:
    world.change()
    world.change("two", "x](https://evil.example.org) `code`")
    world.check()
    accept(world)
    people = world.delivery.people
    page = html(people.alice, PAGE)
    assert "Ask for a change that adopts it" in page
    answer = client_of(people.alice).post(f"{PAGE}adopt/")
    assert answer["Location"] == PAGE
    page = html(people.alice, PAGE)
    assert "It is being written." in page
    assert "Ask for a change that adopts it" not in page
    assert client_of(people.alice).post(f"{PAGE}adopt/").status_code == 409
    run_jobs(services.ADOPT_DRIFT)
    change = ChangeRequest.objects.latest("number")
    assert f'<a href="/changes/{change.number}/">Adopt drift of staging: 1 finding</a>' in html(people.alice, PAGE)
    assert (change.title, change.requester) == ("Adopt drift of staging: 1 finding", people.alice)
    assert "ConfigMap web/one" not in change.description
    assert ": ConfigMap web/two data.a: deployed" in change.description
    assert 'href="https://evil.example.org' not in html(people.alice, f"/changes/{change.number}/")
    accept(world, 1)
    with pytest.raises(Conflict, match="left nothing to adopt"):
        services.adopt_drift(people.alice, environment=world.environment)


def test_the_page_says_why_no_change_was_made(world: Drifting) -> None:
    world.change()
    world.check()
    services.adopt_drift(world.delivery.people.alice, environment=world.environment)
    accept(world)
    run_jobs(services.ADOPT_DRIFT)
    page = html(world.delivery.people.bob, PAGE)
    assert "No change was made of what" in page
    assert "Nothing was left to adopt" in page


def test_the_api_asks_for_an_adoption_and_tells_what_became_of_it(world: Drifting) -> None:
    world.change()
    world.check()
    api = APIClient()
    api.force_authenticate(world.delivery.people.alice)
    assert api.get(API).json()["adoption"] is None
    answer = api.post(f"{API}adopt/")
    assert answer.status_code == 202
    told = answer.json()["adoption"]
    assert (told["asked_by"], told["change"], told["ended_at"], told["problem"]) == ("alice", None, None, None)
    run_jobs(services.ADOPT_DRIFT)
    told = api.get(API).json()["adoption"]
    assert told["change"] == ChangeRequest.objects.latest("number").number
    assert told["ended_at"]


def test_the_api_tells_the_same(world: Drifting) -> None:
    world.change()
    world.check()
    accept(world)
    api = APIClient()
    api.force_authenticate(world.delivery.people.bob)
    told = api.get(API).json()
    assert (told["state"], told["fields_open"], told["accepted"], told["every_seconds"]) == ("accepted", 0, 1, 1800)
    (target,) = told["targets"]
    (finding,) = target["findings"]
    assert (target["deployment"], target["way"], finding["accepted"]["accepted_by"]) == (
        world.live.number, "kubernetes", "carol",
    )  # fmt: skip
    cells = api.get("/api/v1/environments/board/?drift=1").json()["results"]
    assert cells == []
    world.change("two")
    world.check()
    (row,) = api.get("/api/v1/environments/board/?drift=1").json()["results"]
    assert row["cells"][0]["drift"] == "drifted"
