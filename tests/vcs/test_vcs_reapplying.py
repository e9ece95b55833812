"""Re-application: what is left after the earlier difference was applied on the later base is the author's."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.vcs import trees
from apps.vcs.reapplying import reapply
from tests.support.git import GitRepo, bare_remote

LINES = [f"line {n}\n" for n in range(40)]
POLICY = """\
spec:
  ingress:
    - from:
        - namespaceSelector: {}
%spodSelector: {}
"""
ENVIRONMENTS = "staging:\n  a: 1\n  replicas: 2\n  b: 1\n  c: 1\n  d: 1\nproduction:\n  a: 1\n  replicas: 2\n  b: 1\n"


def tree(work: GitRepo, files: dict[str, str | bytes]) -> str:
    """The tree of exactly these files."""
    for path in work.run("ls-files", "-z").split("\0"):
        if path and path not in files:
            work.remove(path)
    return work.tree(work.commit("x", files=files))


def lines(**edits: str) -> str:
    """The forty lines, some of them replaced: ``lines(l3="x")``."""
    return "".join(edits.get(f"l{n}", line.strip()) + "\n" for n, line in enumerate(LINES))


def paths(work: GitRepo, old: str, new: str) -> list[str]:
    return [change.path for change in trees.diff_trees(work.git_dir, old, new)]


def test_an_upstream_edit_elsewhere_in_the_same_file_is_filtered(repo):
    _, work = repo
    before = tree(work, {"f": lines()})
    first = tree(work, {"f": lines(l3="mine")})
    moved = tree(work, {"f": lines(l30="theirs"), "new": "1\n"})
    again = tree(work, {"f": lines(l3="mine", l30="theirs"), "new": "1\n"})
    found = reapply(work.git_dir, base=before, onto=moved, result=first)
    assert (found.tree, found.mixed, found.whole) == (again, (), False)


def test_what_the_author_added_meanwhile_is_all_that_is_left(repo):
    _, work = repo
    before = tree(work, {"f": lines(), "g": "1\n"})
    first = tree(work, {"f": lines(l3="mine"), "g": "1\n"})
    moved = tree(work, {"f": lines(l30="theirs"), "g": "2\n"})
    later = tree(work, {"f": lines(l3="mine", l10="more", l30="theirs"), "g": "2\n"})
    found = reapply(work.git_dir, base=before, onto=moved, result=first)
    patch = trees.patch(work.git_dir, found.tree, later)
    assert paths(work, found.tree, later) == ["f"]
    assert (patch.count(b"\n+more"), patch.count(b"theirs\n-"), patch.count(b"\n@@")) == (1, 0, 1)


def test_an_edit_of_the_same_lines_is_shown_unfiltered_and_named(repo):
    _, work = repo
    before = tree(work, {"a/f": lines(), "g": lines()})
    first = tree(work, {"a/f": lines(l3="mine"), "g": lines(l1="mine")})
    moved = tree(work, {"a/f": lines(l3="theirs"), "g": lines(l30="theirs")})
    later = tree(work, {"a/f": lines(l3="both"), "g": lines(l1="mine", l30="theirs")})
    found = reapply(work.git_dir, base=before, onto=moved, result=first)
    assert (found.mixed, found.whole) == (("a/f",), False)
    assert paths(work, found.tree, later) == ["a/f"]
    assert trees.patch(work.git_dir, found.tree, later) == trees.patch(work.git_dir, first, later, path="a/f")
    assert b"<<<<<<<" not in trees.patch(work.git_dir, first, found.tree)


@pytest.mark.parametrize(("mine", "theirs"), [({"g": "1\n"}, {"g": "1\n", "f": lines(l3="theirs")}),
                                               ({"g": "1\n", "f": lines(l3="mine")}, {"g": "1\n"})])  # fmt: skip
def test_a_deletion_against_an_edit_is_named_and_never_hidden(repo, mine, theirs):
    _, work = repo
    before = tree(work, {"f": lines(), "g": "1\n"})
    first, moved = tree(work, mine), tree(work, theirs)
    found = reapply(work.git_dir, base=before, onto=moved, result=first)
    assert found.mixed == ("f",)
    assert found.tree == first


def test_a_file_where_upstream_made_a_folder_separates_nothing(repo):
    _, work = repo
    before = tree(work, {"g": "1\n"})
    first = tree(work, {"g": "1\n", "x": "mine\n"})
    moved = tree(work, {"g": "2\n", "x/y": "theirs\n"})
    found = reapply(work.git_dir, base=before, onto=moved, result=first)
    assert found.whole
    assert found.mixed
    assert found.tree == first


def test_both_add_a_file_below_a_new_folder(repo):
    _, work = repo
    before = tree(work, {"g": "1\n"})
    first = tree(work, {"g": "1\n", "a/b/c": "mine\n"})
    moved = tree(work, {"g": "2\n", "a/b/c": "theirs\n", "a/b/d": "1\n"})
    found = reapply(work.git_dir, base=before, onto=moved, result=first)
    assert (found.mixed, found.whole) == (("a/b/c",), False)
    assert found.tree == tree(work, {"g": "2\n", "a/b/c": "mine\n", "a/b/d": "1\n"})


def test_a_file_that_upstream_renamed_keeps_the_edit_of_the_author(repo):
    _, work = repo
    before = tree(work, {"old": lines(), "g": "1\n"})
    first = tree(work, {"old": lines(l3="mine"), "g": "1\n"})
    moved = tree(work, {"new": lines(), "g": "1\n"})
    found = reapply(work.git_dir, base=before, onto=moved, result=first)
    assert found.tree == tree(work, {"new": lines(l3="mine"), "g": "1\n"})


def test_a_line_that_is_only_indented_anew_is_a_change_though_its_patch_id_is_equal(repo):
    _, work = repo
    before = work.commit("base", files={"p.yaml": "spec:\n  ingress:\n    - from:\n        - namespaceSelector: {}\n"})
    inside = work.commit("inside", files={"p.yaml": POLICY % "          "})
    work.run("checkout", "-q", before)
    outside = work.commit("outside", files={"p.yaml": POLICY % "      "})
    ids = [work.run("patch-id", "--stable", stdin=work.run_bytes("diff", before, one)) for one in (inside, outside)]
    assert ids[0] == ids[1]
    work.run("checkout", "-q", before)
    moved = work.commit("upstream", files={"other": "1\n"})
    again = work.commit("outside again", files={"p.yaml": POLICY % "      "})
    found = reapply(work.git_dir, base=before, onto=moved, result=inside)
    assert paths(work, found.tree, again) == ["p.yaml"]


def test_the_same_hunk_in_another_block_is_a_change_though_its_patch_id_is_equal(repo):
    _, work = repo
    block = "  one: 1\n  two: 2\n  three: 3\n  replicas: {}\n  four: 4\n  five: 5\n  six: 6\n"
    text = "# staging\n" + block + "# production\n" + block
    before = work.commit("base", files={"v.yaml": text.format(2, 2)})
    staging = work.commit("staging", files={"v.yaml": text.format(9, 2)})
    work.run("checkout", "-q", before)
    production = work.commit("production", files={"v.yaml": text.format(2, 9)})
    ids = [
        work.run("patch-id", "--verbatim", stdin=work.run_bytes("diff", "-U3", before, one))
        for one in (staging, production)
    ]
    assert ids[0].split()[0] == ids[1].split()[0]
    work.run("checkout", "-q", before)
    moved = work.commit("upstream", files={"other": "1\n"})
    again = work.commit("production again", files={"v.yaml": text.format(2, 9)})
    found = reapply(work.git_dir, base=before, onto=moved, result=staging)
    patch = trees.patch(work.git_dir, found.tree, again)
    assert patch.count(b"\n@@ ") == 2


def test_an_equal_base_starts_no_process(repo, monkeypatch):
    _, work = repo
    before, first = tree(work, {"f": lines()}), tree(work, {"f": lines(l3="mine")})
    monkeypatch.setattr("apps.vcs.gateway.call", lambda *a, **k: pytest.fail("Git was started"))
    assert reapply(work.git_dir, base=before, onto=before, result=first).tree == first


FILES = ("app/a.yaml", "app/b.yaml", "top")
Edit = tuple[str, int, str]


def edits() -> st.SearchStrategy[list[Edit]]:
    return st.lists(
        st.tuples(st.sampled_from(FILES), st.integers(0, 39), st.sampled_from(["x", "  y", ""])), max_size=4
    )


def applied(state: dict[str, list[str]], some: list[Edit]) -> dict[str, list[str]]:
    """Replace (or with an empty text drop) one numbered line of a file."""
    result = {path: list(rows) for path, rows in state.items()}
    for path, number, text in some:
        result[path][number] = f"{text} {number}\n" if text else ""
    return result


def written(work: GitRepo, state: dict[str, list[str]]) -> str:
    return tree(work, {path: "".join(rows) or "\n" for path, rows in state.items()})


@given(upstream=edits(), author=edits(), more=edits(), seed=st.integers(0, 3))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_interdiff_is_empty_exactly_when_a_cherry_pick_gives_the_later_tree(
    tmp_path_factory, upstream, author, more, seed
):
    """Oracle: ``git cherry-pick`` of the earlier revision onto the moved base, in a work tree, by another code path."""
    if random.Random(seed).random() < 0.5:
        more = []
    _, work = bare_remote(tmp_path_factory.mktemp("oracle"), {"README.md": "x\n"})
    state = {path: list(LINES) for path in FILES}
    written(work, state)
    base = work.rev_parse("HEAD")
    written(work, applied(state, author))
    first = work.rev_parse("HEAD")
    work.run("checkout", "-q", base)
    written(work, applied(state, upstream))
    moved = work.rev_parse("HEAD")
    later = written(work, applied(applied(applied(state, upstream), author), more))
    work.run("checkout", "-q", moved)
    found = reapply(work.git_dir, base=base, onto=moved, result=first)
    try:
        work.run("cherry-pick", "--allow-empty", "--keep-redundant-commits", first)
        picked = work.tree()
    except AssertionError:
        conflicted = set(work.run("diff", "--name-only", "--diff-filter=U").split())
        assert set(found.mixed) == conflicted
        shown = set(paths(work, found.tree, later))
        assert {path for path in paths(work, first, later) if path in conflicted} <= shown
        return
    assert found.mixed == ()
    assert found.tree == picked
    assert (found.tree == later) == (picked == later)
