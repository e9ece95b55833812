from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

import pytest

from apps.core.errors import PortalError, Unavailable
from apps.vcs import gateway, version
from apps.vcs.commands import COMMANDS, arguments
from apps.vcs.errors import CommandRefused, GitFailed, GitOutputTooLarge, GitTimedOut
from apps.vcs.processes import Process, TooSlowError

OID = "a" * 40


@pytest.mark.parametrize(
    ("command", "args"),
    [
        ("gc", []),
        ("archive", [OID]),
        ("checkout", [OID]),
        ("config", ["--global", "x.y", "z"]),
        ("log", ["--output=/tmp/pwn", OID]),
        ("log", ["main"]),
        ("log", [OID[:12]]),
        ("diff-tree", [OID, "--output=pwn"]),
        ("fetch", ["--upload-pack=touch pwn", "https://example.org/x"]),
        ("fetch", ["ext::sh -c touch% pwn"]),
        ("fetch", ["-c", "core.sshCommand=touch pwn"]),
        ("push", ["--force", "https://example.org/x"]),
        ("push", ["--receive-pack=touch pwn", "https://example.org/x"]),
        ("show-ref", ["--output=x"]),
        ("update-ref", ["--stdin"]),
        ("for-each-ref", ["--exec=x"]),
        ("merge-tree", [OID, "--", "path"]),
        ("ls-tree", [OID, "--", "nul\0path"]),
        ("cat-file", ["--textconv", OID]),
    ],
)
def test_command_flag_or_argument_that_is_not_listed_is_refused(command, args):
    with pytest.raises(CommandRefused):
        arguments(command, args)


def test_paths_that_look_like_flags_stay_behind_the_separator():
    assert arguments("ls-tree", ["-z", OID, "--", "--output=x"])[-2:] == ["--", "--output=x"]


def test_no_command_that_touches_a_work_tree_or_configuration_is_listed():
    banned = {"archive", "checkout", "config", "clone", "submodule", "gc", "remote", "worktree", "apply"}
    assert not banned & set(COMMANDS)


def test_environment_holds_nothing_of_the_portal(monkeypatch, repo):
    monkeypatch.setenv("PORTAL_SECRET_KEY", "top-secret")
    monkeypatch.setenv("GIT_DIR", "/nonexistent/other")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    line = ["env", "-0"]
    process = Process(line, gateway.environment(), None)
    _, out, _ = process.communicate(b"", deadline=time.monotonic() + 5, max_output=10_000)
    names = {item.partition(b"=")[0].decode() for item in out.split(b"\0") if item}
    assert names == set(gateway.environment())
    assert gateway.run(repo[0].path, "for-each-ref", ["refs/heads/"])


def test_replaced_objects_grafted_history_and_hooks_do_not_act(repo):
    bare, work = repo
    evil = work.commit("evil", files={"x": "evil\n"})
    good = work.commit("good", files={"x": "good\n"})
    work.push()
    bare.run("replace", evil, good)
    assert gateway.run(bare.path, "cat-file", ["-t", evil]) == b"commit\n"
    tree = gateway.run(bare.path, "log", ["-z", "--max-count=1", "--format=%T", evil]).strip(b"\0").decode()
    assert tree == work.tree(evil)


def test_hanging_command_is_killed_with_its_children_when_its_time_is_over():
    process = Process(["sh", "-c", "sleep 60 & echo $!; sleep 60"], gateway.environment(), None)
    pid = process.popen.pid
    started = time.monotonic()
    with pytest.raises(TooSlowError):
        process.communicate(b"", deadline=started + 0.3, max_output=100)
    assert time.monotonic() - started < 5
    for _ in range(50):  # a killed grandchild may stay a zombie until some init reaps it
        if _states(pid) <= {"Z"}:
            return
        time.sleep(0.05)
    pytest.fail("a child of the killed command still runs")


def _states(group: int) -> set[str]:
    states = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                states |= {fields[0]} if int(fields[2]) == group else set()
    return states


def test_timeout_and_output_cap_are_errors_with_their_own_codes(repo):
    bare, work = repo
    work.commit("big", files={"big": b"x" * 300_000})
    work.push()
    oid = work.rev_parse("HEAD:big")
    with pytest.raises(GitOutputTooLarge) as large:
        gateway.run(bare.path, "cat-file", ["blob", oid], max_output=1000)
    assert large.value.code == "git_output_too_large"
    with pytest.raises(GitTimedOut) as slow:
        gateway.run(bare.path, "cat-file", ["--batch-command", "-z"], timeout=0.0)
    assert slow.value.code == "git_timeout"


def test_failure_says_what_to_do_and_never_shows_what_git_said(repo):
    with pytest.raises(GitFailed) as caught:
        gateway.run(repo[0].path, "cat-file", ["-t", OID])
    assert caught.value.code == "git_failed"
    assert "fatal" not in caught.value.message
    assert b"fatal" in caught.value.stderr
    assert isinstance(caught.value, PortalError)


def test_missing_mirror_is_a_clear_error(tmp_path):
    with pytest.raises(GitFailed) as caught:
        gateway.run(tmp_path / "gone.git", "for-each-ref", ["refs/heads/"])
    assert caught.value.code == "mirror_missing"


def test_installed_git_is_new_enough_and_an_old_one_is_refused(monkeypatch):
    assert version.require_git() >= (2, 38)
    monkeypatch.setattr(version, "git_version", lambda: (2, 34, 1))
    with pytest.raises(Unavailable) as caught:
        version.require_git()
    assert caught.value.code == "git_too_old"


@pytest.mark.parametrize("has_env", [False, True])
def test_machine_without_git_is_told_so(monkeypatch, tmp_path, has_env):
    if has_env:
        (tmp_path / "env").symlink_to(shutil.which("env"))
    monkeypatch.setenv("PATH", str(tmp_path))
    version.git_version.cache_clear()
    try:
        with pytest.raises(Unavailable) as caught:
            version.require_git()
        assert caught.value.code == "git_missing"
    finally:
        version.git_version.cache_clear()
