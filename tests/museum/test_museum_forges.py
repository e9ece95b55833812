"""What happened to GitLab, GitHub, Gitea and Gerrit and to no letter of the list before."""

from __future__ import annotations

import hmac
import json
from hashlib import sha256

import pytest

from tests.museum.conftest import Open
from tests.support.delivery import run_jobs
from tests.support.museum import ENVIRONMENTS, GIT_FOLLOWS, OWNERS, REVIEWER, VALUES, Museum, email, exhibit, policy
from tests.support.people import person, team

CHANGED = {VALUES: "replicas: 2\n"}


# ------------------------------------------------------------------------------------------------------- GitLab
@exhibit("GL CVE-2023-2576")
def test_a_tag_with_the_name_of_the_target_branch_brings_no_other_owners(open_museum: Open) -> None:
    museum = open_museum(policy(OWNERS), {"CODEOWNERS": "* @kim\n"})
    weak = museum.commit("weak", {"CODEOWNERS": "* @bob\n", ".gitops/portal.yaml": policy()})
    before = museum.told_of_repository("policy")
    museum.push(f"{weak}:refs/tags/main", f"{weak}:refs/tags/heads/main")
    number = museum.propose("one", CHANGED, at="refs/heads/main")
    museum.review(number, "bob")
    assert "@kim" in museum.merge_is_refused(number, "code_owners")
    assert museum.told_of_repository("policy") == before


@exhibit("GL#406803")
def test_a_branch_with_the_name_of_another_commit_is_that_branch_and_nothing_else(museum: Museum) -> None:
    """Told in public only as a way to merge unreviewed code; the confusion of names is the one that can be tried."""
    evil = museum.pushed("evil", {"evil.yaml": "evil: true\n"})
    number = museum.propose(evil[:12], CHANGED, at="main")
    assert "evil" not in museum.shown(number).split("Files changed", 1)[-1]
    museum.review(number, "bob")
    museum.merge(number)
    assert museum.bare.run("ls-tree", "-r", "--name-only", "main").split().count("evil.yaml") == 0
    assert museum.told(number, "change.merged")


@exhibit("GL CVE-2026-6063")
@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "POST"])
def test_no_address_lets_an_author_take_a_rule_away(open_museum: Open, method: str) -> None:
    museum = open_museum(policy(OWNERS), {"CODEOWNERS": "* @kim\n"})
    number = museum.propose("one", {"CODEOWNERS": "* @bob\n", **CHANGED})
    for path in (f"changes/{number}/rules/1/", f"changes/{number}/approval_rules/1/", "repositories/infra/rules/1/"):
        museum.send("alice", method, path, {"approvals": 0}, status=404)
    museum.review(number, "bob")
    museum.merge_is_refused(number, "code_owners")


@exhibit("GL CVE-2026-6883")
@pytest.mark.parametrize("left", ["nothing", "a team that is gone"])
def test_a_policy_that_was_deleted_or_points_to_nobody_opens_nothing(open_museum: Open, left: str) -> None:
    museum = open_museum(policy("  - {name: ops, needs: {approvals: 1, from: [team/ops]}}\n"))
    if left == "nothing":
        museum.work.remove(".gitops/portal.yaml")
        museum.pushed("main", {})
        number = museum.propose("one", CHANGED)
        assert "1 approval from any reviewer" in museum.merge_is_refused(number, "rule")
        assert museum.told_of_repository("policy.changed")
    else:
        number = museum.propose("one", CHANGED)
        museum.review(number, "bob")
        assert "team/ops" in museum.merge_is_refused(number, "rule")
        assert museum.change(number)["verdict"]["can_unblock"] == []


# ------------------------------------------------------------------------------------------------------- GitHub
def criss_cross(museum: Museum) -> None:
    """main and one have each merged the first commit of the other: two merge bases, and main's switch goes off."""
    ours = museum.commit("one", {"auth.yaml": "auth: on\n"})
    theirs = museum.commit("main", {"auth.yaml": "auth: on\n", "theirs.txt": "1\n"})
    museum.work.merge(ours, "take ours", email("alice"))
    museum.push("main")
    museum.work.checkout("one")
    museum.work.merge(theirs, "take theirs", email("alice"))
    museum.commit("one", {"auth.yaml": "auth: off\n"})


