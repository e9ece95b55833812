"""The history of an environment beside its definition: every button can be reached, in Chromium."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from apps.core.clock import now
from apps.deployments.models import Deployment, Environment
from tests.support.sockets import cookie_of
from tests.support.watching import IN_CHROMIUM, Scene, apart

pytestmark = IN_CHROMIUM
TITLES = (
    "Two pods on staging",
    "Roll back CHG-3: Probe only once a minute",
    "apply-horizontal-pod-autoscaler-to-checkout",
)
CUT = """() => [...document.querySelectorAll('#environment-history tbody :is(a, .st, time, .btn)')].filter((one) => {
  const box = one.closest('.table-wrap').getBoundingClientRect(), place = one.getBoundingClientRect();
  return place.right > box.right - 4 || place.left < box.left + 4;
}).map((one) => one.textContent)"""
"""What is not whole in the box of the table, with a little room to its edge."""


def history(scene: Scene) -> None:
    """Three deployments that were live once, one of them a roll-back, and a newer one that is live now."""
    person = scene.delivery.people.alice
    type(person).objects.filter(pk=person.pk).update(display_name="Alexandrina Featherstone")
    rows = [scene.row, *(scene.delivery.deployment(scene.delivery.merged(f"c{at}")) for at in range(3))]
    for at, row in enumerate(rows):
        ended = now() - timedelta(hours=30 - at)
        kind = "rollback" if at == 1 else "forward"
        columns = {"status": "succeeded", "became_live": True, "started_at": ended, "ended_at": ended, "kind": kind}
        Deployment.objects.filter(pk=row.pk).update(**columns)
        type(row.change).objects.filter(pk=row.change_id).update(title=TITLES[at % 3])
    Environment.objects.filter(pk=row.environment_id).update(
        live_deployment=row, live_commit=row.commit, live_since=now()
    )


@pytest.mark.parametrize("width", [1280, 1241, 1100, 1024, 800, 360])
def test_no_button_of_the_history_is_cut(scene: Scene, width: int) -> None:
    apart(lambda: history(scene))
    name, value = apart(lambda: cookie_of(scene.delivery.people.carol)).split("=", 1)
    scene.context.add_cookies([{"name": name, "value": value, "url": f"http://127.0.0.1:{scene.port}"}])
    page = scene.context.new_page()
    page.set_viewport_size({"width": width, "height": 900})
    page.goto("/environments/infra/staging/")
    expect(page.locator("#environment-history .btn", has_text="Bring back…")).to_have_count(3)
    assert page.evaluate(CUT) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
