"""A deployment ends while somebody looks at it: everything is told, and nothing on the page moves, in Chromium."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from playwright.sync_api import Page, expect

from apps.core.clock import now
from apps.deployments.models import Attempt, Deployment, Step
from apps.presentation import first_error
from apps.runbooks.queries import Runbook
from tests.support.watching import IN_CHROMIUM, SHIFTS, Scene, apart

pytestmark = IN_CHROMIUM
SIZES = [(1440, 900), (1200, 700), (1920, 1080), (768, 1024), (360, 740)]
PROBLEM = "Step apply exited with 3."
OF_THE_STEP = (
    f"{PROBLEM} The last it said was that the quota of the shop in production is exceeded, which is longer than a row."
)


def end(scene: Scene, status: str, **others: Any) -> None:
    """As the recorder of runs ends it: the steps, the attempt, the deployment, and the event of each."""

    def write() -> None:
        first, second = Step.objects.order_by("position")
        with transaction.atomic():
            for step, ended in ((first, status), (second, "skipped" if status == "failed" else status)):
                problem = OF_THE_STEP if ended == "failed" else ""
                Step.objects.filter(pk=step.pk).update(status=ended, ended_at=now(), problem=problem)
            Attempt.objects.update(ended_at=now())
            Deployment.objects.filter(pk=scene.row.pk).update(status=status, ended_at=now(), **others)

    apart(write)
    scene.event(f"Step apply {status}.", kind="step", step="apply", status=status)
    scene.event(f"It {status}.", status=status)


def followed(scene: Scene, width: int, height: int) -> Page:
    """The page of a deployment that runs, at which nobody touches anything."""
    scene.run()
    scene.write(40)
    scene.write(1, text="Error: quota exceeded for the shop in production, ask the owner of it for more: attempt")
    page = scene.open()
    page.set_viewport_size({"width": width, "height": height})
    expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    page.wait_for_timeout(1_500)
    page.evaluate(SHIFTS)
    return page


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_acceptance_12_a_failure_with_its_error_and_runbooks_moves_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, width: int, height: int
) -> None:
    book = Runbook("infra", "quota", "Raise the quota", "docs/books/quota.md")
    monkeypatch.setattr(first_error, "suggested", lambda *_: [book])
    page = followed(scene, width, height)
    end(scene, "failed", problem=PROBLEM)
    expect(page.locator(".outcome")).to_contain_text(PROBLEM, timeout=15_000)
    expect(page.locator(".outcome")).to_contain_text("apply, line 41")
    expect(page.locator(".outcome")).to_contain_text("Runbook: Raise the quota")
    expect(page.locator(".steps-list")).to_contain_text("Never ran: apply failed before it.")
    expect(page.get_by_role("link", name="Retry…")).to_be_visible()
    still(page)


def test_acceptance_12_a_success_moves_nothing(scene: Scene) -> None:
    page = followed(scene, 1440, 900)
    end(scene, "succeeded")
    expect(page.locator(".outcome")).to_contain_text("It ended without an error.", timeout=15_000)
    expect(page.locator("#applied-done")).to_have_count(0)
    still(page)


def test_after_the_failure_the_page_says_what_a_reload_says(scene: Scene) -> None:
    page = followed(scene, 1440, 900)
    verify = page.locator("#step-verify .log-note")
    expect(verify).to_have_text("Not started yet: the steps before it come first.")
    fail_step(scene)
    expect(page.locator(".outcome")).to_contain_text("apply failed; the deployment has not ended yet.", timeout=15_000)
    expect(page.locator(".outcome")).not_to_contain_text("No error so far.")
    expect(page.locator(".thing-meta")).to_contain_text("after apply failed")
    end(scene, "failed", problem=PROBLEM)
    expect(verify).to_have_text("Never ran: apply failed before it.", timeout=15_000)
    expect(page.locator(".log-note")).to_have_count(1)
    page.reload()
    expect(verify).to_have_text("Never ran: apply failed before it.")


def fail_step(scene: Scene) -> None:
    """The step has failed, and the deployment has not ended yet."""
    apart(lambda: Step.objects.filter(name="apply").update(status="failed", ended_at=now(), problem=OF_THE_STEP))
    scene.event("Step apply failed.", kind="step", step="apply", status="failed")


def still(page: Page) -> None:
    page.wait_for_timeout(1_500)
    shifted = page.evaluate("window.shifted")
    assert shifted == [], shifted
