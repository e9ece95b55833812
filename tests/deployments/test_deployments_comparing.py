"""Two environments beside each other, or one at two times: changes, rendered differences, and the reason for each."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from apps.audit.models import AuditEntry
from apps.core.errors import InvalidInput, NotAllowed, NotVisible
from apps.deployments.models import TargetComparison
from apps.deployments.queries import comparing as queries
from apps.deployments.reasons import reasons
from apps.deployments.services import ask_comparison, comparing, merge_change
from apps.presentation import comparison_page as pages
from apps.presentation.comparison_page import Asked, ComparedTarget, compared_of, comparison_page
from apps.rendering.comparing import compare
from apps.rendering.model import Resource, ResourceId
from tests.support.delivery import Delivery, run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)

POLICY = """\
apiVersion: portal/v1
environments:
  staging:
    targets:
      shop: {kind: manifests, path: shop/staging, namespace: shop-staging}
  production:
    after: [staging]
    deploy: {via: local, start: manual, steps: [{name: apply, run: 'true'}]}
    targets:
      shop: {kind: manifests, path: shop/production, namespace: shop-production}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""


def shop(environment: str, replicas: int, image: str, password: str) -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: shop, namespace: shop-{environment}}}
spec:
  replicas: {replicas}
  template:
    spec:
      containers: [{{name: shop, image: "{image}"}}]
