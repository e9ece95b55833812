"""Two environments on one commit are equal only if both were looked at lately, and run as they were deployed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.core.clock import now
from apps.deployments.dispatchers.drift import Finding
from apps.deployments.models import DriftAcceptance, DriftCheck, Environment
from apps.deployments.services import ask_comparison, merge_change
from apps.presentation.comparison_page import Asked, Comparison, compared_of, comparison_page
from tests.support.delivery import Delivery, run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)
POLICY = """\
apiVersion: portal/v1
environments:
  staging: {targets: {shop: {kind: manifests, path: shop}}}
  production: {targets: {shop: {kind: manifests, path: shop}}}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""
SHOP = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop, namespace: web}\nspec: {replicas: %d}\n"
BOTH = Asked("infra/staging", "infra/production")
REPLICAS = Finding("Deployment web/shop", "field", "spec.replicas", "2", "5", is_exact=True)
COMPARE = "/environments/compare/?from=infra%2Fstaging&to=infra%2Fproduction"


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    """One commit is live in both, and its comparison is rendered."""
    found = Delivery.start(tmp_path, POLICY, {"shop/all.yaml": SHOP % 1})
    change = found.proposed("two", {"shop/all.yaml": SHOP % 2})
    run_until_idle()
    found.approve(change)
    merge_change(found.people.alice, change=change)
    run_until_idle()
    ask_comparison(found.people.bob, compared=compared_of(found.people.bob, BOTH))
    run_until_idle()
    return found


def looked(environment: str, *findings: Finding, target: str = "shop", **columns: Any) -> DriftCheck:
    """As if a check of the environment had just ended."""
    row = Environment.objects.get(name=environment)
    assert row.live_deployment is not None
    marks = [[one.mark(target), one.resource] for one in findings]
    state = DriftCheck.State.DRIFTED if findings else DriftCheck.State.IN_SYNC
    DriftCheck.objects.filter(environment=row, target=target).update(is_latest=False)
    usual = {
        "environment": row, "deployment": row.live_deployment, "commit": row.live_commit, "target": target, "way": "kubernetes",
        "state": state, "marks": marks, "checked_at": now(), "looked_at": 1, "since": now() if findings else None,
        "findings": [{**one.to_dict(), "mark": mark} for one, (mark, _) in zip(findings, marks, strict=True)],
    }  # fmt: skip
    return DriftCheck.objects.create(**(usual | columns))


def page_of(delivery: Delivery, asked: Asked = BOTH) -> Comparison:
    return comparison_page(delivery.people.bob, asked)


def html(delivery: Delivery, url: str = COMPARE) -> str:
    client = Client()
    client.force_login(delivery.people.bob, backend="apps.accounts.backends.PortalBackend")
    return client.get(url).content.decode()


def told(delivery: Delivery) -> dict[str, Any]:
    client = Client()
    client.force_login(delivery.people.bob, backend="apps.accounts.backends.PortalBackend")
    found: dict[str, Any] = client.get(COMPARE.replace("/environments", "/api/v1/environments", 1)).json()
    return found


def test_what_nobody_checked_is_equal_only_as_it_was_deployed(delivery: Delivery) -> None:
    shown = html(delivery)
    assert "nothing differs as deployed" in shown
    assert "equal, as they were deployed" in shown
    assert shown.count("Drift: never checked") == 2
    assert 'href="/environments/infra/production/drift/"' in shown
    found = told(delivery)
    assert (found["from"]["drift"], found["to"]["drift"], found["to"]["drift_checked_at"]) == ("never", "never", None)
    assert (found["targets"][0]["as_it_runs"], found["targets"][0]["drift"]) == (False, [])
    looked("staging")
    assert "nothing differs as deployed" in html(delivery)  # production is still not known


def test_nothing_differs_where_both_were_checked_and_are_in_sync(delivery: Delivery) -> None:
    looked("staging")
    looked("production")
    shown = html(delivery)
    assert "nothing differs</span>" in shown
    assert "as they were deployed" not in shown
    assert told(delivery)["targets"][0]["as_it_runs"] is True


