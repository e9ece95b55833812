"""What must hold after the run: asked, watched in one piece, and rolled back by rule when it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.deployments import queries, services
from apps.deployments.dispatchers import Outside, Progress, ResourceState, RunState
from apps.deployments.health import read_check
from apps.deployments.jobs.outcomes import lose
from apps.deployments.models import Attempt, Deployment
from apps.deployments.queries.board import Asked
from apps.presentation.board import board_page
from apps.repositories.models import RepositoryRole
from apps.reviews.models import News
from tests.support.delivery import Delivery, run_jobs, run_until_idle
from tests.support.health import Site, look, watched

pytestmark = pytest.mark.django_db

TOKEN = "prom-abcdefghijkl"  # of no real system


def yaml(otherwise: str = "report", more: str = "", also: str = "") -> str:
    return f"""\
apiVersion: portal/v1
environments:
  staging:
    deploy:
      via: local
      steps: [{{name: apply, run: 'true', timeout: 60s}}]
      health:
        checks: [{{name: answers, http: /healthz, connection: shop, contains: ok, every: 10s}}{also}]
        for: 1m
        within: 5m
        otherwise: {otherwise}
{more}rules:
  - {{name: a reviewer, needs: {{approvals: 1, from: [role/reviewer]}}}}
"""


def start(
    tmp_path: Path, site: Site, otherwise: str = "report", *, granted: bool = True, more: str = "", also: str = ""
) -> Delivery:
    delivery = Delivery.start(tmp_path, yaml(otherwise, more, also))
    shop = services.create_connection(delivery.people.erin, name="shop", kind="http", url=site.url, values={})
    if granted:
        services.allow_connection(
            delivery.people.erin, connection=shop, repository=delivery.repository, environments=[]
        )
    return delivery


def test_a_deployment_has_succeeded_only_when_its_checks_held_long_enough(
    tmp_path: Path, site: Site, later: Any
) -> None:
    row = watched(start(tmp_path, site))
    assert row.status == "running"
    for _ in range(6):
        later(9)
        assert look(row).status == "running"
    later(11)
    assert look(row).status == "succeeded"
    [apply, answers] = queries.steps_of(row)
    assert (apply.status, answers.name, answers.status, answers.lines) == ("succeeded", "answers", "succeeded", 1)
    row.environment.refresh_from_db()
    assert row.environment.live_commit == row.commit


def test_the_board_calls_healthy_what_its_checks_held_for_and_nothing_else(
    tmp_path: Path, site: Site, later: Any
) -> None:
    row = watched(delivery := start(tmp_path, site))

    def word() -> str:
        cells = [cell for line in board_page(delivery.people.bob, Asked()).rows for cell in line.cells if cell]
        return next(cell.health for cell in cells if cell.environment.pk == row.environment_id)

    assert word() == "deploying"
    for _ in range(7):
        later(10)
        look(row)
    assert (row.status, word()) == ("succeeded", "was_healthy")
    Deployment.objects.filter(pk=row.pk).update(status="pending")  # as a retry that waits
    assert word() == "not_checked"
    Deployment.objects.filter(pk=row.pk).update(status="succeeded")
    Attempt.objects.update(health={**Attempt.objects.get(deployment=row).health, "good_since": ""})
    assert word() == "not_checked"


def test_what_a_person_decides_an_hour_after_the_last_look_is_not_called_healthy(
    tmp_path: Path, site: Site, later: Any
) -> None:
    row = watched(delivery := start(tmp_path, site))
    assert Attempt.objects.get(deployment=row).health["good_since"]
    lose(row, row.fence, "Its worker was lost.")
    later(3600)
    services.resolve(delivery.people.carol, deployment=row, outcome="succeeded", reason="It answers.")
    row.environment.refresh_from_db()
    assert row.environment.live_deployment_id == row.pk
    (cell,) = [cell for line in board_page(delivery.people.bob, Asked()).rows for cell in line.cells if cell]
    assert cell.health == "not_checked"


def test_what_is_bad_in_between_counts_from_the_start_again(tmp_path: Path, site: Site, later: Any) -> None:
    row = watched(start(tmp_path, site))
    later(50)
    site.answers["/healthz"] = (503, "down")
    assert look(row).status == "running"
    site.answers["/healthz"] = (200, "ok")
    later(20)
    assert look(row).status == "running"
    log = [event.text for event in queries.events(row) if event.kind == "log"]
    assert log == ["ok: answered 200", "not ok: answered 503, not 200", "ok: answered 200"]


def passed(row: Deployment, later: Any, seconds: int = 301) -> Deployment:
    """Time goes by, and somebody looks all the while."""
    for _ in range(-(-seconds // 50)):
        later(50)
        look(row)
    return row


@pytest.mark.parametrize("hours", [0.25, 1, 48])
def test_an_outage_of_the_workers_makes_nothing_fail(tmp_path: Path, site: Site, later: Any, hours: float) -> None:
    """Longer than ``within``: nobody can say that it was not healthy, and nothing is rolled back for it."""
    row = watched(start(tmp_path, site, "roll-back"))
    later(hours * 3600)
    assert look(row).status == "running"
    assert passed(row, later, 70).status == "succeeded"
    run_jobs("deployments.roll_back_unhealthy")
    assert not ChangeRequest.objects.filter(kind="rollback").exists()


def test_after_an_outage_it_still_has_its_time_to_become_healthy(tmp_path: Path, site: Site, later: Any) -> None:
    site.answers["/healthz"] = (500, "")
    row = watched(start(tmp_path, site))
    later(3600)
    assert look(row).status == "running"
    assert passed(row, later).status == "failed"


def test_time_in_which_nobody_looked_counts_for_nothing(tmp_path: Path, site: Site, later: Any) -> None:
    row = watched(start(tmp_path, site))
    later(200)
    assert look(row).status == "running"
    later(61)
    assert look(row).status != "failed"


def test_what_does_not_become_healthy_in_time_has_failed_and_is_not_live(
    tmp_path: Path, site: Site, later: Any
) -> None:
    site.answers["/healthz"] = (200, "starting")
    row = watched(start(tmp_path, site))
    assert passed(row, later).status == "failed"
    assert row.problem == "It was applied, but is not healthy: answers answered 200, without 'ok' in it."
    row.environment.refresh_from_db()
    assert not row.environment.live_commit
    run_jobs("deployments.roll_back_unhealthy")
    assert not ChangeRequest.objects.filter(kind="rollback").exists()


def test_only_the_checks_that_did_not_hold_have_failed(tmp_path: Path, site: Site, later: Any) -> None:
    site.answers["/healthz"] = (200, "starting")
    site.answers["/up"] = (200, "")
    row = watched(start(tmp_path, site, also=", {name: is up, http: /up, connection: shop, every: 10s}"))
    row = passed(row, later)
    assert [(step.name, step.status) for step in queries.steps_of(row)] == [
        ("apply", "succeeded"),
        ("answers", "failed"),
        ("is up", "succeeded"),
    ]


@pytest.mark.parametrize(("kind", "said"), [("rollback", "A roll-back is not"), ("redeploy", "It was live before")])
def test_only_what_is_new_is_rolled_back_by_rule(tmp_path: Path, site: Site, later: Any, kind: str, said: str) -> None:
    site.answers["/healthz"] = (500, "")
    row = watched(start(tmp_path, site, "roll-back"))
    Deployment.objects.filter(pk=row.pk).update(kind=kind)
    assert passed(row, later).status == "failed"
    assert said in row.problem
    assert row.problem.endswith("rolled back by rule: somebody decides what to do.")
    run_jobs("deployments.roll_back_unhealthy")
    assert not ChangeRequest.objects.filter(kind="rollback").exists()


def test_by_rule_it_is_rolled_back_through_the_record_and_once(tmp_path: Path, site: Site, later: Any) -> None:
    site.answers["/healthz"] = (500, "")
    row = watched(start(tmp_path, site, "roll-back"))
    assert passed(row, later).status == "failed"
    run_jobs("deployments.roll_back_unhealthy")
    run_jobs("deployments.roll_back_unhealthy")
    inverse = ChangeRequest.objects.get(kind="rollback")
    entry = AuditEntry.objects.get(action="rollback.requested")
    assert (entry.actor["name"], entry.data["on_behalf_of"]) == ("portal", "alice")
    assert f"by a rule of portal.yaml, for {row.label} is not healthy" in entry.summary
    assert inverse.rolls_back == row.change
    assert inverse.rollback_environments == ["staging"]
    (said,) = (event.text for event in queries.events(row) if inverse.label in event.text)
    assert said.endswith(f"{inverse.label} does it, and merges by itself.")
    run_jobs("deployments.merge_when_allowed")
    inverse.refresh_from_db()
    assert inverse.status == "merging"


def test_what_somebody_has_begun_again_is_left_to_them(tmp_path: Path, site: Site, later: Any) -> None:
    site.answers["/healthz"] = (500, "")
    delivery = start(tmp_path, site, "roll-back")
    row = passed(watched(delivery), later)
    assert row.status == "failed"
    services.retry(delivery.people.carol, deployment=row)
    site.answers["/healthz"] = (200, "ok")
    run_jobs("deployments.roll_back_unhealthy")
    assert not ChangeRequest.objects.filter(kind="rollback").exists()
    assert not AuditEntry.objects.filter(action="rollback.refused").exists()


def test_a_roll_back_by_rule_that_waits_for_people_is_not_said_to_be_done(
    tmp_path: Path, site: Site, later: Any
) -> None:
    site.answers["/healthz"] = (500, "")
    row = watched(start(tmp_path, site, "roll-back", more="    protected: true\n"))
    assert passed(row, later).status == "failed"
    run_jobs("deployments.roll_back_unhealthy")
    inverse = ChangeRequest.objects.get(kind="rollback", rolls_back=row.change)
    (said,) = (event.text for event in queries.events(row) if inverse.label in event.text)
    assert f"{inverse.label} would do it, but waits and nothing is rolled back yet." in said
    assert "approval" in said
    run_jobs("deployments.merge_when_allowed")
    inverse.refresh_from_db()
    assert inverse.status == "in_review"


def test_where_the_roll_back_by_rule_cannot_be_asked_for_all_who_deploy_are_told(
    tmp_path: Path, site: Site, later: Any
) -> None:
    site.answers["/healthz"] = (500, "")
    delivery = start(tmp_path, site, "roll-back")
    row = watched(delivery)
    people = delivery.people
    RepositoryRole.objects.filter(user=people.alice).delete()
    RepositoryRole.objects.filter(user=people.kim).update(role="deployer")
    assert passed(row, later).status == "failed"
    run_jobs("deployments.roll_back_unhealthy")
    assert not ChangeRequest.objects.filter(kind="rollback").exists()
    entry = AuditEntry.objects.get(action="rollback.refused")
    assert (entry.actor["name"], entry.data["on_behalf_of"]) == ("portal", "alice")
    for person in (people.kim, people.carol):
        lines = [line for news in News.objects.filter(user=person, change=row.change) for line in news.lines]
        (told,) = (line for line in lines if "is not rolled back" in line["text"])
        assert told["kind"] == "failed"
        assert "that cannot be done" in told["text"]
        assert told["place"] == f"deployment:{row.number}"


def test_cancelling_while_it_is_watched_says_what_was_applied(tmp_path: Path, site: Site) -> None:
    delivery = start(tmp_path, site)
    row = watched(delivery)
    services.cancel(delivery.people.alice, deployment=row)
    assert look(row).status == "cancelled"
    assert "Already applied: apply" in list(queries.events(row))[-1].text


def test_a_check_whose_connection_is_not_allowed_holds_the_deployment(tmp_path: Path, site: Site) -> None:
    delivery = start(tmp_path, site, granted=False)
    row = look(delivery.deployment(delivery.merged()))
    assert [wait["code"] for wait in row.waits] == ["connection"]
    run_until_idle()
    assert site.asked == []


def prometheus(site: Site, query: str = "errors", **bounds: float) -> Any:
    check = {"kind": "prometheus", "target": query, "below": None, "above": None, **bounds}
    outside = Outside("prom", "prometheus", site.url, {"token": TOKEN})
    return read_check(check, outside, Progress(RunState.ENDED))


def vector(*values: str) -> str:
    rows = [{"metric": {}, "value": [1435781451.781, value]} for value in values]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": rows}})


@pytest.mark.parametrize(
    ("body", "good"),
    [
        (vector("0.001"), True),
        (vector("0.001", "0.5"), False),
        (vector("NaN"), False),
        (vector(), False),
        (json.dumps({"status": "success", "data": {"resultType": "scalar", "result": [1435781451.781, "0"]}}), True),
        (json.dumps({"status": "error", "error": "parse error"}), False),
        (json.dumps({"status": "error", "data": {"resultType": "vector", "result": []}}), False),
        ('{"status": "success", "data": {"resultType": "scalar", "result": [1, 1' + "0" * 400 + "]}}", False),
        (json.dumps([]), False),
        ("<html>", False),
    ],
)
def test_a_query_is_good_only_when_every_value_is_within(site: Site, body: str, *, good: bool) -> None:
    site.answers["/api/v1/query"] = (200, body)
    reading = prometheus(site, below=0.01)
    assert reading.is_good is good
    assert reading.text
    assert site.asked[0][1] == f"Bearer {TOKEN}"


def test_a_refused_query_names_the_reason_and_no_secret(site: Site) -> None:
    site.answers["/api/v1/query"] = (400, json.dumps({"status": "error", "error": f"bad {TOKEN}"}))
    reading = prometheus(site, below=1)
    assert not reading.is_good
    assert "It says: bad ••••" in reading.text


@pytest.mark.parametrize(
    ("states", "good", "text"),
    [
        ([], False, "tells of no resources"),
        (["healthy", "healthy"], True, "all 2 resources are healthy"),
        (["healthy", "degraded"], False, "Deployment r1 is degraded"),
        (["unknown", "degraded"], False, "1 of 2 resources are not healthy: Deployment r1 is degraded"),
    ],
)
def test_resources_are_good_when_all_are_healthy(states: list[str], text: str, *, good: bool) -> None:
    resources = tuple(ResourceState("Deployment", f"r{n}", health=state) for n, state in enumerate(states))
    reading = read_check({"kind": "resources"}, None, Progress(RunState.ENDED, resources=resources))
    assert reading.is_good is good
    assert text in reading.text


def test_resources_of_which_nobody_knows_say_nothing_about_what_was_deployed() -> None:
    """A connection that may not read them, or a list that is too long, is no reason to roll back."""
    resources = (ResourceState("ConfigMap", "c", health="healthy"), ResourceState("Deployment", "web"))
    reading = read_check({"kind": "resources"}, None, Progress(RunState.ENDED, resources=resources))
    assert not reading.is_good
    assert not reading.is_asked
    assert "of 1 of 2 resources nobody can say how they do: Deployment web is unknown" in reading.text
