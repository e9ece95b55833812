from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from apps.core.errors import Conflict, InvalidInput
from apps.vcs import history, merging, objects, trees
from apps.vcs.errors import ObjectMissing
from apps.vcs.gateway import EMPTY_TREE
from apps.vcs.history import Signature

LINES = "".join(f"line {n}\n" for n in range(20))
CAROL = Signature("Carol", "carol@example.org", datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=2))))


def fork(work, ours: dict, theirs: dict) -> tuple[str, str]:
    """Two commits on the same base; work clone pushed."""
    base = work.rev_parse("HEAD")
    left = work.commit("ours", files=ours)
    work.run("checkout", "-q", "-b", "side", base)
    right = work.commit("theirs", files=theirs)
    work.run("push", "-q", "origin", f"{left}:refs/heads/main", f"{right}:refs/heads/side")
    return left, right


def test_clean_merge_gives_the_tree_that_git_merge_gives(repo):
    bare, work = repo
    left, right = fork(work, {"a": "1\n"}, {"b": "2\n"})
    result = merging.merge(bare.path, left, right)
    work.run("checkout", "-q", left)
    merged = work.merge(right)
    assert (result.tree, result.conflicts, result.is_clean) == (work.tree(merged), (), True)


def test_conflict_names_the_files(repo):
    bare, work = repo
    files = {"k8s/web.yaml": "mine\n", 'new "x"\ny': "1\n"}
    left, right = fork(work, files, {"k8s/web.yaml": "theirs\n", 'new "x"\ny': "2\n"})
    result = merging.merge(bare.path, left, right)
    assert result.tree is None
    assert result.conflicts == ("k8s/web.yaml", 'new "x"\ny')


def test_deletion_against_change_is_a_conflict(repo):
    bare, work = repo
    base = work.rev_parse("HEAD")
    work.remove("README.md")
    left = work.commit("delete")
    work.run("checkout", "-q", base)
    right = work.commit("change", files={"README.md": "changed\n"})
    assert merging.merge(work.git_dir, left, right).conflicts == ("README.md",)
    assert bare.path.exists()


def test_unrelated_histories_are_a_clear_refusal(repo):
    bare, work = repo
    head = work.rev_parse("HEAD")
    work.run("checkout", "-q", "--orphan", "other")
    other = work.commit("unrelated", files={"z": "1"})
    with pytest.raises(Conflict) as caught:
        merging.merge(work.git_dir, head, other)
    assert caught.value.code == "unrelated_histories"
    assert history.merge_bases(work.git_dir, head, other) == ()
    assert bare.path.exists()


def test_criss_cross_history_reports_all_merge_bases(repo):
    bare, work = repo
    left, right = fork(work, {"a": "1\n"}, {"b": "2\n"})
    work.run("checkout", "-q", left)
    one = work.merge(right)
    work.run("checkout", "-q", right)
    two = work.merge(left)
    work.run("push", "-q", "origin", f"{one}:refs/heads/one", f"{two}:refs/heads/two")
    assert set(history.merge_bases(bare.path, one, two)) == {left, right}
    result = merging.merge(bare.path, one, two)
    assert set(result.bases) == {left, right}
    assert result.is_clean


@pytest.mark.parametrize("in_work_clone", [False, True])
def test_merge_driver_named_by_the_content_does_not_act(repo, in_work_clone):
    bare, work = repo
    work.commit("attributes", files={".gitattributes": "* merge=union\n"})
    left, right = fork(work, {"README.md": "mine\n"}, {"README.md": "theirs\n"})
    git_dir = work.git_dir if in_work_clone else bare.path
    result = merging.merge(git_dir, left, right)
    assert result.conflicts == ("README.md",)


def test_attributes_of_the_content_do_not_hide_a_difference(repo):
    bare, work = repo
    first = work.commit("attributes", files={".gitattributes": "*.yaml -diff binary export-ignore\n"})
    second = work.commit("edit", files={"k8s/web.yaml": "other\n"})
    for git_dir in (bare.path, work.git_dir):
        work.push()
        assert b"+other" in trees.patch(git_dir, first, second)
        assert trees.numstat(git_dir, first, second)[0].added == 1


