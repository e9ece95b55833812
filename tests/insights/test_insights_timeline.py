"""What changed, and when: found by environment, resource, path, person and time, by those who may see it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.deployments import services
from apps.deployments.models import Deployment
from apps.insights.timeline import Asked, timeline
from apps.presentation.timeline_page import timeline_csv, timeline_page
from apps.repositories.services import set_member
from tests.support.delivery import Delivery, pipeline, run_until_idle
from tests.support.people import cast

pytestmark = pytest.mark.django_db(transaction=True)
K8S = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}\ndata: {key: '%s'}\n"
PORTAL = pipeline("true", "true").replace(
    "  staging:\n", "  staging:\n    targets: {app: {kind: manifests, path: k8s}}\n", 1
)


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    """Change one, which touches a resource and was deployed to both environments."""
    found = Delivery.start(tmp_path, PORTAL, {"k8s/shop.yaml": K8S % "1"})
    deployed(found, "one", {"k8s/shop.yaml": K8S % "2"})
    return found


def deployed(delivery: Delivery, name: str, files: dict[str, str]) -> None:
    change = delivery.proposed(name, files)
    run_until_idle(60)
    delivery.approve(change)
    services.merge_change(delivery.people.alice, change=change)
    run_until_idle(60)


def found(user: User, **given: str) -> list[str]:
    return [row.what.text for row in timeline_page(user, given).rows]


def test_only_what_succeeded_brought_its_change(delivery: Delivery, client: Client) -> None:
    client.force_login(delivery.people.carol)
    assert client.get("/timeline/").content.decode().count("</a> brought <a") == 2
    words = {
        "failed": "tried to bring",
        "cancelled": "tried to bring",
        "unknown": "tried to bring",
        "running": "brings",
    }
    for status, said in words.items():
        Deployment.objects.filter(environment__name="production").update(status=status)
        shown = client.get("/timeline/").content.decode()
        assert (shown.count(f"</a> {said} <a"), shown.count("</a> brought <a")) == (1, 1), status
    Deployment.objects.filter(environment__name="production").update(status="failed", kind="rollback")
    assert "</a> tried to roll back by <a" in client.get("/timeline/").content.decode()


BOTH = ["CHG-1 to production", "CHG-1 to staging"]


QUESTIONS: list[tuple[dict[str, str], list[str]]] = [
    ({}, BOTH),
    ({"environment": "staging"}, BOTH[1:]),
    ({"environment": "prod*"}, BOTH[:1]),
    ({"environment": "prod"}, []),
    ({"thing": "configmap SHOP"}, BOTH),
    ({"thing": "k8s/sh"}, BOTH),
    ({"thing": "secret"}, []),
    ({"person": "@Alice"}, BOTH),
    ({"person": "bob"}, []),
    ({"q": "change one"}, BOTH),
    ({"q": "CHG-1"}, BOTH),
    ({"q": "CHG-2"}, []),
    ({"kind": "rollback"}, []),
    ({"kind": "deploy,rollback"}, BOTH),
    ({"repository": "other"}, []),
    ({"from": "2020-01-01", "to": "2020-01-02"}, []),
    ({"incident": "2030-01-01T10:00Z", "from": "2020-01-01"}, BOTH),
    ({"incident": "2020-01-01T10:00Z", "from": "2019-01-01"}, []),
]


def test_each_question_finds_what_it_asks_for_and_nothing_else(delivery: Delivery) -> None:
    for given, expected in QUESTIONS:
        assert found(delivery.people.alice, **given) == expected, given


def test_rows_tell_what_was_touched_and_how_long_before_the_incident(delivery: Delivery) -> None:
    page = timeline_page(delivery.people.alice, {"environment": "staging"})
    [row] = page.rows
    assert row.what.things == ("ConfigMap shop in staging", "k8s/shop.yaml")
    assert (row.what.thing_count, row.what.state, row.what.person) == (2, "succeeded", "alice")
    assert row.before_incident is None
    moment = (row.what.at + timedelta(minutes=5)).isoformat()
    [late] = timeline_page(delivery.people.alice, {"environment": "staging", "incident": moment}).rows
    assert late.before_incident == pytest.approx(300)
    assert not late.was_running
    Deployment.objects.filter(environment__name="staging").update(ended_at=row.what.at + timedelta(minutes=9))
    [running] = timeline_page(delivery.people.alice, {"environment": "staging", "incident": moment}).rows
    assert running.was_running


def test_what_began_before_the_window_and_reached_into_it_is_there(delivery: Delivery) -> None:
    row = Deployment.objects.get(environment__name="staging")
    Deployment.objects.filter(pk=row.pk).update(
        started_at=now() - timedelta(days=3), ended_at=now() - timedelta(days=1)
    )
    began_in_it = (now() - timedelta(days=2)).isoformat()
    assert "CHG-1 to staging" in found(delivery.people.alice, **{"from": began_in_it})
    assert "CHG-1 to staging" not in found(delivery.people.alice, **{"from": (now() - timedelta(hours=2)).isoformat()})
    Deployment.objects.filter(pk=row.pk).update(ended_at=None)
    assert "CHG-1 to staging" in found(delivery.people.alice), "it still goes on"


def test_strangers_see_nothing_and_only_auditors_see_who_was_given_access(delivery: Delivery) -> None:
    people = delivery.people
    set_member(people.carol, repository=delivery.repository, member="kim", role="viewer")
    assert found(people.mallory, **{"from": "2020-01-01"}) == []
    assert found(people.mallory, repository="infra", kind="access") == []
    assert found(people.bob, kind="access") == []
    assert found(people.dave, kind="access"), "dave audits it"
    assert found(people.erin, kind="access")
    assert "kim" not in timeline_csv(people.bob, {})


def test_locks_and_other_entries_stand_between_deployments(delivery: Delivery) -> None:
    staging = Deployment.objects.get(environment__name="staging").environment
    services.lock_environment(delivery.people.carol, environment=staging, reason="Looking")
    first, *others = timeline_page(delivery.people.bob, {}).rows
    assert (first.what.kind, first.what.environment, first.what.person) == ("freeze", "staging", "carol")
    assert [row.what.text for row in others] == BOTH
    assert found(delivery.people.bob, person="carol", kind="freeze")
    assert found(delivery.people.bob, thing="shop") == BOTH, "an entry touches nothing"


def test_pages_follow_each_other_without_a_gap_also_at_one_and_the_same_moment(delivery: Delivery) -> None:
    same = now() - timedelta(hours=1)
    Deployment.objects.update(started_at=same, ended_at=same)
    deployed(delivery, "two", {"k8s/shop.yaml": K8S % "3"})
    window = {"since": now() - timedelta(days=1), "until": now()}
    seen: list[str] = []
    before = None
    for _ in range(10):
        part = timeline(delivery.people.alice, Asked(**window, before=before), limit=1)
        seen += [row.text for row in part.rows]
        before = part.next_before
        if before is None:
            break
    assert sorted(seen) == sorted([*BOTH, "CHG-2 to production", "CHG-2 to staging"])


def test_the_table_has_every_row_and_no_formula(delivery: Delivery) -> None:
    change = Deployment.objects.latest("pk").change
    change.__class__.objects.filter(pk=change.pk).update(title='=HYPERLINK("http://x")')
    rows = list(csv.DictReader(io.StringIO(timeline_csv(delivery.people.alice, {}))))
    assert [row["environment"] for row in rows] == ["production", "staging"]
    assert rows[0]["title"] == '\'=HYPERLINK("http://x")'
    assert rows[1]["touched"] == "ConfigMap shop in staging; k8s/shop.yaml"


def test_the_page_asks_as_often_whatever_there_is(
    delivery: Delivery, client: Client, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    client.force_login(delivery.people.alice)
    client.get("/timeline/")
    for name in ("two", "three"):
        with django_assert_max_num_queries(20) as asked:
            answer = client.get("/timeline/?from=2020-01-01")
        assert answer.status_code == 200
        counted = len(asked.captured_queries)
        deployed(delivery, name, {"k8s/shop.yaml": K8S % name})
    with django_assert_max_num_queries(counted):
        client.get("/timeline/?from=2020-01-01")
    refused = client.get("/timeline/?from=nonsense")
    assert refused.status_code == 422
    assert b"Write a day" in refused.content


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"from": "yesterday"}, "Write a day"),
        ({"incident": "soon"}, "Write a day"),
        ({"kind": "deploys"}, "A kind is one of"),
        ({"from": "2026-02-01", "to": "2026-01-01"}, "beginning lies after the end"),
        ({"after": "x"}, "Write a day"),
    ],
)
def test_what_is_not_understood_is_named(db: None, given: dict[str, str], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        timeline_page(User(), given)


ENDS = (
    "incident=0001-01-01", "to=9999-12-31", "to=0001-01-01", "from=0001-01-01T00:00:00%2B14:00", "after=9999-12-31T23:59-14:00",
    "repository=a%00b", "environment=a%00*", "thing=%00", "q=%ED%A0%80", "kind=%00", "q=CHG-999999999", "q=CHG-%C2%B2",
)  # fmt: skip


@pytest.mark.parametrize(
    "path", ["/timeline/", "/timeline/timeline.csv", "/api/v1/timeline/", "/audit/", "/api/v1/audit/"]
)
def test_no_time_and_no_character_is_a_mistake_of_the_portal(client: Client, path: str) -> None:
    client.raise_request_exception = False
    client.force_login(cast().erin)
    answers = {asked: client.get(f"{path}?{asked}").status_code for asked in ENDS}
    assert set(answers.values()) <= {200, 422}, answers
    assert answers["to=9999-12-31"] == 422


def test_what_a_window_has_is_found_by_its_time_and_not_environment_by_environment(delivery: Delivery) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("how it is found is asked of SQLite")
    moment = now()
    with CaptureQueriesContext(connection) as seen:
        timeline(delivery.people.alice, Asked(moment - timedelta(days=1), moment), limit=50)
    asked = [one["sql"] for one in seen.captured_queries if 'FROM "deployments_deployment"' in one["sql"]]
    with connection.cursor() as cursor:
        steps = [" ".join(map(str, cursor.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall())) for sql in asked]
    assert "COVERING INDEX deployments_over" in steps[0]
    assert "USING INDEX deployments_begun (started_at>? AND started_at<?)" in steps[1]
    assert not [step for step in steps if "SCAN deployments" in step]
