"""A run is claimed in the target repository before anything of it begins: a restored older database does not do it again."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.deployments import services
from apps.deployments.jobs.claimed_runs import ref_of
from apps.deployments.jobs.claiming import PREFIX
from apps.deployments.models import Attempt, Deployment, DeploymentEvent, DeploymentNumber, Environment, Step
from apps.deployments.transitions import portal_identity
from apps.repositories.services import require_claims
from apps.vcs import remotes
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle
from tests.support.git import GitRepo

pytestmark = pytest.mark.django_db
ONLY_HEADS = '#!/bin/sh\nwhile read -r _ _ ref; do case $ref in refs/heads/*) ;; *) echo "no such namespace" >&2; exit 1;; esac; done\n'


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    return tmp_path / "witness"


@pytest.fixture
def delivery(tmp_path: Path, witness: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline(f"echo $PORTAL_COMMIT >> {witness}", "true"))


def remote(delivery: Delivery) -> GitRepo:
    return GitRepo(Path(delivery.repository.url))


def claims_are_refused(delivery: Delivery) -> None:
    hook = remote(delivery).path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(ONLY_HEADS)
    hook.chmod(0o755)


def restored(row: Deployment) -> Deployment:
    """As in a backup from before it ran, which hands out another number: the database knows of no attempt."""
    Environment.objects.update(live_commit="", live_deployment=None)
    ChangeRequest.objects.update(status="merged")
    Step.objects.filter(attempt__deployment=row).delete()
    Attempt.objects.filter(deployment=row).delete()
    DeploymentEvent.objects.filter(deployment=row).delete()
    DeploymentNumber.objects.update(last=40)
    Deployment.objects.filter(pk=row.pk).update(
        number=40, status="pending", attempts=0, runner="", last_event=0, started_at=None, ended_at=None, check_at=None
    )
    return Deployment.objects.get(pk=row.pk)


def look(row: Deployment) -> Deployment:
    """One look of a worker at all that is due."""
    Deployment.objects.update(check_at=None)
    run_jobs("deployments.start", "deployments.follow")
    return Deployment.objects.get(pk=row.pk)


def said(row: Deployment) -> str:
    return "\n".join(DeploymentEvent.objects.filter(deployment=row).values_list("text", flat=True))


def test_the_claim_of_a_run_is_kept_by_the_target_repository_and_says_what_it_is(delivery: Delivery) -> None:
    row = delivery.deployment(delivery.merged())
    run_until_idle()
    attempt = Attempt.objects.get(deployment=row)
    kept = json.loads(remote(delivery).run("cat-file", "blob", ref_of(attempt)))
    assert (kept["nonce"], kept["commit"], kept["environment"]) == (attempt.claim_nonce, row.commit, "staging")
    assert kept["deployment"] == attempt.label
    assert len(kept["nonce"]) == 32


def test_nothing_in_the_target_repository_leads_to_the_key_of_a_run(delivery: Delivery) -> None:
    row = delivery.deployment(delivery.merged())
    run_until_idle()
    attempt = Attempt.objects.get(deployment=row)
    bare = remote(delivery)
    told = bare.run("for-each-ref") + bare.run("cat-file", "blob", ref_of(attempt))
    assert attempt.key not in told
    assert portal_identity() not in told, "with it and with what is public, everybody could compute the key"


def test_what_ran_before_an_older_database_was_restored_is_unknown_and_never_run_again_by_itself(
    delivery: Delivery, witness: Path
) -> None:
    row = delivery.deployment(delivery.merged())
    run_until_idle()
    row = restored(row)
    run_until_idle()
    row.refresh_from_db()
    assert (row.number, row.status) == (40, "unknown")
    assert "may have taken place" in row.problem
    assert "decides how it ended" in said(row)
    assert witness.read_text().split() == [row.commit]
    services.resolve(delivery.people.carol, deployment=row, outcome="failed", reason="I looked.")
    services.retry(delivery.people.carol, deployment=row, from_step=0)
    run_until_idle()
    row.refresh_from_db()
    assert row.status == "succeeded"
    assert witness.read_text().split() == [row.commit] * 2, "a person asked for it"


def test_what_was_claimed_under_its_older_name_is_not_run_again_by_an_older_database(
    delivery: Delivery, witness: Path
) -> None:
    row = delivery.deployment(delivery.merged())
    run_until_idle()
    attempt = Attempt.objects.get(deployment=row)
    older = f"{PREFIX}{attempt.key}"
    remote(delivery).run("update-ref", older, ref_of(attempt))
    remote(delivery).run("update-ref", "-d", ref_of(attempt))
    refs = remote(delivery).run("for-each-ref")
    row = restored(row)
    run_until_idle()
    row.refresh_from_db()
    assert (row.status, witness.read_text().split()) == ("unknown", [row.commit])
    assert f"claimed already (its older name under {PREFIX} is " in row.problem
    assert attempt.key not in row.problem + said(row)
    assert remote(delivery).run("for-each-ref") == refs, "it was only looked at"


def test_a_host_that_takes_no_claims_stops_runs_until_a_maintainer_says_otherwise(
    delivery: Delivery, witness: Path
) -> None:
    row = delivery.deployment(delivery.merged())
    claims_are_refused(delivery)
    run_until_idle()
    row.refresh_from_db()
    assert row.status == "failed"
    assert "no such namespace" in row.problem
    assert not witness.exists()
    require_claims(delivery.people.carol, repository=delivery.repository, required=False)
    services.retry(delivery.people.carol, deployment=row, from_step=0)
    run_until_idle()
    row.refresh_from_db()
    assert row.status == "succeeded"
    assert "without a claim" in said(row)


def away(*_: object, **__: object) -> remotes.PushOutcome:
    raise Unavailable("git_unreachable", "The Git host does not answer.")


def test_while_the_host_does_not_answer_nothing_begins_and_it_is_said_once(
    delivery: Delivery, witness: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = delivery.deployment(delivery.merged())
    with monkeypatch.context() as patch:
        patch.setattr(remotes, "push_with_lease", away)
        for _ in range(3):
            assert look(row).status == "dispatching"
    assert said(row).count("The Git host does not answer.") == 1
    assert not witness.exists()
    run_until_idle()
    assert Deployment.objects.get(pk=row.pk).status == "succeeded"
    assert witness.read_text().split() == [row.commit]


def test_a_run_that_waited_for_the_host_is_judged_again_before_it_begins(
    delivery: Delivery, witness: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = delivery.deployment(delivery.merged())
    with monkeypatch.context() as patch:
        patch.setattr(remotes, "push_with_lease", away)
        assert look(row).status == "dispatching"
    Attempt.objects.update(started_at=now() - timedelta(minutes=1))
    services.lock_environment(delivery.people.carol, environment=row.environment, reason="a migration")
    run_until_idle()
    row.refresh_from_db()
    assert row.status == "failed"
    assert "a migration" in row.problem
    assert not witness.exists()


def test_a_repository_that_needs_no_claims_goes_on_while_the_host_is_away(
    delivery: Delivery, witness: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = delivery.deployment(delivery.merged())
    require_claims(delivery.people.carol, repository=delivery.repository, required=False)
    monkeypatch.setattr(remotes, "push_with_lease", away)
    run_until_idle()
    row.refresh_from_db()
    assert row.status == "succeeded"
    assert witness.read_text().split() == [row.commit]
