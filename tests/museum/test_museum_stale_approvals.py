"""A1 to A8: what was approved is what is merged, whatever moves between the two (and the entries of GitLab that did the same)."""

from __future__ import annotations

from tests.museum.conftest import Open
from tests.support.museum import ENVIRONMENTS, OWNERS, REVIEWER, VALUES, Museum, email, exhibit, policy
from tests.support.people import team

TARGETS = "environments:\n  staging:\n    targets:\n      raw: {kind: manifests, path: raw}\n"


@exhibit("A1")
def test_a_push_after_the_approval_closes_the_gate(museum: Museum) -> None:
    number = museum.approved("one", {VALUES: "replicas: 2\n"})
    museum.pushed("one", {VALUES: "replicas: 99\n"})
    museum.merge_is_refused(number, "rule")
    assert museum.standing(number) == "source_changed"
    assert museum.told(number, "change.revision_added")


@exhibit("A1", "GL#383776", "GT#39172")
def test_a_push_in_the_seconds_before_the_merge_button_does_not_get_in(museum: Museum) -> None:
    """Nobody has seen the push yet: what lands is what was approved, and the push stays outside."""
    number = museum.approved("one", {VALUES: "replicas: 2\n"})
    approved = museum.change(number)["revisions"][-1]["result_tree"]
    for replicas in (98, 99):
        museum.work.push(f"{museum.commit('one', {VALUES: f'replicas: {replicas}'})}:refs/heads/one", force=True)
    museum.merge(number)
    assert museum.bare.tree("main") == approved
    assert museum.told(number, "change.merged")


@exhibit("A2")
def test_a_second_branch_that_is_merged_into_the_approved_one_voids_the_approval(museum: Museum) -> None:
    number = museum.approved("one", {VALUES: "replicas: 2\n"})
    museum.commit("other", {"evil.yaml": "evil: true\n"})
    museum.work.checkout("one")
    museum.work.merge("other", "merge", email("alice"))
    museum.push("one")
    museum.merge_is_refused(number, "rule")
    assert museum.standing(number) == "source_changed"
    assert museum.told(number, "change.revision_added")


@exhibit("GL CVE-2023-4812")
def test_a_change_that_the_portal_merges_into_the_branch_of_an_approved_one_voids_its_approval(
    open_museum: Open,
) -> None:
    museum = open_museum(policy(OWNERS), {"CODEOWNERS": "* @bob\n"})
    number = museum.approved("one", {VALUES: "replicas: 2\n"})
    museum.work.push(f"{museum.commit('two', {'evil.yaml': 'evil: 1'}, at='one')}:refs/heads/two", force=True)
    smuggled = museum.open("two", target="one")
    museum.review(smuggled, "bob")
    museum.merge(smuggled)
    museum.look()
    museum.merge_is_refused(number, "code_owners")
    assert museum.standing(number) == "source_changed"
    assert museum.told(number, "change.revision_added")


@exhibit("A3")
def test_a_target_branch_that_moved_brings_its_new_rules_and_its_new_result(museum: Museum) -> None:
    number = museum.approved("one", {VALUES: "replicas: 2\n"})
    museum.pushed("main", {".gitops/portal.yaml": policy(REVIEWER.replace("approvals: 1", "approvals: 2"))})
    text = museum.merge_is_refused(number, "rule")
    assert "2 approvals" in text
    assert museum.told_of_repository("repository.outside_change")
    assert museum.told_of_repository("policy.changed")


@exhibit("A3", "GT GHSA-w5pg-649r-p6gg")
def test_an_approval_for_one_branch_is_none_for_another(museum: Museum) -> None:
    museum.push("main:refs/heads/sandbox")
    museum.work.push(f"{museum.commit('one', {VALUES: 'replicas: 2'})}:refs/heads/one", force=True)
    number = museum.open("one", target="sandbox")
    museum.review(number, "bob")
    museum.post("alice", f"changes/{number}/retarget/", {"target_branch": "main"}, status=200)
    museum.merge_is_refused(number, "rule")
    assert museum.standing(number) == "retargeted"
    assert museum.told(number, "change.retargeted")


@exhibit("GL CVE-2020-13348")
def test_a_detour_over_a_branch_without_code_owners_keeps_nobody_out(open_museum: Open) -> None:
    museum = open_museum(policy(OWNERS), {"CODEOWNERS": "* @kim\n"})
    museum.work.remove("CODEOWNERS")
    museum.push(f"{museum.commit('free', {})}:refs/heads/free")
    museum.work.push(f"{museum.commit('one', {VALUES: 'replicas: 2'}, at='main')}:refs/heads/one", force=True)
    number = museum.open("one", target="free")
    museum.merge_is_refused(number, "rule")  # without owners a reviewer is asked, and not nobody
    museum.review(number, "bob")
    museum.post("alice", f"changes/{number}/retarget/", {"target_branch": "main"}, status=200)
    assert "@kim" in museum.merge_is_refused(number, "code_owners")
    assert museum.told(number, "change.retargeted")


