"""Every verdict that opened a gate is kept with its inputs, and judging them again gives exactly the same."""

from __future__ import annotations

from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.deployments import services
from apps.deployments.models import Attempt, GateAlong, MergeIntent
from apps.deployments.queries.verdicts import past_verdicts
from apps.reviews.services import submit_review
from tests.support.delivery import Delivery, pipeline, run_until_idle

pytestmark = pytest.mark.django_db
GATE = (
    "  - {name: release, stage: deploy, when: {environments: [production]}, needs: {approvals: 1, from: [user/kim]}}\n"
)


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    found = Delivery.start(tmp_path, pipeline("true", "true", rules=GATE))
    change = found.merged()
    run_until_idle()
    submit_review(
        found.people.kim, change=change, revision=1, verdict="approve", stage="deploy", environment="production"
    )
    run_until_idle()
    return found


def replayed() -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    with suppress(SystemExit):
        call_command("replay_verdicts", stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_merge_and_the_gate_of_the_protected_environment_are_on_record(delivery: Delivery) -> None:
    found = list(past_verdicts())
    assert [(one.what, one.environment, one.is_equal) for one in found] == [
        ("merge", "", True),
        ("d-2-1", "production", True),
    ]
    assert all(one.verdict["allowed"] for one in found)
    assert "kim approved" in str(found[1].verdict)
    assert Attempt.objects.get(deployment__number=1).verdict == {}  # staging has no gate
    assert replayed()[0] == "ok: 2 verdicts, each equal to what its record gives\n"


def test_a_verdict_that_was_made_up_afterwards_is_found(delivery: Delivery) -> None:
    row = MergeIntent.objects.get()
    row.verdict["summary"] = "Ready, believe me."
    row.save()
    assert "DIFFERS: CHG-1 merge" in replayed()[1]


@pytest.mark.parametrize("what", ["reviews", "people"])
def test_facts_that_were_changed_afterwards_are_found(delivery: Delivery, what: str) -> None:
    row = Attempt.objects.exclude(verdict={}).get()
    row.verdict["inputs"]["facts"][what] = []
    row.save()
    assert "DIFFERS: CHG-1 d-2-1 production" in replayed()[1]


def test_a_damaged_record_differs_and_stops_nothing(delivery: Delivery) -> None:
    MergeIntent.objects.update(verdict={"allowed": True, "inputs": ["no", "mapping"]})
    assert "no mapping" in replayed()[1]
    MergeIntent.objects.update(verdict={"allowed": True})
    out, err = replayed()
    assert (out, err.count("DIFFERS")) == ("", 1)
    assert "records of version None are not understood" in err


def test_the_gate_of_what_came_along_is_on_record_with_the_start_that_brought_it(tmp_path: Path) -> None:
    only_db = GATE.replace("[production]}", "[production], paths: ['db/**']}")
    delivery = Delivery.start(tmp_path, pipeline("true", "true", rules=only_db))
    held, newer = delivery.merged("one", {"db/one.sql": "DROP TABLE x;\n"}), delivery.merged("two", {"app/two": "2\n"})
    run_until_idle()
    services.cancel(delivery.people.carol, deployment=delivery.deployment(held, "production"))
    submit_review(
        delivery.people.kim, change=held, revision=1, verdict="approve", stage="deploy", environment="production"
    )
    run_until_idle()
    started = delivery.deployment(newer, "production")
    assert started.status == "succeeded"
    (found,) = (one for one in past_verdicts(held) if one.what != "merge")
    assert (found.what, found.environment, found.is_equal) == (f"{started.label}-1", "production", True)
    assert "kim approved" in str(found.verdict)
    assert "ok: " in replayed()[0]
    row = GateAlong.objects.get(change=held)
    row.verdict["summary"] = "Ready, believe me."
    row.save()
    assert f"DIFFERS: {held.label} {started.label}-1 production" in replayed()[1]


def test_a_retry_is_judged_and_kept_anew(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "test -e app/fixed", rules=GATE))
    change = delivery.merged()
    submit_review(
        delivery.people.kim, change=change, revision=1, verdict="approve", stage="deploy", environment="production"
    )
    run_until_idle()
    row = delivery.deployment(change, "production")
    assert row.status == "failed"
    services.retry(delivery.people.alice, deployment=row)
    run_until_idle()
    assert [one.what for one in past_verdicts(change)] == ["merge", "d-2-1", "d-2-2"]


def test_the_command_names_a_change_that_is_not_there(db: None) -> None:
    with pytest.raises(CommandError, match="no CHG-7"):
        call_command("replay_verdicts", "--change", "7")
