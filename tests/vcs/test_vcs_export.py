from __future__ import annotations

import stat

import pytest

from apps.core.errors import Conflict, InvalidInput
from apps.vcs.export import export_tree, stays_inside
from apps.vcs.limits import Limits
from apps.vcs.paths import is_safe
from tests.support.git import GitRepo

PEOPLE = {f"GIT_{role}_{what}": "x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def test_export_is_the_tree_byte_for_byte(repo, tmp_path):
    bare, work = repo
    work.write(".gitattributes", "*.txt export-ignore export-subst ident eol=crlf\n")
    work.write("note.txt", b"$Format:%H$ $Id$\n\xff\x00\n")
    work.write("bin/run", "#!/bin/sh\n", mode=0o755)
    work.write(b"odd/\xff\n<script>", "odd")
    work.write("Case", "1")
    work.write("case", "2")
    work.symlink("bin/link", "../README.md")
    work.symlink("dangling", "nowhere/yet")
    work.run("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    work.run("add", "bin", "odd", "note.txt", "Case", "case", "dangling", ".gitattributes")
    work.run("commit", "-q", "-m", "all", env=PEOPLE)
    dest = tmp_path / "out" / "tree"
    assert export_tree(work.git_dir, work.rev_parse("HEAD"), dest) == 11
    assert (dest / "note.txt").read_bytes() == b"$Format:%H$ $Id$\n\xff\x00\n"
    assert stat.S_IMODE((dest / "bin/run").stat().st_mode) == 0o755
    assert stat.S_IMODE((dest / "README.md").stat().st_mode) == 0o644
    assert (dest / "bin/link").read_text() == "hello\n"
    assert (dest / "dangling").is_symlink()
    assert (dest / "sub").is_dir()
    assert not any((dest / "sub").iterdir())
    assert {item.name for item in dest.iterdir()} >= {"Case", "case"}
    assert not (dest / ".git").exists()
    assert bare.path.exists()


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../outside", "a/../../outside", "k8s/../../x", "self", "up/../../.."]
)
def test_symlink_out_of_the_tree_is_refused_and_named(repo, tmp_path, target):
    _, work = repo
    work.symlink("self", target)
    work.symlink("up", "k8s")
    head = work.commit("link")
    with pytest.raises(InvalidInput) as caught:
        export_tree(work.git_dir, head, tmp_path / "out")
    assert (caught.value.code, caught.value.details["path"]) == ("tree_refused", "self")
    assert not (tmp_path / "out").exists()


def test_links_are_followed_as_the_kernel_does():
    assert stays_inside("a", {"a": "b/c", "b": "d/e"})
    assert not stays_inside("a", {"a": "b/../../x", "b": "."})
    assert stays_inside("a", {"a": "b/../x", "b": "d/e"})
    assert not stays_inside("x/y/a", {"x/y/a": "../../../etc"})
    assert stays_inside("x/y/a", {"x/y/a": "../../etc"})
    assert not stays_inside("a", {"a": "b", "b": "a"})


@pytest.mark.parametrize("name", [b".git", b"..", b".", b".GIT"])
def test_unsafe_names_are_refused(tmp_path, name):
    repo = GitRepo.create(tmp_path / "r")
    blob = repo.run("hash-object", "-w", "--stdin", stdin=b"evil")
    raw = b"100644 " + name + b"\0" + bytes.fromhex(blob)
    tree = repo.run("hash-object", "-t", "tree", "-w", "--stdin", "--literally", stdin=raw)
    with pytest.raises(InvalidInput) as caught:
        export_tree(repo.git_dir, tree, tmp_path / "out")
    assert caught.value.code == "tree_refused"
    assert not (tmp_path / "out").exists()


def test_file_and_link_of_the_same_name_are_refused(tmp_path):
    repo = GitRepo.create(tmp_path / "r")
    blob = bytes.fromhex(repo.run("hash-object", "-w", "--stdin", stdin=b"b"))
    inner = repo.run("hash-object", "-t", "tree", "-w", "--stdin", "--literally", stdin=b"100644 f\0" + blob)
    raw = b"120000 a\0" + blob + b"40000 a\0" + bytes.fromhex(inner)
    tree = repo.run("hash-object", "-t", "tree", "-w", "--stdin", "--literally", stdin=raw)
    with pytest.raises(InvalidInput):
        export_tree(repo.git_dir, tree, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_absolute_and_empty_components_are_unsafe():
    assert is_safe("a/b")
    for path in ("", "/a", "a//b", "a/", "a/../b", "./a", "a/.git/hooks", "x\0"):
        assert not is_safe(path)


def test_export_over_something_or_over_a_limit_is_refused(repo, tmp_path):
    _, work = repo
    head = work.rev_parse("HEAD")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("1")
    with pytest.raises(Conflict):
        export_tree(work.git_dir, head, tmp_path / "full")
    (tmp_path / "trap").symlink_to(tmp_path / "full")
    with pytest.raises(Conflict):
        export_tree(work.git_dir, head, tmp_path / "trap")
    for limits in (Limits(export_entries=1), Limits(export_bytes=3)):
        with pytest.raises(InvalidInput):
            export_tree(work.git_dir, head, tmp_path / "out", limits=limits)
    assert not (tmp_path / "out").exists()
