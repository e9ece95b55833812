"""From an approved change to what runs, and back again."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, NotAllowed
from apps.deployments import queries, services
from apps.deployments.models import Deployment, Environment, MergeIntent
from apps.repositories.services import synchronise
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle
from tests.support.git import GitRepo

pytestmark = pytest.mark.django_db


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline())


def test_an_approved_change_is_merged_with_the_reviewed_tree_and_its_trailers(delivery: Delivery) -> None:
    change = delivery.merged()
    delivery.work.run("fetch", "-q", "origin")
    tip = delivery.work.rev_parse("origin/main")
    assert tip == change.merge_commit
    assert change.revision is not None
    assert delivery.work.tree(tip) == change.revision.result_tree
    parents = delivery.work.run("log", "-1", "--format=%P", tip).split()
    assert parents == [change.revision.target_oid, change.revision.head_oid]
    trailers = delivery.work.run("log", "-1", "--format=%(trailers)", tip).splitlines()
    assert trailers == [
        f"Change-Request: CHG-{change.number}",
        "Approved-by: Bob <bob@example.org>",
        "Merged-by: Alice <alice@example.org>",
        f"Dispatch-Key: {change.merge_intents.get().key}",
    ]


def test_a_merged_change_is_deployed_in_promotion_order_and_is_done(delivery: Delivery) -> None:
    change = delivery.merged()
    run_until_idle()
    change.refresh_from_db()
    staging, production = delivery.deployment(change), delivery.deployment(change, "production")
    assert (staging.status, production.status, change.status) == ("succeeded", "succeeded", "done")
    assert staging.ended_at is not None
    assert production.started_at is not None
    assert staging.ended_at <= production.started_at
    assert "".join(queries.log_text(staging)) == "replicas: 1\nname: one\n"
    live = Environment.objects.get(name="production")
    assert (live.live_commit, live.live_deployment) == (change.merge_commit, production)


def test_events_are_numbered_without_gap(delivery: Delivery) -> None:
    change = delivery.merged()
    run_until_idle()
    row = delivery.deployment(change)
    numbers = [event.seq for event in queries.events(row)]
    assert numbers == list(range(1, row.last_event + 1))


def test_merging_without_approval_is_refused_on_record_and_changes_nothing(delivery: Delivery) -> None:
    change = delivery.proposed()
    before = AuditEntry.objects.count()
    with pytest.raises(Conflict) as refusal:
        services.merge_change(delivery.people.alice, change=change)
    assert refusal.value.code == "verdict"
    assert AuditEntry.objects.latest("seq").action == "merge.refused"
    assert refusal.value.details["verdict"]["allowed"] is False
    change.refresh_from_db()
    assert (change.status, AuditEntry.objects.count()) == ("in_review", before + 1)
    assert not MergeIntent.objects.exists()


def test_a_reviewer_alone_may_not_merge(delivery: Delivery) -> None:
    change = delivery.approved()
    with pytest.raises(NotAllowed):
        services.merge_change(delivery.people.bob, change=change)


def test_a_double_click_on_merge_has_one_winner(delivery: Delivery) -> None:
    change = delivery.approved()
    services.merge_change(delivery.people.alice, change=change)
    with pytest.raises(Conflict) as refusal:
        services.merge_change(delivery.people.alice, change=change)
    assert refusal.value.code == "already_merging"
    assert MergeIntent.objects.count() == 1


def test_a_push_to_the_target_before_the_merge_sends_it_back_to_review(delivery: Delivery) -> None:
    change = delivery.approved()
    services.merge_change(delivery.people.alice, change=change)
    delivery.work.checkout("main")
    other = delivery.work.commit("past the portal", files={"other.txt": "x\n"})
    delivery.work.push()
    run_until_idle()
    change.refresh_from_db()
    intent = MergeIntent.objects.get()
    assert (change.status, intent.state, intent.outcome["code"]) == ("in_review", "returned", "target_moved")
    delivery.work.run("fetch", "-q", "origin")
    assert delivery.work.rev_parse("origin/main") == other
    assert change.revision is not None
    assert (change.revision.number, change.revision.target_oid) == (2, other)


def test_a_merge_that_the_host_refused_is_an_outside_change_when_somebody_pushes_it(delivery: Delivery) -> None:
    bare = Path(delivery.repository.url)
    change = delivery.approved()
    services.merge_change(delivery.people.alice, change=change)
    hook = bare / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nwhile read -r _ _ ref; do case $ref in refs/heads/*) exit 1;; esac; done\n")
    hook.chmod(0o755)
    run_jobs("deployments.carry_out_merges")
    intent = MergeIntent.objects.get()
    assert intent.outcome["code"] == "push_refused"
    hook.unlink()
    GitRepo(delivery.repository.mirror_path).run("push", "-q", str(bare), f"{intent.merge_commit}:refs/heads/main")
    assert synchronise(delivery.repository.pk)
    assert AuditEntry.objects.filter(action="repository.outside_change").count() == 1


def test_a_target_branch_that_was_deleted_and_a_host_that_refuses_return_the_merge(delivery: Delivery) -> None:
    bare = Path(delivery.repository.url)
    change = delivery.approved()
    services.merge_change(delivery.people.alice, change=change)
    hook = bare / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho only on Mondays >&2\nexit 1\n")
    hook.chmod(0o755)
    run_jobs("deployments.carry_out_merges")
    change.refresh_from_db()
    intent = MergeIntent.objects.get()
    assert (change.status, intent.outcome["code"]) == ("in_review", "claim_refused")
    assert "only on Mondays" in intent.outcome["message"]
    hook.write_text(
        "#!/bin/sh\nwhile read -r _ _ ref; do case $ref in refs/heads/*) echo not now >&2; exit 1;; esac; done\n"
    )
    services.merge_change(delivery.people.alice, change=change)
    run_jobs("deployments.carry_out_merges")
    intent = MergeIntent.objects.latest("pk")
    assert (intent.claim, intent.outcome["code"]) == ("held", "push_refused")
    assert "not now" in intent.outcome["message"]
    hook.unlink()
    services.merge_change(delivery.people.alice, change=change)
    (bare / "refs/heads/main").rename(bare / "refs/heads/elsewhere")
    run_jobs("deployments.carry_out_merges")
    change.refresh_from_db()
    assert change.status == "in_review"
    assert MergeIntent.objects.latest("pk").outcome["message"] == "main was deleted before the merge arrived."


def test_a_merge_whose_answer_was_lost_lands_once(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker is killed after the push was accepted and before anything was written."""
    from apps.deployments.jobs import landing

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    change = delivery.approved()
    intent = services.merge_change(delivery.people.alice, change=change)
    with monkeypatch.context() as patch:
        patch.setattr(landing, "_land", die)
        with pytest.raises(Killed):
            landing.carry_out_merge(intent.pk)
    change.refresh_from_db()
    assert change.status == "merging"
    MergeIntent.objects.update(lease_until=None)
    run_until_idle()
    change.refresh_from_db()
    assert change.status == "done"
    assert delivery.work.run("ls-remote", "origin", "refs/heads/main").split()[0] == change.merge_commit
    assert Deployment.objects.filter(change=change).count() == 2


