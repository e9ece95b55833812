"""One forced push after the other: what was approved and is lost is shown, whatever the later ones leave of the first."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.changes.models import ChangeRequest, OutsideChange
from apps.core.errors import NotAllowed
from apps.deployments import services
from apps.deployments.models import Deployment
from apps.reviews.services import submit_review
from tests.deployments.test_deployments_outside_changes import HOLD, begun, look, only, push_past
from tests.support.delivery import Delivery, run_until_idle

pytestmark = pytest.mark.django_db
FIX = {"app/fix.yaml": "secure: true\n"}


def with_fix(tmp_path: Path) -> tuple[Delivery, str, str]:
    """An approved fix is live: the world, the tip before it, and the one with it."""
    delivery = begun(tmp_path, HOLD)
    before = delivery.work.rev_parse("origin/main")
    fixed = delivery.merged("security-fix", FIX).merge_commit
    run_until_idle()
    delivery.work.run("fetch", "-q", "origin")
    return delivery, before, fixed


def force(delivery: Delivery, oid: str) -> None:
    delivery.work.push(f"{oid}:refs/heads/main", force=True)
    look(delivery)


def beside(delivery: Delivery, start: str, name: str = "note") -> str:
    """A commit on ``start`` that nobody would mind."""
    delivery.work.run("fetch", "-q", "origin")
    delivery.work.run("checkout", "-q", "-B", "beside", start)
    return delivery.work.commit("Harmless", files={f"app/{name}.yaml": "a: 1\n"}, author="Kim <kim@example.org>")


def amended(delivery: Delivery, start: str, name: str) -> str:
    """A sibling of ``start``."""
    delivery.work.run("fetch", "-q", "origin")
    delivery.work.run("checkout", "-q", "-B", "beside", start)
    (delivery.work.path / "app" / f"{name}.yaml").write_text("a: 1\n")
    delivery.work.run("add", "-A")
    delivery.work.run(
        "-c", "user.name=Kim", "-c", "user.email=kim@example.org", "commit", "-q", "--amend", "-m", "Again"
    )
    return delivery.work.rev_parse("HEAD")


def ways() -> list[tuple[str, str, str]]:
    return [(row.old_oid, row.new_oid, row.outcome) for row in OutsideChange.objects.order_by("pk")]


def paths_of(change: ChangeRequest) -> list[str]:
    assert change.revision is not None
    return sorted(change.revision.paths)


def adopted(delivery: Delivery, row: OutsideChange) -> ChangeRequest:
    return services.adopt_outside_change(delivery.people.alice, outside=row)


@pytest.mark.parametrize("times", [2, 3])
def test_forced_pushes_in_a_row_do_not_hide_what_the_first_took_away(tmp_path: Path, times: int) -> None:
    delivery, before, fixed = with_fix(tmp_path)
    force(delivery, before)
    siblings = [amended(delivery, before, f"note{number}") for number in range(1, times)]
    for oid in siblings:
        force(delivery, oid)
    assert ways() == [(fixed, oid, "gone") for oid in (before, *siblings[:-1])] + [(fixed, siblings[-1], "")]
    change = adopted(delivery, OutsideChange.objects.open().get())
    assert paths_of(change) == ["app/fix.yaml", f"app/note{times - 1}.yaml"]


def test_what_is_lost_can_be_taken_back_after_the_second_forced_push(tmp_path: Path) -> None:
    delivery, before, _ = with_fix(tmp_path)
    force(delivery, before)
    force(delivery, amended(delivery, before, "note"))
    change = services.revert_outside_change(delivery.people.alice, outside=OutsideChange.objects.open().get())
    delivery.approve(change)
    services.merge_change(delivery.people.alice, change=change)
    run_until_idle()
    delivery.work.run("fetch", "-q", "origin")
    assert delivery.work.run("show", "origin/main:app/fix.yaml") == "secure: true"
    assert not OutsideChange.objects.open().exists()


def test_a_branch_that_is_forced_deleted_and_made_anew_shows_what_the_first_took_away(tmp_path: Path) -> None:
    delivery, before, fixed = with_fix(tmp_path)
    delivery.work.run("--git-dir", delivery.repository.url, "config", "receive.denyDeleteCurrent", "ignore")
    delivery.work.run("push", "-q", "origin", "main:refs/heads/spare")
    force(delivery, before)
    delivery.work.run("push", "-q", "origin", ":main")
    look(delivery)
    assert ways()[1:] == [(fixed, "", "")]
    new = amended(delivery, before, "note")
    force(delivery, new)
    assert ways()[2:] == [(fixed, new, "")]
    assert [row.kind for row in OutsideChange.objects.order_by("pk")] == ["forced", "deleted", "forced"]


def test_plain_pushes_after_a_forced_one_leave_it_open_and_a_later_one_takes_over(tmp_path: Path) -> None:
    delivery, before, fixed = with_fix(tmp_path)
    force(delivery, before)
    second = push_past(delivery, "replicas: 2\n")
    assert ways() == [(fixed, before, ""), (before, second, "")]
    last = amended(delivery, before, "note")
    force(delivery, last)
    assert ways()[:2] == [(fixed, before, "gone"), (before, second, "gone")]
    assert ways()[2:] == [(fixed, last, "")]


def test_what_was_merged_between_two_forced_pushes_is_shown_beside_what_the_first_took_away(tmp_path: Path) -> None:
    delivery, before, fixed = with_fix(tmp_path)
    force(delivery, before)
    merged = delivery.merged("between", {"app/other.yaml": "a: 1\n"}).merge_commit
    last = amended(delivery, before, "note")
    force(delivery, last)
    assert ways()[1:] == [(merged, last, ""), (fixed, last, "")]
    lost = {path for row in OutsideChange.objects.open() for path in paths_of(adopted(delivery, row))}
    assert lost == {"app/fix.yaml", "app/note.yaml", "app/other.yaml"}


def test_a_branch_that_is_pushed_forward_to_where_it_was_is_settled(tmp_path: Path) -> None:
    delivery, before, fixed = with_fix(tmp_path)
    force(delivery, before)
    force(delivery, amended(delivery, before, "note"))
    force(delivery, fixed)
    assert [outcome for *_, outcome in ways()] == ["gone", "gone"]
    force(delivery, before)
    delivery.work.push(f"{fixed}:refs/heads/main")
    look(delivery)
    assert [outcome for *_, outcome in ways()] == ["gone", "gone", "gone"]
    assert delivery.deployment(delivery.merged("more", {"app/more.yaml": "a: 1\n"})).status == "pending"
    run_until_idle()
    assert set(Deployment.objects.values_list("status", flat=True)) == {"succeeded"}, "nothing holds it"


def test_a_branch_that_is_forced_back_to_what_the_portal_merged_before_is_an_outside_change(tmp_path: Path) -> None:
    delivery, _, fixed = with_fix(tmp_path)
    later = delivery.merged("later", {"app/later.yaml": "a: 1\n"}).merge_commit
    force(delivery, fixed)
    assert ways() == [(later, fixed, "")]
    assert paths_of(adopted(delivery, only())) == ["app/later.yaml"]


def test_what_comes_on_top_of_where_it_was_is_all_that_is_left_to_adopt(tmp_path: Path) -> None:
    delivery, before, fixed = with_fix(tmp_path)
    force(delivery, amended(delivery, before, "evil"))
    more = beside(delivery, fixed)
    force(delivery, more)
    assert ways()[1:] == [(fixed, more, "")]
    assert paths_of(adopted(delivery, OutsideChange.objects.open().get())) == ["app/note.yaml"]


def test_who_forced_the_fix_away_does_not_approve_that_it_stays_away(tmp_path: Path) -> None:
    delivery, before, _ = with_fix(tmp_path)
    force(delivery, before)
    OutsideChange.objects.filter(pk=only().pk).update(pusher=delivery.people.bob)
    force(delivery, amended(delivery, before, "note"))
    change = adopted(delivery, OutsideChange.objects.open().get())
    with pytest.raises(NotAllowed) as refused:
        submit_review(delivery.people.bob, change=change, revision=1, verdict="approve")
    assert refused.value.code == "contributor"
