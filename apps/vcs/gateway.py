"""The one place from which Git is run (RELIABILITY §2.4).

Every command gets a clean environment, configuration that switches off all that content of a
repository could steer (attributes, hooks, replace refs, filters, fsmonitor), checked arguments
(:mod:`apps.vcs.commands`), a wall time, a cap on its output and limits on memory and processor.
On Git 2.39 ``attr.tree`` does nothing: that mirrors are bare is what keeps attributes from acting,
and ``GIT_IMPLICIT_WORK_TREE=0`` with an index that is not there makes any ``--git-dir`` behave as bare
(Git reads ``.gitattributes`` from the index of a clone, too).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from apps.core import tracing
from apps.vcs.commands import arguments
from apps.vcs.errors import GitFailed, GitOutputTooLarge, GitTimedOut
from apps.vcs.limits import DEFAULT_LIMITS, Limits
from apps.vcs.processes import Process, TooMuchError, TooSlowError

logger = logging.getLogger(__name__)

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # known to every Git, stored or not
ZERO_OID = "0" * 40
NOWHERE = os.devnull

CONFIGURATION: tuple[str, ...] = (
    "safe.bareRepository=explicit",
    f"attr.tree={EMPTY_TREE}",
    f"core.attributesFile={NOWHERE}",
    f"core.hooksPath={NOWHERE}",
    "core.fsmonitor=false",
    "core.symlinks=false",
    "core.fsync=all",
    "core.filesRefLockTimeout=3000",  # ms; who holds it waits for a disk, and that takes longer than Git's 100
    "core.deltaBaseCacheLimit=16m",
    "credential.helper=",
    "http.followRedirects=false",
    "http.proxy=",
    "transfer.fsckObjects=true",
    # Harmless oddities of old histories that well-known forges accept as well (Gitaly's list).
    "fetch.fsck.badTimezone=ignore",
    "fetch.fsck.missingSpaceBeforeDate=ignore",
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "submodule.recurse=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "diff.ignoreSubmodules=none",
    "diff.renames=true",
    "diff.renameLimit=1000",
    "merge.renames=true",
    "i18n.logOutputEncoding=UTF-8",
    "mailmap.blob=",  # in a bare repository Git would rename authors as HEAD:.mailmap says
)


@dataclass(frozen=True, slots=True)
class Transport:
    """How one command may reach a remote: nothing by default.

    ``protocols`` as in ``GIT_ALLOW_PROTOCOL``; ``config`` are ``name=value`` additions;
    ``env`` may hold credentials: it reaches the process, never a command line or a log.
    """

    protocols: str = ""
    config: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)


NO_TRANSPORT = Transport()


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command left: exit code, standard output, the last 16 KiB of standard error."""

    code: int
    stdout: bytes
    stderr: bytes


def environment(transport: Transport = NO_TRANSPORT) -> dict[str, str]:
    """The complete environment of a Git process; nothing of the portal's own is inherited."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "LANGUAGE": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": NOWHERE,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_ATTR_SOURCE": EMPTY_TREE,
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_IMPLICIT_WORK_TREE": "0",
        "GIT_INDEX_FILE": "/nonexistent/index",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "SSH_ASKPASS": "/bin/false",
        "GIT_ALLOW_PROTOCOL": transport.protocols,
        "GIT_PROTOCOL_FROM_USER": "0",
        **transport.env,
    }


def command_line(
    git_dir: Path | None, command: str, args: Sequence[str], transport: Transport = NO_TRANSPORT
) -> list[str]:
    """The full argument list ``git --git-dir=… -c … command …``; refuses what is not allowed."""
    where = [f"--git-dir={git_dir.absolute()}"] if git_dir else []
    settings = [part for item in (*CONFIGURATION, *transport.config) for part in ("-c", item)]
    return ["git", *where, *settings, *arguments(command, args)]


def start(
    git_dir: Path | None,
    command: str,
    args: Sequence[str],
    *,
    transport: Transport = NO_TRANSPORT,
    cwd: Path | None = None,
) -> Process:
    """Start a process that the caller owns and must ``kill``; for :mod:`apps.vcs.pool`."""
    line = command_line(git_dir, command, args, transport)
    directory = cwd or git_dir
    if directory is not None and not directory.is_dir():
        raise GitFailed(
            "The mirror of this repository is not on disk. Ask an administrator to synchronise it.",
            code="mirror_missing",
            command=command,
        )
    return Process(line, environment(transport), directory)


def call(
    git_dir: Path | None,
    command: str,
    args: Sequence[str] = (),
    *,
    stdin: bytes = b"",
    timeout: float | None = None,
    max_output: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    transport: Transport = NO_TRANSPORT,
    watch: Callable[[], None] | None = None,
    cwd: Path | None = None,
) -> Completed:
    """Run to the end and return whatever the exit code is.

    Raises :class:`GitTimedOut` and :class:`GitOutputTooLarge`; then nothing of it runs any more.
    """
    seconds = limits.command_seconds if timeout is None else timeout
    most = limits.output_bytes if max_output is None else max_output
    with tracing.span(f"git {command}", kind="client", facts={"git.command": command}) as note:
        process = start(git_dir, command, args, transport=transport, cwd=cwd)
        process.limit(
            memory=limits.memory_bytes,
            cpu_seconds=int(seconds) * 4 + 5,
            file_bytes=limits.repository_bytes * 2,
        )
        done = _to_the_end(process, command, stdin, seconds, most, watch)
        note({"git.exit_code": done.code})
    return done


def _to_the_end(
    process: Process, command: str, stdin: bytes, seconds: float, most: int, watch: Callable[[], None] | None
) -> Completed:
    try:
        code, out, err = process.communicate(stdin, deadline=time.monotonic() + seconds, max_output=most, watch=watch)
    except TooSlowError as error:
        logger.warning("git_timed_out", extra={"command": command, "seconds": seconds})
        message = f"Git ('{command}') was stopped after {seconds:g} seconds without a result."
        raise GitTimedOut(message, command=command, seconds=seconds) from error
    except TooMuchError as error:
        logger.warning("git_output_too_large", extra={"command": command, "limit": most})
        message = f"Git ('{command}') was stopped because its answer exceeds {most:,} bytes."
        raise GitOutputTooLarge(message, command=command, limit=most) from error
    return Completed(code, out, err)


def run(
    git_dir: Path | None,
    command: str,
    args: Sequence[str] = (),
    *,
    stdin: bytes | None = None,
    timeout: float | None = None,
    max_output: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> bytes:
    """Standard output of a local command; :class:`GitFailed` unless it ends with exit code 0."""
    done = call(
        git_dir,
        command,
        args,
        stdin=stdin or b"",
        timeout=timeout,
        max_output=max_output,
        limits=limits,
    )
    if done.code != 0:
        raise failed(command, done)
    return done.stdout


def failed(command: str, done: Completed) -> GitFailed:
    """The error for a command that ended badly, with Git's own words kept out of the message."""
    logger.warning("git_failed", extra={"command": command, "exit_code": done.code})
    message = (
        f"Git ('{command}') failed on the portal's copy of this repository. "
        "Synchronise it; if that does not help, ask an administrator to connect it anew."
    )
    return GitFailed(message, stderr=done.stderr, command=command, exit_code=done.code)
