"""What disturbs something that has to stand in one environment before it goes on to the next one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from apps.core.clock import now
from apps.deployments import services
from apps.deployments.jobs.runs import run_of
from apps.deployments.jobs.sending import why_held
from apps.deployments.models import Attempt, Deployment
from apps.deployments.queries import waits_of
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle

pytestmark = pytest.mark.django_db
SOAK = pipeline().replace("after: [staging]\n", "after: [staging]\n    soak: 30m\n")


def ago(minutes: int) -> dict[str, object]:
    return {"ended_at": now() - timedelta(minutes=minutes)}


def soaking(tmp_path: Path) -> tuple[Delivery, Deployment]:
    """What waits for production and has stood in staging for an hour."""
    delivery = Delivery.start(tmp_path, SOAK)
    change = delivery.merged()
    run_until_idle()
    Deployment.objects.filter(environment__name="staging").update(**ago(60))
    return delivery, delivery.deployment(change, "production")


def another(delivery: Delivery, **columns: object) -> Deployment:
    """A later deployment to staging, with ``columns`` as given."""
    row = delivery.deployment(delivery.merged("two", {"app/two.yaml": "a: 1\n"}))
    Deployment.objects.filter(pk=row.pk).update(attempts=1, **columns)
    row.refresh_from_db()
    return row


def judged(row: Deployment) -> list[str]:
    """The codes of what holds it after one look; its status where nothing does."""
    Deployment.objects.filter(status="pending").update(check_at=None)
    run_jobs("deployments.start")
    row.refresh_from_db()
    return [wait["code"] for wait in row.waits] if row.status == "pending" else [row.status]


@pytest.mark.parametrize(("minutes", "found"), [(10, "soak"), (40, "dispatching")])
def test_a_roll_back_of_something_else_starts_the_time_anew_and_no_more(
    tmp_path: Path, minutes: int, found: str
) -> None:
    delivery, row = soaking(tmp_path)
    bad = delivery.merged("bad", {"app/bad.yaml": "a: 1\n"})
    Deployment.objects.filter(change=bad).update(status="succeeded", **ago(50))
    undoing = another(delivery, kind="rollback", status="succeeded", **ago(minutes))
    type(bad).objects.filter(pk=undoing.change_id).update(rolls_back=bad)
    assert judged(row) == [found]
    if found == "soak":
        assert "stands in staging until" in row.waits[0]["text"]


def test_what_is_live_is_applied_again_whatever_happened_in_the_environment_before(tmp_path: Path) -> None:
    delivery, row = soaking(tmp_path)
    run_until_idle()
    row.refresh_from_db()
    assert row.status == "succeeded"
    another(delivery, status="failed", **ago(1))
    again = services.start_deployment(delivery.people.carol, change=row.change, environment="production")
    assert again.kind == "redeploy"
    assert judged(again) == ["dispatching"]


@pytest.mark.parametrize(
    ("status", "words"),
    [("running", "is at work in staging"), ("unknown", "Nobody knows how"), ("dispatching", "is at work")],
)
def test_nothing_goes_on_while_something_is_at_work_in_the_environment_before(
    tmp_path: Path, status: str, words: str
) -> None:
    delivery, row = soaking(tmp_path)
    other = another(delivery, status=status)
    assert judged(row) == ["soak"]
    assert words in row.waits[0]["text"]
    assert other.label in row.waits[0]["text"]


def test_a_retry_of_what_failed_does_not_open_the_next_environment(tmp_path: Path) -> None:
    delivery, row = soaking(tmp_path)
    other = another(delivery, status="failed", **ago(20))
    assert judged(row) == ["soak"]
    services.retry(delivery.people.carol, deployment=other)
    Deployment.objects.filter(pk=other.pk).update(manual_start=True)  # it stays pending
    assert judged(row) == ["soak"]
    assert f"{other.label} is to run again in staging" in row.waits[0]["text"]


def test_what_never_began_there_holds_nothing(tmp_path: Path) -> None:
    delivery, row = soaking(tmp_path)
    other = another(delivery)
    Deployment.objects.filter(pk=other.pk).update(attempts=0, manual_start=True)
    assert judged(row) == ["dispatching"]


def test_a_repetition_that_is_called_off_disturbs_nothing(tmp_path: Path) -> None:
    delivery, row = soaking(tmp_path)
    older = another(delivery, status="failed", started_at=now() - timedelta(minutes=70), **ago(65))
    services.retry(delivery.people.carol, deployment=older)
    Deployment.objects.filter(pk=older.pk).update(manual_start=True)
    older.refresh_from_db()
    services.cancel(delivery.people.carol, deployment=older)
    assert judged(row) == ["dispatching"]


def test_what_has_started_is_not_stopped_by_what_comes_to_the_environment_before(tmp_path: Path) -> None:
    delivery, row = soaking(tmp_path)
    assert judged(row) == ["dispatching"]
    another(delivery, status="running")
    attempt = Attempt.objects.get(deployment=row)
    attempt.started_at = now() - timedelta(minutes=1)
    assert [wait.code for wait in waits_of(row)] == ["soak"]
    assert why_held(row, attempt, run_of(row, attempt, with_secrets=False), is_new=False) == ""
