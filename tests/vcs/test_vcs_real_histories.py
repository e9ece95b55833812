"""Over every first-parent commit of two real repositories: what we read is what ``git diff`` says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from apps.vcs import trees
from apps.vcs.gateway import EMPTY_TREE
from tests.support.git import GitRepo

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("PORTAL_SHARED_DATA") or ROOT.parent / "shared" / "data") / "repos"
BUNDLES = ["argocd-example-apps.bundle", "flux2-kustomize-helm-example.bundle"]


@pytest.mark.parametrize("name", BUNDLES)
def test_difference_of_every_commit_equals_git_diff(name, tmp_path):
    bundle = DATA / name
    if not bundle.is_file():
        pytest.skip(f"NOT RUN: {bundle} is not there; set PORTAL_SHARED_DATA to the folder of the shared data")
    repo = GitRepo.create(tmp_path / "r.git", bare=True)
    repo.run("fetch", "-q", str(bundle), "+refs/heads/*:refs/heads/*")
    branch = repo.run("for-each-ref", "--count=1", "--format=%(objectname)", "refs/heads/")
    history = repo.run("log", "--first-parent", "--format=%T", branch).split()
    pairs = list(zip([*history[1:], EMPTY_TREE], history, strict=True))
    assert len(pairs) > 50
    for old, new in pairs:
        # One call of Git for all three, so that the test stays short: raw, numstat, then the patch.
        raw = repo.run_bytes("diff", "-M", "--raw", "--numstat", "-z", "--no-abbrev", old, new)
        changes, stats = trees.diff_trees(repo.path, old, new), trees.numstat(repo.path, old, new)
        assert _raw(changes) + _numstat(stats) == raw
        assert trees.patch(repo.path, old, new) == repo.run_bytes("diff", "-M", old, new)


def _raw(changes: list[trees.TreeChange]) -> bytes:
    out = b""
    for one in changes:
        score = "" if one.similarity is None else f"{one.similarity:03d}"
        facts = f":{one.old_mode} {one.new_mode} {one.old_oid} {one.new_oid} {one.status}{score}"
        names = [one.old_path, one.new_path] if one.status in "RC" else [one.path]
        out += "\0".join([facts, *names, ""]).encode("utf-8", "surrogateescape")
    return out


def _numstat(stats: list[trees.FileStat]) -> bytes:
    out = b""
    for one in stats:
        added, deleted = ("-", "-") if one.is_binary else (one.added, one.deleted)
        moved = one.old_path != one.new_path
        names = f"\0{one.old_path}\0{one.new_path}" if moved else one.new_path
        out += f"{added}\t{deleted}\t{names}\0".encode("utf-8", "surrogateescape")
    return out
