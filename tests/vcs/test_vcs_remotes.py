from __future__ import annotations

import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from apps.core.errors import Conflict, InvalidInput, PortalError
from apps.vcs import gateway, history, objects, refs, remotes, transport
from apps.vcs.limits import Limits
from apps.vcs.merging import write_commit
from apps.vcs.remotes import Reach, Source
from tests.support.git import GitRepo
from tests.support.git_http import GitHttp, SilentHost

QUICK = Limits(probe_seconds=1.0, fetch_seconds=20, lock_seconds=0.3)


def local(tmp_path: Path, url: object) -> Source:
    return Source(str(url), reach=Reach(local_dirs=(tmp_path,), state_dir=tmp_path / "state"))


def web(url: str, secret: str = "", username: str = "alice") -> Source:
    here = frozenset({"127.0.0.1"})
    return Source(url, username if secret else "", secret, reach=Reach(private_hosts=here, http_hosts=here))


def code_of(action, *args, **kwargs) -> str:
    with pytest.raises(PortalError) as caught:
        action(*args, **kwargs)
    assert caught.value.message
    return caught.value.code


def test_local_mirror_holds_branches_only_and_follows_the_remote(repo, tmp_path):
    bare, work = repo
    work.run("push", "-q", "origin", "HEAD:refs/tags/v1", "HEAD:refs/portal/x", "HEAD:refs/replace/" + "1" * 40)
    source, mirror = local(tmp_path, bare.path), tmp_path / "mirrors" / "app.git"
    found = remotes.mirror_into(source, mirror)
    assert found == remotes.probe(source)
    assert (found.default_branch, list(found.branches)) == ("main", ["main"])
    assert list(refs.list_refs(mirror, "refs/")) == ["refs/heads/main"]
    assert [item.name for item in mirror.parent.iterdir()] == ["app.git"]
    first = found.branches["main"]
    refs.pin(mirror, "refs/portal/changes/1/r1", first)
    second = work.commit("next", files={"a": "1"}, branch="topic")
    work.push()
    got = remotes.fetch(source, mirror)
    assert got.moved == {"topic": (None, second)}
    assert objects.object_type(mirror, second) == "commit"
    bare.run("update-ref", "-d", "refs/heads/topic")
    work.run("push", "-q", "origin", f"{second}:refs/heads/topic/deeper")
    got = remotes.fetch(source, mirror)
    assert got.moved == {"topic": (second, None), "topic/deeper": (None, second)}
    assert refs.ref_exists(mirror, "refs/portal/changes/1/r1")
    assert remotes.fetch(source, mirror).moved == {}
    with pytest.raises(Conflict):
        remotes.mirror_into(source, mirror)


def test_force_push_and_branch_called_like_an_option_are_followed(repo, tmp_path):
    bare, work = repo
    source, mirror = local(tmp_path, bare.path), tmp_path / "m.git"
    remotes.mirror_into(source, mirror)
    old = work.rev_parse("HEAD")
    work.run("checkout", "-q", "--orphan", "fresh")
    new = work.commit("rewritten", files={"n": "1"})
    work.run("push", "-q", "--force", "origin", f"{new}:refs/heads/main", f"{new}:refs/heads/--output=x")
    assert remotes.fetch(source, mirror).moved == {"main": (old, new), "--output=x": (None, new)}
    assert objects.object_type(mirror, old) == "commit"
    assert remotes.remote_tip(source, "refs/heads/--output=x") == new
    assert remotes.remote_tip(source, "refs/heads/nope") is None
    assert code_of(remotes.remote_tip, source, "--upload-pack=x") == "bad_ref"


def test_remote_tip_is_not_misled_by_a_longer_name(repo, tmp_path):
    bare, work = repo
    work.run("push", "-q", "origin", "HEAD:refs/heads/refs/heads/ghost")
    assert remotes.remote_tip(local(tmp_path, bare.path), "refs/heads/ghost") is None