def evil_merge(museum: Museum) -> None:
    museum.commit("one", {"feature.txt": "1\n"})
    museum.pushed("main", {"theirs.txt": "1\n"})
    museum.work.checkout("one")
    museum.work.merge("main", "merge", email("alice"), "--no-commit")
    museum.commit("one", {"auth.yaml": "auth: off\n"})


def rewound_target(museum: Museum) -> None:
    """The branch begins on a commit of main that main then gives up: merging brings it back, and no commit of the branch has it."""
    first = museum.work.rev_parse("main")
    museum.pushed("main", {"auth.yaml": "auth: off\n"}, author="kim")
    museum.commit("one", {"feature.txt": "1\n"}, at="main")
    museum.push(f"{first}:refs/heads/main")


def reopened(museum: Museum) -> None:
    number = museum.propose("one", {"harmless.txt": "1\n"})
    museum.post("alice", f"changes/{number}/withdraw/", {"reason": "Later"}, status=200)
    museum.commit("one", {"auth.yaml": "auth: off\n"}, at="main")


@pytest.mark.parametrize(
    "smuggle",
    [
        pytest.param(criss_cross, marks=exhibit("GH GHSA-jv37-6f69-j8gw")),
        pytest.param(evil_merge, marks=exhibit("GH GHSA-97c7-2459-g94v")),
        pytest.param(reopened, marks=exhibit("GH GHSA-wj8c-rxgm-9jcm")),
        pytest.param(rewound_target, marks=exhibit("GH GHSA-42m4-q6r2-jh92")),
    ],
)
def test_what_is_shown_is_what_lands_whatever_the_history(museum: Museum, smuggle: object) -> None:
    smuggle(museum)  # type: ignore[operator]
    museum.work.push("one", force=True)
    known = museum.get("alice", "changes/")["results"]
    number = known[0]["number"] if known else museum.open("one")
    if known:
        for verb in ("reopen", "ready"):
            museum.post("alice", f"changes/{number}/{verb}/", status=200)
    shown = museum.get("bob", f"changes/{number}/diff/")["files"]
    assert "auth: off" in museum.shown(number)
    museum.review(number, "bob")
    before = museum.tip()
    museum.merge(number)
    landed = museum.bare.run("diff", "--name-only", before, museum.tip()).split()
    assert sorted(file["path"] for file in shown) == sorted(landed)
    assert museum.bare.tree("main") == museum.change(number)["revisions"][-1]["result_tree"]
    assert museum.told(number, "change.merged")


@exhibit("GH CVE-2026-1999")
def test_who_may_only_ask_does_not_merge_and_a_stranger_finds_nothing(museum: Museum) -> None:
    person("viewer")
    museum.send("carol", "PUT", "repositories/infra/members/viewer/", {"role": "viewer"}, status=200)
    asked = museum.post("viewer", "changes/", {"repository": "infra", "title": "Please"}, status=201)["number"]
    museum.work.push(f"{museum.commit('one', CHANGED)}:refs/heads/one")
    museum.post("alice", f"changes/{asked}/attach/", {"source_branch": "one"}, status=200)
    museum.review(asked, "bob")
    before = museum.tip()
    assert museum.post("viewer", f"changes/{asked}/merge/", status=403)["code"] == "not_deployer"
    museum.post("mallory", f"changes/{asked}/merge/", status=404)
    assert museum.browser("mallory").post(f"/changes/{asked}/merge/").status_code == 404
    museum.nothing_happened(asked, before)
    assert [entry["actor"]["name"] for entry in museum.told(asked, "merge.refused")] == ["viewer"]


@exhibit("GH merge queue 2026-04-23")
def test_a_target_that_moves_between_the_decision_and_the_push_is_never_overwritten(museum: Museum) -> None:
    number = museum.approved("one", CHANGED)
    museum.post("alice", f"changes/{number}/merge/", status=202)
    museum.work.checkout("main")
    theirs = museum.work.commit("faster", files={"theirs.txt": "1\n"}, author=email("kim"))
    museum.work.push("main")
    run_jobs("deployments.carry_out_merges")
    assert museum.tip() == theirs
    assert museum.change(number)["state"] == "in_review"
    assert museum.told(number, "change.merge_failed")
    run_jobs(*GIT_FOLLOWS)
    museum.merge(number)
    names = set(museum.bare.run("diff", "--name-only", theirs, museum.tip()).split())
    assert names == {VALUES}, "the second try is made on the new tip, and takes nothing of it back"


