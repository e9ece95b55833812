"""What a remote really has after a merge: asked through a connection and a repository of its own, nothing remembered."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from apps.vcs import gateway
from apps.vcs.limits import DEFAULT_LIMITS, Limits
from apps.vcs.objects import require_oid
from apps.vcs.paths import decode
from apps.vcs.refs import HEADS, resolve
from apps.vcs.remotes import remote_tip
from apps.vcs.sources import Source
from apps.vcs.transport import reason, talk

FLAGS = ("--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-maintenance",
         "--no-progress", "--quiet")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Landed:
    """``tip`` is empty when the branch is gone. ``tree`` and ``parents`` are those that the bytes of the commit say; ``tree`` is
    empty unless the bytes have the commit's own digest and the branch contains it.
    """

    tip: str
    tree: str = ""
    parents: tuple[str, ...] = ()


def look_at(source: Source, git_dir: Path, *, branch: str, commit: str, limits: Limits = DEFAULT_LIMITS) -> Landed:
    """Fetch ``branch`` of the remote into an empty repository and read ``commit`` there.

    Objects that the mirror has are not transferred again, but each is what its digest says, and that of the commit is computed
    here. Raises the errors of :mod:`apps.vcs.remotes`.
    """
    ref = f"{HEADS}{branch}"
    if remote_tip(source, ref, limits=limits) is None:
        return Landed("")
    with tempfile.TemporaryDirectory(prefix=".landed-", dir=git_dir.parent) as folder:
        place = Path(folder)
        done = gateway.call(None, "init", ["--bare", "--quiet", "--template="], cwd=place)
        if done.code != 0:
            raise gateway.failed("init", done)
        (place / "objects" / "info").mkdir(exist_ok=True)
        (place / "objects" / "info" / "alternates").write_text(
            f"{(git_dir / 'objects').absolute()}\n", encoding="utf-8"
        )
        done = talk(source, place, "fetch", FLAGS, [f"+{ref}:{ref}"], seconds=limits.fetch_seconds, limits=limits)
        if done.code != 0:
            raise reason(done)
        tip = resolve(place, ref)
        return _read(place, tip, require_oid(commit)) if tip else Landed("")


def _read(place: Path, tip: str, commit: str) -> Landed:
    if gateway.call(place, "merge-base", ["--is-ancestor", commit, tip]).code != 0:
        return Landed(tip)
    raw = gateway.run(place, "cat-file", ["commit", commit])
    if hashlib.sha1(b"commit %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest() != commit:
        return Landed(tip)
    # "tree <oid>", then "parent <oid>" for each, before anything that a person wrote (git-cat-file(1), gitformat-commit)
    lines = decode(raw).split("\n")
    tree = lines[0].removeprefix("tree ")
    parents = []
    for line in lines[1:]:
        if not line.startswith("parent "):
            break
        parents.append(line.removeprefix("parent "))
    return Landed(tip, tree, tuple(parents))