def test_what_a_check_found_is_a_difference_with_the_reason_drift(delivery: Delivery) -> None:
    looked("staging")
    looked("production", REPLICAS)
    page = page_of(delivery)
    assert page.counts == {"drift": 1}
    shown = html(delivery)
    for words in ("nothing differs as deployed", "Deployment web/shop", "spec.replicas", '<bdi class="mono">5</bdi>',
                  "Drift 1", "Drift: 1 field in 1 resource", "checked <time"):  # fmt: skip
        assert words in shown, words
    [staging, production] = told(delivery)["targets"][0]["drift"]
    assert (staging["side"], staging["state"], staging["findings"]) == ("from", "in_sync", [])
    assert (production["side"], production["state"]) == ("to", "drifted")
    [finding] = production["findings"]
    assert (finding["reason"], finding["path"], finding["wanted"], finding["found"], finding["accepted"]) == (
        "drift", "spec.replicas", "2", "5", None
    )  # fmt: skip


def test_what_somebody_accepted_is_marked_so(delivery: Delivery) -> None:
    looked("staging")
    check = looked("production", REPLICAS)
    DriftAcceptance.objects.create(
        environment=check.environment, target="shop", mark=check.marks[0][0], resource=REPLICAS.resource, reason="a sale",
        accepted_by=delivery.people.carol, accepted_at=now(), until=now() + timedelta(days=1),
    )  # fmt: skip
    assert page_of(delivery).counts == {"drift_accepted": 1}
    shown = html(delivery)
    assert "Drift accepted" in shown
    assert "nothing differs as deployed" in shown
    drift = told(delivery)["targets"][0]["drift"][1]
    assert (drift["state"], drift["findings"][0]["accepted"]["reason"]) == ("accepted", "a sale")


@pytest.mark.parametrize("findings", [(), (REPLICAS,)])
def test_old_news_is_never_equality(delivery: Delivery, findings: tuple[Finding, ...]) -> None:
    looked("staging")
    looked("production", *findings, checked_at=now() - timedelta(hours=2))
    shown = html(delivery)
    assert "nothing differs as deployed" in shown
    assert "Not checked since" in shown
    assert ("may be otherwise now" in shown) == bool(findings)
    assert "Drift 1" not in shown
    assert page_of(delivery).counts == {}
    drift = told(delivery)["targets"][0]["drift"][1]
    assert (drift["state"], len(drift["findings"])) == ("stale", len(findings))


def test_what_could_not_be_looked_at_is_never_equality(delivery: Delivery) -> None:
    looked("staging")
    looked("production", state="unknown", why="The cluster does not answer.", looked_at=0)
    shown = html(delivery)
    assert "nothing differs as deployed" in shown
    assert "Cannot be checked: The cluster does not answer." in shown
    looked("production", why="One kind could not be read.")
    assert told(delivery)["targets"][0]["drift"][1]["state"] == "unknown"


def test_a_check_of_an_environment_as_a_whole_is_a_row_of_its_own(delivery: Delivery) -> None:
    looked("production", REPLICAS, target="")
    whole, shop = told(delivery)["targets"]
    assert (whole["name"], whole["state"], whole["drift"][0]["findings"][0]["found"]) == ("", "only_drift", "5")
    assert (shop["name"], shop["as_it_runs"]) == ("shop", False)
    assert ">The environment " in html(delivery)


def test_drift_is_told_of_what_runs_now_and_of_nothing_else(delivery: Delivery) -> None:
    looked("production", REPLICAS)
    then = now().isoformat()
    past = page_of(delivery, Asked("infra/production", "infra/production", then, then))
    assert (past.drifts.start, past.drifts.end, past.counts) == (None, None, {})
    git = page_of(delivery, Asked("infra/production", "git"))
    assert git.drifts.start is not None
    assert git.drifts.end is None
    assert git.counts["drift"] == 1
    twice = page_of(delivery, Asked("infra/production", "infra/production"))
    assert (twice.counts, len(twice.targets[0].drift)) == ({"drift": 1}, 1)