def test_failures_have_their_own_codes_and_leave_nothing(repo, tmp_path):
    bare, work = repo
    dest = tmp_path / "mirrors" / "m.git"
    dest.parent.mkdir()
    empty = GitRepo.create(tmp_path / "empty.git", bare=True)
    assert code_of(remotes.mirror_into, local(tmp_path, empty.path), dest) == "repository_empty"
    assert remotes.probe(local(tmp_path, empty.path)) == remotes.Probe(None, {})
    (tmp_path / "plain").mkdir()
    assert code_of(remotes.mirror_into, local(tmp_path, tmp_path / "plain"), dest) == "not_a_repository"
    work.commit("big", files={"big": os.urandom(400_000)})
    work.push()
    few, small = Limits(branches=0), Limits(repository_bytes=100_000)
    assert code_of(remotes.mirror_into, local(tmp_path, bare.path), dest, limits=few) == "repository_too_large"
    assert code_of(remotes.mirror_into, local(tmp_path, bare.path), dest, limits=small) == "repository_too_large"
    assert list(dest.parent.iterdir()) == []


@pytest.mark.parametrize("damage", ["missing", "truncated", "malformed"])
def test_broken_repository_is_refused_whole(repo, tmp_path, damage):
    bare, work = repo
    if damage == "missing":
        oid = work.rev_parse("HEAD:README.md")
        (bare.path / "objects" / oid[:2] / oid[2:]).unlink()
    elif damage == "truncated":
        work.commit("big", files={f"f{n}": os.urandom(5_000) for n in range(20)})
        work.push()
        bare.run("repack", "-adq")
        pack = next((bare.path / "objects/pack").glob("*.pack"))
        pack.chmod(0o644)
        pack.write_bytes(pack.read_bytes()[: pack.stat().st_size // 2])
    else:
        blob = work.rev_parse("HEAD:README.md")
        raw = b"100644 .git\0" + bytes.fromhex(blob)
        tree = bare.run("hash-object", "-t", "tree", "-w", "--stdin", "--literally", stdin=raw)
        people = {f"GIT_{r}_{w}": "x" for r in ("AUTHOR", "COMMITTER") for w in ("NAME", "EMAIL")}
        commit = bare.run("commit-tree", tree, "-m", "evil", env=people)
        bare.run("update-ref", "refs/heads/evil", commit)
    dest = tmp_path / "mirrors" / "m.git"
    assert code_of(remotes.mirror_into, local(tmp_path, bare.path), dest) == "repository_broken"
    assert list(dest.parent.iterdir()) == []


def test_a_remote_that_is_a_shallow_clone_is_told_and_never_taken_for_one_without_news(repo, tmp_path):
    bare, work = repo
    source, mirror = local(tmp_path, bare.path), tmp_path / "m.git"
    remotes.mirror_into(source, mirror)
    for text in "123":
        work.commit(text, files={"n": text})
    work.run("clone", "-q", "--bare", "--depth", "1", f"file://{work.path}", str(tmp_path / "shallow.git"))
    shutil.rmtree(bare.path)
    (tmp_path / "shallow.git").rename(bare.path)
    assert code_of(remotes.fetch, source, mirror) == "repository_shallow"
    assert code_of(remotes.mirror_into, source, tmp_path / "new.git") == "repository_shallow"
    GitRepo(bare.path).run("fetch", "-q", "--unshallow")
    assert remotes.fetch(source, mirror).after == {"main": work.rev_parse("HEAD")}


def test_a_remote_with_other_object_names_is_refused_by_name(tmp_path):
    other = GitRepo(tmp_path / "sha256")
    other.path.mkdir()
    other.run("init", "-q", "--object-format=sha256", "-b", "main", ".")
    other.commit("first", files={"a": "1"})
    assert code_of(remotes.mirror_into, local(tmp_path, other.path), tmp_path / "m.git") == "sha256_repository"
    assert not (tmp_path / "m.git").exists()


def test_fetch_from_a_remote_that_is_gone_changes_nothing(repo, tmp_path):
    bare, work = repo
    source, mirror = local(tmp_path, bare.path), tmp_path / "m.git"
    remotes.mirror_into(source, mirror)
    before = refs.list_branches(mirror)
    work.commit("next", files={"a": "1"})
    work.push()
    bare.path.rename(tmp_path / "gone.git")
    assert code_of(remotes.fetch, source, mirror) == "not_a_repository"
    assert refs.list_branches(mirror) == before


def test_fetch_that_grows_too_large_is_stopped_and_cleaned_up(repo, tmp_path):
    bare, work = repo
    source, mirror = local(tmp_path, bare.path), tmp_path / "m.git"
    remotes.mirror_into(source, mirror)
    work.commit("big", files={"big": os.urandom(400_000)})
    work.push()
    assert code_of(remotes.fetch, source, mirror, limits=Limits(repository_bytes=100_000)) == "repository_too_large"
    assert not list((mirror / "objects").glob("pack/tmp_*"))
    assert list(remotes.list_branches(mirror)) == ["main"]


def test_concurrent_fetches_of_one_mirror_take_turns(repo, tmp_path):
    bare, work = repo
    source, mirror = local(tmp_path, bare.path), tmp_path / "m.git"
    remotes.mirror_into(source, mirror)
    head = work.commit("next", files={"a": "1"})
    work.push()
    failures = []

    def follow() -> None:
        try:
            remotes.fetch(source, mirror)
        except PortalError as error:
            failures.append(error.code)

    threads = [threading.Thread(target=follow) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert refs.branch_tip(mirror, "main") == head
    with remotes._locked(mirror, QUICK):
        assert code_of(remotes.fetch, source, mirror, limits=QUICK) == "fetch_running"


def pushable(mirror: Path, parent: str) -> str:
    """A commit on ``parent`` that only the mirror has, as a merge by the portal is."""
    commit = history.read_commit(mirror, parent)
    people = {"author": commit.author, "committer": commit.author}
    return write_commit(mirror, tree=commit.tree, parents=[parent], message="merge", **people)


def test_push_with_lease_is_accepted_once_and_told_when_the_branch_moved(repo, tmp_path):
    bare, work = repo
    source, mirror = local(tmp_path, bare.path), tmp_path / "m.git"
    remotes.mirror_into(source, mirror)
    old = work.rev_parse("HEAD")
    new = pushable(mirror, old)
    push = {"ref": "refs/heads/main", "new": new, "old": old}
    assert remotes.push_with_lease(source, mirror, **push).is_accepted
    assert remotes.remote_tip(source, "refs/heads/main") == new
    assert remotes.push_with_lease(source, mirror, **{**push, "new": pushable(mirror, new)}).status == "moved"
    assert remotes.remote_tip(source, "refs/heads/main") == new
    claim = {"ref": "refs/portal/dispatched/1", "old": None}
    assert remotes.push_with_lease(source, mirror, new=new, **claim).is_accepted
    assert remotes.push_with_lease(source, mirror, new=old, **claim).status == "moved"
    assert code_of(remotes.push_with_lease, source, mirror, ref="refs/tags/x", new=new, old=None) == "bad_ref"


def test_hook_that_refuses_is_quoted_without_control_characters(repo, tmp_path):
    bare, work = repo
    source, mirror = local(tmp_path, bare.path), tmp_path / "m.git"
    remotes.mirror_into(source, mirror)
    hook = bare.path / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        "#!/bin/sh\nprintf 'protected: \\033[31mopen a change\\033[0m\\007 https://a:tok@x/y\\n' >&2\nexit 1\n"
    )
    hook.chmod(0o755)
    old = work.rev_parse("HEAD")
    done = remotes.push_with_lease(source, mirror, ref="refs/heads/main", new=pushable(mirror, old), old=old)
    assert done.status == "refused"
    assert "protected: open a change" in done.message
    assert "tok" not in done.message
    assert done.message.isprintable()
    assert remotes.remote_tip(source, "refs/heads/main") == old


def test_whole_life_over_http_with_a_password(repo, tmp_path):
    _, work = repo
    mirror = tmp_path / "mirrors" / "m.git"
    with GitHttp(tmp_path, password="s3cret pa:ss") as server:
        source = web(server.url("remote.git"), "s3cret pa:ss")
        assert remotes.mirror_into(source, mirror).default_branch == "main"
        assert "s3cret" not in (mirror / "config").read_text()
        old = work.commit("next", files={"a": "1"})
        work.push()
        assert list(remotes.fetch(source, mirror).moved) == ["main"]
        new = pushable(mirror, old)
        assert remotes.push_with_lease(source, mirror, ref="refs/heads/main", new=new, old=old).is_accepted
        assert remotes.push_with_lease(source, mirror, ref="refs/heads/main", new=old, old=old).status == "moved"
        assert remotes.remote_tip(source, "refs/heads/main") == new
        wrong = replace(source, secret="wrong")
        assert code_of(remotes.probe, wrong) == "authentication_failed"
        assert code_of(remotes.probe, replace(source, username="", secret="")) == "authentication_failed"
        assert code_of(remotes.mirror_into, wrong, tmp_path / "mirrors" / "n.git") == "authentication_failed"
        assert code_of(remotes.probe, web(server.url("nope.git"), "s3cret pa:ss")) == "not_a_repository"
        assert (
            code_of(remotes.probe, replace(source, reach=Reach(http_hosts=frozenset({"127.0.0.1"})))) == "url_refused"
        )
    assert [item.name for item in mirror.parent.iterdir()] == ["m.git"]


def test_redirect_is_not_followed(repo, tmp_path):
    with GitHttp(tmp_path) as target, GitHttp(tmp_path) as server:
        server.redirect_to = f"http://127.0.0.1:{target.port}"
        assert code_of(remotes.probe, web(server.url("remote.git"))) == "url_refused"
        assert target.requests == []


def test_host_that_says_nothing_costs_no_more_than_the_timeout(tmp_path):
    with SilentHost() as host:
        started = time.monotonic()
        assert code_of(remotes.probe, web(f"http://127.0.0.1:{host.port}/x"), limits=QUICK) == "git_timeout"
        assert time.monotonic() - started < 5
        dest = tmp_path / "mirrors" / "m.git"
        assert code_of(remotes.mirror_into, web(f"http://127.0.0.1:{host.port}/x"), dest, limits=QUICK) == "git_timeout"
        assert not dest.parent.exists()


def test_host_that_does_not_listen_or_exist_is_unreachable():
    with SilentHost() as host:
        port = host.port
    assert code_of(remotes.probe, web(f"http://127.0.0.1:{port}/x")) == "host_unreachable"
    assert code_of(remotes.probe, Source("https://no-such-host.invalid/x")) == "host_unreachable"


def test_repository_error_page_of_a_web_site_is_not_a_repository(tmp_path):
    (tmp_path / "plain").mkdir()
    with GitHttp(tmp_path) as server:
        assert code_of(remotes.probe, web(server.url("plain"))) == "not_a_repository"


def test_bad_old_value_is_refused_before_git_runs(repo, tmp_path):
    bare, work = repo
    with pytest.raises((InvalidInput, PortalError)):
        remotes.push_with_lease(local(tmp_path, bare.path), bare.path, ref="refs/heads/main",
                                new="main", old=work.rev_parse("HEAD"))  # fmt: skip


def test_credentials_with_control_characters_are_refused():
    for secret in ("two\nlines", "nul\0", "\ud800"):
        assert code_of(remotes.probe, web("http://127.0.0.1:1/x", secret)) == "bad_credentials"


def test_of_racing_pushes_with_the_same_lease_exactly_one_is_accepted(repo, tmp_path):
    bare, work = repo
    source, mirror = local(tmp_path, bare.path), tmp_path / "m.git"
    remotes.mirror_into(source, mirror)
    old = work.rev_parse("HEAD")
    who = history.read_commit(mirror, old).author
    tree = work.tree()
    rivals = [
        write_commit(mirror, tree=tree, parents=[old], message=f"rival {n}", author=who, committer=who)
        for n in range(6)
    ]
    start, outcomes = threading.Barrier(len(rivals)), {}

    def push(new: str) -> None:
        start.wait()
        outcomes[new] = remotes.push_with_lease(source, mirror, ref="refs/heads/main", new=new, old=old).status

    threads = [threading.Thread(target=push, args=(new,)) for new in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [new for new, status in outcomes.items() if status == "accepted"]
    assert sorted(outcomes.values()) == ["accepted", *["moved"] * 5]
    assert remotes.remote_tip(source, "refs/heads/main") == winners[0]


def test_scattered_mirror_is_packed_and_loses_nothing(repo, tmp_path, monkeypatch):
    bare, work = repo
    source, mirror = local(tmp_path, bare.path), tmp_path / "m.git"
    remotes.mirror_into(source, mirror)
    first = work.rev_parse("HEAD")
    refs.pin(mirror, "refs/portal/changes/1/r1", pushable(mirror, first))
    unpinned = pushable(mirror, refs.resolve(mirror, "refs/portal/changes/1/r1"))
    work.run("checkout", "-q", "--orphan", "fresh")
    work.commit("rewritten", files={"n": "1"})
    work.push("+HEAD:refs/heads/main")
    monkeypatch.setattr(remotes, "LOOSE_SAMPLE", -1)
    remotes.fetch(source, mirror)
    assert list((mirror / "objects/pack").glob("*.pack"))
    for oid in (first, refs.resolve(mirror, "refs/portal/changes/1/r1"), unpinned):
        assert objects.object_type(mirror, oid) == "commit"


def test_missing_ssh_program_is_told(monkeypatch, tmp_path):
    for said in (b"error: cannot run ssh: No such file or directory", b"sh: 1: ssh: not found"):
        assert transport.reason(gateway.Completed(128, b"", said)).code == "ssh_missing"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"git@github.com: Permission denied (publickey).\nfatal: Could not read from remote", "authentication_failed"),
        (b"remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://x/'", "authentication_failed"),
        (b"The requested URL returned error: 403", "authentication_failed"),
        (b"remote: Repository not found.\nfatal: repository 'https://x/y/' not found", "not_a_repository"),
        (b"Host key verification failed.\nfatal: Could not read from remote", "host_unreachable"),
        (b"SSL certificate problem: self signed certificate", "host_unreachable"),
        (b"The requested URL returned error: 502", "host_unreachable"),
        (b"fatal: detected dubious ownership in repository at '/srv/x'", "url_refused"),
        (b"error: object 1234: hasDotgit: contains '.git'\nfatal: fsck error in packed object", "repository_broken"),
        (b"something new", "git_failed"),
    ],
)
def test_what_hosts_say_is_sorted_into_codes_and_never_quoted(said, code):
    error = transport.reason(gateway.Completed(128, b"", said))
    assert error.code == code
    assert said.decode() not in error.message


@pytest.mark.skipif(not shutil.which("ssh"), reason="NOT RUN: no ssh client here")
def test_ssh_host_that_says_nothing_times_out(tmp_path):
    with SilentHost() as host:
        reach = Reach(private_hosts=frozenset({"127.0.0.1"}), state_dir=tmp_path)
        source = Source(f"ssh://git@127.0.0.1:{host.port}/x", ssh_key="KEY", reach=reach)
        assert code_of(remotes.probe, source, limits=QUICK) == "git_timeout"
