"""C1 to C11: nothing leaves the scope of its owners, and nothing is hidden from who looks at it."""

from __future__ import annotations

import pytest

from tests.museum.conftest import Open
from tests.support.museum import ENVIRONMENTS, OWNERS, REVIEWER, VALUES, Museum, exhibit, policy

CHANGED = {VALUES: "replicas: 2\n"}
ALICE = {
    "GIT_AUTHOR_NAME": "Alice", "GIT_AUTHOR_EMAIL": "alice@example.org",
    "GIT_COMMITTER_NAME": "Alice", "GIT_COMMITTER_EMAIL": "alice@example.org",
}  # fmt: skip
BOBS_AND_KIMS = {"CODEOWNERS": "* @bob\n/net/ @kim\n"}


def committed(museum: Museum, *command: str) -> None:
    """What ``git`` does that a file written down does not, as one more commit of alice's."""
    museum.work.run(*command)
    museum.work.run("commit", "-q", "-m", "trick", env=ALICE)


def proposed(museum: Museum, branch: str = "one") -> int:
    museum.work.push(f"HEAD:refs/heads/{branch}", force=True)
    return museum.open(branch)


@exhibit("C1")
def test_a_file_that_is_moved_out_of_an_owned_folder_needs_the_owners_of_both(open_museum: Open) -> None:
    museum = open_museum(policy(OWNERS), BOBS_AND_KIMS)
    museum.work.run("checkout", "-q", "-b", "one")
    committed(museum, "mv", "net/lb.yaml", "lb.yaml")
    number = proposed(museum)
    museum.review(number, "bob")
    assert "@kim" in museum.merge_is_refused(number, "code_owners")
    assert "net/lb.yaml" in museum.shown(number)
    museum.review(number, "kim")
    museum.merge(number)
    assert len(museum.told(number, "review.submitted")) == 2


@exhibit("C2")
def test_owners_in_another_spelling_of_the_file_or_of_a_path_change_nothing(open_museum: Open) -> None:
    museum = open_museum(policy(OWNERS), BOBS_AND_KIMS)
    files = {"codeowners": "* @bob\n", ".GitHub/CODEOWNERS": "* @bob\n", "Net/lb.yaml": "1", "net/lb.yaml": "port: 1\n"}
    number = museum.propose("one", files)
    museum.review(number, "bob")
    assert "@kim" in museum.merge_is_refused(number, "code_owners")
    assert "codeowners" in museum.shown(number)
    assert museum.told(number, "review.submitted")


@exhibit("C3")
@pytest.mark.parametrize(
    "rules",
    [{"CODEOWNERS": "* @bob\n"}, {".github/CODEOWNERS": "* @bob\n"}, {".gitops/portal.yaml": policy(REVIEWER)}],
    ids=["owners", "owners of higher rank", "policy"],
)
def test_a_change_of_the_rules_is_judged_by_the_rules_before_it(open_museum: Open, rules: dict[str, str]) -> None:
    museum = open_museum(policy(OWNERS), {"CODEOWNERS": "* @kim\n"})
    number = museum.propose("one", {**rules, **CHANGED})
    museum.review(number, "bob")
    assert "@kim" in museum.merge_is_refused(number, "code_owners")
    assert next(iter(rules)) in museum.shown(number)
    assert museum.shown(number, "policy/")


@exhibit("C4")
def test_links_submodules_modes_and_pointers_need_their_owners_and_are_named(open_museum: Open) -> None:
    museum = open_museum(policy(OWNERS), {**BOBS_AND_KIMS, "net/run.sh": "true\n"})
    museum.commit("one", {"net/big.bin": "version https://git-lfs.github.com/spec/v1\noid sha256:00\n"})
    museum.work.symlink("net/link.yaml", "/etc/passwd")
    museum.commit("one", {})
    museum.work.run("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},net/lib")
    committed(museum, "update-index", "--chmod=+x", "net/run.sh")
    number = proposed(museum)
    text = museum.shown(number)
    for shown in ("symlink → /etc/passwd", f"submodule → {'1' * 12}", "mode 644 → 755", "git-lfs.github.com/spec"):
        assert shown in text, shown
    museum.review(number, "bob")
    assert "net/big.bin and 3 other paths" in museum.merge_is_refused(number, "code_owners")


@exhibit("C4")
def test_names_with_odd_characters_are_shown_and_are_still_below_their_owners(open_museum: Open) -> None:
    museum = open_museum(policy(OWNERS), BOBS_AND_KIMS)
    names = ["net/new\nline.yaml", "net/tab\there.yaml", 'net/quo"te.yaml', "net/cafe\u0301.yaml"]
    number = museum.propose("one", dict.fromkeys(names, "a: 1\n"))
    text = museum.shown(number)
    assert "new[U+000A]line.yaml" in text
    assert "tab[U+0009]here.yaml" in text
    museum.review(number, "bob")
    assert "@kim" in museum.merge_is_refused(number, "code_owners")


@exhibit("C5")
def test_any_owner_does_not_stand_for_all_that_are_asked(open_museum: Open) -> None:
    museum = open_museum(policy(OWNERS), {"CODEOWNERS": "[Both][2]\n* @bob @kim\n"})
    number = museum.propose("one", CHANGED)
    museum.review(number, "bob")
    museum.merge_is_refused(number, "code_owners")
    museum.review(number, "kim")
    museum.merge(number)
    assert len(museum.told(number, "review.submitted")) == 2


