"""Open changes that touch the same resources or paths know of each other, and whether the order matters is computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.changes.models import ChangeRequest, Overlap, TouchedThing
from apps.changes.overlaps import overlaps_of
from apps.changes.services import retarget, withdraw
from apps.deployments import services as deployments
from apps.repositories.services import synchronise
from apps.reviews.queries import verdict_of
from tests.support.delivery import Delivery, run_jobs

pytestmark = pytest.mark.django_db
YAML = """\
apiVersion: portal/v1
environments:
  staging: {targets: {raw: {kind: manifests, path: raw}}}
rules: [{name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}]
"""
HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata:\n"
FIRST = HEAD + "  a: '1'\n  b: '1'\n  c: '1'\n  d: '1'\n  e: '1'\n  f: '1'\n  g: '1'\n"
ENGINE = ("changes.", "repositories.")


def begun(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, YAML, {"raw/config.yaml": FIRST, "docs/a.md": "1\n2\n3\n4\n5\n6\n7\n8\n9\n"})


def propose(delivery: Delivery, name: str, content: dict[str, str | bytes]) -> ChangeRequest:
    change = delivery.proposed(name, content)
    work()
    return change


def work() -> None:
    for _ in range(4):
        run_jobs(
            "changes.take_ref_updates", "changes.follow_branches", "changes.plan_renderings", "changes.render",
            "changes.find_overlaps", "changes.compare_overlap",
        )  # fmt: skip


def seen_by(change: ChangeRequest) -> list[tuple[int, str]]:
    change.refresh_from_db()
    return [(found.other.number, found.words) for found in overlaps_of(change)]


def test_changes_of_the_same_resource_are_named_on_both_and_commute_when_the_lines_are_apart(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    one = propose(delivery, "one", {"raw/config.yaml": FIRST.replace("a: '1'", "a: '2'")})
    two = propose(delivery, "two", {"raw/config.yaml": FIRST.replace("g: '1'", "g: '2'")})
    row = Overlap.objects.get()
    assert (row.state, row.same_end, row.conflicts) == ("known", True, [])
    assert "ConfigMap settings in staging" in row.things
    [(number, words)] = seen_by(one)
    assert number == two.number
    assert "same in either order" in words
    assert [number for number, _ in seen_by(two)] == [one.number]


def test_what_it_says_of_approvals_is_what_happens(tmp_path: Path) -> None:
    """Both touch one resource, so what the second approver saw is another difference once the first landed."""
    delivery = begun(tmp_path)
    one = propose(delivery, "one", {"raw/config.yaml": FIRST.replace("a: '1'", "a: '2'")})
    two = propose(delivery, "two", {"raw/config.yaml": FIRST.replace("g: '1'", "g: '2'")})
    assert Overlap.objects.get().second_stays is False
    [(_, words)] = seen_by(two)
    assert f"If {one.label} is merged first, approvals of this change have to be given again" in words
    delivery.approve(one)
    delivery.approve(two)
    deployments.merge_change(delivery.people.alice, change=one)
    run_jobs("deployments.carry_out_merges")
    work()
    two.refresh_from_db()
    assert not verdict_of(two).allowed


def test_approvals_that_stay_do_stay(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    text = "1\n2\n3\n4\n5\n6\n7\n8\n9\n"
    one = propose(delivery, "one", {"docs/a.md": text.replace("1\n", "one\n")})
    two = propose(delivery, "two", {"docs/a.md": text.replace("9\n", "nine\n")})
    row = Overlap.objects.get()
    assert (row.things, row.same_end, row.first_stays, row.second_stays) == (["docs/a.md"], True, True, True)
    assert "Approvals of either stay" in seen_by(two)[0][1]
    delivery.approve(one)
    delivery.approve(two)
    deployments.merge_change(delivery.people.alice, change=one)
    run_jobs("deployments.carry_out_merges")
    work()
    two.refresh_from_db()
    assert verdict_of(two).allowed


def test_a_conflict_between_two_changes_is_told_before_either_is_merged(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    one = propose(delivery, "one", {"raw/config.yaml": FIRST.replace("a: '1'", "a: '2'")})
    propose(delivery, "two", {"raw/config.yaml": FIRST.replace("a: '1'", "a: '3'")})
    assert (Overlap.objects.get().same_end, Overlap.objects.get().conflicts) == (False, ["raw/config.yaml"])
    assert "conflict in raw/config.yaml" in seen_by(one)[0][1]


def test_two_files_of_one_resource_overlap_although_no_path_does(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    text = HEAD.replace("settings", "more") + "  x: '1'\n"
    propose(delivery, "one", {"raw/one.yaml": text})
    propose(delivery, "two", {"raw/two.yaml": text.replace("x: '1'", "x: '2'")})
    row = Overlap.objects.get()
    assert row.things == ["ConfigMap more in staging"]
    assert row.state == "failed" or row.same_end is not None  # one resource twice cannot be rendered
    assert row.second_stays is not True


def test_whether_approvals_stay_is_not_said_beside_a_change_of_the_policy(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    text = "1\n2\n3\n4\n5\n6\n7\n8\n9\n"
    other = YAML.replace("path: raw}}}", "path: raw}, docs: {kind: manifests, path: docs}}}")
    one = propose(delivery, "one", {"docs/a.md": text.replace("1\n", "one\n"), ".gitops/portal.yaml": other})
    two = propose(delivery, "two", {"docs/a.md": text.replace("9\n", "nine\n")})
    assert Overlap.objects.get().second_stays is None
    assert "stay" not in seen_by(two)[0][1].replace("Whether approvals stay", "").replace("of one of them stay", "")
    assert one.number < two.number


def test_a_module_of_rego_is_a_change_of_the_policy_too(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, YAML + "rego: policies\n", {"docs/a.md": "1\n2\n3\n4\n5\n6\n7\n8\n9\n"})
    module = 'package portal.merge\n\ndeny contains "no" if input.size.files > 3\n'
    text = "1\n2\n3\n4\n5\n6\n7\n8\n9\n"
    propose(delivery, "one", {"docs/a.md": text.replace("1\n", "one\n"), "policies/a.rego": module})
    propose(delivery, "two", {"docs/a.md": text.replace("9\n", "nine\n")})
    assert Overlap.objects.get().second_stays is None


def test_changes_that_touch_different_things_are_not_named(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    one = propose(delivery, "one", {"raw/config.yaml": FIRST.replace("a: '1'", "a: '2'")})
    propose(delivery, "two", {"docs/a.md": "other\n"})
    assert not Overlap.objects.exists()
    assert seen_by(one) == []


def test_a_new_revision_is_compared_anew_and_a_withdrawn_change_is_not_named(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    one = propose(delivery, "one", {"raw/config.yaml": FIRST.replace("a: '1'", "a: '2'")})
    two = propose(delivery, "two", {"raw/config.yaml": FIRST.replace("a: '1'", "a: '3'")})
    delivery.work.run("checkout", "-q", "two")
    delivery.work.commit("Elsewhere", files={"raw/config.yaml": FIRST.replace("g: '1'", "g: '3'")})
    delivery.work.push("two")
    synchronise(delivery.repository.pk)
    work()
    [(number, words)] = seen_by(one)
    assert number == two.number
    assert "same in either order" in words
    withdraw(delivery.people.alice, change=two)
    assert seen_by(one) == []


def test_a_change_of_another_branch_or_repository_is_nobodys_neighbour(tmp_path: Path) -> None:
    delivery = begun(tmp_path)
    delivery.work.run("push", "-q", "origin", "main:refs/heads/release")
    synchronise(delivery.repository.pk)
    one = propose(delivery, "one", {"raw/config.yaml": FIRST.replace("a: '1'", "a: '2'")})
    two = delivery.proposed("two", {"raw/config.yaml": FIRST.replace("a: '1'", "a: '3'")})
    retarget(delivery.people.alice, change=two, target_branch="release")
    work()
    assert seen_by(one) == []


def test_a_thousand_paths_are_remembered_and_not_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.changes.services.overlaps.MOST_THINGS", 10)
    delivery = begun(tmp_path)
    propose(delivery, "one", {f"docs/{number}.md": "x\n" for number in range(30)})
    assert TouchedThing.objects.count() == 10
