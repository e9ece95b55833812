"""B1 to B13: nobody approves their own change, under whatever name, and only people who may do."""

from __future__ import annotations

import pytest

from tests.museum.conftest import Open
from tests.support.museum import OWNERS, VALUES, Museum, email, exhibit, policy
from tests.support.people import person, team

CHANGED = {VALUES: "replicas: 2\n"}


def contributor_is_refused(museum: Museum, number: int, who: str) -> None:
    """403 with the reason on the API, the same on the page, a refusal on record and no review, and nothing merges."""
    before = museum.told(number, "review.submitted")
    refusal = museum.review(number, who, status=403)
    assert refusal["code"] == "contributor"
    form = {"revision": museum.revision(number), "verdict": "approve", "body": "because"}
    assert museum.browser(who).post(f"/changes/{number}/reviews/", form).status_code == 403
    assert museum.told(number, "review.submitted") == before
    entry = museum.told(number, "review.refused")[0]
    assert (entry["actor"]["name"], entry["data"]["code"]) == (who, "contributor")
    assert who in museum.change(number)["contributors"]
    museum.merge_is_refused(number, "rule")


@exhibit("B1")
def test_an_author_does_not_approve_their_own_change_whatever_their_role(museum: Museum) -> None:
    number = museum.propose("one", CHANGED)
    museum.send("carol", "PUT", "repositories/infra/members/alice/", {"role": "maintainer"}, status=200)
    contributor_is_refused(museum, number, "alice")
    assert museum.told_of_repository("repository.member_set")


@exhibit("B1")
@pytest.mark.parametrize("written", ["bob@example.org", "BOB@Example.ORG", "robert@private.test"])
def test_an_author_does_not_approve_by_another_account_or_address(museum: Museum, written: str) -> None:
    museum.people.bob.emailaddress_set.create(email="Robert@Private.test", verified=True)  # type: ignore[attr-defined]
    museum.work.checkout("main")
    museum.work.branch("one")
    oid = museum.work.commit("mine", files=CHANGED, author=f"Somebody <{written}>")
    museum.work.push(f"{oid}:refs/heads/one")
    contributor_is_refused(museum, museum.open("one"), "bob")


@exhibit("B2")
def test_who_pushes_one_commit_to_the_change_of_another_does_not_approve_it(museum: Museum) -> None:
    number = museum.approved("one", CHANGED)
    museum.pushed("one", {"app/more.yaml": "a: 1\n"}, author="bob")
    contributor_is_refused(museum, number, "bob")
    assert museum.told(number, "change.revision_added")


@exhibit("B3")
def test_a_rebase_by_a_robot_does_not_hide_who_wrote_it(museum: Museum) -> None:
    person("robot", kind="service")
    number = museum.propose("one", CHANGED, author="bob")
    museum.pushed("one", CHANGED, author="robot", at="main", message="rebased")
    contributor_is_refused(museum, number, "bob")
    assert museum.told(number, "change.revision_added")


@exhibit("GL epic 19073")
def test_an_author_whose_commits_a_robot_committed_and_another_proposed_does_not_approve(museum: Museum) -> None:
    museum.work.branch("one", "main")
    oid = museum.work.commit("mine", files=CHANGED, author=email("bob"), committer="Robot <robot@ci.example.org>")
    museum.work.push(f"{oid}:refs/heads/one")
    contributor_is_refused(museum, museum.open("one"), "bob")


@exhibit("B4")
@pytest.mark.parametrize(
    "message", ["m\n\nCo-authored-by: Bob <bob@example.org>\n", "m\n\nco-authored-by: <BOB@example.org>\n"]
)
def test_a_co_author_does_not_approve(museum: Museum, message: str) -> None:
    contributor_is_refused(museum, museum.propose("one", CHANGED, message=message), "bob")