@exhibit("C6")
def test_an_approval_of_a_change_without_content_covers_no_content(museum: Museum) -> None:
    number = museum.propose("one", {})
    museum.review(number, "bob")
    museum.merge_is_refused(number, "revision")
    museum.pushed("one", {"evil.yaml": "evil: true\n"})
    museum.merge_is_refused(number, "rule")
    assert museum.standing(number) == "source_changed"
    assert museum.told(number, "change.revision_added")


@exhibit("C7")
@pytest.mark.parametrize("attribute", ["-diff", "binary", "linguist-generated", "merge=ours"])
def test_attributes_in_the_change_hide_nothing(museum: Museum, attribute: str) -> None:
    number = museum.propose("one", {".gitattributes": f"* {attribute}\n", VALUES: "evil: true\n"})
    text = museum.shown(number)
    assert "evil: true" in text
    assert "Not displayed" not in text
    museum.merge_is_refused(number, "rule")


@exhibit("C7")
def test_a_line_too_long_to_show_is_named_before_anybody_approves(museum: Museum) -> None:
    number = museum.propose("one", {"app.min.js": "x" * 900_000 + ";evil()\n"})
    text = museum.shown(number)
    assert "app.min.js" in text
    assert "bytes of difference" in text
    museum.review(number, "bob")
    entry = museum.told(number, "review.submitted")[0]
    assert entry["data"]["not_displayed"] >= 1, "the record says that it was not displayed by itself"


@exhibit("C8")
@pytest.mark.parametrize(
    ("line", "shown"),
    [("a: x\u202ey", "[U+202E]"), ("a\u200b: 1", "[U+200B]"), ("host: p\u0430ypal.com", "p[\u0430 U+0430]ypal.com")],
)
def test_characters_that_are_hidden_or_look_like_others_are_shown_as_what_they_are(
    museum: Museum, line: str, shown: str
) -> None:
    number = museum.propose("one", {"app/x.yaml": f"{line}\n"})
    text = museum.shown(number)
    assert shown in text
    assert line not in text
    museum.merge_is_refused(number, "rule")


@exhibit("C9")
def test_a_replaced_object_shows_and_merges_what_is_really_there(museum: Museum) -> None:
    evil = museum.commit("one", {"app/x.yaml": "evil: true\n"})
    nice = museum.commit("nice", {"app/x.yaml": "good: true\n"}, at="main")
    museum.work.run("checkout", "-q", "one")
    museum.work.run("replace", evil, nice)
    museum.work.run("push", "-q", "origin", "refs/replace/*:refs/replace/*")
    number = proposed(museum)
    text = museum.shown(number)
    assert "evil: true" in text
    assert "good: true" not in text
    museum.merge_is_refused(number, "rule")


@exhibit("C10")
def test_a_policy_that_says_a_thing_twice_is_no_policy_and_the_one_before_holds(open_museum: Open) -> None:
    museum = open_museum(policy("  - {name: kim, needs: {approvals: 1, from: [user/kim]}}\n"))
    museum.pushed("main", {".gitops/portal.yaml": policy() + "rules:\n" + REVIEWER.replace("reviewer]", "author]")})
    number = museum.propose("one", CHANGED)
    museum.review(number, "bob")
    text = museum.merge_is_refused(number, "rule")
    assert "user/kim" in text
    assert museum.told_of_repository("policy.broken")


@exhibit("C10")
def test_a_manifest_with_a_key_that_stands_twice_has_no_effect_that_could_be_approved(open_museum: Open) -> None:
    targets = "environments:\n  staging:\n    targets:\n      raw: {kind: manifests, path: raw}\n"
    museum = open_museum(policy(environments=targets), {"raw/map.yaml": "kind: ConfigMap\n"})
    twice = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {a: '1'}\ndata: {a: '2'}\n"
    number = museum.propose("one", {"raw/map.yaml": twice})
    museum.render()
    museum.review(number, "bob")
    museum.merge_is_refused(number, "effect")
    row = museum.get("dave", f"changes/{number}/renderings/")["results"][0]
    assert row["state"] == "failed"


@exhibit("C11")
def test_asking_for_production_directly_skips_no_environment_before_it(open_museum: Open) -> None:
    museum = open_museum(policy(environments=ENVIRONMENTS.replace("cat app/values.yaml", "test ! -e broken")))
    number = museum.approved("one", {"broken": "yes\n"})
    museum.merge(number)
    museum.deploy_all()
    assert museum.deployment(number, "staging")["state"] == "failed"
    held = museum.deployment(number, "production")
    assert held["state"] == "pending"
    again = museum.post("carol", "deployments/", {"change": number, "environment": "production"}, status=409)
    assert again["code"] == "already_pending"
    museum.post("carol", f"deployments/{held['number']}/cancel/", status=202)
    museum.post("carol", "deployments/", {"change": number, "environment": "production"}, status=201)
    museum.deploy_all()
    held = museum.deployment(number, "production")
    assert (held["state"], [wait["code"] for wait in held["waits"]]) == ("pending", ["promotion"])
    assert [entry["environment"] for entry in museum.told(number, "deployment.dispatched")] == ["staging"]
    assert museum.told(number, "deployment.requested") or museum.told(number, "deployment.created")
