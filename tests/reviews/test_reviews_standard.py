"""A standard change from the branch to the environment: rendered, recognised, merged by its author alone, and on record."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.changes.services import create_change
from apps.core.errors import Conflict
from apps.deployments import services
from apps.deployments.models import MergeIntent
from apps.policies.evaluation import replay
from apps.reviews.models import Assignment
from apps.reviews.queries import verdict_of
from apps.reviews.services import submit_review
from tests.support.delivery import Delivery, run_jobs, run_until_idle
from tests.support.repositories import pushed

pytestmark = pytest.mark.django_db
YAML = """\
apiVersion: portal/v1
runbooks: docs/runbooks
environments:
  staging:
    targets: {shop: {kind: manifests, path: shop}}
    deploy: {via: local, steps: [{name: apply, run: 'true', timeout: 60s}]}
rules: [{name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}]
standard:
  - {name: scale the shop, paths: [shop/web.yaml], fields: [spec.replicas], runbook: scale-the-shop}
"""
WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""
FILES = {"shop/web.yaml": WEB, "docs/runbooks/scale-the-shop.md": "# Scale the shop\n\nChange the replicas.\n"}


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, YAML, FILES)


def proposed(delivery: Delivery, old: str, new: str, name: str = "one") -> ChangeRequest:
    change = delivery.proposed(name, {"shop/web.yaml": WEB.replace(old, new)})
    run_jobs("changes.plan_renderings")
    run_jobs("changes.render")
    change.refresh_from_db()
    return change


def test_its_author_merges_it_and_the_record_says_why(delivery: Delivery) -> None:
    change = proposed(delivery, "replicas: 2", "replicas: 5")
    services.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    change.refresh_from_db()
    assert change.status == "done"
    verdict = MergeIntent.objects.get(change=change).verdict
    assert [found["state"] for found in verdict["requirements"] if found["code"] == "standard"] == ["met"]
    stored = {key: value for key, value in verdict.items() if key != "inputs"}
    assert replay(verdict["inputs"]).to_dict() == stored
    assert AuditEntry.objects.filter(action="change.merged", change_number=change.number).exists()


def test_the_same_file_with_another_effect_is_no_standard_change(delivery: Delivery) -> None:
    change = proposed(delivery, "web:1", "web:2")
    with pytest.raises(Conflict) as refused:
        services.merge_change(delivery.people.alice, change=change)
    [said] = [row.text for row in verdict_of(change).requirements if row.code == "standard"]
    assert "Deployment web has the risk image" in said
    assert refused.value.code == "verdict"
    delivery.approve(change)
    services.merge_change(delivery.people.alice, change=change)


def test_while_its_effect_is_not_known_it_is_none(delivery: Delivery) -> None:
    change = delivery.proposed("one", {"shop/web.yaml": WEB.replace("replicas: 2", "replicas: 5")})
    assert not verdict_of(change).allowed
    run_jobs("changes.plan_renderings")
    assert not verdict_of(change).allowed
    run_jobs("changes.render")
    assert verdict_of(change).allowed


def test_a_change_cannot_bring_the_template_that_it_fits(tmp_path: Path) -> None:
    without = YAML[: YAML.index("standard:")]
    delivery = Delivery.start(tmp_path, without, FILES)
    content = {"shop/web.yaml": WEB.replace("replicas: 2", "replicas: 5"), ".gitops/portal.yaml": YAML}
    change = delivery.proposed("one", content)
    run_jobs("changes.plan_renderings")
    run_jobs("changes.render")
    assert not verdict_of(change).allowed


def test_nobody_is_asked_to_review_a_standard_change(delivery: Delivery) -> None:
    change = proposed(delivery, "replicas: 2", "replicas: 5")
    run_until_idle()
    assert not Assignment.objects.filter(change=change, ended_at=None).exists()


@pytest.mark.parametrize("odd", ["binary", "link", "mode", "nobody"])
def test_what_no_line_tells_and_what_nobody_wrote_is_no_standard_change(tmp_path: Path, odd: str) -> None:
    template = "standard: [{name: notes, paths: ['notes/*'], size: {lines: 4}}]\n"
    yaml = (
        YAML[: YAML.index("standard:")].replace("    targets: {shop: {kind: manifests, path: shop}}\n", "") + template
    )
    delivery = Delivery.start(tmp_path, yaml, {"notes/a": "1\n"})
    work = delivery.work
    work.run("checkout", "-q", "-B", "odd", "origin/main")
    place = work.path / "notes" / "a"
    if odd == "binary":
        place.write_bytes(b"\0" + b"line\n" * 5000)
    elif odd == "link":
        place.unlink()
        place.symlink_to("/etc/passwd")
    elif odd == "mode":
        place.chmod(0o755)
    else:
        place.write_text("2\n")
    work.run("add", "-A")
    tree = work.run("write-tree")
    who = "" if odd == "nobody" else "Alice"
    mail = "" if odd == "nobody" else "alice@example.org"
    raw = f"tree {tree}\nparent {work.rev_parse('HEAD')}\nauthor {who} <{mail}> 1700000000 +0000\ncommitter {who} <{mail}> 1700000000 +0000\n\nOdd\n"
    oid = work.run("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=raw.encode())
    pushed(delivery.repository, work, f"{oid}:refs/heads/odd")
    change = create_change(delivery.people.alice, repository=delivery.repository, title="Odd", source_branch="odd")
    assert not verdict_of(change).allowed
    [said] = [row.text for row in verdict_of(change).requirements if row.code == "standard"]
    assert ("somebody contributed who has no account" if odd == "nobody" else "lines do not tell") in said


def test_an_objection_holds_it(delivery: Delivery) -> None:
    change = proposed(delivery, "replicas: 2", "replicas: 5")
    submit_review(delivery.people.bob, change=change, revision=1, verdict="request_changes", body="Not today.")
    with pytest.raises(Conflict, match="asks for changes"):
        services.merge_change(delivery.people.alice, change=change)