def test_an_unreachable_host_delays_the_merge_with_its_reason(delivery: Delivery) -> None:
    change = delivery.approved()
    intent = services.merge_change(delivery.people.alice, change=change)
    bare = Path(delivery.repository.url)
    bare.rename(bare.with_name("gone"))
    from apps.deployments.jobs import landing

    landing.carry_out_merge(intent.pk)
    intent.refresh_from_db()
    change.refresh_from_db()
    assert (intent.state, intent.tries, change.status) == ("pending", 1, "merging")
    assert intent.outcome["message"]
    assert intent.pk not in landing.merges_due(10)
    bare.with_name("gone").rename(bare)
    MergeIntent.objects.update(check_at=None)
    run_until_idle()
    change.refresh_from_db()
    assert change.status == "done"


def test_rolling_back_needs_the_second_person_and_ends_in_the_earlier_state(delivery: Delivery) -> None:
    change = delivery.merged()
    run_until_idle()
    inverse = services.roll_back(delivery.people.alice, deployment=delivery.deployment(change, "production"))
    with pytest.raises(Conflict) as second:
        services.roll_back(delivery.people.alice, deployment=delivery.deployment(change))
    assert second.value.details["change"] == inverse.number
    run_until_idle()
    inverse.refresh_from_db()
    assert inverse.status == "in_review", "production is protected: one approval of somebody else"
    delivery.approve(inverse)
    run_until_idle()
    inverse.refresh_from_db()
    assert inverse.status == "done"
    rows = Deployment.objects.filter(change=inverse).order_by("number")
    assert [(row.environment.name, row.kind, row.status) for row in rows] == [
        ("staging", "rollback", "succeeded"),
        ("production", "rollback", "succeeded"),
    ]
    assert "".join(queries.log_text(rows[0])) == "replicas: 1\n"


def test_rolling_back_keeps_what_was_merged_later(delivery: Delivery) -> None:
    first = delivery.merged("one", {"a.txt": "a\n"})
    delivery.merged("two", {"b.txt": "b\n"})
    run_until_idle()
    inverse = services.roll_back(delivery.people.carol, deployment=delivery.deployment(first))
    delivery.approve(inverse)
    run_until_idle()
    delivery.work.run("fetch", "-q", "origin")
    names = delivery.work.run("ls-tree", "--name-only", "origin/main").splitlines()
    assert "b.txt" in names
    assert "a.txt" not in names


def test_a_rollback_that_conflicts_names_the_files(delivery: Delivery) -> None:
    first = delivery.merged("one")
    delivery.merged("two")
    run_until_idle()
    with pytest.raises(Conflict) as refusal:
        services.roll_back(delivery.people.carol, deployment=delivery.deployment(first))
    assert (refusal.value.code, refusal.value.details["files"]) == ("rollback_conflict", ["app/values.yaml"])


def test_rolling_back_cancels_what_was_not_deployed_yet(tmp_path: Path) -> None:
    yaml = pipeline().replace("[{name: apply, run: 'echo production'", "[{name: apply, run: 'exit 1'")
    delivery = Delivery.start(tmp_path, yaml.replace("after: [staging]", "after: [staging]").replace(
        "deploy: {via: local, steps: [{name: apply, run: 'exit 1'", "deploy: {start: manual, via: local, steps: [{name: apply, run: 'exit 1'"))  # fmt: skip
    change = delivery.merged()
    run_until_idle()
    assert delivery.deployment(change, "production").status == "pending"
    inverse = services.roll_back(delivery.people.alice, deployment=delivery.deployment(change))
    run_until_idle()
    inverse.refresh_from_db()
    change.refresh_from_db()
    assert inverse.status == "done", "staging is not protected: no approval is needed"
    assert delivery.deployment(change, "production").status == "cancelled"
    assert (change.status, change.closed_reason) == ("done", f"Rolled back by {inverse.label}.")
