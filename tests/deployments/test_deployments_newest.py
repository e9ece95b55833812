"""An environment goes forward only: what is newer stays, what arrived counts, other branches deploy nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.core.errors import Conflict
from apps.deployments import services
from apps.deployments.models import Deployment, Environment, MergeIntent
from apps.vcs import remotes
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle
from tests.support.repositories import branch_with, pushed

pytestmark = pytest.mark.django_db


def live(name: str) -> str:
    return str(Environment.objects.get(name=name).live_commit)


def test_redeploying_an_older_change_is_no_way_around_the_gate_of_a_rollback(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    older = delivery.merged("one")
    run_until_idle()
    newer = delivery.merged("two", {"app/other.yaml": "b: 1\n"})
    run_until_idle()
    for environment in ("staging", "production"):
        with pytest.raises(Conflict) as refused:
            services.start_deployment(delivery.people.alice, change=older, environment=environment)
        assert refused.value.code == "superseded"
        assert live(environment) == newer.merge_commit
    services.start_deployment(delivery.people.alice, change=newer, environment="staging")
    run_until_idle()
    assert live("staging") == newer.merge_commit


def test_a_redeployment_that_waited_behind_something_newer_runs_nothing(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    delivery = Delivery.start(tmp_path, pipeline(f"echo $PORTAL_CHANGE >> {marks}", "true"))
    older = delivery.merged("one")
    run_until_idle()
    row = services.start_deployment(delivery.people.alice, change=older, environment="staging")
    Deployment.objects.filter(pk=row.pk).update(manual_start=True)
    newer = delivery.merged("two", {"app/other.yaml": "b: 1\n"})
    run_until_idle()
    Deployment.objects.filter(pk=row.pk).update(manual_start=False, check_at=None)
    run_until_idle()
    row.refresh_from_db()
    assert row.status == "succeeded"
    assert live("staging") == newer.merge_commit
    assert marks.read_text().split() == [older.label, newer.label]


def test_a_change_to_another_branch_deploys_nothing_and_defines_no_environment(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    run_until_idle()
    lenient = pipeline(f"echo stolen >> {tmp_path}/stolen", f"echo stolen >> {tmp_path}/stolen").replace(
        "    after: [staging]\n    protected: true\n", ""
    )
    delivery.work.run("fetch", "-q", "origin")
    branch_with(delivery.work, "lenient", {".gitops/portal.yaml": lenient}, at="origin/main")
    branch_with(
        delivery.work, "edit", {"app/values.yaml": "replicas: 9\n"}, at="lenient", author="Alice <alice@example.org>"
    )
    pushed(delivery.repository, delivery.work, "edit:refs/heads/edit", force=True)
    from apps.changes.services import create_change

    change = create_change(
        delivery.people.alice,
        repository=delivery.repository,
        title="Around the rules",
        source_branch="edit",
        target_branch="lenient",
    )
    delivery.approve(change)
    services.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    change.refresh_from_db()
    assert change.status == "done"
    assert not Deployment.objects.exists()
    assert not (tmp_path / "stolen").exists()
    assert list(Environment.objects.values_list("name", "protected", "defined")) == [
        ("staging", False, True),
        ("production", True, True),
    ]
    with pytest.raises(Conflict) as refused:
        services.start_deployment(delivery.people.alice, change=change, environment="production")
    assert refused.value.code == "other_branch"


def test_a_merge_that_arrived_counts_although_others_pushed_on_top_before_we_could_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    change = delivery.approved()
    services.merge_change(delivery.people.alice, change=change)
    push = remotes.push_with_lease

    def push_and_be_overtaken(*arguments: object, **options: object) -> remotes.PushOutcome:
        outcome = push(*arguments, **options)  # type: ignore[arg-type]
        if not str(options["ref"]).startswith("refs/heads/"):
            return outcome
        delivery.work.run("fetch", "-q", "origin")
        branch_with(delivery.work, "ontop", {"other.txt": "1\n"}, at="origin/main")
        delivery.work.push("ontop:refs/heads/main")
        return outcome

    monkeypatch.setattr(remotes, "push_with_lease", push_and_be_overtaken)
    run_jobs("deployments.carry_out_merges")
    intent = MergeIntent.objects.get(change=change)
    assert (intent.state, intent.tries) == ("landed", 0)
    run_until_idle()
    change.refresh_from_db()
    assert change.status == "done"
    assert change.merge_commit == intent.merge_commit == live("production")


def test_a_refusal_of_the_push_does_not_hide_that_another_worker_pushed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    change = delivery.approved()
    services.merge_change(delivery.people.alice, change=change)
    push = remotes.push_with_lease

    def pushed_by_two(*arguments: object, **options: object) -> remotes.PushOutcome:
        push(*arguments, **options)  # type: ignore[arg-type]
        return remotes.PushOutcome("refused", "cannot lock ref")

    monkeypatch.setattr(remotes, "push_with_lease", pushed_by_two)
    run_jobs("deployments.carry_out_merges")
    assert MergeIntent.objects.get(change=change).state == "landed"
