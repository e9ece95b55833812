"""A merge is claimed in the target repository before it is pushed: by one portal, once, and nobody goes on in silence without."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.audit.models import AuditEntry
from apps.core.errors import NotAllowed, NotVisible
from apps.deployments import services
from apps.deployments.jobs import claiming, landing
from apps.deployments.keys import LENGTH, binding, dispatch_key, public_name
from apps.deployments.models import Attempt, Deployment, MergeIntent, PortalIdentity
from apps.deployments.transitions import attempt_key, portal_identity
from apps.repositories.services import require_claims
from apps.vcs import remotes
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle
from tests.support.git import GitRepo

pytestmark = pytest.mark.django_db
ONLY_HEADS = '#!/bin/sh\nwhile read -r _ _ ref; do case $ref in refs/heads/*) ;; *) echo "no such namespace" >&2; exit 1;; esac; done\n'


class Killed(BaseException):
    """What a process that is killed does not survive."""


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline("true", "true"))


def remote(delivery: Delivery) -> GitRepo:
    return GitRepo(Path(delivery.repository.url))


def decided(delivery: Delivery) -> MergeIntent:
    return services.merge_change(delivery.people.alice, change=delivery.approved())


def with_hook(delivery: Delivery, text: str) -> None:
    hook = remote(delivery).path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(text)
    hook.chmod(0o755)


def claimed_by_another(delivery: Delivery, intent: MergeIntent) -> str:
    blob = remote(delivery).run("hash-object", "-w", "--stdin", stdin=b"another portal\n")
    remote(delivery).run("update-ref", claiming.ref_of(intent), blob)
    return blob


def page(delivery: Delivery, address: str, name: str = "alice") -> str:
    client = Client()
    client.force_login(getattr(delivery.people, name))
    return client.get(address).content.decode()


def test_the_claim_is_kept_by_the_target_repository_and_says_whose_it_is(delivery: Delivery) -> None:
    intent = decided(delivery)
    run_jobs("deployments.carry_out_merges")
    intent.refresh_from_db()
    assert (intent.state, intent.claim, len(intent.key)) == ("landed", "held", LENGTH)
    kept = json.loads(remote(delivery).run("cat-file", "blob", f"refs/portal/dispatched/{intent.key}"))
    assert kept["nonce"] == intent.claim_nonce
    assert kept["portal"] == public_name(PortalIdentity.objects.get().name)
    assert kept["merge"] == intent.merge_commit
    assert f"Dispatch-Key: {intent.key}" in remote(delivery).run("log", "-1", "--format=%(trailers)", "main")


def test_the_claim_is_there_before_the_merge(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    intent = decided(delivery)
    pushed: list[str] = []
    push = remotes.push_with_lease

    def watched(*args: Any, **named: Any) -> Any:
        pushed.append(named["ref"])
        return push(*args, **named)

    monkeypatch.setattr(remotes, "push_with_lease", watched)
    landing.carry_out_merge(intent.pk)
    assert pushed == [f"refs/portal/dispatched/{intent.key}", "refs/heads/main"]


def test_a_worker_that_finds_the_claim_of_the_one_before_goes_on(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """K10: the claim was pushed, and the worker was killed before it wrote that down."""
    intent = decided(delivery)
    push = remotes.push_with_lease

    def die_after(*args: Any, **named: Any) -> Any:
        push(*args, **named)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(remotes, "push_with_lease", die_after)
        with pytest.raises(Killed):
            landing.carry_out_merge(intent.pk)
    intent.refresh_from_db()
    assert (intent.claim, intent.state) == ("", "pending")
    MergeIntent.objects.update(lease_until=None)
    landing.carry_out_merge(intent.pk)
    intent.refresh_from_db()
    assert (intent.claim, intent.state) == ("held", "landed")


def test_a_claim_of_somebody_else_stops_the_merge_and_everybody_hears_of_it(delivery: Delivery) -> None:
    intent = decided(delivery)
    claimed_by_another(delivery, intent)
    before = remote(delivery).rev_parse("main")
    run_jobs("deployments.carry_out_merges")
    intent.refresh_from_db()
    intent.change.refresh_from_db()
    assert (intent.state, intent.outcome["code"]) == ("returned", "claimed_elsewhere")
    assert intent.change.status == "in_review"
    assert remote(delivery).rev_parse("main") == before
    assert not Deployment.objects.exists()
    entry = AuditEntry.objects.get(action="merge.claimed_elsewhere")
    assert (entry.change_number, entry.data["ref"]) == (intent.change.number, claiming.ref_of(intent))
    said = page(delivery, f"/changes/{intent.change.number}/")
    assert "The merge was stopped." in said
    assert "restored copy" in said


def test_what_arrived_is_not_taken_for_ours_when_another_portal_claimed_it(delivery: Delivery) -> None:
    """A copy of the database computes the same commit: that the branch has it does not mean that we pushed it."""
    intent = decided(delivery)
    run_jobs("deployments.carry_out_merges")
    MergeIntent.objects.update(state="pending", claim="", claim_nonce="", ended_at=None)
    before = Deployment.objects.count()
    type(intent.change).objects.update(status="merging", merge_commit="")
    landing.carry_out_merge(intent.pk)
    intent.refresh_from_db()
    assert (intent.state, intent.outcome["code"]) == ("returned", "claimed_elsewhere")
    assert Deployment.objects.count() == before


def test_a_host_that_takes_no_claims_stops_merges_until_a_maintainer_says_otherwise(delivery: Delivery) -> None:
    with_hook(delivery, ONLY_HEADS)
    intent = decided(delivery)
    run_jobs("deployments.carry_out_merges")
    intent.refresh_from_db()
    assert (intent.state, intent.outcome["code"]) == ("returned", "claim_refused")
    assert "no such namespace" in intent.outcome["message"]
    assert "no such namespace" in page(delivery, f"/changes/{intent.change.number}/")
    require_claims(delivery.people.carol, repository=delivery.repository, required=False)
    again = services.merge_change(delivery.people.alice, change=intent.change)
    run_jobs("deployments.carry_out_merges")
    again.refresh_from_db()
    assert (again.state, again.claim) == ("landed", "refused")
    assert AuditEntry.objects.filter(action="merge.claim_refused", change_number=intent.change.number).count() == 1
    said = page(delivery, "/repositories/infra/", "carol")
    assert "Merges go on without a claim" in said
    assert "took no claim of the last merge" in said


def test_only_a_maintainer_lets_merges_go_on_without_claims_and_it_is_on_record_once(delivery: Delivery) -> None:
    people, repository = delivery.people, delivery.repository
    with pytest.raises(NotAllowed):
        require_claims(people.bob, repository=repository, required=False)
    with pytest.raises(NotVisible):
        require_claims(people.mallory, repository=repository, required=False)
    for _ in range(2):
        assert not require_claims(people.carol, repository=repository, required=False).claims_required
    entry = AuditEntry.objects.get(action="repository.claims_changed")
    assert entry.data == {"required": False}


def test_an_unclear_answer_is_asked_again(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    intent = decided(delivery)
    with monkeypatch.context() as patch:
        patch.setattr(remotes, "push_with_lease", lambda *_, **__: remotes.PushOutcome("moved"))
        landing.carry_out_merge(intent.pk)
    intent.refresh_from_db()
    assert (intent.state, intent.outcome["code"], intent.claim) == ("pending", "claim_unclear", "")
    assert "The merge waits." in page(delivery, f"/changes/{intent.change.number}/")


def test_a_merge_that_nobody_takes_is_shown_as_waiting(delivery: Delivery) -> None:
    from datetime import timedelta

    from apps.core.clock import now

    intent = decided(delivery)
    assert "The merge waits." not in page(delivery, f"/changes/{intent.change.number}/")
    MergeIntent.objects.update(created_at=now() - timedelta(seconds=45))
    assert "No worker has finished a try" in page(delivery, f"/changes/{intent.change.number}/")


# --- keys ----------------------------------------------------------------------------------

SAMPLE: dict[str, Any] = {
    "portal": "p", "change": 1, "place": "merge", "binding": binding(a=1), "kind": "forward", "count": 1,
}  # fmt: skip


def test_a_key_is_the_same_for_the_same_act_and_another_for_every_other() -> None:
    key = dispatch_key(**SAMPLE)
    assert key == dispatch_key(**SAMPLE)
    assert len(key) == LENGTH
    others = {
        "portal": "q",
        "change": 2,
        "place": "production",
        "binding": binding(a=2),
        "kind": "redeploy",
        "count": 2,
    }
    assert len({key, *(dispatch_key(**{**SAMPLE, name: value}) for name, value in others.items())}) == 7


def test_every_attempt_has_a_key_that_another_run_of_the_same_number_does_not_get(delivery: Delivery) -> None:
    change = delivery.merged()
    run_until_idle()
    first = delivery.deployment(change)
    again = services.start_deployment(delivery.people.alice, change=change, environment="staging")
    run_until_idle()
    keys = list(Attempt.objects.values_list("key", flat=True))
    assert len(keys) == len(set(keys)) == 3
    assert {len(key) for key in keys} == {LENGTH}
    # A restored older database hands the numbers out again; what then gets them is something else.
    other = delivery.deployment(change, "production")
    assert attempt_key(first) != attempt_key(other)
    first.commit = "1" * 40
    assert attempt_key(first) != attempt_key(again)


def test_the_name_of_the_portal_is_written_once(delivery: Delivery) -> None:
    PortalIdentity.objects.all().delete()
    assert portal_identity() == portal_identity()
    assert len(PortalIdentity.objects.get().name) == 32


def test_a_restored_database_does_not_take_the_run_of_another_deployment_for_its_own(
    delivery: Delivery, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory of run 1 is left from before the restore; deployment 1 is another one now and has to run."""
    real: Callable[..., str] = attempt_key
    change = delivery.merged()
    place = data_dir / "runs" / str(delivery.deployment(change).number) / "1"
    (place / "steps" / "0").mkdir(parents=True)
    for name in ("prepared", "started", "cancel"):
        (place / name).touch()
    run_until_idle()
    row = delivery.deployment(change)
    assert row.status == "succeeded"
    assert real(row) != row.attempt_rows.get().key
