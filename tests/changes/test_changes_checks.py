"""Checks of the result of a change: kept with its sides, shown as new or old, and holding the merge only where that is required."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.changes.effects.reading import checked_of
from apps.changes.effects.tools import toolbox as portal_toolbox
from apps.changes.models import ChangeRequest, RenderedSide
from apps.reviews.queries import verdict_of
from tests.changes.test_changes_effects import DEPLOYMENT, PORTAL, Place, approve, requirement
from tests.support.effects import render_all
from tests.support.people import cast
from tests.support.repositories import pushed
from tests.support.tools import checkers, toolbox

pytestmark = pytest.mark.django_db

STACK = "Resources:\n  Queue: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 5}}\n"
BROKEN = DEPLOYMENT.replace("replicas: 3", "replicas: many")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    toolbox("helm", "kubectl")
    checkers()
    return Place(cast(), tmp_path)


def policy(place: Place, old: str, new: str, **files: str) -> None:
    assert old in PORTAL
    place.work.commit("policy", files={".gitops/portal.yaml": PORTAL.replace(old, new), **files})
    pushed(place.repository, place.work, "main")


def approved(place: Place, change: ChangeRequest) -> bool:
    approve(place, change)
    change.refresh_from_db()
    return verdict_of(change).allowed


def test_errors_are_shown_and_hold_nothing_unless_it_is_asked_for(place: Place) -> None:
    change = place.propose("many", {"base/app.yaml": BROKEN})
    rows = render_all(change)
    checked = checked_of(rows["production/app"])
    assert checked is not None
    assert [(one.field, one.is_new, one.resource) for one in checked.findings] == [
        ("spec.replicas", True, "Deployment production/app")
    ]
    assert requirement(change, "effect_checks") == ""
    assert approved(place, change)


def test_an_error_of_checks_that_are_required_holds_the_merge_with_a_sentence(place: Place) -> None:
    policy(place, "path: clusters/production}", "path: clusters/production, checks: required}")
    change = place.propose("many", {"base/app.yaml": BROKEN})
    render_all(change)
    assert requirement(change, "effect_checks") == "failed"
    found = next(one for one in verdict_of(change).requirements if one.code == "effect_checks")
    assert found.text == (
        "The checks that portal.yaml requires of production/app do not pass. They hold the change until they do."
    )
    assert found.evidence == (
        "production/app: Deployment production/app spec.replicas: must be integer, but is string",
    )
    assert not approved(place, change)
    good = place.propose("five", {"base/app.yaml": DEPLOYMENT.replace("replicas: 3", "replicas: 5")})
    render_all(good)
    assert requirement(good, "effect_checks") == ""
    assert approved(place, good)


def test_what_was_not_checked_does_not_pass_where_checks_are_required(
    place: Place, monkeypatch: pytest.MonkeyPatch, settings: object, tmp_path: Path
) -> None:
    policy(place, "path: clusters/production}", "path: clusters/production, checks: required}")
    settings.PORTAL_CHECKS_DIR = str(tmp_path / "none")  # type: ignore[attr-defined]
    portal_toolbox.cache_clear()
    change = place.propose("five", {"base/app.yaml": DEPLOYMENT.replace("replicas: 3", "replicas: 5")})
    try:
        row = render_all(change)["production/app"]
    finally:
        portal_toolbox.cache_clear()
    assert row.state == "rendered"
    assert row.facts["checks"]["not_checked"].startswith("kubernetes-validate is not installed")
    found = next(one for one in verdict_of(change).requirements if one.code == "effect_checks")
    assert found.state == "failed"
    assert "not checked: kubernetes-validate is not installed" in found.evidence[0]


def test_the_version_of_the_target_decides_and_what_was_checked_is_kept_with_the_side(place: Place) -> None:
    policy(place, "{kind: manifests, path: raw}", '{kind: manifests, path: raw, kubeVersion: "1.30"}')
    claims = "resourceClaims: [{name: x, resourceClaimName: y}], containers:"
    files = {"raw/app.yaml": DEPLOYMENT.replace("containers:", claims)}
    change = place.propose("claims", files)
    row = render_all(change)["production/raw"]
    assert row.facts["checks"]["against"] == "Kubernetes 1.30"
    assert [one["text"] for one in row.facts["checks"]["findings"]] == ["does not know resourceClaimName"]
    count = RenderedSide.objects.count()
    again = place.propose("claims-again", files)
    row = render_all(again)["production/raw"]
    assert row.facts["kept"]
    assert RenderedSide.objects.count() == count
    assert [one["is_new"] for one in row.facts["checks"]["findings"]] == [True]


def test_templates_of_cloudformation_are_checked_by_cfn_lint(place: Place) -> None:
    added = "      raw: {kind: manifests, path: raw}\n      net: {kind: cloudformation, template: net.yaml, checks: required}\n"
    policy(place, "      raw: {kind: manifests, path: raw}\n", added, **{"net.yaml": STACK})
    change = place.propose("slow", {"net.yaml": STACK.replace("DelaySeconds", "DelaySecond")})
    row = render_all(change)["production/net"]
    assert row.state == "rendered"
    assert [one["check"] for one in row.facts["checks"]["findings"]] == ["E3002"]
    assert requirement(change, "effect_checks") == "failed"


def test_e6_no_value_of_a_resource_is_quoted_by_a_finding(place: Place) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: [canary-7f3e9a5b1d]}\ndata: {canary: {a: b}}\n"
    row = render_all(place.propose("odd", {"raw/secret.yaml": secret}))["production/raw"]
    assert row.facts["checks"]["findings"]
    assert "canary-7f3e" not in str(row.facts)
