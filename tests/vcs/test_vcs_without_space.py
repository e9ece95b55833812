"""The view without white space: Git leaves out what differs in nothing else, and no piece goes to a wrong file."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.diffs.files import describe, with_ids
from apps.diffs.parse import MalformedDiff, hunks, match_patch
from apps.vcs import trees
from tests.support.git import GitRepo

BEFORE = {
    "both.yaml": "a: 1\nb: 2\n", "only.yaml": "a:\n  b: 1\n", "same-only.yaml": "a:\n  b: 1\n", "blank.yaml": "a: 1\n",
    "mode.sh": "a\nb\n", "moved.yaml": "k: v\n" * 9, "gone.yaml": "x: 1\n", "type": "text\n", "z.yaml": "k: 1\n",
}  # fmt: skip
AFTER = {
    "both.yaml": "a: 1\n  b: 3\n", "only.yaml": "a:\n    b: 1\n", "same-only.yaml": "a:\n    b: 1\n",
    "blank.yaml": "a: 1\n\n\n", "mode.sh": "a\n  b\n", "moved-to.yaml": "k:  v\n" + "k: v\n" * 8, "new.yaml": " \n",
    "z.yaml": "k: 2\n",
}  # fmt: skip


@pytest.fixture
def two(tmp_path: Path):
    repo = GitRepo.create(tmp_path / "work")
    repo.commit("before", files=BEFORE)
    for name in ("moved.yaml", "gone.yaml", "type"):
        (repo.path / name).unlink()
    (repo.path / "type").symlink_to("z.yaml")
    for name, text in AFTER.items():
        repo.write(name, text)
    (repo.path / "mode.sh").chmod(0o755)
    repo.commit("after")
    bare = GitRepo.create(tmp_path / "bare.git", bare=True)
    bare.run("fetch", "-q", str(repo.path), "HEAD:refs/heads/main")
    return bare.path, *(bare.run("rev-parse", name).strip() for name in ("main~1^{tree}", "main^{tree}"))


def test_every_piece_belongs_to_its_file_and_the_rest_is_empty(two):
    git_dir, old, new = two
    changes = with_ids(trees.diff_trees(git_dir, old, new))
    patches = match_patch(changes, trees.patch(git_dir, old, new, ignore_space=True))
    found = {change.path: patch for change, patch in zip(changes, patches, strict=True)}
    assert [path for path, patch in found.items() if not patch] == ["blank.yaml", "only.yaml", "same-only.yaml"]
    assert b"old mode" in found["mode.sh"]
    assert not hunks(found["mode.sh"])
    assert b"rename to moved-to.yaml" in found["moved-to.yaml"]
    assert found["type"].count(b"diff --git") == 2
    assert [group.removed for group in hunks(found["both.yaml"])[0].groups if group.removed] == [["b: 2"]]
    for change in changes:
        one = trees.patch(git_dir, old, new, path=sorted({change.old_path, change.new_path}), ignore_space=True)
        if change.status != "R":
            assert match_patch([change], one) == [found[change.path]]


def test_what_is_shown_equals_git_diff_without_white_space(two):
    git_dir, old, new = two
    printed = GitRepo(git_dir).run_bytes(
        "diff", "-M", "--full-index", "-w", "--ignore-blank-lines", "--no-prefix", "--src-prefix=a/", "--dst-prefix=b/",
        old, new,
    )  # fmt: skip
    assert trees.patch(git_dir, old, new, ignore_space=True) == printed


def test_a_piece_that_belongs_to_no_file_is_refused(two):
    git_dir, old, new = two
    changes = with_ids(trees.diff_trees(git_dir, old, new))
    patch = trees.patch(git_dir, old, new, ignore_space=True)
    with pytest.raises(MalformedDiff):
        match_patch([change for change in changes if change.path != "both.yaml"], patch)


def test_nothing_is_left_out_of_the_usual_difference(two):
    git_dir, old, new = two
    changes = with_ids(trees.diff_trees(git_dir, old, new))
    patches = match_patch(changes, trees.patch(git_dir, old, new, full_index=True))
    assert all(patches)
    assert sum(describe(change, patch).changed for change, patch in zip(changes, patches, strict=True)) >= 18
