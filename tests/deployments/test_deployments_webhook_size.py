"""What a receiver reports has a bound in everything it may write: whoever follows the run reads all of it at each look."""

from __future__ import annotations

import pytest

from apps.core.errors import Conflict
from apps.deployments.models import Report
from tests.support.delivery import Delivery
from tests.support.outside import until
from tests.support.reporting import report, running

pytestmark = pytest.mark.django_db

LINK = "https://deployer.example.org/"


def test_what_no_page_shows_is_not_kept_and_what_is_kept_is_counted(delivery: Delivery) -> None:
    row = running(delivery)
    steps = [
        {"name": "n" * 900_000, "status": "running", "text": "t" * 900, "url": LINK + "u" * 900},
        {"name": "b", "status": "running", "url": LINK},
    ]
    kept = report(row, status="running", text="x" * 1_500, steps=steps)
    assert [len(kept.body["text"]), *(len(step["url"]) for step in kept.body["steps"])] == [1_000, 0, len(LINK)]
    assert kept.logged == 1_000 + 80 + len("running") + 400 + 1 + len("running") + len(LINK)
    assert report(row, status="running", text="x" * 1_500, steps=steps).pk == kept.pk, "a repeat is still one"


def test_beyond_all_bounds_only_the_end_of_a_run_is_taken(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.deployments.services.reporting.MOST_TOLD", 1_500)
    row = running(delivery)
    report(row, "m1", status="running", text="x" * 1_000)
    with pytest.raises(Conflict, match="only its end is still taken") as refused:
        report(row, "m2", status="running", text="y" * 1_000)
    assert refused.value.code == "too_many_reports"
    assert Report.objects.count() == 1
    report(row, "m3", status="failed", text="The quota is used up.")
    assert until(row, "failed").problem == "The quota is used up."
