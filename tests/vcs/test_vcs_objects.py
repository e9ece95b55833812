from __future__ import annotations

import os
import signal
import threading

import pytest

from apps.core.errors import Conflict, InvalidInput
from apps.vcs import history, objects, paths, pool, refs, trees
from apps.vcs.errors import BlobTooLarge, CommandRefused, GitFailed, ObjectMissing
from apps.vcs.limits import Limits
from tests.support.git import GitRepo

NASTY = b'\xff\xfe \n"quote<script>\\'


def test_names_of_any_bytes_survive_a_round_trip(repo):
    bare, work = repo
    work.write(NASTY, b"\x00\x01\xff")
    head = work.commit("nasty")
    work.push()
    entry = next(item for item in objects.list_tree(bare.path, head) if paths.encode(item.path) == NASTY)
    assert (entry.mode, entry.type, entry.size) == ("100644", "blob", 3)
    assert objects.read_file(bare.path, head, entry.path) == b"\x00\x01\xff"
    assert objects.entry_at(bare.path, head, entry.path) == entry
    assert paths.display(entry.path) == '\\xff\\xfe \n"quote<script>\\'
    assert paths.display("grün/naïve") == "grün/naïve"


def test_tree_lists_files_links_and_folders(repo):
    bare, work = repo
    work.write("bin/run", "#!/bin/sh\n", mode=0o755)
    work.symlink("link", "README.md")
    work.commit("more")
    work.run("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    work.run("commit", "-q", "-m", "sub", env={"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a",
                                               "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a"})  # fmt: skip
    head = work.rev_parse("HEAD")
    found = {item.path: (item.mode, item.type) for item in objects.list_tree(work.git_dir, head)}
    assert found == {
        "README.md": ("100644", "blob"),
        "bin/run": ("100755", "blob"),
        "k8s/web.yaml": ("100644", "blob"),
        "link": ("120000", "blob"),
        "sub": ("160000", "commit"),
    }
    assert [item.path for item in objects.list_tree(work.git_dir, head, under="k8s")] == ["k8s/web.yaml"]
    assert objects.list_tree(work.git_dir, head, under="../etc") == []
    top = {item.path: item.type for item in objects.list_tree(work.git_dir, head, recursive=False)}
    assert top["k8s"] == "tree"
    assert objects.read_file(work.git_dir, head, "link") == b"README.md"
    assert bare.path.exists()


@pytest.mark.parametrize(
    "path", ["", "/README.md", "../README.md", "./README.md", "k8s", "k8s/", "nope", "a\0b", "a\nb"]
)
def test_reading_what_is_no_file_gives_none(repo, path):
    bare, work = repo
    assert objects.read_file(bare.path, work.rev_parse("HEAD"), path) is None


def test_reading_from_a_missing_commit_is_an_error_not_an_absent_file(repo):
    with pytest.raises(ObjectMissing):
        objects.read_file(repo[0].path, "e" * 40, "README.md")
    with pytest.raises(CommandRefused):
        objects.read_file(repo[0].path, "main", "README.md")


def test_types_and_sizes(repo):
    bare, work = repo
    head = work.rev_parse("HEAD")
    tree = objects.commit_tree_oid(bare.path, head)
    assert tree == work.tree()
    assert objects.commit_tree_oid(bare.path, tree) == tree
    assert [objects.object_type(bare.path, oid) for oid in (head, tree, "e" * 40)] == ["commit", "tree", None]
    assert objects.blob_size(bare.path, work.rev_parse("HEAD:README.md")) == 6
    with pytest.raises(ObjectMissing):
        objects.blob_size(bare.path, tree)
    with pytest.raises(ObjectMissing):
        objects.commit_tree_oid(bare.path, work.rev_parse("HEAD:README.md"))


