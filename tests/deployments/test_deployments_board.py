"""What the board reads: rows of services, the two words of a cell, filters, pages."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.core.clock import now
from apps.deployments import services
from apps.deployments.models import Deployment, Environment, EnvironmentLock
from apps.deployments.queries.board import ROWS, Asked, board_rows, places_of
from apps.deployments.queries.ledger import brought_by, live_at
from apps.deployments.queries.locks import lock_of
from apps.deployments.services import merge_change
from apps.presentation.board import BoardRow, board_page
from apps.presentation.environment_page import environment_page
from apps.repositories.models import Repository, RepositoryRole
from tests.support.delivery import Delivery, pipeline, run_until_idle
from tests.support.people import cast

pytestmark = pytest.mark.django_db(transaction=True)

TARGETS = """\
apiVersion: portal/v1
environments:
  staging:
    targets:
      shop: {kind: manifests, path: shop/staging}
      till: {kind: manifests, path: till/staging}
  production:
    after: [staging]
    targets:
      shop: {kind: manifests, path: shop/production}
"""


def seed(user: User, count: int, *, targets: int = 2) -> None:
    """Repositories r00, r01 … with the environments one and two; two has the first target only."""
    for number in range(count):
        repository = Repository.objects.create(
            name=f"r{number:02}", url="/nowhere", default_branch="main", created_by=user, webhook_secret=""
        )
        RepositoryRole.objects.create(repository=repository, user=user, role="viewer")
        names = [f"s{index}" for index in range(targets)]
        Environment.objects.create(repository=repository, name="one", position=0, targets=names)
        Environment.objects.create(repository=repository, name="two", position=1, targets=names[:1])


def keys(user: User, **asked: object) -> list[tuple[str, str]]:
    return [row.key for row in board_rows(user, Asked(**asked)).rows]  # type: ignore[arg-type]


def test_targets_of_the_policy_are_the_rows(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, TARGETS)
    run_until_idle()
    board = board_page(delivery.people.bob, Asked())
    assert board.columns == ("staging", "production")
    assert [(row.repository, row.service) for row in board.rows] == [("infra", "shop"), ("infra", "till")]
    shop, till = board.rows
    assert all(shop.cells)
    assert till.cells[0] is not None
    assert till.cells[1] is None


def test_pages_of_the_board_show_every_row_once() -> None:
    people = cast()
    seed(people.bob, 20)
    seen: list[tuple[str, str]] = []
    after, more = ("", ""), True
    while more:
        page = board_rows(people.bob, Asked(after=after))
        assert len(page.rows) <= ROWS
        seen += [row.key for row in page.rows]
        after, more = page.rows[-1].key, page.more
    assert seen == [(f"r{number:02}", f"s{index}") for number in range(20) for index in range(2)]


def test_no_two_rows_share_an_id() -> None:
    assert BoardRow("shop", "api-x", 0, ()).anchor != BoardRow("shop-api", "x", 0, ()).anchor


def test_a_search_finds_services_and_repositories_and_nothing_of_others() -> None:
    people = cast()
    seed(people.bob, 3)
    assert keys(people.bob, q="s1") == [("r00", "s1"), ("r01", "s1"), ("r02", "s1")]
    assert keys(people.bob, q="R01") == [("r01", "s0"), ("r01", "s1")]
    assert keys(people.bob, q='", "') == []
    assert keys(people.bob, environment="two") == [("r00", "s0"), ("r01", "s0"), ("r02", "s0")]
    assert keys(people.bob, environment="t*", repository="r01") == [("r01", "s0")]
    assert keys(people.mallory) == []


def deployed(environment: Environment, status: str, number: int, change: object) -> Deployment:
    over = status in {"succeeded", "failed", "cancelled"}
    return Deployment.objects.create(
        number=number, change=change, environment=environment, status=status, commit="a" * 40, plan={},
        requested_by=environment.repository.created_by, queued_at=now(), ended_at=now() if over else None,
    )  # fmt: skip


def test_states_filter_what_the_words_say(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, TARGETS)
    change = delivery.proposed()
    run_until_idle()
    bob = delivery.people.bob
    staging, production = Environment.objects.filter(repository=delivery.repository).order_by("position")
    assert {cell.health for row in board_page(bob, Asked()).rows for cell in row.cells if cell} == {"not_checked"}
    deployed(production, "failed", 900, change)
    assert keys(bob, state="failed") == [("infra", "shop")]
    assert keys(bob, state="deploying") == []
    deployed(production, "pending", 902, change)
    assert keys(bob, state="failed") == [("infra", "shop")], "what waits has not ended, and hides nothing"
    Deployment.objects.filter(number=902).update(status="cancelled", ended_at=now())
    assert keys(bob, state="failed") == [("infra", "shop")], "nor does what was cancelled before anything ran"
    deployed(staging, "unknown", 901, change)
    assert keys(bob, state="unknown") == [("infra", "shop"), ("infra", "till")]
    words = {cell.environment.name: cell.health for row in board_page(bob, Asked()).rows for cell in row.cells if cell}
    assert words == {"staging": "unknown", "production": "deploy_failed"}


def test_nothing_is_called_healthy_or_synced_that_no_check_has_looked_at(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    merge_change(delivery.people.alice, change=delivery.approved())
    run_until_idle()
    cells = [cell for row in board_page(delivery.people.bob, Asked()).rows for cell in row.cells if cell]
    assert [cell.environment.live_commit for cell in cells] == [cells[0].environment.live_commit] * 2
    assert {(cell.sync, cell.health, cell.drift and cell.drift.key) for cell in cells} == {
        ("up_to_date", "not_checked", "drift_never")
    }


def test_what_is_live_is_what_was_deployed_not_what_was_merged_last(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline(production="exit 3"))
    first = delivery.approved("one")
    merge_change(delivery.people.alice, change=first)
    run_until_idle()
    bob = delivery.people.bob
    cells = {cell.environment.name: cell for row in board_page(bob, Asked()).rows for cell in row.cells if cell}
    assert cells["staging"].sync == "up_to_date"
    assert cells["production"].place.live is None
    assert (cells["production"].sync, cells["production"].health) == ("behind", "deploy_failed")
    assert cells["production"].behind_words == "by 1 change"
    assert keys(bob, behind=True) == [("infra", "")]
    assert keys(bob, behind=True, environment="staging") == []


def test_deploying_again_what_is_live_or_inside_it_is_not_behind(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline(production="exit 3"))
    bob = delivery.people.bob
    inside, live = delivery.merged("one"), delivery.merged("two")
    run_until_idle()
    staging = Environment.objects.get(repository=delivery.repository, name="staging")
    assert staging.live_deployment is not None
    assert staging.live_deployment.change == live
    for number, status in enumerate(["pending", "cancelled", "failed"], start=900):
        deployed(staging, status, number, live if status != "failed" else inside)
        assert places_of({staging.pk})[staging.pk].behind == 0, status
        assert keys(bob, behind=True, environment="staging") == []
    later = delivery.merged("three")
    assert Deployment.objects.filter(change=later, environment=staging, status="pending").exists()
    assert places_of({staging.pk})[staging.pk].behind == 1
    assert keys(bob, behind=True, environment="staging") == [("infra", "")]


def test_a_freeze_is_a_word_of_the_cell_and_a_filter(tmp_path: Path) -> None:
    ends = now().replace(microsecond=0, second=0) + timedelta(days=3)
    freeze = (
        "windows:\n  - {name: audit week, kind: freeze, environments: [production], "
        f"from: 2020-01-01T00:00+00:00, to: {ends.isoformat(timespec='minutes')}}}\n"
    )
    delivery = Delivery.start(tmp_path, pipeline() + freeze)
    run_until_idle()
    board = board_page(delivery.people.bob, Asked(state="frozen"))
    staging, production = board.rows[0].cells
    assert staging is not None
    assert production is not None
    assert (staging.health, production.health) == ("not_checked", "not_checked")
    assert (staging.frozen_until, bool(production.frozen_until)) == ("", True)
    assert board_page(delivery.people.bob, Asked(state="frozen", environment="staging")).rows == ()
    page = environment_page(delivery.people.bob, "infra", "production")
    assert page.windows.state == "frozen"
    assert page.windows.next_slot == ends


def test_the_history_says_what_each_deployment_brought(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    changes = []
    for name in ("one", "two"):
        changes.append(delivery.approved(name))
        merge_change(delivery.people.alice, change=changes[-1])
        run_until_idle()
    staging = delivery.repository.environments.get(name="staging")
    rows = list(staging.deployments.order_by("number"))
    brought = brought_by(staging, rows)
    assert [[one.number for one in brought[row.pk].changes] for row in rows] == [[one.number] for one in changes]
    assert brought[rows[0].pk].earlier is None
    assert brought[rows[1].pk].earlier == rows[0]
    assert brought_by(staging, rows[1:])[rows[1].pk].earlier == rows[0]


def test_what_was_live_at_a_moment_is_read_from_the_ledger(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    merge_change(delivery.people.alice, change=delivery.approved())
    run_until_idle()
    staging = delivery.repository.environments.get(name="staging")
    row = staging.deployments.get()
    assert row.ended_at is not None
    assert live_at(staging, row.ended_at) == row
    assert live_at(staging, row.ended_at - timedelta(seconds=1)) is None
    assert places_of([staging.pk])[staging.pk].live == row


def test_a_lock_of_a_person_is_told_in_the_cell_and_is_a_filter(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, TARGETS)
    run_until_idle()
    bob, carol = delivery.people.bob, delivery.people.carol
    production = Environment.objects.get(repository=delivery.repository, name="production")
    before = {cell.environment.name: cell.stamp for cell in board_page(bob, Asked()).rows[0].cells if cell}
    lock = services.lock_environment(carol, environment=production, reason="a migration")
    cells = {cell.environment.name: cell for cell in board_page(bob, Asked()).rows[0].cells if cell}
    assert (cells["staging"].place.lock, cells["production"].place.lock) == (None, lock)
    assert cells["production"].has_notes
    assert cells["staging"].stamp == before["staging"]
    assert cells["production"].stamp != before["production"]
    client = Client()
    client.force_login(bob)
    shown = " ".join(client.get("/environments/").content.decode().split())
    assert re.search(r"Locked</span></a> <span>by Carol until <time", shown)
    assert '<option value="locked">Locked</option>' in shown
    answer = client.get("/api/v1/environments/board/").json()["results"][0]["cells"]
    assert [cell["locked_by"] for cell in answer] == [None, "carol"]
    assert keys(bob, state="locked") == [("infra", "shop")]
    EnvironmentLock.objects.filter(pk=lock.pk).update(until=now() - timedelta(seconds=1))
    assert keys(bob, state="locked") == [], "one that has run out holds nothing"
    assert places_of({production.pk})[production.pk].lock is None


def test_who_holds_a_lock_extends_it_and_others_take_it_over(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, TARGETS)
    run_until_idle()
    delivery.repository.roles.filter(user=delivery.people.kim).update(role="deployer")
    production = Environment.objects.get(repository=delivery.repository, name="production")
    held = services.lock_environment(delivery.people.carol, environment=production, reason="a migration")
    holder, other = Client(), Client()
    holder.force_login(delivery.people.carol)
    other.force_login(delivery.people.kim)
    address = "/environments/infra/production/"
    assert "Take over" not in holder.get(address).content.decode()
    assert "Extend your lock…" in holder.get(address).content.decode()
    assert "Take over the lock…" in other.get(address).content.decode()
    form = holder.get(f"{address}lock/").content.decode()
    assert "Extend it" in form
    assert 'value="a migration"' in form
    assert holder.post(f"{address}lock/", {"reason": "a migration", "hours": "8"}).status_code == 303
    assert lock_of(production) != held
    assert not AuditEntry.objects.filter(action="environment.lock_taken_over").exists()
