"""Real tiny Git repositories for tests, written with the ``git`` command itself.

``GitRepo.create(path)`` makes a work clone to write in; ``bare_remote(tmp_path, files)`` makes the
pair that most tests want: a bare repository (what the portal connects to) and a work clone of it.
Dates are fixed and count up by a minute per commit, so object ids are the same in every run.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

ALICE = "Alice <alice@example.org>"
START = 1_767_225_600  # 2026-01-01T00:00:00Z, seconds
ENVIRONMENT = {
    "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "file:http:https",
}


class GitRepo:
    """One repository on disk; commits by whoever ``author`` names (default Alice)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = START

    @classmethod
    def create(cls, path: Path, bare: bool = False, branch: str = "main") -> GitRepo:
        """A new empty repository at ``path`` whose first branch is ``branch``."""
        path.mkdir(parents=True, exist_ok=True)
        repo = cls(path)
        flags = ["--bare"] if bare else []
        repo.run("init", "-q", "-b", branch, *flags, ".")
        return repo

    @classmethod
    def clone(cls, source: Path | str, path: Path) -> GitRepo:
        """A work clone of ``source`` at ``path``; ``origin`` points back to it."""
        path.mkdir(parents=True, exist_ok=True)
        repo = cls(path)
        repo.run("clone", "-q", "--no-local", str(source), ".")
        return repo

    @property
    def git_dir(self) -> Path:
        """The directory with the objects: ``path/.git``, or ``path`` of a bare one."""
        work = self.path / ".git"
        return work if work.exists() else self.path

    def run_bytes(self, *args: str | bytes, stdin: bytes | None = None, env: Mapping[str, str] | None = None) -> bytes:
        """``git ARGS`` here; standard output as bytes; AssertionError with stderr when it fails."""
        done = subprocess.run(
            ["git", *args],
            cwd=self.path,
            input=stdin,
            capture_output=True,
            env={**ENVIRONMENT, **(env or {})},
            check=False,
        )
        assert done.returncode == 0, f"git {args!r}: {done.stderr.decode(errors='replace')}"
        return done.stdout

    def run(self, *args: str | bytes, stdin: bytes | None = None, env: Mapping[str, str] | None = None) -> str:
        """Like :meth:`run_bytes`, decoded and stripped."""
        return self.run_bytes(*args, stdin=stdin, env=env).decode(errors="surrogateescape").strip()

    def write(self, path: str | bytes, content: str | bytes, mode: int = 0o644) -> Path:
        """Write a file in the work tree (not yet committed); folders are made."""
        target = self._file(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink():
            target.unlink()
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        target.chmod(mode)
        return target

    def symlink(self, path: str | bytes, target: str) -> None:
        """Make ``path`` a symbolic link to the text ``target``."""
        link = self._file(path)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)

    def remove(self, path: str | bytes) -> None:
        """Remove a file from the work tree (not yet committed)."""
        self._file(path).unlink()

    def rename(self, old: str, new: str) -> None:
        """Move a file in the work tree (not yet committed)."""
        self._file(new).parent.mkdir(parents=True, exist_ok=True)
        self._file(old).rename(self._file(new))

    def commit(
        self,
        message: str = "change",
        author: str = ALICE,
        branch: str | None = None,
        committer: str | None = None,
        files: Mapping[str, str | bytes] | None = None,
    ) -> str:
        """Commit all of the work tree (after switching to ``branch``) and return the oid.

        ``files`` are written first. An empty commit is allowed.
        """
        if branch is not None and branch != self.current_branch():
            self.branch(branch)
        for path, content in (files or {}).items():
            self.write(path, content)
        self.run("add", "-A", ".")
        self.run(
            "commit", "-q", "--allow-empty", "--allow-empty-message", "--cleanup=verbatim", "-F", "-",
            stdin=message.encode(), env=self._people(author, committer or author),
        )  # fmt: skip
        return self.rev_parse("HEAD")

    def branch(self, name: str, at: str = "HEAD") -> None:
        """Switch to branch ``name``, creating it at ``at`` when there is none yet."""
        if self.has_ref(f"refs/heads/{name}"):
            self.checkout(name)
        elif at == "HEAD" and not self.has_ref("HEAD"):
            self.run("symbolic-ref", "HEAD", f"refs/heads/{name}")
        else:
            self.run("checkout", "-q", "--no-track", "-b", name, at)

    def checkout(self, name: str) -> None:
        """Switch the work tree to a branch or commit."""
        self.run("checkout", "-q", name)

    def merge(self, other: str, message: str = "merge", author: str = ALICE, *flags: str) -> str:
        """Merge ``other`` into the current branch with a merge commit; its oid."""
        args = ["merge", "-q", "--no-ff", "-m", message, *flags, other]
        self.run(*args, env=self._people(author, author))
        return self.rev_parse("HEAD")

    def delete_branch(self, name: str) -> None:
        """Delete a branch that is not checked out."""
        self.run("update-ref", "-d", f"refs/heads/{name}")

    def push(self, *refspecs: str, force: bool = False) -> None:
        """Push to ``origin``; without refspecs the current branch."""
        flags = ["--force"] if force else []
        self.run("push", "-q", *flags, "origin", *(refspecs or (f"HEAD:{self.head_ref()}",)))

    def rev_parse(self, name: str) -> str:
        """The full oid of ``name``."""
        return self.run("rev-parse", "--verify", "--end-of-options", name)

    def tree(self, name: str = "HEAD") -> str:
        """The oid of the tree of ``name``."""
        return self.rev_parse(f"{name}^{{tree}}")

    def head_ref(self) -> str:
        """The full ref that is checked out, such as ``refs/heads/main``."""
        return self.run("symbolic-ref", "HEAD")

    def current_branch(self) -> str:
        """The short name of the branch that is checked out."""
        return self.head_ref().removeprefix("refs/heads/")

    def has_ref(self, ref: str) -> bool:
        """True when ``ref`` resolves."""
        args = ["git", "rev-parse", "-q", "--verify", ref]
        done = subprocess.run(args, cwd=self.path, capture_output=True, env=ENVIRONMENT, check=False)
        return done.returncode == 0

    def _file(self, path: str | bytes) -> Path:
        return self.path / os.fsdecode(path)

    def _people(self, author: str, committer: str) -> dict[str, str]:
        self.clock += 60
        who = {}
        for role, person in (("AUTHOR", author), ("COMMITTER", committer)):
            name, _, email = person.partition("<")
            who[f"GIT_{role}_NAME"] = name.strip()
            who[f"GIT_{role}_EMAIL"] = email.strip("> ")
            who[f"GIT_{role}_DATE"] = f"{self.clock} +0000"
        return who


def bare_remote(
    tmp_path: Path, files: Mapping[str, str | bytes] | None = None, name: str = "remote"
) -> tuple[GitRepo, GitRepo]:
    """``(bare, work)``: a bare repository at ``tmp_path/name.git`` and a work clone beside it.

    ``files`` (default one README) are the first commit on ``main``, already pushed.
    """
    bare = GitRepo.create(tmp_path / f"{name}.git", bare=True)
    work = GitRepo.create(tmp_path / f"{name}-work")
    work.run("remote", "add", "origin", str(bare.path))
    work.commit("first", files=files or {"README.md": "hello\n"})
    work.push()
    return bare, work
