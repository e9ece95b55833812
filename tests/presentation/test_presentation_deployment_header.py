"""The header of a deployment: how long it usually takes, the first error of a failure, and the runbook that is for it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from apps.core.clock import now
from apps.deployments.models import Attempt, Deployment, Step
from apps.deployments.queries.usual import usual_duration
from apps.deployments.services import set_secret
from apps.presentation import spans
from apps.presentation.deployment_page import deployment_page
from tests.support.delivery import Delivery, pipeline, run_until_idle

pytestmark = pytest.mark.django_db
FAILS = "echo one; echo 'Error: quota exceeded with '$TOKEN; echo 'error: the second'; exit 1"
RUNBOOK = """---
for: {steps: [apply], environments: [staging], words: ["Quota Exceeded"], paths: ["app/**"]}
---
# Raise the quota
"""
OTHERS = {
    "docs/books/none.md": "# Never suggested\n",
    "docs/books/elsewhere.md": "---\nfor: {environments: [production]}\n---\n# Elsewhere\n",
    "docs/books/paths.md": "---\nfor: {paths: ['db/**'], steps: [apply]}\n---\n# Other paths\n",
    "docs/books/general.md": "---\ntitle: x\nfor: {steps: [apply]}\n---\n# When apply fails\n",
    "docs/books/broken.md": "---\nfor: {step: [apply]}\n---\n# Broken\n",
}


@pytest.fixture
def failed(tmp_path: Path) -> tuple[Delivery, Deployment]:
    files = {"docs/books/quota.md": RUNBOOK, **OTHERS}
    delivery = Delivery.start(tmp_path, pipeline(FAILS) + "runbooks: docs/books\n", files)
    row = delivery.deployment(delivery.merged())
    set_secret(delivery.people.carol, environment=row.environment, name="TOKEN", value="hunter2-hunter2")
    run_until_idle()
    row.refresh_from_db()
    assert row.status == "failed"
    return delivery, row


def page_of(delivery: Delivery, address: str) -> str:
    client = Client()
    client.force_login(delivery.people.alice)
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def test_after_a_failure_the_header_repeats_the_first_error_masked_and_links_to_its_line(
    failed: tuple[Delivery, Deployment],
) -> None:
    delivery, row = failed
    error = deployment_page(delivery.people.alice, row.number).error
    assert error is not None
    assert (error.step, error.number) == ("apply", 2)
    assert error.text == "Error: quota exceeded with •••• masked"
    assert error.url == f"/deployments/{row.number}/?attempt=1&step=apply&line=2#step-apply-L2"
    shown = page_of(delivery, f"/deployments/{row.number}/_header/")
    assert "apply, line 2" in shown
    assert "quota exceeded" in shown
    assert "hunter2" not in shown


def test_the_runbook_that_names_more_of_it_comes_first_and_one_that_does_not_fit_never(
    failed: tuple[Delivery, Deployment],
) -> None:
    delivery, row = failed
    error = deployment_page(delivery.people.alice, row.number).error
    assert error is not None
    assert [one.title for one in error.runbooks] == ["Raise the quota", "When apply fails"]
    assert 'href="/runbooks/infra/quota/"' in page_of(delivery, f"/deployments/{row.number}/")


def test_the_head_of_a_runbook_is_no_part_of_its_text_and_a_wrong_one_is_told(
    failed: tuple[Delivery, Deployment],
) -> None:
    delivery, _ = failed
    assert "Quota Exceeded" not in page_of(delivery, "/runbooks/infra/quota/")
    broken = page_of(delivery, "/runbooks/infra/broken/")
    assert "It is never suggested" in broken
    assert "The key `step` is not known" in broken


def test_a_failure_without_a_line_like_an_error_and_a_success_show_none(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("echo quiet; exit 3"))
    row = delivery.deployment(delivery.merged())
    run_until_idle()
    assert deployment_page(delivery.people.alice, row.number).error is None
    other = delivery.deployment(delivery.merged("two"))
    assert deployment_page(delivery.people.alice, other.number).error is None


def succeed(row: Deployment, seconds: float, *, from_step: int = 0, ran: bool = True) -> None:
    """An ended attempt of ``row`` that took so long."""
    end = now()
    begin = end - timedelta(seconds=seconds)
    attempt = Attempt.objects.create(
        deployment=row, number=1, key=f"k{row.number}", from_step=from_step, outcome="succeeded", started_at=begin, ended_at=end
    )  # fmt: skip
    Step.objects.create(attempt=attempt, position=0, name="apply", launched_at=begin if ran else None)
    Deployment.objects.filter(pk=row.pk).update(status="succeeded", started_at=begin, ended_at=end)


def test_usual_is_said_only_with_enough_runs_and_only_of_those_that_ran_from_the_first_step(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    seconds = [200, 240, 300, 330, 900]
    for index, length in enumerate(seconds[:-1]):
        succeed(delivery.deployment(delivery.merged(f"c{index}")), length)
    succeed(delivery.deployment(delivery.merged("part")), 1, from_step=1)
    succeed(delivery.deployment(delivery.merged("nothing")), 1, ran=False)
    row = delivery.deployment(delivery.merged("now"))
    assert usual_duration(row.environment) is None, "four say nothing"
    assert "usually" not in page_of(delivery, f"/deployments/{row.number}/")
    succeed(delivery.deployment(delivery.merged("fifth")), seconds[-1])
    usual = usual_duration(row.environment)
    assert usual is not None
    assert [round(one) for one in (usual.low, usual.high, usual.runs)] == [240, 330, 5]
    assert "usually 4–6 min" in page_of(delivery, f"/deployments/{row.number}/")
    Deployment.objects.filter(pk=row.pk).update(status="running", started_at=now() - timedelta(seconds=600))
    assert "longer than usual: usually 4–6 min" in page_of(delivery, f"/deployments/{row.number}/")


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.1, 0.4, "up to 5 s"),
        (41, 58, "40–60 s"),
        (240, 360, "4–6 min"),
        (170, 170, "2–3 min"),
        (180, 180, "about 3 min"),
        (5000, 9000, "1–3 h"),
        (50, 400, "up to 7 min"),
    ],
)
def test_a_length_is_rounded_outwards(low: float, high: float, words: str) -> None:
    assert spans.between(low, high) == words
