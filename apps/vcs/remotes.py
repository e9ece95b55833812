"""The remote repository behind a mirror: look at it, copy it, follow it, push to it.

Error codes (``PortalError.code``): ``url_refused``, ``host_unreachable``, ``authentication_failed``,
``not_a_repository``, ``repository_empty``, ``repository_too_large``, ``repository_broken``,
``repository_shallow``, ``sha256_repository``, ``git_timeout``. Whatever fails, a mirror is either whole or not there.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from apps.core.errors import Conflict, InvalidInput, Unavailable
from apps.core.failpoints import failpoint
from apps.core.waiting import beat
from apps.vcs import gateway
from apps.vcs.errors import GitFailed, GitOutputTooLarge
from apps.vcs.gateway import Completed
from apps.vcs.limits import DEFAULT_LIMITS, Limits
from apps.vcs.objects import require_oid
from apps.vcs.paths import decode
from apps.vcs.pool import DEFAULT_POOL
from apps.vcs.refs import HEADS, PORTAL, is_branch_name, list_branches, pin, unpin
from apps.vcs.sources import Reach, Source, SourceKind, check_url
from apps.vcs.stale_locks import remove_stale_locks
from apps.vcs.transport import SHALLOW, plain, reason, talk

__all__ = [
    "Fetched", "Probe", "PushOutcome", "Reach", "Source", "SourceKind",
    "bring", "check_url", "fetch", "mirror_into", "pack_if_scattered", "probe", "push_with_lease", "remote_tip",
]  # fmt: skip

logger = logging.getLogger(__name__)
LOCK_NAME = "portal-fetch.lock"
LOOSE_SAMPLE = 27  # of 6,700 loose objects, as in git-gc(1)
MANY_PACKS = 50
BROKEN = "repository_broken"
MANY_REFUSED = 16
FETCH_FLAGS = (
    "--prune", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head",
    "--no-auto-maintenance", "--no-progress", "--quiet", "--no-show-forced-updates",
)  # fmt: skip
ALL_HEADS = "+refs/heads/*:refs/heads/*"
AMBIGUOUS = b"matches more than one"
PUSH_FLAGS = (
    "--porcelain", "--no-verify", "--no-progress", "--no-recurse-submodules",
    "--no-signed", "--no-follow-tags",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Probe:
    """What a remote has now: branch name → oid; ``default_branch`` is None in an empty one."""

    default_branch: str | None
    branches: dict[str, str]


@dataclass(frozen=True, slots=True)
class Fetched:
    """The branches before and after a fetch; ``refused`` kept their place, as what was pushed to them is malformed."""

    before: dict[str, str]
    after: dict[str, str]
    refused: tuple[str, ...] = ()

    @property
    def moved(self) -> dict[str, tuple[str | None, str | None]]:
        """Branch → (old oid, new oid) for all that moved; None for one that was not or is not there."""
        names = sorted({*self.before, *self.after})
        pairs = {name: (self.before.get(name), self.after.get(name)) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@dataclass(frozen=True, slots=True)
class PushOutcome:
    """``accepted``; ``moved`` (the remote ref is not what the lease says); ``refused`` (by a hook or
    a protection: ``message`` is the host's reason, made safe to show).
    """

    status: str
    message: str = ""

    @property
    def is_accepted(self) -> bool:
        return self.status == "accepted"


def probe(source: Source, *, limits: Limits = DEFAULT_LIMITS) -> Probe:
    """Ask a remote for its branches; nothing is copied. Raises the errors of this module."""
    refs, symbolic = _listing(source, ["HEAD", f"{HEADS}*"], limits)
    branches = {ref.removeprefix(HEADS): oid for ref, oid in sorted(refs.items()) if ref.startswith(HEADS)}
    return Probe(_default_branch(symbolic, refs.get("HEAD"), branches), branches)


def remote_tip(source: Source, ref: str, *, limits: Limits = DEFAULT_LIMITS) -> str | None:
    """The oid of one full ref of the remote now, or None when it has no such ref."""
    refs, _ = _listing(source, [_checked_ref(ref)], limits)
    return refs.get(ref)  # the pattern also matches the end of longer names


def _listing(source: Source, patterns: list[str], limits: Limits) -> tuple[dict[str, str], str]:
    # "<oid> TAB <ref>" lines, and with --symref "ref: <target> TAB HEAD" (git-ls-remote(1))
    try:
        done = talk(source, None, "ls-remote", ["--symref", "--quiet"], patterns,
                    seconds=limits.probe_seconds, limits=limits)  # fmt: skip
    except GitOutputTooLarge as error:
        raise _too_large("It lists more refs than the portal reads.") from error
    if done.code != 0:
        raise reason(done)
    refs, symbolic = {}, ""
    for line in done.stdout.splitlines():
        left, _, ref = line.partition(b"\t")
        if left.startswith(b"ref: "):
            symbolic = decode(left.removeprefix(b"ref: ")) if ref == b"HEAD" else symbolic
        else:
            refs[decode(ref)] = left.decode()
    return refs, symbolic


def _default_branch(symbolic: str, head: str | None, branches: dict[str, str]) -> str | None:
    name = symbolic.removeprefix(HEADS)
    if name in branches:
        return name
    same = [branch for branch, oid in branches.items() if oid == head]
    order = [*same, *(known for known in ("main", "master") if known in branches), *branches]
    return order[0] if order else None


def mirror_into(source: Source, dest: Path, *, limits: Limits = DEFAULT_LIMITS) -> Probe:
    """Copy all branches of ``source`` into a new bare mirror at ``dest``.

    The copy grows in a quarantine directory beside ``dest`` and is renamed when it is complete and
    checked: on any error nothing remains. :class:`Conflict` ``mirror_exists`` if ``dest`` is there.
    """
    if dest.exists():
        raise Conflict("mirror_exists", "There is a mirror at this place already.")
    found = probe(source, limits=limits)
    _require_some(found.branches, limits)
    dest.parent.mkdir(parents=True, exist_ok=True)
    quarantine = Path(tempfile.mkdtemp(prefix=f".{dest.name}.incoming-", dir=dest.parent))
    try:
        _init(quarantine)
        _transfer(source, quarantine, limits)
        gateway.run(quarantine, "symbolic-ref", ["HEAD", f"{HEADS}{found.default_branch}"])
        branches = list_branches(quarantine)
        _require_some(branches, limits)
        DEFAULT_POOL.forget(quarantine)
        quarantine.rename(dest)
    except BaseException:
        shutil.rmtree(quarantine, ignore_errors=True)
        raise
    _write_commit_graph(dest, limits)
    return Probe(found.default_branch, branches)


def _init(folder: Path) -> None:
    done = gateway.call(None, "init", ["--bare", "--quiet", "--template="], cwd=folder)
    if done.code != 0:
        raise gateway.failed("init", done)


def fetch(source: Source, git_dir: Path, *, limits: Limits = DEFAULT_LIMITS) -> Fetched:
    """Bring the mirror's branches to those of the remote; deleted ones go, ``refs/portal/*`` stay.

    One fetch at a time per mirror (a file lock, also between processes); a second one waits
    ``lock_seconds`` and then gets :class:`Conflict` ``fetch_running``. Branches move one by one: after
    an error or a crash some may have moved, so callers compare the mirror with what they have recorded
    (``list_branches``) and do not rely on ``moved`` of one call alone. A malformed branch is left out
    and named: who may push one must not be able to stop all the others.
    """
    with _locked(git_dir, limits):
        before = list_branches(git_dir)
        remove_stale_locks(git_dir)
        refused = _transfer_what_is_sound(source, git_dir, limits)
        failpoint("K4")
        after = list_branches(git_dir)
        if before != after:
            _write_commit_graph(git_dir, limits)
            pack_if_scattered(git_dir, limits)
    return Fetched(before, after, refused)


def _transfer_what_is_sound(source: Source, git_dir: Path, limits: Limits) -> tuple[str, ...]:
    """All branches, or all but those named in the answer; ``repository_broken`` when it cannot be told which."""
    try:
        _transfer(source, git_dir, limits)
    except Unavailable as error:
        if error.code != BROKEN:
            raise
        refused = _transfer_in_parts(source, git_dir, limits)
        if refused is None:
            raise
        return refused
    return ()


def _transfer_in_parts(source: Source, git_dir: Path, limits: Limits) -> tuple[str, ...] | None:
    """Halve what moved until each malformed branch stands alone; None when there are too many, or nothing else."""
    wanted, here = probe(source, limits=limits).branches, list_branches(git_dir)
    for gone in sorted(here.keys() - wanted.keys()):
        gateway.run(git_dir, "update-ref", ["-d", HEADS + gone])
    moved = [name for name, oid in wanted.items() if here.get(name) != oid and is_branch_name(name)]
    parts, refused = [moved] if moved else [], list[str]()
    while parts:
        part = parts.pop()
        try:
            _transfer(source, git_dir, limits, [f"+{HEADS}{name}:{HEADS}{name}" for name in part])
        except Unavailable as error:
            if error.code != BROKEN:
                raise
            middle = len(part) // 2
            parts += [part[middle:], part[:middle]] if middle else []
            refused += part if not middle else []
            if len(refused) > MANY_REFUSED:
                return None
    return tuple(sorted(refused)) or None


def _transfer(source: Source, git_dir: Path, limits: Limits, refspecs: Sequence[str] = (ALL_HEADS,)) -> None:
    def watch() -> None:
        if _bytes_on_disk(git_dir) > limits.repository_bytes:
            raise _too_large(f"More than {limits.repository_bytes:,} bytes came.")

    try:
        done = talk(source, git_dir, "fetch", FETCH_FLAGS, refspecs,
                    seconds=limits.fetch_seconds, limits=limits, watch=watch)  # fmt: skip
        if done.code != 0 or SHALLOW.search(done.stderr):
            raise reason(done)
        watch()
    finally:
        _sweep(git_dir)


def _sweep(git_dir: Path) -> None:
    # A killed transfer leaves its half pack behind; objects of a finished one are already named.
    for leftover in (git_dir / "objects").glob("pack/tmp_*"):
        leftover.unlink(missing_ok=True)
    for leftover in (git_dir / "objects").glob("tmp_objdir-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def bring(source: Source, git_dir: Path, ref: str, *, limits: Limits = DEFAULT_LIMITS) -> None:
    """Copy what one ref of the remote leads to. No ref of ours moves: whoever asked looks at it first."""
    with _locked(git_dir, limits):
        _transfer(source, git_dir, limits, [_checked_ref(ref)])


def push_with_lease(
    source: Source,
    git_dir: Path,
    *,
    ref: str,
    new: str,
    old: str | None,
    limits: Limits = DEFAULT_LIMITS,
) -> PushOutcome:
    """Set the remote ``ref`` to ``new`` if it is still ``old`` (None: if it does not exist).

    Pushing what is already there is ``accepted``: a claim that must have one winner has to point to
    an object of its own (RELIABILITY finding 11). Network errors raise; after ``git_timeout`` the
    outcome is not known and :func:`remote_tip` must be asked.
    """
    _checked_ref(ref)
    lease = f"--force-with-lease={ref}:{require_oid(old) if old else ''}"

    def push(refspec: str) -> Completed:
        return talk(source, git_dir, "push", [*PUSH_FLAGS, lease], [refspec],
                    seconds=limits.push_seconds, limits=limits)  # fmt: skip

    begin, done = require_oid(new), push(f"{new}:{ref}")
    if done.code != 0 and AMBIGUOUS in done.stderr:
        # Git also takes refs/heads/refs/heads/main, or a tag called so, for refs/heads/main, unless names are
        # written as a pattern: who may push a branch must not be able to stop all merges.
        begin = f"{PORTAL}pushing/{new}/{ref.removeprefix('refs/')}"
        pin(git_dir, begin, new)
        try:
            done = push(f"{PORTAL}pushing/{new}/*:refs/*")
        finally:
            unpin(git_dir, begin, new)
    # Lines of git-push(1) with --porcelain: flag, TAB, from:to, TAB, summary and maybe a reason.
    for line in decode(done.stdout).splitlines():
        flag, _, rest = line.partition("\t")
        if flag in {" ", "+", "*", "=", "!"} and rest.startswith(f"{begin}:{ref}\t"):
            return _outcome(flag, rest.partition("\t")[2], done.stderr)
    raise reason(done)


def _outcome(flag: str, summary: str, stderr: bytes) -> PushOutcome:
    if flag != "!":
        return PushOutcome("accepted")
    moved = ("stale info", "fetch first", "incorrect old value", "reference already exists",
             "failed to update ref", "cannot lock ref", "failed to lock")  # fmt: skip
    if any(sign in summary for sign in moved):
        return PushOutcome("moved", "The branch moved on the remote since it was looked at.")
    return PushOutcome("refused", _shown(summary, stderr))


def _shown(summary: str, stderr: bytes) -> str:
    # What a hook said ("remote: …"), as plain short text: no control or escape characters.
    said = [line.removeprefix("remote:").strip() for line in decode(stderr).splitlines() if line.startswith("remote:")]
    return plain(" ".join(filter(None, [summary, *said])))


def _checked_ref(ref: str) -> str:
    for prefix in (HEADS, PORTAL):
        if ref.startswith(prefix) and is_branch_name(ref.removeprefix(prefix)):
            return ref
    raise InvalidInput("bad_ref", "Only refs/heads/… and refs/portal/… are read and pushed.")


def _require_some(branches: dict[str, str], limits: Limits) -> None:
    if not branches:
        message = "The repository has no branch yet. Push a first commit to it, then connect it."
        raise Unavailable("repository_empty", message)
    if len(branches) > limits.branches:
        raise _too_large(f"It has {len(branches):,} branches; {limits.branches:,} are allowed.")


def _too_large(fact: str) -> Unavailable:
    message = (
        f"The repository is larger than this installation takes. {fact} "
        "An administrator can raise the limit, or split the repository."
    )
    return Unavailable("repository_too_large", message)


def _bytes_on_disk(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # a temporary file that was renamed meanwhile
                total += (Path(root) / name).lstat().st_size
    return total


@contextmanager
def _locked(git_dir: Path, limits: Limits) -> Iterator[None]:
    if not (git_dir / "objects").is_dir():
        message = "The mirror of this repository is not on disk. Connect the repository anew."
        raise GitFailed(message, code="mirror_missing")
    until = time.monotonic() + limits.lock_seconds
    with (git_dir / LOCK_NAME).open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > until:
                    message = "This repository is being synchronised already. Try again shortly."
                    raise Conflict("fetch_running", message) from error
                beat()
                time.sleep(0.05)
        yield  # closing the file lets the lock go, also when this process is killed


def _write_commit_graph(git_dir: Path, limits: Limits) -> None:
    flags = ["write", "--reachable", "--changed-paths", "--no-progress"]
    _tidy(git_dir, "commit-graph", flags, limits)


def pack_if_scattered(git_dir: Path, limits: Limits = DEFAULT_LIMITS) -> None:
    """Pack what stands alone when that has become much, by Git's own measure (gc.auto). Nothing is ever pruned."""
    sample = git_dir / "objects" / "17"
    loose = len(list(sample.iterdir())) if sample.is_dir() else 0
    packs = len(list((git_dir / "objects" / "pack").glob("*.pack")))
    if loose > LOOSE_SAMPLE or packs > MANY_PACKS:
        _tidy(git_dir, "repack", ["-d", "-l", "-q", "--geometric=2"], limits)


def _tidy(git_dir: Path, command: str, flags: list[str], limits: Limits) -> None:
    # Only makes reading faster; a mirror without it is as correct, so a failure is logged and passed over.
    try:
        gateway.run(git_dir, command, flags, limits=limits)
    except GitFailed as error:
        logger.warning("mirror_tidying_failed", extra={"command": command, "code": error.code})
