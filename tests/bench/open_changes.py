"""Queue and list of changes where all of 10,000 are in review, against the same pages with 100, on two servers, in turn."""

from __future__ import annotations

from tests.bench.list_pages import compared
from tests.bench.measuring import Plan, Result

PAGES = ("/queue/", "/changes/", "/changes/?q=state%3Aopen")


def run(plan: Plan) -> Result:
    return compared(plan, "open", PAGES)