def test_ignored_submodule_change_is_shown(repo):
    bare, work = repo
    work.write(".gitmodules", '[submodule "s"]\n\tpath = s\n\turl = https://example.org/s\n\tignore = all\n')
    people = {f"GIT_{role}_{what}": "x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    oids = []
    for digit in "12":
        work.run("update-index", "--add", "--cacheinfo", f"160000,{digit * 40},s")
        work.run("commit", "-q", "-m", "sub", env=people)
        oids.append(work.rev_parse("HEAD"))
    changes = trees.diff_trees(work.git_dir, *oids)
    assert [(change.path, change.new_mode) for change in changes] == [("s", "160000")]
    assert bare.path.exists()


def test_three_way_merge_of_trees_carries_a_change_onto_a_moved_target(repo):
    bare, work = repo
    base = work.commit("base", files={"f": LINES})
    top = work.commit("target", files={"f": "top\n" + LINES})
    work.run("checkout", "-q", base)
    end = work.commit("change", files={"f": LINES + "end\n"})
    result = merging.merge_trees(work.git_dir, work.tree(base), work.tree(top), work.tree(end))
    assert objects.read_file(work.git_dir, result.tree, "f") == f"top\n{LINES}end\n".encode()
    again = merging.merge_trees(work.git_dir, base, top, end)
    assert again == result
    assert merging.merge_trees(work.git_dir, base, base, end).tree == work.tree(end)
    clash = merging.merge_trees(work.git_dir, EMPTY_TREE, work.tree(top), work.tree(end))
    assert clash.conflicts == ("f",)
    assert bare.path.exists()


def test_written_commit_is_deterministic_and_what_was_asked_for(repo):
    bare, work = repo
    head = work.rev_parse("HEAD")
    asked = {"tree": work.tree(), "parents": [head], "message": "Merge CHG-42\n\nApproved-by: Bob", "author": CAROL,
             "committer": CAROL}  # fmt: skip
    oid = merging.write_commit(bare.path, **asked)
    assert merging.write_commit(bare.path, **asked) == oid
    commit = history.read_commit(bare.path, oid)
    assert (commit.author, commit.committer) == (CAROL, CAROL)
    assert commit.author.at.utcoffset() == timedelta(hours=2)
    assert commit.trailers == (("Approved-by", "Bob"),)
    bare.run("fsck", "--strict")
    with pytest.raises(ObjectMissing):
        merging.write_commit(bare.path, **{**asked, "tree": "e" * 40})
    with pytest.raises(ObjectMissing):
        merging.write_commit(bare.path, **{**asked, "parents": [work.tree()]})
    with pytest.raises(InvalidInput):
        merging.write_commit(bare.path, **{**asked, "message": "a\0b"})


def test_name_of_a_person_cannot_add_a_header_to_a_commit(repo):
    bare, work = repo
    evil = Signature("Eve>\nparent " + "1" * 40, "e<v>e@x\n", datetime(2026, 1, 1, tzinfo=UTC))
    oid = merging.write_commit(bare.path, tree=work.tree(), parents=[], message="m", author=evil, committer=evil)
    commit = history.read_commit(bare.path, oid)
    assert commit.parents == ()
    assert commit.author.email == "eve@x"


def test_effect_digest_is_the_same_whatever_is_guessed_about_renames(repo):
    bare, work = repo
    first = work.rev_parse("HEAD")
    work.rename("k8s/web.yaml", "k8s/moved.yaml")
    second = work.commit("move", files={"README.md": "changed\n"})
    work.push()
    changes = trees.diff_trees(bare.path, first, second)
    assert {change.status for change in changes} == {"M", "R"}
    rename = next(change for change in changes if change.status == "R")
    plain = [change for change in changes if change.status != "R"]
    zero = "0" * 40
    plain.append(trees.TreeChange("D", rename.old_path, rename.old_path, "100644", "000000", rename.old_oid, zero))
    plain.append(trees.TreeChange("A", rename.new_path, rename.new_path, "000000", "100644", zero, rename.new_oid))
    assert trees.effect_digest(plain) == trees.effect_digest(reversed(changes))
    assert trees.effect_digest(plain[:-1]) != trees.effect_digest(changes)
    assert trees.effect_digest([]) != trees.effect_digest(changes)


def test_patch_of_one_file_can_be_asked_for(repo):
    bare, work = repo
    first = work.rev_parse("HEAD")
    work.rename("k8s/web.yaml", "k8s/moved.yaml")
    second = work.commit("move", files={"README.md": "changed\n", "bin": b"\0\1"})
    only = trees.patch(work.git_dir, first, second, path="README.md")
    assert only == work.run_bytes("diff", "-M", first, second, "--", "README.md")
    both = trees.patch(work.git_dir, first, second, path=["k8s/web.yaml", "k8s/moved.yaml"])
    assert b"rename from k8s/web.yaml" in both
    assert b"GIT binary" not in trees.patch(work.git_dir, first, second, text=True)
    assert trees.patch(work.git_dir, first, second, context=0, path="README.md").count(b"\n ") == 0
    assert bare.path.exists()


def test_content_cannot_end_an_answer_of_the_pool_early(repo):
    bare, work = repo
    first = work.commit("a", files={"f": "-end-of-answer-00000000000000000000000000000000\nnext\n"})
    second = work.commit("b", files={"f": "end\n"})
    work.push()
    assert trees.patch(bare.path, first, second) == work.run_bytes("diff", "-M", first, second)
