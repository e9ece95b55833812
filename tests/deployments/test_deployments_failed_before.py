"""What failed in one environment does not go on to the next one because something newer put it right."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.changes.models import ChangeRequest
from apps.deployments import services
from apps.deployments.models import Deployment
from tests.support.delivery import Delivery, not_there, pipeline, run_until_idle

pytestmark = pytest.mark.django_db
STAGING = "! grep -q bad app/values.yaml"


def seen(delivery: Delivery, change: ChangeRequest, environment: str = "production") -> tuple[str, list[str]]:
    row = delivery.deployment(change, environment)
    return row.status, [wait["code"] for wait in row.waits]


def bad_and_fix(delivery: Delivery) -> tuple[ChangeRequest, ChangeRequest]:
    bad = delivery.merged("bad", {"app/values.yaml": "bad: 1\n"})
    run_until_idle()
    assert seen(delivery, bad, "staging")[0] == "failed"
    fix = delivery.merged("fix", {"app/values.yaml": "good: 1\n"})
    run_until_idle()
    return bad, fix


def test_only_the_fix_goes_on_and_what_failed_ends_with_it(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    delivery = Delivery.start(tmp_path, pipeline(STAGING, f"cat app/values.yaml >> {ran}"))
    bad, fix = bad_and_fix(delivery)
    assert seen(delivery, bad) == seen(delivery, fix) == ("succeeded", [])
    assert ran.read_text() == "good: 1\n", "what failed in staging never ran in production"


def test_by_hand_it_says_what_failed_and_what_goes_instead(tmp_path: Path) -> None:
    yaml = pipeline(STAGING, "true").replace("protected: true\n    deploy: {", "deploy: {start: manual, ")
    delivery = Delivery.start(tmp_path, yaml)
    bad, fix = bad_and_fix(delivery)
    row = delivery.deployment(bad, "production")
    services.release(delivery.people.carol, deployment=row)
    run_until_idle()
    assert seen(delivery, bad) == ("pending", ["promotion"])
    failed = delivery.deployment(bad)
    said = delivery.deployment(bad, "production").waits[0]["text"]
    assert said == (
        f"staging must come first; {failed.label} there is failed. {fix.label}, which contains {bad.label}, succeeded there "
        "and goes on instead."
    )
    assert seen(delivery, fix) == ("pending", ["manual"])
    services.release(delivery.people.carol, deployment=delivery.deployment(fix, "production"))
    run_until_idle()
    assert seen(delivery, bad) == seen(delivery, fix) == ("succeeded", []), "it ended with what contains it"


@pytest.mark.parametrize("status", ["cancelled", "unknown"])
def test_what_was_cancelled_or_is_unknown_does_not_go_on_either(tmp_path: Path, status: str) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    bad = delivery.merged("bad")
    Deployment.objects.filter(change=bad, environment__name="staging").update(status=status, attempts=1)
    fix = delivery.merged("fix", {"app/fix.yaml": "a: 1\n"})
    newer = Deployment.objects.filter(change=fix, environment__name="staging")
    newer.update(status="succeeded", ended_at=fix.merged_at, became_live=True)
    not_there(delivery.deployment(fix, "production"))
    run_until_idle()
    assert seen(delivery, bad) == ("pending", ["promotion"])
    assert "deploy that to production instead" in delivery.deployment(bad, "production").waits[0]["text"]


def test_what_is_repeated_with_success_goes_on(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    delivery = Delivery.start(tmp_path, pipeline(f"test ! -e {broken}", "true"))
    change = delivery.merged()
    run_until_idle()
    assert seen(delivery, change) == ("pending", ["promotion"])
    broken.unlink()
    services.retry(delivery.people.carol, deployment=delivery.deployment(change))
    run_until_idle()
    assert seen(delivery, change) == ("succeeded", [])


def test_what_failed_and_was_repeated_only_when_something_newer_was_live_is_not_good(tmp_path: Path) -> None:
    yaml = pipeline(STAGING, "true").replace("protected: true\n    deploy: {", "deploy: {start: manual, ")
    delivery = Delivery.start(tmp_path, yaml)
    bad = delivery.merged("bad", {"app/values.yaml": "bad: 1\n"})
    run_until_idle()
    fix = delivery.merged("fix", {"app/values.yaml": "good: 1\n"})
    services.retry(delivery.people.carol, deployment=delivery.deployment(bad))
    Deployment.objects.filter(pk=delivery.deployment(bad).pk).update(manual_start=True)
    run_until_idle()
    assert seen(delivery, fix, "staging")[0] == "succeeded"
    services.release(delivery.people.carol, deployment=delivery.deployment(bad))
    services.release(delivery.people.carol, deployment=delivery.deployment(bad, "production"))
    run_until_idle()
    assert seen(delivery, bad, "staging")[0] == "succeeded", "it ran nothing"
    assert seen(delivery, bad) == ("pending", ["promotion"])
    assert "did not succeed there by itself" in delivery.deployment(bad, "production").waits[0]["text"]


def test_what_never_ran_there_goes_on_with_the_newer_one_that_contains_it(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    one = delivery.merged("one")
    two = delivery.merged("two", {"app/two.yaml": "a: 1\n"})
    Deployment.objects.filter(change=one, environment__name="staging").update(manual_start=True)
    newer = Deployment.objects.filter(change=two, environment__name="staging")
    newer.update(status="succeeded", ended_at=two.merged_at, became_live=True)
    run_until_idle()
    assert seen(delivery, one)[0] == "succeeded"
