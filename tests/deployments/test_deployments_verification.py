"""What landed is compared with what was approved by another job, with its own look at the remote; nothing starts before it says yes."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput, NotAllowed, NotVisible
from apps.deployments import services
from apps.deployments.jobs import landing, starting, verifying
from apps.deployments.models import Deployment, MergeIntent, TargetFreeze
from apps.deployments.queries import waits_of
from apps.deployments.transitions import freeze_target
from apps.vcs import landed
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle
from tests.support.git import GitRepo
from tests.support.repositories import branch_with

pytestmark = pytest.mark.django_db
Patch = pytest.MonkeyPatch


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline("true", "true"))


def remote(delivery: Delivery) -> GitRepo:
    return GitRepo(Path(delivery.repository.url))


def landed_merge(delivery: Delivery, name: str = "one") -> MergeIntent:
    """A merge that was pushed and that nobody has compared yet."""
    change = delivery.approved(name, {f"{name}.txt": f"{name}\n"})
    intent = services.merge_change(delivery.people.alice, change=change)
    landing.carry_out_merge(intent.pk)
    return fresh(intent)


def fresh(intent: MergeIntent) -> MergeIntent:
    return MergeIntent.objects.select_related("change", "revision").get(pk=intent.pk)


def wrong_tree(delivery: Delivery, patch: Patch, name: str = "one", tree: str = "") -> MergeIntent:
    """A mistake of the portal itself: what it pushes has another tree than the one that was approved."""
    write = landing.merging.write_commit

    def mistaken(git_dir: Path, **given: Any) -> str:
        before = GitRepo(git_dir).tree(given["parents"][0])
        return write(git_dir, **{**given, "tree": tree or before})

    with patch.context() as inside:
        inside.setattr(landing.merging, "write_commit", mistaken)
        return landed_merge(delivery, name)


def codes(row: Deployment) -> set[str]:
    return {wait.code for wait in waits_of(row)}


def test_nothing_starts_before_what_landed_was_compared(delivery: Delivery) -> None:
    intent = landed_merge(delivery)
    row = delivery.deployment(intent.change)
    starting.start(row.pk)
    row.refresh_from_db()
    assert (intent.verification, row.status) == ("pending", "pending")
    assert [wait["code"] for wait in row.waits] == ["verification"]
    verifying.verify_landed(intent.pk)
    assert fresh(intent).verification == "passed"
    assert not codes(row)
    run_until_idle()
    row.refresh_from_db()
    assert row.status == "succeeded"


def test_a_wrong_tree_freezes_the_target_and_is_never_deployed(delivery: Delivery, monkeypatch: Patch) -> None:
    intent = wrong_tree(delivery, monkeypatch)
    run_jobs("deployments.verify_landed")
    run_until_idle()
    intent = fresh(intent)
    freeze = TargetFreeze.objects.get()
    assert (intent.verification, freeze.branch, freeze.commit) == ("failed", "main", intent.merge_commit)
    assert intent.revision.result_tree[:12] in freeze.reason
    rows = Deployment.objects.filter(change=intent.change)
    assert set(rows.values_list("status", flat=True)) == {"pending"}
    assert codes(rows[0]) >= {"frozen", "verification"}
    assert not Deployment.objects.exclude(attempts=0).exists()
    entry = AuditEntry.objects.get(action="target.frozen")
    assert (entry.target, entry.change_number) == ("main", intent.change.number)
    told = delivery.people.carol.news.get()
    assert "main is frozen" in told.lines[-1]["text"]


def test_a_second_wrong_tree_is_on_record_too_and_lifting_names_both(delivery: Delivery, monkeypatch: Patch) -> None:
    first, second = wrong_tree(delivery, monkeypatch), wrong_tree(delivery, monkeypatch, "two")
    run_jobs("deployments.verify_landed")
    freeze = TargetFreeze.objects.get()
    labels = [one.change.label for one in (first, second)]
    assert all(label in freeze.reason for label in labels)
    entries = AuditEntry.objects.filter(action="target.frozen").order_by("seq")
    assert [entry.change_number for entry in entries] == [first.change.number, second.change.number]
    services.lift_freeze(delivery.people.carol, freeze=freeze, reason="Both were reverted by hand.")
    entry = AuditEntry.objects.get(action="target.unfrozen")
    assert entry.data["changes"] == labels
    assert f"frozen for {', '.join(labels)}" in entry.summary


def test_an_error_that_nobody_foresaw_is_told_and_tried_again(delivery: Delivery, monkeypatch: Patch) -> None:
    def broken(_: object) -> str:
        raise KeyError("s3cret-value")

    intent = landed_merge(delivery)
    with monkeypatch.context() as patch, pytest.raises(KeyError):
        patch.setattr(verifying, "_compare", broken)
        verifying.verify_landed(intent.pk)
    known = fresh(intent)
    assert (known.verification, known.outcome["code"], known.lease_until) == ("pending", "defect", None)
    assert known.outcome["message"] == "The portal itself failed here (KeyError). Its log has more."
    verifying.verify_landed(intent.pk)
    assert fresh(intent).verification == "passed"


def test_into_a_frozen_branch_nothing_is_merged_and_nothing_from_it_starts(
    delivery: Delivery, monkeypatch: Patch
) -> None:
    before = delivery.merged("zero", {"zero.txt": "0"})
    decided = services.merge_change(delivery.people.alice, change=delivery.approved("two", {"two.txt": "2"}))
    freeze_target(delivery.repository, "main", reason="A test.")
    tip = remote(delivery).rev_parse("main")
    landing.carry_out_merge(decided.pk)
    assert (fresh(decided).state, fresh(decided).outcome["code"]) == ("returned", "frozen")
    assert remote(delivery).rev_parse("main") == tip
    with pytest.raises(Conflict) as refused:
        services.merge_change(delivery.people.alice, change=ChangeRequest.objects.get(pk=decided.change_id))
    assert refused.value.code == "frozen"
    run_until_idle()
    row = delivery.deployment(before)
    assert (row.status, codes(row)) == ("pending", {"frozen"})


def test_what_was_pushed_before_the_freeze_lands_and_is_held(delivery: Delivery, monkeypatch: Patch) -> None:
    """The freeze came between the push and its record: that it happened stays a fact."""

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    intent = services.merge_change(delivery.people.alice, change=delivery.approved())
    with monkeypatch.context() as patch:
        patch.setattr(landing, "_land", die)
        with pytest.raises(Killed):
            landing.carry_out_merge(intent.pk)
    freeze_target(delivery.repository, "main", reason="A test.")
    MergeIntent.objects.update(lease_until=None)
    landing.carry_out_merge(intent.pk)
    assert fresh(intent).state == "landed"
    assert "frozen" in codes(delivery.deployment(intent.change))


def test_other_branches_go_on(delivery: Delivery) -> None:
    freeze_target(delivery.repository, "elsewhere", reason="A test.")
    assert delivery.merged().status == "merged"


def test_a_merge_that_was_taken_away_again_freezes_the_target_after_three_looks(delivery: Delivery) -> None:
    intent = landed_merge(delivery)
    remote(delivery).run("update-ref", "refs/heads/main", intent.revision.target_oid)
    for look in (1, 2):
        verifying.verify_landed(intent.pk)
        assert (fresh(intent).verification, fresh(intent).tries) == ("pending", look)
        assert not list(verifying.verifications_due(10)), "a replica gets time"
        MergeIntent.objects.update(check_at=None)
    verifying.verify_landed(intent.pk)
    assert fresh(intent).verification == "failed"
    assert "does not contain" in TargetFreeze.objects.get().reason


def test_looks_that_had_no_answer_are_none_of_the_three_and_a_replica_gets_seconds(delivery: Delivery) -> None:
    intent = landed_merge(delivery)
    bare = remote(delivery).path
    away = bare.with_name("gone")

    def look() -> MergeIntent:
        MergeIntent.objects.update(check_at=None)
        verifying.verify_landed(intent.pk)
        return fresh(intent)

    bare.rename(away)
    assert [look().verification for _ in range(3)] == ["pending"] * 3
    away.rename(bare)
    remote(delivery).run("update-ref", "refs/heads/main", intent.revision.target_oid)
    MergeIntent.objects.update(tries=0)
    seen = look()
    assert (seen.verification, seen.outcome["missing"]) == ("pending", 1)
    assert seen.check_at - now() > timedelta(seconds=verifying.BETWEEN_LOOKS - 1)
    bare.rename(away)
    assert (look().verification, fresh(intent).outcome["missing"]) == ("pending", 1)
    away.rename(bare)
    assert look().verification == "pending"
    remote(delivery).run("update-ref", "refs/heads/main", intent.merge_commit)
    assert look().verification == "passed"
    assert not TargetFreeze.objects.exists()


def test_a_deleted_target_freezes_it_too(delivery: Delivery) -> None:
    intent = landed_merge(delivery)
    remote(delivery).run("update-ref", "-d", "refs/heads/main")
    MergeIntent.objects.update(outcome={"missing": 2})
    verifying.verify_landed(intent.pk)
    assert TargetFreeze.objects.get().reason == "main is gone."


def test_what_others_pushed_on_top_does_not_matter(delivery: Delivery) -> None:
    intent = landed_merge(delivery)
    delivery.work.run("fetch", "-q", "origin")
    branch_with(delivery.work, "ontop", {"other.txt": "1\n"}, at="origin/main")
    delivery.work.push("ontop:refs/heads/main")
    verifying.verify_landed(intent.pk)
    assert fresh(intent).verification == "passed"


def test_a_host_that_does_not_answer_is_asked_again_and_meanwhile_nothing_starts(delivery: Delivery) -> None:
    intent = landed_merge(delivery)
    bare = remote(delivery).path
    bare.rename(bare.with_name("gone"))
    verifying.verify_landed(intent.pk)
    row = delivery.deployment(intent.change)
    held = [wait for wait in waits_of(row) if wait.code == "verification"]
    assert fresh(intent).verification == "pending"
    assert fresh(intent).outcome["message"] in held[0].text
    assert not TargetFreeze.objects.exists()
    bare.with_name("gone").rename(bare)
    MergeIntent.objects.update(check_at=None)
    run_jobs("deployments.verify_landed")
    assert fresh(intent).verification == "passed"


def test_a_verifier_that_was_killed_is_done_again(delivery: Delivery, monkeypatch: Patch) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    intent = wrong_tree(delivery, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(landed, "look_at", die)
        with pytest.raises(Killed):
            verifying.verify_landed(intent.pk)
    assert not list(verifying.verifications_due(10)), "the lease of the one before has to end"
    MergeIntent.objects.update(lease_until=None)
    assert list(verifying.verifications_due(10)) == [intent.pk]
    verifying.verify_landed(intent.pk)
    assert TargetFreeze.objects.count() == 1


def test_a_worker_that_was_taken_over_from_does_not_say_yes(delivery: Delivery) -> None:
    intent = landed_merge(delivery)
    old = MergeIntent.objects.claim(intent.pk, seconds=60)
    MergeIntent.objects.update(lease_until=None)
    MergeIntent.objects.claim(intent.pk, seconds=60)
    with pytest.raises(verifying.LeaseLost):
        verifying._end(MergeIntent.objects.select_related("change__repository", "revision").get(), old or 0, "")
    assert fresh(intent).verification == "pending"


def test_only_a_maintainer_lifts_a_freeze_with_a_reason_and_what_was_wrong_stays_held(
    delivery: Delivery, monkeypatch: Patch
) -> None:
    people = delivery.people
    intent = wrong_tree(delivery, monkeypatch)
    run_jobs("deployments.verify_landed")
    freeze = TargetFreeze.objects.get()
    for name, problem in (("alice", NotAllowed), ("bob", NotAllowed), ("mallory", NotVisible)):
        with pytest.raises(problem):
            services.lift_freeze(getattr(people, name), freeze=freeze, reason="It is fine.")
    with pytest.raises(InvalidInput):
        services.lift_freeze(people.carol, freeze=freeze, reason="  ")
    services.lift_freeze(people.carol, freeze=freeze, reason="Reverted by hand.")
    with pytest.raises(Conflict) as again:
        services.lift_freeze(people.carol, freeze=freeze, reason="Once more.")
    assert again.value.code == "lifted"
    entry = AuditEntry.objects.get(action="target.unfrozen")
    assert entry.data["reason"] == "Reverted by hand."
    run_until_idle()
    row = delivery.deployment(intent.change)
    assert (row.status, row.attempts, "verification" in codes(row)) == ("pending", 0, True)
    services.cancel(people.alice, deployment=row)


def test_pages_and_api_show_the_freeze_and_the_form_works_without_javascript(
    delivery: Delivery, monkeypatch: Patch
) -> None:
    intent = wrong_tree(delivery, monkeypatch)
    run_jobs("deployments.verify_landed")
    client = Client()
    client.force_login(delivery.people.carol)
    assert "main is frozen." in client.get(f"/changes/{intent.change.number}/").content.decode()
    shown = client.get("/repositories/infra/").content.decode()
    freeze = TargetFreeze.objects.get()
    assert f"freezes/{freeze.pk}/lift/" in shown
    listed = client.get("/api/v1/repositories/infra/freezes/").json()["results"]
    assert [(row["branch"], row["lifted_at"]) for row in listed] == [("main", None)]
    merges = client.get(f"/api/v1/changes/{intent.change.number}/merge/").json()["results"]
    assert (merges[0]["verification"], merges[0]["wrong"]) == ("failed", freeze.reason)
    done = client.post(f"/repositories/infra/freezes/{freeze.pk}/lift/", {"reason": "I looked."})
    assert done.status_code in {302, 303}
    assert "What landed is not what was approved." in client.get(f"/changes/{intent.change.number}/").content.decode()
    assert not TargetFreeze.objects.open().exists()


def test_an_adopted_push_is_compared_too(delivery: Delivery) -> None:
    delivery.work.run("fetch", "-q", "origin")
    branch_with(delivery.work, "past", {"other.txt": "1\n"}, at="origin/main")
    from apps.changes.models import OutsideChange
    from tests.support.repositories import pushed

    pushed(delivery.repository, delivery.work, "past:refs/heads/main")
    run_jobs("changes.take_ref_updates")
    change = services.adopt_outside_change(delivery.people.alice, outside=OutsideChange.objects.get())
    delivery.approve(change)
    services.merge_change(delivery.people.alice, change=ChangeRequest.objects.get(pk=change.pk))
    run_jobs("deployments.carry_out_merges")
    assert change.merge_intents.get().verification == "passed"


@pytest.mark.soak
def test_of_a_thousand_wrong_trees_none_is_missed(delivery: Delivery, monkeypatch: Patch) -> None:
    git = remote(delivery)
    for number in range(1000):
        blob = git.run("hash-object", "-w", "--stdin", stdin=str(random.random()).encode())
        tree = git.run("mktree", stdin=f"100644 blob {blob}\tsmuggled\n".encode())
        GitRepo(delivery.repository.mirror_path).run("fetch", "-q", str(git.path), "main")
        mirror = GitRepo(delivery.repository.mirror_path)
        mirror.run("hash-object", "-w", "--stdin", stdin=git.run_bytes("cat-file", "blob", blob))
        mirror.run("mktree", stdin=f"100644 blob {blob}\tsmuggled\n".encode())
        intent = wrong_tree(delivery, monkeypatch, f"n{number}", tree)
        verifying.verify_landed(intent.pk)
        assert fresh(intent).verification == "failed", number
        TargetFreeze.objects.all().delete()
        git.run("update-ref", "refs/heads/main", intent.revision.target_oid)
        run_jobs("repositories.sync", "changes.take_ref_updates")
