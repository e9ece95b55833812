"""What becomes live with a start is listed exactly: all that was merged, and what went past the portal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.changes.models import ChangeRequest, OutsideChange
from apps.core.clock import now
from apps.deployments.models import Environment
from apps.deployments.queries import coming
from apps.deployments.queries.coming import coming_with
from apps.deployments.queries.groups import startable
from apps.deployments.services import release
from apps.repositories.services import synchronise
from tests.support.delivery import Delivery, run_jobs, run_until_idle

pytestmark = pytest.mark.django_db
PLACES = ("a-1", "a-2", "a-3", "a-4")
BY_HAND = "deploy: {via: local, start: manual, steps: [{name: apply, run: 'true'}]}"
YAML = f"""\
apiVersion: portal/v1
environments:
{"".join(f"  {name}: {{{BY_HAND}}}" + chr(10) for name in PLACES)}
rules: [{{name: a reviewer, needs: {{approvals: 1, from: [role/reviewer]}}}}]
"""


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, YAML)


def merged(delivery: Delivery, *names: str) -> list[ChangeRequest]:
    return [delivery.merged(name, {f"app/{name}.yaml": "a: 1\n"}) for name in names]


def live(delivery: Delivery, change: ChangeRequest, *names: str) -> None:
    """As if ``change`` had been deployed there."""
    for name in names or PLACES:
        row = delivery.deployment(change, name)
        Environment.objects.filter(name=name).update(live_commit=row.commit, live_deployment=row, live_since=now())


def push_past(delivery: Delivery) -> OutsideChange:
    delivery.work.run("fetch", "-q", "origin")
    delivery.work.run("checkout", "-q", "-B", "main", "origin/main")
    delivery.work.commit("Straight to main", files={"app/past.yaml": "a: 1\n"}, author="Kim <kim@example.org>")
    delivery.work.push("main")
    assert synchronise(delivery.repository.pk)
    run_jobs("changes.take_ref_updates")
    return OutsideChange.objects.latest("pk")


def test_where_nothing_is_live_all_that_was_merged_comes(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = merged(delivery, "one", "two", "three")
    assert coming_with(delivery.deployment(two, "a-1")).changes == (one, two)
    monkeypatch.setattr(coming, "MOST_NAMED", 2)
    found = coming_with(delivery.deployment(three, "a-1"))
    assert (found.changes, found.more) == ((two, three), 1), "the one that is started is always named"


def test_each_environment_is_told_what_comes_there(delivery: Delivery) -> None:
    one, two, three = merged(delivery, "one", "two", "three")
    live(delivery, one, "a-1")
    live(delivery, two, "a-2")
    (four,) = merged(delivery, "four")
    live(delivery, four, "a-3")
    found = {row.name: (row.coming.changes, row.coming.nothing_runs) for row in startable(three)}
    assert found == {
        "a-1": ((two, three), False),
        "a-2": ((three,), False),
        "a-3": ((), True),
        "a-4": ((one, two, three), False),
    }


def test_where_what_is_live_contains_it_nothing_runs_and_the_page_says_so(delivery: Delivery, client: Client) -> None:
    one, two = merged(delivery, "one", "two")
    live(delivery, two, "a-1")
    client.force_login(delivery.people.carol)
    row, newer = delivery.deployment(one, "a-1"), delivery.deployment(two, "a-1")
    for address in (f"/deployments/{row.number}/start/", f"/changes/{one.number}/start/"):
        shown = client.get(address).content.decode()
        assert f"a-1 already runs that, which contains {one.label}" in shown
        assert "newer than what you start" not in shown
        assert two.label in shown
    told = client.get(f"/api/v1/changes/{one.number}/start/").json()["results"][0]
    assert (told["nothing_runs"], told["goes_back"], told["becomes_live"]) == (True, False, [])
    release(delivery.people.carol, deployment=row)
    run_until_idle()
    row.refresh_from_db()
    assert (row.status, row.became_live) == ("succeeded", False)
    assert f"a-1 already runs {newer.commit[:10]}" in row.events.latest("seq").text


def test_what_is_newer_and_does_not_contain_it_is_told_to_be_taken_out(delivery: Delivery, client: Client) -> None:
    """An adopted push that took commits away is started: then what is live is not what contains it, but what goes."""
    one, two = merged(delivery, "one", "two")
    live(delivery, two, "a-1")
    OutsideChange.objects.create(
        repository=delivery.repository, branch="main", kind="forced", old_oid=two.merge_commit, new_oid=one.merge_commit,
        seen_at=now(), settled_at=now(), outcome="adopted", change=one,
    )  # fmt: skip
    found = coming_with(delivery.deployment(one, "a-1"))
    assert (found.changes, found.goes_back, found.nothing_runs) == ((two,), True, False)
    client.force_login(delivery.people.carol)
    shown = client.get(f"/deployments/{delivery.deployment(one, 'a-1').number}/start/").content.decode()
    assert "These would be taken out of it:" in shown


def test_what_went_past_the_portal_and_comes_along_is_named(delivery: Delivery, client: Client) -> None:
    (one,) = merged(delivery, "one")
    live(delivery, one)
    past = push_past(delivery)
    (two,) = merged(delivery, "two")
    row = delivery.deployment(two, "a-1")
    assert coming_with(row).outside == (past,)
    assert coming_with(delivery.deployment(one, "a-1")).outside == ()
    client.force_login(delivery.people.carol)
    for address in (f"/deployments/{row.number}/start/", f"/changes/{two.number}/start/"):
        shown = client.get(address).content.decode()
        assert "Pushed past the portal, and approved by nobody" in shown
        assert f"outside/#outside-{past.pk}" in shown
    answer = client.get(f"/api/v1/changes/{two.number}/start/").json()["results"]
    assert [[one["id"] for one in found["outside"]] for found in answer] == [[past.pk]] * len(PLACES)
    live(delivery, two)
    (three,) = merged(delivery, "three")
    assert coming_with(delivery.deployment(three, "a-1")).outside == (), "it is live already"


def test_what_was_pushed_past_is_not_named_once_a_change_that_comes_too_has_adopted_it(delivery: Delivery) -> None:
    (one,) = merged(delivery, "one")
    live(delivery, one)
    past = push_past(delivery)
    two, three = merged(delivery, "two", "three")
    for settling, named in ((two, ()), (three, (past,))):
        OutsideChange.objects.update(settled_at=now(), outcome="adopted", change=settling)
        assert coming_with(delivery.deployment(two, "a-1")).outside == named


def test_the_list_says_who_pushed_it_and_what_became_of_it(delivery: Delivery, client: Client) -> None:
    (one,) = merged(delivery, "one")
    live(delivery, one)
    past = push_past(delivery)
    two, three = merged(delivery, "two", "three")
    client.force_login(delivery.people.carol)
    addresses = (f"/deployments/{delivery.deployment(two, 'a-1').number}/start/", f"/changes/{two.number}/start/")
    link = f'<a href="/changes/{three.number}/">{three.label}</a>'
    for columns, words in (
        ({"pusher": None}, "(nobody knows by whom), <span"),
        ({"change": three}, f"{link} is to settle it"),
        ({"settled_at": now(), "outcome": "adopted"}, f"{link} adopted it since</span>, <span"),
        ({"outcome": "gone"}, f"{link} was to settle it</span>, not on the branch any more, <span"),
    ):
        OutsideChange.objects.filter(pk=past.pk).update(**columns)
        for address in addresses:
            assert words in client.get(address).content.decode()


def test_what_is_live_already_brings_nothing_and_says_so(delivery: Delivery, client: Client) -> None:
    (one,) = merged(delivery, "one")
    live(delivery, one)
    client.force_login(delivery.people.carol)
    for address in (f"/deployments/{delivery.deployment(one, 'a-1').number}/start/", f"/changes/{one.number}/start/"):
        shown = client.get(address).content.decode()
        assert "It is the same commit: it is applied again, and nothing else becomes live." in shown
        assert "Then these are live" not in shown
        assert not re.search(r"<ol[^>]*>\s*</ol>", shown)


def test_many_environments_cost_as_many_queries_as_one(delivery: Delivery) -> None:
    one, two = merged(delivery, "one", "two")
    run_until_idle()
    counts = []
    for places in (PLACES[:1], PLACES):
        live(delivery, one, *places)
        Environment.objects.exclude(name__in=places).update(live_deployment=None)
        two.deployments.exclude(environment__name__in=places).update(manual_start=False)
        two.deployments.filter(environment__name__in=places).update(manual_start=True)
        with CaptureQueriesContext(connection) as seen:
            rows = startable(two)
        assert [row.name for row in rows] == list(places)
        counts.append(len(seen))
    assert counts[0] == counts[1]
