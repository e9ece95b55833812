"""How many queries each page makes, as data; a page that starts to make more fails with its list.

``UPDATE_QUERY_COUNTS=1`` writes query_budgets.json anew; the difference is read in review.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.changes import services as changes
from apps.reviews.services import submit_review
from tests.support.delivery import Delivery, run_jobs
from tests.support.repositories import pushed
from tests.web.conftest import World

FILE = Path(__file__).parent / "query_budgets.json"
BUDGETS: dict[str, int] = json.loads(FILE.read_text())


def queries(client: Client, url: str, *, whole: bool = False) -> list[str]:
    client.get(url)  # sessions and URL tables are warm, as they are in a running portal
    with CaptureQueriesContext(connection) as seen:
        assert client.get(url).status_code == 200
    return [row["sql"] if whole else row["sql"][:160] for row in seen.captured_queries]


def test_pages_keep_their_query_budgets(world: World, as_: Callable[[str], Client]) -> None:
    bob = as_("bob")
    counted: dict[str, int] = {}
    for url, budget in BUDGETS.items():
        made = queries(bob, url.replace("{open}", str(world.numbers["open"])))
        if os.environ.get("UPDATE_QUERY_COUNTS"):
            counted[url] = len(made)
            continue
        assert len(made) <= budget, f"{url}: {len(made)} queries, budget {budget}\n" + "\n".join(made)
    if counted:
        FILE.write_text(json.dumps(counted, indent=2) + "\n")


def test_the_list_and_the_queue_make_as_many_queries_for_many_changes(
    world: World, as_: Callable[[str], Client]
) -> None:
    bob = as_("bob")
    before = {url: len(queries(bob, url)) for url in ("/changes/", "/queue/")}
    for number in range(30):
        changes.create_change(world.people.kim, repository=world.repository, title=f"Wish {number}")
    cache.clear()
    for url, count in before.items():
        assert len(queries(bob, url)) <= count, url


PLANNED = """\
apiVersion: portal/v1
environments:
  staging:
    targets: {web: {kind: manifests, path: app}}
    deploy: {via: local, steps: [{name: apply, run: 'true', timeout: 60s}]}
emergency: {from: [user/bob], approvals: 1, reviewWithin: 1h}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""


@pytest.mark.django_db
@pytest.mark.parametrize("later", ["", "broken"])
def test_no_page_of_a_change_asks_the_same_question_twice(tmp_path: Path, later: str) -> None:
    delivery = Delivery.start(tmp_path, PLANNED)
    if later:
        delivery.work.commit("a policy that cannot be read", files={".gitops/portal.yaml": "rules: ["})
        pushed(delivery.repository, delivery.work, "main:refs/heads/main")
    change = delivery.proposed()
    submit_review(delivery.people.kim, change=change, revision=1, verdict="comment", body="Why?")
    run_jobs("changes.plan_renderings", "reviews.refresh_reviewers")
    client = Client()
    client.force_login(delivery.people.bob)
    for part in ("", "diff/", "approvals/", "deployments/", "_verdict/", "_reviewers/"):
        made = Counter(queries(client, f"/changes/{change.number}/{part}", whole=True))
        assert [sql for sql, count in made.items() if count > 1] == [], part