def test_fifty_megabyte_file_is_refused_above_the_cap_and_its_start_can_be_read(repo):
    bare, work = repo
    big = os.urandom(1 << 20) * 50
    work.commit("big", files={"big.bin": big})
    work.push()
    oid = work.rev_parse("HEAD:big.bin")
    with pytest.raises(BlobTooLarge) as caught:
        objects.read_blob(bare.path, oid, max_bytes=1 << 20)
    assert caught.value.details["size"] == len(big)
    head = objects.read_blob_head(bare.path, oid, max_bytes=1000)
    assert (head.data, head.size, head.is_truncated) == (big[:1000], len(big), True)
    assert objects.read_blob(bare.path, oid) == big
    small = objects.read_blob_head(bare.path, work.rev_parse("HEAD:README.md"), max_bytes=1000)
    assert (small.data, small.is_truncated) == (b"hello\n", False)


def test_dead_pool_process_is_replaced_without_the_caller_noticing(repo):
    bare, work = repo
    oid = work.rev_parse("HEAD:README.md")
    assert objects.read_blob(bare.path, oid) == b"hello\n"
    seen = []
    pool.DEFAULT_POOL.ask(bare.path, "objects", lambda conversation: seen.append(conversation.pid))
    os.kill(seen[0], signal.SIGKILL)
    assert objects.read_blob(bare.path, oid) == b"hello\n"
    pool.DEFAULT_POOL.ask(bare.path, "objects", lambda conversation: seen.append(conversation.pid))
    assert seen[0] != seen[1]


def test_pool_is_bounded_and_correct_under_many_threads(tmp_path):
    repos = []
    for number in range(4):
        one = GitRepo.create(tmp_path / f"r{number}")
        one.commit("c", files={"n": f"{number}\n"})
        repos.append((one.git_dir, one.rev_parse("HEAD:n"), f"{number}\n".encode()))
    small = pool.Pool(Limits(pool_processes=3, pool_repositories=2, pool_requests=7))
    wrong, most = [], [0]

    def work(seed: int) -> None:
        for turn in range(25):
            git_dir, oid, expected = repos[(seed + turn) % 4]
            size = small.ask(git_dir, "objects", lambda c, oid=oid: objects._info(c, oid.encode()))
            if size is None or size[2] != len(expected):
                wrong.append(size)
            most[0] = max(most[0], small.running)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert most[0] <= 3
    small.close()
    assert small.running == 0


def test_remade_mirror_at_the_same_path_is_not_answered_from_the_old_one(tmp_path):
    first = GitRepo.create(tmp_path / "r")
    first.commit("c", files={"f": "one\n"})
    old = first.rev_parse("HEAD:f")
    assert objects.object_type(first.git_dir, old) == "blob"
    first.path.rename(tmp_path / "moved")
    second = GitRepo.create(tmp_path / "r")
    second.commit("c", files={"f": "two\n"})
    assert objects.object_type(second.git_dir, old) is None


def test_damaged_object_is_an_error_and_never_an_empty_answer(tmp_path):
    one = GitRepo.create(tmp_path / "r")
    a = one.commit("a", files={"d/f": "one\n"})
    b = one.commit("b", files={"d/f": "two\n"})
    subtree = one.rev_parse(f"{b}:d")
    (one.git_dir / "objects" / subtree[:2] / subtree[2:]).unlink()
    with pytest.raises(GitFailed):
        trees.diff_trees(one.git_dir, a, b)
    with pytest.raises(ObjectMissing):
        trees.diff_trees(one.git_dir, a, "e" * 40)


def test_several_entries_are_read_by_one_process(tmp_path, monkeypatch):
    one = GitRepo.create(tmp_path / "r")
    head = one.commit("a", files={"d/f": "one\n", "d/g": "two\n", "[x]": "three\n", "d/*": "four\n"})
    asked, calls = ["d/f", "d", "no", "[x]", "../d/f", "d/*", "d/f/x"], []
    run = objects.gateway.run
    monkeypatch.setattr(objects.gateway, "run", lambda *args, **options: calls.append(args[1]) or run(*args, **options))
    found = objects.entries_at(one.git_dir, head, asked)
    assert calls == ["ls-tree"]
    assert {path: entry.type for path, entry in found.items()} == {
        "d": "tree",
        "d/f": "blob",
        "[x]": "blob",
        "d/*": "blob",
    }
    assert all(found.get(path) == objects.entry_at(one.git_dir, head, path) for path in asked)
    assert objects.entries_at(one.git_dir, head, ["../x"]) == {}


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_listing_with_a_damaged_file_says_so(tmp_path, damage):
    one = GitRepo.create(tmp_path / "r")
    head = one.commit("a", files={"d/f": "one\n", "d/g": "two\n"})
    blob = one.rev_parse(f"{head}:d/f")
    place = one.git_dir / "objects" / blob[:2] / blob[2:]
    place.unlink()
    if damage == "truncated":
        place.write_bytes(b"")
    with pytest.raises(GitFailed) as caught:
        objects.entry_at(one.git_dir, head, "d/f")
    assert caught.value.code == "object_damaged"
    assert objects.entry_at(one.git_dir, head, "d/g").size == 4
    assert len(objects.list_paths(one.git_dir, head)) == 2