@exhibit("GL CVE-2023-4379")
def test_the_approval_of_an_owner_on_one_branch_is_none_of_an_owner_on_the_other(open_museum: Open) -> None:
    museum = open_museum(policy(OWNERS), {"CODEOWNERS": "* @kim\n"})
    museum.pushed("dev", {"CODEOWNERS": "* @bob\n"})
    museum.work.push(f"{museum.commit('one', {VALUES: 'replicas: 2'}, at='main')}:refs/heads/one", force=True)
    number = museum.open("one", target="dev")
    museum.review(number, "bob")
    museum.post("alice", f"changes/{number}/retarget/", {"target_branch": "main"}, status=200)
    museum.merge_is_refused(number, "code_owners")
    assert museum.standing(number) == "retargeted"
    assert museum.told(number, "change.retargeted")


@exhibit("A4", "GL CVE-2024-0410")
def test_a_conflict_that_is_resolved_with_other_content_voids_the_approval(open_museum: Open) -> None:
    museum = open_museum(policy(OWNERS), {"CODEOWNERS": "* @bob\n"})
    number = museum.approved("one", {VALUES: "replicas: 2\n"})
    museum.pushed("main", {VALUES: "replicas: 3\n"}, author="kim")
    museum.merge_is_refused(number, "conflicts")
    museum.pushed("one", {VALUES: "replicas: 2\nevil: true\n"}, at="main")
    museum.merge_is_refused(number, "code_owners")
    assert museum.standing(number) in ("source_changed", "base_moved")
    assert museum.told(number, "change.revision_added")


@exhibit("A5", "GL#436977")
def test_a_branch_that_was_deleted_and_made_anew_under_its_name_begins_without_approvals(museum: Museum) -> None:
    number = museum.approved("one", {VALUES: "replicas: 2\n"})
    museum.post("alice", f"changes/{number}/withdraw/", {"reason": "Later"}, status=200)
    museum.push(":refs/heads/one")
    museum.pushed("one", {"evil.yaml": "evil: true\n"}, at="main")
    museum.post("alice", f"changes/{number}/reopen/", status=200)
    museum.post("alice", f"changes/{number}/ready/", status=200)
    assert "evil: true" in museum.shown(number)
    museum.merge_is_refused(number, "rule")
    assert museum.standing(number) == "reopened"
    assert museum.told(number, "change.reopened")


@exhibit("A6")
def test_while_it_is_being_found_out_what_a_change_does_nobody_approves_or_merges(open_museum: Open) -> None:
    museum = open_museum(policy(environments=TARGETS), {"raw/map.yaml": MAP})
    number = museum.propose("one", {"raw/map.yaml": MAP.replace("blue", "red")})
    refusal = museum.review(number, "bob", status=409)
    assert refusal["code"] == "effect_not_known"
    museum.merge_is_refused(number, "effect", "rule")
    assert museum.told(number, "review") == []


@exhibit("A7")
def test_background_work_that_comes_late_takes_no_newer_approval_away(museum: Museum) -> None:
    number = museum.approved("one", {VALUES: "replicas: 2\n"})
    museum.pushed("one", {VALUES: "replicas: 3\n"})
    museum.review(number, "bob")
    museum.late_jobs()
    assert museum.change(number)["verdict"]["allowed"]
    assert len(museum.told(number, "review.submitted")) == 2
    museum.merge(number)


@exhibit("A8")
def test_an_approval_for_one_environment_opens_no_other_and_nothing_runs_unmerged(open_museum: Open) -> None:
    gate = (
        "  - {name: gate, stage: deploy, when: {environments: [production]}, needs: {approvals: 1, from: [team/ops]}}\n"
    )
    museum = open_museum(policy(REVIEWER + gate, environments=ENVIRONMENTS))
    team("ops", museum.people.kim)
    number = museum.approved("one", {VALUES: "replicas: 2\n"})
    early = museum.post("alice", "deployments/", {"change": number, "environment": "production"}, status=409)
    assert early["code"] == "not_merged"
    museum.review(number, "kim", stage="deploy", environment="staging")
    museum.merge(number)
    museum.deploy_all()
    assert museum.deployment(number, "staging")["state"] == "succeeded"
    held = museum.deployment(number, "production")
    assert (held["state"], [wait["code"] for wait in held["waits"]]) == ("pending", ["gate"])
    assert [entry["environment"] for entry in museum.told(number, "deployment.dispatched")] == ["staging"]


MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {colour: blue}\n"
