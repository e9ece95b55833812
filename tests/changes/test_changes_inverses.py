"""How a change would be undone is known before it is merged, and computed anew when its branch has moved."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from apps.audit.models import AuditEntry
from apps.changes.inverse_words import going_back
from apps.changes.models import ChangeRequest, Inverse, RenderedSide
from apps.changes.services import render_again
from apps.deployments import services as deployments
from apps.presentation.overview import overview
from apps.vcs import objects
from tests.support.delivery import Delivery, run_jobs, run_until_idle
from tests.support.repositories import branch_with, pushed

pytestmark = pytest.mark.django_db
YAML = """\
apiVersion: portal/v1
environments:
  staging: {targets: {raw: {kind: manifests, path: raw}}}
rules: [{name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}]
"""
WEB = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: %d}\n"
CLAIM = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: cache}\nspec: {accessModes: [ReadWriteOnce]}\n"


def begun(tmp_path: Path, yaml: str = YAML) -> Delivery:
    return Delivery.start(tmp_path, yaml, {"raw/web.yaml": WEB % 1})


def work() -> None:
    for _ in range(3):
        run_jobs(
            "changes.take_ref_updates", "changes.follow_branches", "changes.plan_renderings", "changes.render",
            "changes.compute_inverse",
        )  # fmt: skip


def merged(delivery: Delivery, name: str, replicas: int) -> ChangeRequest:
    change = delivery.proposed(name, {"raw/web.yaml": WEB % replicas})
    work()
    delivery.approve(change)
    deployments.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    change.refresh_from_db()
    return change


def told(change: ChangeRequest) -> str:
    change.refresh_from_db()
    found = going_back(change)
    assert found is not None
    return found.text


def test_the_inverse_of_a_revision_is_what_was_there_before(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = delivery.proposed("one", {"raw/web.yaml": WEB % 2})
    assert "not computed yet" in told(change)
    work()
    row = Inverse.objects.get()
    change.refresh_from_db()
    revision = change.revision
    assert revision is not None
    git_dir = delivery.repository.mirror_path
    assert (row.state, row.before_tree, row.files) == ("possible", revision.result_tree, 1)
    assert row.result_tree == objects.commit_tree_oid(git_dir, revision.target_oid)
    assert told(change) == "Roll-back possible. Nothing is known that would not come back."
    shown = overview(change).going_back
    assert shown is not None
    assert (shown.is_possible, shown.digest) == (True, row.digest)


def test_its_effect_is_the_one_that_the_roll_back_will_have(tmp_path: Path) -> None:
    """The digests are compared when a roll-back is judged: what is computed before must be what comes out then."""
    delivery = begun(tmp_path)
    change = delivery.proposed("one", {"raw/web.yaml": WEB % 2})
    work()
    sides = RenderedSide.objects.count()
    before = Inverse.objects.get()
    delivery.approve(change)
    deployments.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    change.refresh_from_db()
    back = deployments.roll_back(delivery.people.carol, deployment=delivery.deployment(change))
    work()
    back.refresh_from_db()
    assert back.revision is not None
    assert back.revision.subject == before.subject
    [rendering] = back.revision.renderings.all()
    assert before.effects == {"staging/raw": rendering.digest}
    assert RenderedSide.objects.count() == sides  # nothing was rendered for it that had not been


def test_what_does_not_come_back_is_named(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = delivery.proposed("one", {"raw/claim.yaml": CLAIM})
    work()
    said = told(change)
    assert said.startswith("Roll-back possible, 1 part does not come back: PersistentVolumeClaim")
    [(target, _, text)] = Inverse.objects.get().parts
    assert target == "staging/raw"
    assert "with what was stored since" in text


def test_a_target_that_could_not_be_rendered_is_not_known(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = delivery.proposed("one", {"raw/web.yaml": "a: [\n"})
    work()
    row = Inverse.objects.get()
    assert row.unknown == ["staging/raw"]
    assert row.effects == {}
    assert [target for target, _ in row.untold] == ["staging/raw"]
    assert "not known for staging/raw" in told(change)


def test_another_revision_has_its_own(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = delivery.proposed("one", {"raw/web.yaml": WEB % 2})
    work()
    first = Inverse.objects.get()
    branch_with(delivery.work, "again", {"raw/web.yaml": WEB % 3}, at="origin/main")
    pushed(delivery.repository, delivery.work, "again:refs/heads/one", force=True)
    work()
    change.refresh_from_db()
    assert Inverse.objects.count() == 2
    assert Inverse.objects.get(revision=change.revision).subject != first.subject


def test_another_rendering_makes_it_be_computed_anew(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = delivery.proposed("one", {"raw/web.yaml": WEB % 2})
    work()
    change.refresh_from_db()
    render_again(delivery.people.alice, change=change, environment="staging", target="raw")
    run_jobs("changes.compute_inverse")
    before = Inverse.objects.get().pk
    run_jobs("changes.render")
    assert not Inverse.objects.exists()
    work()
    assert Inverse.objects.get().pk != before


def test_what_is_live_is_computed_anew_when_its_branch_moved(tmp_path: Path) -> None:
    manual = YAML.replace(
        "staging: {", 'staging: {deploy: {via: local, start: manual, steps: [{name: apply, run: "true"}]}, '
    )
    delivery = begun(tmp_path, manual)
    one = merged(delivery, "one", 2)
    run_until_idle()
    deployments.release(delivery.people.carol, deployment=delivery.deployment(one))
    run_until_idle()
    assert "Roll-back possible" in told(one)
    merged(delivery, "two", 3)  # waits for a start: the first one stays live
    run_until_idle()
    assert told(one).endswith("because later changes touched the same places in raw/web.yaml.")


def test_an_approval_records_which_inverse_was_shown(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    change = delivery.proposed("one", {"raw/claim.yaml": CLAIM})
    work()
    delivery.approve(change)
    row = Inverse.objects.get()
    kept = change.reviews.get().inverse
    assert (kept["state"], kept["digest"], kept["to"]) == ("possible", row.digest, row.result_tree)
    assert kept["parts"] == [["staging/raw", "PersistentVolumeClaim cache"]]
    said = AuditEntry.objects.filter(action="review.submitted").latest("pk").data["inverse"]
    assert said == {"state": "possible", "digest": row.digest}


def test_a_page_that_shows_it_has_the_same_words_as_the_api(tmp_path: Path, client: Client) -> None:
    delivery = begun(tmp_path)
    change = delivery.proposed("one", {"raw/claim.yaml": CLAIM})
    work()
    client.force_login(delivery.people.bob)
    answer = client.get(f"/api/v1/changes/{change.number}/inverse/").json()
    assert answer["irreversible"][0]["resource"] == "PersistentVolumeClaim cache"
    for address in ("", "diff/"):
        assert answer["words"] in client.get(f"/changes/{change.number}/{address}").content.decode()