@exhibit("B4")
def test_who_wrote_a_commit_that_another_picked_does_not_approve(museum: Museum) -> None:
    picked = museum.commit("bobs", CHANGED, author="bob")
    museum.work.run("checkout", "-q", "-b", "one", "main")
    alice = {"GIT_COMMITTER_NAME": "Alice", "GIT_COMMITTER_EMAIL": "alice@example.org"}
    museum.work.run("cherry-pick", picked, env=alice)
    museum.work.push("HEAD:refs/heads/one")
    contributor_is_refused(museum, museum.open("one"), "bob")


@exhibit("B4")
def test_who_suggested_what_is_in_it_does_not_approve(museum: Museum) -> None:
    number = museum.propose("one", CHANGED)
    body = {"body": "```suggestion\nreplicas: 3\n```\n", "path": VALUES, "line": 1}
    museum.post("bob", f"changes/{number}/threads/", body, status=201)
    comment = museum.get("bob", f"changes/{number}/threads/")["results"][0]["comments"][0]["id"]
    museum.post("alice", f"changes/{number}/suggestions/", {"revision": 1, "comments": [comment]}, status=201)
    contributor_is_refused(museum, number, "bob")
    assert museum.told(number, "suggestion.applied")


@exhibit("B5")
def test_a_forged_name_in_a_commit_grants_nothing(museum: Museum) -> None:
    """Neither does "Bob" as author count as bob's word, nor does a foreign name make alice a stranger to her change."""
    message = "m\n\nApproved-by: Kim <kim@example.org>\nReviewed-by: Kim <kim@example.org>\n"
    number = museum.propose("one", CHANGED, author="olga", message=message)
    assert museum.change(number)["verdict"]["standings"] == []
    museum.send("carol", "PUT", "repositories/infra/members/alice/", {"role": "reviewer"}, status=200)
    contributor_is_refused(museum, number, "alice")


@exhibit("B6")
def test_a_program_does_not_approve(museum: Museum) -> None:
    person("robot", kind="service")
    museum.send("carol", "PUT", "repositories/infra/members/robot/", {"role": "reviewer"}, status=200)
    number = museum.propose("one", CHANGED)
    assert museum.review(number, "robot", status=403)["code"] == "scope_missing"
    museum.merge_is_refused(number, "rule")
    assert museum.told(number, "review.submitted") == []


@exhibit("GH Cider")
def test_a_pipeline_that_reports_success_and_is_the_reviewer_opens_no_gate(museum: Museum) -> None:
    person("robot", kind="service")
    museum.send("carol", "PUT", "repositories/infra/members/robot/", {"role": "reviewer"}, status=200)
    number = museum.propose("one", CHANGED)
    tree = museum.change(number)["revisions"][-1]["result_tree"]
    report = {"name": "a reviewer", "state": "success", "tree": tree}
    museum.post("robot", f"changes/{number}/checks/", report, status=201)
    museum.post("robot", f"changes/{number}/merge/", status=403)
    museum.merge_is_refused(number, "rule")
    assert museum.told(number, "check.reported")[0]["actor"]["name"] == "robot"


@exhibit("B7")
def test_an_administrator_has_no_approval_to_give(museum: Museum) -> None:
    number = museum.propose("one", CHANGED)
    assert museum.review(number, "erin", status=403)["code"] == "not_reviewer"
    assert museum.post("erin", f"changes/{number}/merge/", status=403)["code"] == "not_deployer"
    assert "role reviewer" in museum.review(number, "erin", status=403)["detail"]
    museum.merge_is_refused(number, "rule")
    assert {entry["actor"]["name"] for entry in museum.told(number, "review.refused")} == {"erin"}


@exhibit("B8")
@pytest.mark.parametrize("how", ["role", "team", "account"])
def test_an_approval_of_somebody_who_left_no_longer_counts(open_museum: Open, how: str) -> None:
    museum = open_museum(policy("  - {name: experts, needs: {approvals: 1, from: [team/experts]}}\n"))
    team("experts", museum.people.bob)
    number = museum.approved("one", CHANGED)
    leave = {
        "role": ("carol", "DELETE", "repositories/infra/members/bob/", {}, 200),
        "team": ("erin", "PUT", "teams/experts/", {"members": ["kim"]}, 200),
        "account": ("erin", "POST", "users/bob/deactivate/", {}, 200),
    }
    who, method, path, body, status = leave[how]
    museum.send(who, method, path, body, status=status)
    museum.merge_is_refused(number, "rule")
    codes = {"role": "role_removed", "team": "not_in_group", "account": "disabled"}
    assert museum.why_not_counted(number) == codes[how]