@pytest.mark.parametrize("name", ["main", "--output=x", "-h", "a/b", "change/CHG-42-fix", "@", "ünï", "HEAD", "e" * 40])
def test_legal_branch_names_are_accepted(name):
    refs.check_branch_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*",
     "a[", "a\\b", "a@{1}", "a.", "a\nb", "a\x7f", "a\0", "x" * 2000],
)  # fmt: skip
def test_illegal_branch_names_are_refused(name, repo):
    with pytest.raises(InvalidInput) as caught:
        refs.check_branch_name(name)
    assert caught.value.code == "bad_branch_name"
    assert refs.branch_tip(repo[0].path, name) is None


def test_branches_named_as_traps_resolve_to_themselves(repo, tmp_path):
    bare, work = repo
    head = work.rev_parse("HEAD")
    other = work.commit("other", files={"o": "1"})
    work.push(f"{other}:refs/heads/--output=pwn", f"{other}:refs/heads/{head[:10]}", f"{other}:refs/tags/main",
              f"{other}:refs/heads/refs/heads/ghost")  # fmt: skip
    assert refs.branch_tip(bare.path, "main") == head
    assert refs.branch_tip(bare.path, "--output=pwn") == other
    assert refs.branch_tip(bare.path, head[:10]) == other
    assert refs.branch_tip(bare.path, "ghost") is None
    assert refs.branch_tip(bare.path, "nope") is None
    assert set(refs.list_branches(bare.path)) == {"main", "--output=pwn", head[:10], "refs/heads/ghost"}
    assert not list(tmp_path.rglob("pwn"))


def test_who_pins_waits_for_whoever_writes_the_same_pin_on_a_slow_disk(tmp_path):
    one = GitRepo.create(tmp_path / "r")
    head = one.commit("a", files={"a": "1\n"})
    lock = one.git_dir / "refs" / "portal" / "test" / "one.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()

    def finish():
        lock.write_text(f"{head}\n")
        lock.rename(lock.with_suffix(""))

    slow = threading.Timer(0.6, finish)
    slow.start()
    refs.pin(one.git_dir, "refs/portal/test/one", head)
    slow.join()
    assert refs.resolve(one.git_dir, "refs/portal/test/one") == head


def test_pin_never_moves(repo):
    bare, work = repo
    first = work.rev_parse("HEAD")
    second = work.commit("x", files={"o": "1"})
    work.push()
    ref = "refs/portal/changes/42/r1/head"
    refs.pin(bare.path, ref, first)
    refs.pin(bare.path, ref, first)
    assert refs.ref_exists(bare.path, ref)
    assert refs.list_refs(bare.path, "refs/portal/changes/") == {ref: first}
    with pytest.raises(Conflict):
        refs.pin(bare.path, ref, second)
    assert refs.resolve(bare.path, ref) == first
    with pytest.raises(InvalidInput):
        refs.pin(bare.path, "refs/heads/main", second)
    with pytest.raises(GitFailed):
        refs.pin(bare.path, "refs/portal/x", "e" * 40)