---
apiVersion: v1
kind: Secret
metadata: {{name: login, namespace: shop-{environment}}}
stringData: {{word: {password}}}
"""


CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {0}, namespace: x}}\ndata: {{a: b}}\n"


def files(image: str) -> dict[str, str | bytes]:
    """Both environments with this image: what a promotion would bring to each."""
    return {
        "shop/staging/all.yaml": shop("staging", 1, image, "hunter2-staging"),
        "shop/production/all.yaml": shop("production", 4, image, "hunter2-production"),
    }


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    """``one`` is live in both; ``two`` (another image) in staging only."""
    found = Delivery.start(tmp_path, POLICY, files("shop:1"))
    run_until_idle()
    for name, image in (("one", "shop:1.1"), ("two", "shop:2")):
        change = found.proposed(name, files(image))
        run_until_idle()
        found.approve(change)
        merge_change(found.people.alice, change=change)
        run_until_idle()
        if name == "one":
            from apps.deployments.models import Deployment
            from apps.deployments.services import release

            release(
                found.people.carol, deployment=Deployment.objects.get(environment__name="production", change=change)
            )
            run_until_idle()
    return found


def rendered(delivery: Delivery, **asked: str) -> ComparedTarget:
    """The one target, after the background has done its work."""
    wanted = Asked(**asked)
    ask_comparison(delivery.people.bob, compared=compared_of(delivery.people.bob, wanted))
    run_until_idle()
    (target,) = comparison_page(delivery.people.bob, wanted).targets
    return target


def test_every_difference_has_its_reason(delivery: Delivery) -> None:
    target = rendered(delivery, start="infra/production", end="infra/staging")
    assert target.state == "rendered", target.message
    found = {field.row.path: field.reason for one in target.resources for field in one.fields}
    secrets = [field for one in target.resources for field in one.fields if field.is_secret]
    assert found["spec.replicas"] == "overlay"
    assert [reason for path, reason in found.items() if path.endswith("image")] == ["not_promoted"]
    assert found["metadata.namespace"] == "overlay"
    assert len(secrets) == 1
    assert secrets[0].reason == "overlay"
    assert "hunter2" not in repr(target)
    assert all(one.presence == "both" for one in target.resources)


def test_the_sum_counts_what_is_not_listed_too(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Asked("infra/production", "infra/staging")
    rendered(delivery, start=wanted.start, end=wanted.end)
    everything = comparison_page(delivery.people.bob, wanted).counts
    assert everything == {"overlay": 4, "not_promoted": 1}
    monkeypatch.setattr(pages, "MOST_RESOURCES", 1)
    page = comparison_page(delivery.people.bob, wanted)
    assert (len(page.targets[0].resources), page.targets[0].more) == (1, 1)
    assert page.counts == everything


def test_the_reasons_are_the_same_from_the_other_side(delivery: Delivery) -> None:
    ways = [("infra/production", "infra/staging"), ("infra/staging", "infra/production")]
    one, other = (
        {field.row.path: field.reason for row in rendered(delivery, start=a, end=b).resources for field in row.fields}
        for a, b in ways
    )
    assert one == other


def test_nothing_is_rendered_while_a_page_is_read(delivery: Delivery) -> None:
    wanted = Asked("infra/production", "infra/staging")
    (target,) = comparison_page(delivery.people.bob, wanted).targets
    assert (target.state, target.resources) == ("not_asked", ())
    assert TargetComparison.objects.count() == 0
    asked = ask_comparison(delivery.people.bob, compared=compared_of(delivery.people.bob, wanted))
    assert asked == 1
    (target,) = comparison_page(delivery.people.bob, wanted).targets
    assert target.state == "queued"


def test_what_is_asked_twice_is_rendered_and_recorded_once(delivery: Delivery) -> None:
    bob = delivery.people.bob
    compared = compared_of(bob, Asked("infra/production", "infra/staging"))
    assert [ask_comparison(bob, compared=compared), ask_comparison(bob, compared=compared)] == [1, 0]
    assert AuditEntry.objects.filter(action="comparison.requested").count() == 1


def test_changes_between_are_those_that_only_one_side_has(delivery: Delivery) -> None:
    found = comparison_page(delivery.people.bob, Asked("infra/production", "infra/staging")).between
    assert found is not None
    assert [one.title for one in found.only_end] == ["Change two"]
    assert found.only_start == ()
    assert found.due == {found.only_end[0].number}
    assert found.paths == ("shop/production/all.yaml", "shop/staging/all.yaml")


def test_two_times_of_one_environment_say_what_was_live_then(delivery: Delivery) -> None:
    first, second = delivery.repository.environments.get(name="staging").deployments.order_by("number")
    assert second.ended_at is not None
    at = (second.ended_at - timedelta(milliseconds=1)).isoformat()
    page = comparison_page(delivery.people.bob, Asked("infra/staging", "", at))
    assert page.compared is not None
    assert page.compared.start.deployment == first
    assert page.compared.end.deployment == second
    target = rendered(delivery, start="infra/staging", start_at=at)
    assert {field.reason for one in target.resources for field in one.fields} == {"deployed"}


def test_what_git_has_and_is_not_deployed_is_named_so(delivery: Delivery) -> None:
    target = rendered(delivery, start="infra/production", end="git")
    assert {field.reason for one in target.resources for field in one.fields} == {"not_deployed"}


@pytest.mark.parametrize("moment", ["2026-11-28T14:05", "yesterday", "2026-11-28"])
def test_a_time_without_a_zone_is_refused(delivery: Delivery, moment: str) -> None:
    with pytest.raises(InvalidInput):
        compared_of(delivery.people.bob, Asked("infra/staging", "", moment))


def test_strangers_and_auditors_ask_for_nothing(delivery: Delivery) -> None:
    wanted = Asked("infra/production", "infra/staging")
    with pytest.raises(NotVisible):
        compared_of(delivery.people.mallory, wanted)
    with pytest.raises(NotAllowed):
        ask_comparison(delivery.people.dave, compared=compared_of(delivery.people.dave, wanted))
    assert TargetComparison.objects.count() == 0
    assert comparison_page(delivery.people.dave, wanted).targets[0].state == "not_asked"


def resource(name: str, **body: object) -> Resource:
    return Resource(ResourceId("", "ConfigMap", "", name), {"kind": "ConfigMap", **body})


def test_what_only_one_side_has_is_an_overlay_only_if_it_would_stay_so() -> None:
    """From an older side without ``b`` and ``c`` to a newer one with both; at the newer commit the older side has ``b``."""
    older, newer = [resource("a", x=1)], [resource("a", x=2), resource("b"), resource("c")]
    promoted = [resource("a", x=2), resource("b")]
    found = reasons(compare(older, newer), compare(promoted, newer), older="from")
    names = {change.id.name: why.resource for change, why in zip(compare(older, newer).changes, found, strict=True)}
    assert names == {"a": "not_promoted", "b": "not_promoted", "c": "overlay"}


def test_a_field_that_would_change_and_still_differ_is_both() -> None:
    older, newer, promoted = [resource("a", x=1)], [resource("a", x=3)], [resource("a", x=2)]
    (why,) = reasons(compare(older, newer), compare(promoted, newer), older="from")
    assert why.fields == ("both",)


def test_of_very_many_targets_all_are_listed_and_each_press_asks_for_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = "".join(f"      {name}: {{kind: manifests, path: {name}}}\n" for name in "abc")
    rules = POLICY[POLICY.index("rules:") :]
    found = Delivery.start(
        tmp_path,
        f"apiVersion: portal/v1\nenvironments:\n  staging:\n    targets:\n{targets}{rules}",
        {f"{name}/all.yaml": CONFIG.format(name) for name in "abc"},
    )
    change = found.proposed("one", {"a/all.yaml": CONFIG.format("other")})
    run_until_idle()
    found.approve(change)
    merge_change(found.people.alice, change=change)
    run_until_idle()
    monkeypatch.setattr(comparing, "AT_ONCE", 2)
    bob, wanted = found.people.bob, Asked("infra/staging", "git")
    compared = compared_of(bob, wanted)
    assert compared.start.commit
    for expected, states in ((2, ["queued", "queued", "not_asked"]), (1, ["queued"] * 3), (0, ["queued"] * 3)):
        assert ask_comparison(bob, compared=compared) == expected
        assert [row.state for row in comparison_page(bob, wanted).targets] == states


def test_that_commits_were_left_out_is_told_over_the_api_too(
    delivery: Delivery, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(delivery.people.bob)
    address = "/api/v1/environments/compare/?from=infra/production&to=infra/staging"
    assert client.get(address).json()["more"] is False
    monkeypatch.setattr(queries, "MOST_COMMITS", 1)
    assert client.get(address).json()["more"] is True
