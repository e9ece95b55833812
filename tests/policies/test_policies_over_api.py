"""The calendar and the dry run of a policy, for programs: what the pages show, and no more than one may see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.accounts.services import create_token
from tests.support.delivery import Delivery, pipeline
from tests.support.people import team

pytestmark = pytest.mark.django_db
WINDOWS = """\
windows:
  - {name: year end, kind: freeze, environments: [production], from: 2026-12-24T18:00+01:00, to: 2027-01-02T08:00+01:00}
  - {name: nights, kind: allow, environments: [staging], cron: "0 22 * * *", duration: 8h, timezone: Europe/Berlin, holds: [merge, deploy]}
"""
STRICT = '  - {name: long, when: {paths: ["app/**"]}, needs: {approvals: 1, from: [team/dba]}}\n'


def ask(delivery: Delivery, who: str, path: str, status: int = 200) -> Any:
    user = getattr(delivery.people, who)
    bearer = {"Authorization": f"Bearer {create_token(user, user=user, name='test')[1]}"}
    answer = Client(headers=bearer, raise_request_exception=False).get(f"/api/v1/{path}")
    assert answer.status_code == status, answer.content
    return answer.json()


@pytest.fixture
def frozen(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline("true", "true") + WINDOWS)


def test_the_calendar_tells_intervals_of_an_environment_in_a_time(frozen: Delivery) -> None:
    body = ask(frozen, "bob", "calendar/?environment=production&from=2026-12-20&to=2027-01-05")
    (row,) = body["results"]
    assert (row["repository"], row["environment"]) == ("infra", "production")
    (freeze,) = row["intervals"]
    assert (freeze["kind"], freeze["name"], freeze["holds"]) == ("freeze", "year end", ["deploy"])
    assert (freeze["start"], freeze["end"]) == ("2026-12-24T17:00:00+00:00", "2027-01-02T07:00:00+00:00")
    nights = ask(frozen, "bob", "calendar/?environment=staging&from=2026-10-24&to=2026-10-25")["results"][0][
        "intervals"
    ]
    ends = [one["end"] for one in nights]
    assert ends == ["2026-10-24T04:00:00+00:00", "2026-10-25T04:00:00+00:00", "2026-10-26T05:00:00+00:00"]


def test_who_sees_no_repository_sees_an_empty_calendar(frozen: Delivery) -> None:
    assert ask(frozen, "mallory", "calendar/?from=2026-12-20&to=2027-01-05")["results"] == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("from=soon", "bad_from"),
        ("to=2026-13-40", "bad_to"),
        ("from=2026-12-20&to=2026-12-19T00:00Z", "bad_to"),
        ("from=2026-01-01&to=2026-12-31", "bad_to"),
    ],
)
def test_a_time_that_is_none_is_refused_by_name(frozen: Delivery, query: str, code: str) -> None:
    refusal = ask(frozen, "bob", f"calendar/?{query}", status=422)
    assert refusal["code"] == code
    assert list(refusal["fields"]) == [code.removeprefix("bad_")]


def test_a_change_of_the_policy_tells_its_differences_and_what_it_would_have_blocked(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    team("dba", delivery.people.kim)
    blocked = delivery.merged("one", {"app/values.yaml": "one\n"})
    change = delivery.proposed("policy", {".gitops/portal.yaml": pipeline("true", "true", rules=STRICT)})
    body = ask(delivery, "bob", f"changes/{change.number}/policy/")
    assert [(row["what"], row["name"], row["change"]) for row in body["differences"]] == [("rule", "long", "added")]
    assert (body["dry_run"]["tried"], body["dry_run"]["passes"]) == (1, 0)
    assert [row["change"] for row in body["dry_run"]["blocked"]] == [blocked.number]
    ask(delivery, "mallory", f"changes/{change.number}/policy/", status=404)
    broken = delivery.proposed("broken", {".gitops/portal.yaml": "rules: {broken\n"})
    body = ask(delivery, "bob", f"changes/{broken.number}/policy/")
    assert body["problems"]
    assert (body["changes_policy"], body["dry_run"]) == (True, None)
