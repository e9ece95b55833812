"""Names that Git takes for another one: whoever may push them stops nobody's merge, and is merged onto by nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.vcs import history, refs, remotes
from apps.vcs.merging import write_blob, write_commit
from apps.vcs.remotes import Reach, Source

MAIN = "refs/heads/main"


@pytest.mark.parametrize("like", ["refs/heads/refs/heads/main", "refs/heads/heads/main", "refs/tags/refs/heads/main"])
def test_a_branch_or_tag_whose_name_reads_like_the_target_branch_does_not_stop_a_push(repo, tmp_path: Path, like: str):
    bare, work = repo
    source = Source(str(bare.path), reach=Reach(local_dirs=(tmp_path,), state_dir=tmp_path / "state"))
    mirror = tmp_path / "m.git"
    old = work.rev_parse("HEAD")
    work.run("push", "-q", "origin", f"HEAD:{like}", "HEAD:refs/tags/main")
    remotes.mirror_into(source, mirror)
    before = refs.list_refs(mirror, "refs/")
    tip = history.read_commit(mirror, old)
    new, other = (
        write_commit(mirror, tree=tip.tree, parents=[old], message=message, author=tip.author, committer=tip.author)
        for message in ("merge", "another")
    )
    assert remotes.push_with_lease(source, mirror, ref=MAIN, new=new, old=old).is_accepted
    assert remotes.push_with_lease(source, mirror, ref=MAIN, new=new, old=old).is_accepted, "it is there already"
    assert remotes.push_with_lease(source, mirror, ref=MAIN, new=other, old=old).status == "moved"
    assert (remotes.remote_tip(source, MAIN), bare.rev_parse(like)) == (new, old)
    assert refs.list_refs(mirror, "refs/") == before


def test_a_claim_has_one_winner_also_where_a_branch_is_called_like_it(repo, tmp_path: Path):
    bare, work = repo
    source = Source(str(bare.path), reach=Reach(local_dirs=(tmp_path,), state_dir=tmp_path / "state"))
    mirror, claim = tmp_path / "m.git", "refs/portal/dispatched/1"
    work.run("push", "-q", "origin", f"HEAD:refs/heads/{claim}", f"HEAD:refs/tags/{claim}")
    remotes.mirror_into(source, mirror)
    ours, theirs = write_blob(mirror, b"1"), write_blob(mirror, b"2")
    assert remotes.push_with_lease(source, mirror, ref=claim, new=ours, old=None).is_accepted
    assert remotes.push_with_lease(source, mirror, ref=claim, new=theirs, old=None).status == "moved"
    assert remotes.remote_tip(source, claim) == ours