def test_commits_tell_people_times_and_trailers(repo):
    bare, work = repo
    base = work.rev_parse("HEAD")
    message = "Add web\n\nWhy it is needed.\n\nChange-Request: CHG-42\nCo-authored-by: Bob <bob@example.org>\n folded\n"
    first = work.commit(message, author="Zoë <zoe@example.org>", committer="Bob <bob@example.org>")
    second = work.commit("second")
    work.push()
    found = history.commits_between(bare.path, base, second)
    assert [commit.oid for commit in found] == [second, first]
    one = history.read_commit(bare.path, first)
    assert (one.author.name, one.author.email, one.committer.name) == ("Zoë", "zoe@example.org", "Bob")
    assert one.author.at.tzinfo is not None
    assert one.author.at.year == 2026
    assert (one.subject, one.parents, one.tree) == ("Add web", (base,), work.tree(first))
    assert one.body.startswith("Why it is needed.")
    assert one.trailers == (("Change-Request", "CHG-42"), ("Co-authored-by", "Bob <bob@example.org> folded"))
    assert one.trailer_values("change-request") == ("CHG-42",)
    assert history.read_commit(bare.path, second).trailers == ()
    assert history.count_between(bare.path, base, second) == 2
    assert len(history.commits_between(bare.path, base, second, limit=1)) == 1
    with pytest.raises(ObjectMissing):
        history.read_commit(bare.path, one.tree)


def test_commit_with_empty_message_and_impossible_date_is_read(repo):
    bare, work = repo
    raw = f"tree {work.tree()}\nauthor A <a@b> 99999999999999999 +9999\ncommitter  <> 0 +0000\n\n"
    oid = bare.run("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=raw.encode())
    commit = history.read_commit(bare.path, oid)
    assert (commit.subject, commit.body, commit.author.email) == ("", "", "a@b")


def test_log_follows_a_path_literally(repo):
    bare, work = repo
    star = work.commit("star", files={"*.md": "x"})
    work.commit("other", files={"README.md": "y"})
    head = work.commit("more", files={"z": "y"})
    work.push()
    assert [commit.oid for commit in history.log(bare.path, head, path="*.md")] == [star]
    assert len(history.log(bare.path, head, limit=2)) == 2
    assert len(history.log(bare.path, head, skip=3)) == 1


def test_ancestry(repo):
    bare, work = repo
    base = work.rev_parse("HEAD")
    head = work.commit("more")
    work.push()
    assert history.is_ancestor(bare.path, base, head)
    assert not history.is_ancestor(bare.path, head, base)
    with pytest.raises(ObjectMissing):
        history.is_ancestor(bare.path, base, "e" * 40)


def test_forked_child_starts_processes_of_its_own(repo):
    bare, work = repo
    oid = work.rev_parse("HEAD:README.md")
    assert objects.read_blob(bare.path, oid) == b"hello\n"
    child = os.fork()
    if child == 0:
        fine = pool.DEFAULT_POOL.running == 0 and objects.read_blob(bare.path, oid) == b"hello\n"
        pool.DEFAULT_POOL.close()
        os._exit(0 if fine else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert objects.read_blob(bare.path, oid) == b"hello\n"


def test_text_that_stands_for_no_bytes_is_refused_not_a_crash(repo):
    bare, work = repo
    head = work.rev_parse("HEAD")
    assert objects.read_file(bare.path, head, "\ud800") is None
    assert objects.list_tree(bare.path, head, under="\ud800") == []
    assert history.log(bare.path, head, path="\ud800") == []
    assert not refs.is_branch_name("\ud800")
    with pytest.raises(InvalidInput):
        trees.patch(bare.path, head, head, path="\ud800")


def test_where_git_cannot_read_what_lies_between_nobody_is_said_to_be_no_ancestor(repo):
    bare, work = repo
    first, between, last = (work.commit(name) for name in ("first", "between", "last"))
    work.push()
    (bare.git_dir / "objects/info/commit-graph").unlink(missing_ok=True)
    lost = bare.git_dir / "objects" / between[:2] / between[2:]
    kept = lost.read_bytes()
    lost.unlink()
    with pytest.raises(GitFailed):
        history.is_ancestor(bare.path, first, last)
    with pytest.raises(GitFailed):
        history.merge_bases(bare.path, first, last)
    lost.write_bytes(kept)
    assert history.is_ancestor(bare.path, first, last)
