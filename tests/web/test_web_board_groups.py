"""On the board what is true of an environment is told once, however many services of a repository it has."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.core.clock import now
from apps.deployments.models import DriftCheck, Environment
from apps.deployments.queries.board import Asked
from apps.deployments.services import lock_environment, merge_change
from apps.presentation.board import board_page
from tests.support.delivery import Delivery, run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)
SERVICES = """\
apiVersion: portal/v1
environments:
  staging:
    targets: {shop: {kind: manifests, path: shop}, till: {kind: manifests, path: till}}
  production:
    after: [staging]
    protected: true
    targets: {shop: {kind: manifests, path: shop}}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
windows:
  - {name: audit week, kind: freeze, environments: [staging], from: 2020-01-01T00:00Z, to: 2099-01-01T00:00Z}
"""


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    """Two services in staging, which is frozen and locked; one of them in production."""
    found = Delivery.start(tmp_path, SERVICES)
    run_until_idle()
    staging = Environment.objects.get(name="staging")
    lock_environment(found.people.carol, environment=staging, reason="A rehearsal", until=now() + timedelta(minutes=30))
    return found


def rows_of(user: User) -> dict[str, str]:
    client = Client()
    client.force_login(user, backend="apps.accounts.backends.PortalBackend")
    html = client.get("/environments/", headers={"HX-Request": "true"}).content.decode()
    return dict(re.findall(r'<tr[^>]* id="([^"]*)"[^>]*>(.*?)</tr>', html, re.DOTALL))


def test_a_freeze_and_a_lock_are_told_once_above_the_services(delivery: Delivery) -> None:
    rows = rows_of(delivery.people.bob)
    assert list(rows) == ["board-head-infra", "board-infra:shop", "board-infra:till"]
    told = {name: (html.count("Frozen"), html.count("Locked"), html.count("data-lasts")) for name, html in rows.items()}
    assert told == {"board-head-infra": (1, 1, 2), "board-infra:shop": (0, 0, 0), "board-infra:till": (0, 0, 0)}
    cells = {name: re.findall(r'<td class="board-none">|<td data-label="([^"]*)"', html) for name, html in rows.items()}
    everywhere = ["staging", "production"]
    assert cells == {
        "board-head-infra": everywhere,
        "board-infra:shop": everywhere,
        "board-infra:till": ["staging", ""],
    }


def merged(delivery: Delivery) -> None:
    change = delivery.proposed("one", {"shop/map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n"})
    run_until_idle()  # its effect is known
    delivery.approve(change)
    merge_change(delivery.people.alice, change=change)
    run_until_idle()


def test_the_two_words_are_told_once_above_the_services_that_one_deployment_brings(delivery: Delivery) -> None:
    merged(delivery)
    rows = rows_of(delivery.people.bob)
    words = ("1 waiting", "Behind by 1 change", "Health not checked", "Nothing live")
    told = {name: [html.count(one) for one in words] for name, html in rows.items()}
    assert told == {
        "board-head-infra": [2, 2, 2, 2],
        "board-infra:shop": [0, 0, 0, 2],
        "board-infra:till": [0, 0, 0, 1],
    }


def test_each_service_says_how_it_was_found_itself(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, SERVICES.partition("windows:")[0])
    merged(delivery)
    staging = Environment.objects.get(name="staging")
    live = staging.live_deployment
    assert live is not None
    looked = {"environment": staging, "deployment": live, "commit": live.commit, "way": "rendered", "checked_at": now()}
    DriftCheck.objects.create(**looked, target="till", state="in_sync", health="healthy", health_since=now())
    drifted = {"state": "drifted", "health": "degraded", "health_since": now(), "marks": [["m", "ConfigMap one"]]}
    DriftCheck.objects.create(**looked, target="shop", since=now(), **drifted)
    rows = rows_of(delivery.people.bob)
    assert "Degraded" in rows["board-head-infra"], "the worst of all of them"
    assert "Drift: 1 field in 1 resource" in rows["board-head-infra"]
    assert "Degraded" in rows["board-infra:shop"]
    assert "Drift: 1 field in 1 resource" in rows["board-infra:shop"]
    assert "Healthy" in rows["board-infra:till"]
    assert "In sync" in rows["board-infra:till"]
    assert live.commit[:10] in rows["board-infra:till"]
    DriftCheck.objects.update(checked_at=now() - timedelta(days=1))
    old = rows_of(delivery.people.bob)
    assert "Drift: not checked" in old["board-head-infra"]
    for service in ("shop", "till"):
        assert not re.search("Healthy|Degraded|In sync|Drift", old[f"board-infra:{service}"]), (
            "old news is told once, above"
        )


def test_one_service_alone_has_everything_in_its_row(delivery: Delivery) -> None:
    Environment.objects.filter(name="staging").update(targets=["shop"])
    rows = rows_of(delivery.people.bob)
    assert list(rows) == ["board-infra:shop"]
    assert (rows["board-infra:shop"].count("Frozen"), rows["board-infra:shop"].count("Locked")) == (1, 1)


def test_what_is_told_above_changes_the_stamp_of_that_line_alone(delivery: Delivery) -> None:
    def stamps() -> list[str]:
        found = board_page(delivery.people.bob, Asked()).rows
        return [found[0].head_stamp, *(row.stamp for row in found)]

    before = stamps()
    Environment.objects.get(name="staging").locks.update(ended_at=now())
    after = stamps()
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, True, True]