@exhibit("B9")
def test_who_registers_the_name_of_an_owner_that_did_not_exist_gets_no_say(open_museum: Open) -> None:
    museum = open_museum(policy(OWNERS), {"CODEOWNERS": "* @ghost\n"})
    number = museum.propose("one", CHANGED)
    museum.review(number, "bob")
    assert "@ghost" in museum.merge_is_refused(number, "code_owners")
    museum.post("erin", "users/", {"username": "ghost", "email": "ghost@evil.example"}, status=201)
    museum.review(number, "ghost", status=404, revision=1)
    museum.merge_is_refused(number, "code_owners")
    assert [entry["actor"]["name"] for entry in museum.told(number, "review.submitted")] == ["bob"]


@exhibit("B10")
def test_one_person_in_two_groups_or_twice_in_one_counts_once(open_museum: Open) -> None:
    both = "  - {name: both, needs: {all: [{approvals: 1, from: [team/sre]}, {approvals: 1, from: [team/network]}]}}\n"
    twice = "  - {name: two, needs: {approvals: 2, from: [team/sre, team/network]}}\n"
    museum = open_museum(policy(both + twice))
    for name in ("sre", "network"):
        team(name, museum.people.bob)
    number = museum.propose("one", CHANGED)
    museum.review(number, "bob")
    assert museum.review(number, "bob", status=409)["code"] == "already_reviewed"
    museum.merge_is_refused(number, "rule")
    unmet = [
        row["name"]
        for row in museum.change(number)["verdict"]["requirements"]
        if row["state"] not in ("met", "not_needed")
    ]
    assert "two" in unmet
    assert any("both" in name for name in unmet)
    assert len(museum.told(number, "review.submitted")) == 1


@exhibit("B11")
@pytest.mark.parametrize("field", ["policy", "rules", "approvals_required", "kind", "state"])
def test_who_asks_for_a_change_does_not_choose_by_what_it_is_judged(museum: Museum, field: str) -> None:
    museum.pushed("one", CHANGED)
    body = {"repository": "infra", "title": "Mine", "source_branch": "one", field: "none"}
    assert field in museum.post("alice", "changes/", body, status=422)["fields"]
    number = museum.open("one")
    assert field in museum.send("alice", "PATCH", f"changes/{number}/", {field: "merged"}, status=422)["fields"]
    museum.merge_is_refused(number, "rule")


@exhibit("B12")
def test_signing_in_again_cannot_be_skipped_by_a_token_or_an_old_session(open_museum: Open) -> None:
    museum = open_museum(
        policy("  - {name: sure, needs: {approvals: 1, from: [role/reviewer], reauthenticate: true}}\n")
    )
    number = museum.propose("one", CHANGED)
    assert museum.review(number, "bob", status=422)["code"] == "reauthenticate"
    form = {"revision": 1, "verdict": "approve", "body": "because"}
    assert museum.browser("bob").post(f"/changes/{number}/reviews/", form).status_code == 422
    museum.merge_is_refused(number, "rule")
    assert museum.told(number, "review.submitted") == []


@exhibit("B13")
def test_a_review_of_an_older_revision_is_refused_and_not_moved_to_the_present_one(museum: Museum) -> None:
    number = museum.propose("one", CHANGED)
    museum.pushed("one", {VALUES: "replicas: 99\n"})
    refusal = museum.review(number, "bob", revision=1, status=409)
    assert (refusal["code"], refusal["current"], refusal["seen"]) == ("stale_revision", 2, 1)
    form = {"revision": 1, "verdict": "approve", "body": "because"}
    assert museum.browser("bob").post(f"/changes/{number}/reviews/", form).status_code == 409
    museum.merge_is_refused(number, "rule")
    assert museum.told(number, "review.submitted") == []