@exhibit("GH environment reviewers")
def test_the_gate_of_an_environment_takes_as_many_others_as_it_names(open_museum: Open) -> None:
    gate = (
        "  - {name: gate, stage: deploy, when: {environments: [production]}, needs: {approvals: 2, from: [team/ops]}}\n"
    )
    museum = open_museum(policy(REVIEWER + gate, environments=ENVIRONMENTS))
    team("ops", museum.people.alice, museum.people.bob, museum.people.kim)
    number = museum.approved("one", CHANGED)
    museum.send("carol", "PUT", "repositories/infra/members/alice/", {"role": "deployer"}, status=200)
    refusal = museum.review(number, "alice", status=403, stage="deploy", environment="production")
    assert refusal["code"] == "contributor"
    museum.review(number, "bob", stage="deploy", environment="production")
    museum.merge(number)
    museum.deploy_all()
    held = museum.deployment(number, "production")
    assert (held["state"], [wait["code"] for wait in held["waits"]]) == ("pending", ["gate"])
    assert len(museum.told(number, "review.submitted")) == 2


# ------------------------------------------------------------------------------------------------------- Gitea
@exhibit("GT GHSA-777r-4v59-6486")
def test_who_was_approved_once_is_not_approved_for_ever(open_museum: Open) -> None:
    museum = open_museum(policy(environments=ENVIRONMENTS))
    museum.merge(museum.approved("one", CHANGED))
    museum.deploy_all()
    script = {".gitops/portal.yaml": policy(environments=ENVIRONMENTS.replace("cat app/values.yaml", "touch pwned"))}
    number = museum.propose("two", script, at="origin/main")
    museum.merge_is_refused(number, "rule")
    museum.deploy_all()
    assert museum.told(number, "deployment") == []


# ------------------------------------------------------------------------------------------------------- Gerrit
@exhibit("GE GerriScary")
def test_a_push_by_a_stranger_to_an_approved_change_keeps_no_vote_and_nothing_merges_by_itself(museum: Museum) -> None:
    number = museum.approved("one", CHANGED)
    before = museum.tip()
    museum.pushed("one", {VALUES: "replicas: 99\n"}, author="mallory")
    museum.late_jobs()
    museum.nothing_happened(number, before)
    museum.merge_is_refused(number, "rule")
    assert museum.standing(number) == "source_changed"
    assert museum.told(number, "change.revision_added")


@exhibit("GE#3602")
def test_who_pushes_under_a_forged_name_is_known_by_the_push_and_does_not_approve(museum: Museum) -> None:
    secret = museum.post("carol", "repositories/infra/webhook/", status=201)["secret"]
    museum.work.push(f"{museum.commit('base', CHANGED, author='olga')}:refs/heads/base")
    number = museum.open("base")
    oid = museum.commit("base", {VALUES: "replicas: 3\n"}, author="olga")
    museum.work.push(f"{oid}:refs/heads/base")
    notice = {"ref": "refs/heads/base", "after": oid, "pusher": {"name": "bob", "email": "bob@example.org"}}
    body = json.dumps(notice).encode()
    signed = f"sha256={hmac.new(secret.encode(), body, sha256).hexdigest()}"
    headers = {"X-GitHub-Delivery": "1", "X-GitHub-Event": "push", "X-Hub-Signature-256": signed}
    told = museum.browser("mallory").post(
        "/api/v1/webhooks/github/infra/", body, content_type="application/json", headers=headers
    )
    assert told.status_code == 202
    run_jobs(*GIT_FOLLOWS)
    assert museum.review(number, "bob", status=403)["code"] == "contributor"
    museum.merge_is_refused(number, "rule")
    assert museum.told_of_repository("repository.webhook_received")


@exhibit("GE votes after merge")
def test_a_vote_that_led_to_a_merge_cannot_be_taken_away_afterwards(museum: Museum) -> None:
    number = museum.approved("one", CHANGED)
    review = museum.get("bob", f"changes/{number}/reviews/")["results"][0]["id"]
    museum.merge(number)
    path = f"changes/{number}/reviews/{review}/withdraw/"
    assert museum.post("bob", path, status=409)["code"] == "too_late"
    assert museum.post("carol", path, status=403)["code"] == "not_yours"
    assert len(museum.get("dave", f"changes/{number}/reviews/")["results"]) == 1
    assert museum.told(number, "review.withdrawn") == []
