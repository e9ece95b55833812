"""Once a merge may have been pushed, only the tip of the remote says whether it was, whatever goes wrong on the way to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.core.errors import Conflict, InvalidInput
from apps.deployments import services
from apps.deployments.jobs import automatic, landing, starting, verifying
from apps.deployments.models import MergeIntent, TargetFreeze
from apps.deployments.queries import waits_of
from apps.deployments.transitions import freeze_target
from apps.reviews.queries import verdict_of
from apps.vcs import remotes
from tests.support.delivery import Delivery, pipeline, run_jobs, run_until_idle
from tests.support.git import GitRepo

pytestmark = pytest.mark.django_db
Patch = pytest.MonkeyPatch
BUSY = Conflict("fetch_running", "This repository is being synchronised already. Try again shortly.")
LOCKED_OUT = InvalidInput("bad_credentials", "The Git host refused the token.")


class Killed(BaseException):
    """What a process that is killed does not survive."""


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline("true", "true"))


def remote(delivery: Delivery) -> GitRepo:
    return GitRepo(Path(delivery.repository.url))


def on_top(delivery: Delivery) -> None:
    """Somebody pushes past the portal, onto what is there."""
    repo = remote(delivery)
    tip = repo.rev_parse("main")
    commit = repo.run(
        "-c", "user.name=x", "-c", "user.email=x@y", "commit-tree", f"{tip}^{{tree}}", "-p", tip, "-m", "On top"
    )
    repo.run("update-ref", "refs/heads/main", commit)


def pushed(delivery: Delivery, patch: Patch, name: str = "one") -> MergeIntent:
    """A merge that arrived, by a worker that was killed before it knew (K11)."""
    change = delivery.approved(name, {f"{name}.txt": f"{name}\n"})
    intent = services.merge_change(delivery.people.alice, change=change)

    def killed(name: str) -> None:
        if name == "K11":
            raise Killed

    with patch.context() as inside:
        inside.setattr(landing, "failpoint", killed)
        with pytest.raises(Killed):
            landing.carry_out_merge(intent.pk)
    return tried_again(intent, carry_out=False)


def tried_again(intent: MergeIntent, *, carry_out: bool = True) -> MergeIntent:
    MergeIntent.objects.update(lease_until=None, check_at=None)
    if carry_out:
        landing.carry_out_merge(intent.pk)
    return MergeIntent.objects.select_related("change", "revision", "requested_by").get(pk=intent.pk)


def failing(problem: Exception) -> Any:
    def fail(*_: Any, **__: Any) -> None:
        raise problem

    return fail


def test_a_mirror_that_is_being_fetched_is_waited_for(delivery: Delivery, monkeypatch: Patch) -> None:
    intent = pushed(delivery, monkeypatch)
    on_top(delivery)
    with monkeypatch.context() as patch:
        patch.setattr(landing.mirrors, "refresh", failing(BUSY))
        intent = tried_again(intent)
    assert (intent.state, intent.outcome["code"], intent.change.status) == ("pending", "fetch_running", "merging")
    intent = tried_again(intent)
    assert (intent.state, intent.change.status) == ("landed", "merged")


def test_a_token_that_was_taken_away_tells_nothing_of_what_was_pushed(delivery: Delivery, monkeypatch: Patch) -> None:
    intent = pushed(delivery, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(remotes, "remote_tip", failing(LOCKED_OUT))
        intent = tried_again(intent)
    assert (intent.state, intent.outcome["message"]) == ("pending", LOCKED_OUT.message)
    assert tried_again(intent).state == "landed"


def test_before_anything_was_pushed_it_is_given_back_at_once(delivery: Delivery, monkeypatch: Patch) -> None:
    intent = services.merge_change(delivery.people.alice, change=delivery.approved())
    with monkeypatch.context() as patch:
        patch.setattr(remotes, "remote_tip", failing(LOCKED_OUT))
        intent = tried_again(intent)
    assert (intent.state, intent.outcome["code"], intent.change.status) == ("returned", "bad_credentials", "in_review")


@pytest.mark.parametrize("is_kept", [True, False], ids=["the commit is there", "the mirror was made anew"])
def test_who_is_called_otherwise_meanwhile_wrote_the_same_commit(
    delivery: Delivery, monkeypatch: Patch, *, is_kept: bool
) -> None:
    """Killed between claim and push, too: the claim names the commit."""
    change = delivery.approved()
    intent = services.merge_change(delivery.people.alice, change=change)

    def killed(name: str) -> None:
        if name == "K10":
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("apps.deployments.jobs.claiming.failpoint", killed)
        with pytest.raises(Killed):
            landing.carry_out_merge(intent.pk)
    before = tried_again(intent, carry_out=False)
    alice = delivery.people.alice
    alice.first_name, alice.last_name, alice.email = "Alice", "Newly-Wed", "alice@elsewhere.example"
    alice.save()
    if not is_kept:
        oid = before.merge_commit
        (before.change.repository.mirror_path / "objects" / oid[:2] / oid[2:]).unlink()
    after = tried_again(intent)
    assert (after.state, after.merge_commit) == ("landed", before.merge_commit), after.outcome
    assert remote(delivery).rev_parse("main") == before.merge_commit
    assert "Newly-Wed" not in remote(delivery).run("log", "-1", "--format=%an", "main")


def test_a_roll_back_merges_by_itself_when_a_freeze_is_lifted(delivery: Delivery) -> None:
    change = delivery.merged()
    run_until_idle()
    inverse = services.roll_back(delivery.people.carol, deployment=delivery.deployment(change))
    run_jobs("changes.take_ref_updates", "changes.follow_branches")
    if not verdict_of(inverse).allowed:
        delivery.approve(inverse)
    automatic.merge_when_allowed(inverse.pk)
    intent = MergeIntent.objects.get(change=inverse)
    freeze_target(delivery.repository, "main", reason="somebody looks at it")
    landing.carry_out_merge(intent.pk)
    inverse.refresh_from_db()
    assert (inverse.status, inverse.merge_when_allowed_by) == ("in_review", delivery.people.carol)
    automatic.merge_when_allowed(inverse.pk)
    assert MergeIntent.objects.filter(change=inverse).count() == 1
    services.lift_freeze(delivery.people.carol, freeze=TargetFreeze.objects.get(), reason="looked at")
    run_until_idle()
    inverse.refresh_from_db()
    assert inverse.status in {"merged", "done"}


def test_nothing_starts_above_a_merge_that_was_not_compared(delivery: Delivery) -> None:
    first = services.merge_change(delivery.people.alice, change=delivery.approved("one", {"one.txt": "one\n"}))
    landing.carry_out_merge(first.pk)
    second = services.merge_change(delivery.people.alice, change=delivery.approved("two", {"two.txt": "two\n"}))
    landing.carry_out_merge(second.pk)
    verifying.verify_landed(second.pk)
    row = delivery.deployment(tried_again(second, carry_out=False).change)
    assert "verification" in [wait.code for wait in waits_of(row)]
    starting.start(row.pk)
    row.refresh_from_db()
    assert row.status == "pending"
    verifying.verify_landed(first.pk)
    assert "verification" not in [wait.code for wait in waits_of(row)]
