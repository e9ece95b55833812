"""Branches of a mirror (``refs/heads/*`` as the remote has them) and the portal's own pins.

A ref is resolved once, by its full name (``show-ref --verify`` never guesses, so neither a tag nor a
branch called ``refs/heads/x`` can stand in for another); everything later uses object ids.
"""

from __future__ import annotations

import re
from pathlib import Path

from apps.core.errors import Conflict, InvalidInput
from apps.vcs import gateway
from apps.vcs.errors import GitFailed
from apps.vcs.objects import require_oid
from apps.vcs.paths import decode, encode, is_encodable

HEADS = "refs/heads/"
PORTAL = "refs/portal/"
MAX_NAME_BYTES = 1_000
MAX_PART_BYTES = 240
# git-check-ref-format(1): no controls, space, ~ ^ : ? * [ \, no "..", no "@{".
FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{")


def is_branch_name(name: str) -> bool:
    """True for any name that Git accepts below ``refs/heads/``, such as ``--output=x``."""
    parts = name.split("/")
    return (
        is_encodable(name)
        and 0 < len(encode(name)) <= MAX_NAME_BYTES
        and not FORBIDDEN.search(name)
        and not name.endswith(".")
        and all(
            part and not part.startswith(".") and not part.endswith(".lock")
            and len(encode(part)) <= MAX_PART_BYTES
            for part in parts
        )
    )  # fmt: skip


def check_branch_name(name: str) -> None:
    """InvalidInput ``bad_branch_name`` unless Git accepts the name as a branch."""
    if not is_branch_name(name):
        message = (
            "This is not a name that Git allows for a branch: no spaces, no control characters, "
            "none of ~ ^ : ? * [ \\, no '..', no part that begins with '.' or ends with '.lock'."
        )
        raise InvalidInput("bad_branch_name", message, field="branch")


def list_branches(git_dir: Path) -> dict[str, str]:
    """Branch name → commit oid, sorted by name."""
    raw = gateway.run(git_dir, "for-each-ref", ["--format=%(objectname) %(objecttype) %(refname)", HEADS])
    branches = {}
    for line in raw.splitlines():
        oid, kind, ref = line.split(b" ", 2)
        if kind == b"commit":
            branches[decode(ref).removeprefix(HEADS)] = oid.decode()
    return branches


def resolve(git_dir: Path, ref: str) -> str | None:
    """The oid that the full ``ref`` points to, or None when there is no such ref."""
    done = gateway.call(git_dir, "show-ref", ["--verify", "--hash", ref])
    if done.code != 0:
        _require_repository(git_dir)
        return None
    return done.stdout.decode().strip()


def branch_tip(git_dir: Path, name: str) -> str | None:
    """The commit at the tip of a branch, or None when there is no such branch."""
    return resolve(git_dir, HEADS + name) if is_branch_name(name) else None


def ref_exists(git_dir: Path, ref: str) -> bool:
    """True when the full ref exists."""
    return resolve(git_dir, ref) is not None


def pin(git_dir: Path, ref: str, oid: str) -> None:
    """Keep ``oid`` for ever under ``ref`` (``refs/portal/…``). Twice the same is fine.

    :class:`Conflict` ``ref_taken`` when the ref holds another object: a pin never moves.
    """
    _require_own(ref)
    require_oid(oid)
    done = gateway.call(git_dir, "update-ref", ["--no-deref", ref, oid, gateway.ZERO_OID])
    if done.code == 0:
        return
    held = resolve(git_dir, ref)
    if held is None:
        raise gateway.failed("update-ref", done)
    if held != oid:
        message = f"{ref} already keeps another object; a pin of the portal never moves."
        raise Conflict("ref_taken", message, ref=ref, held=held, wanted=oid)


def unpin(git_dir: Path, ref: str, oid: str) -> None:
    """Forget the pin ``ref`` of ``oid``. Twice the same is fine."""
    _require_own(ref)
    done = gateway.call(git_dir, "update-ref", ["--no-deref", "-d", ref, require_oid(oid)])
    if done.code != 0 and resolve(git_dir, ref) is not None:
        raise gateway.failed("update-ref", done)


def move(git_dir: Path, ref: str, *, new: str, old: str) -> bool:
    """Set a ref of the portal's own to ``new`` if it still is ``old`` (empty: if it is not there); whether it was."""
    _require_own(ref)
    done = gateway.call(git_dir, "update-ref", ["--no-deref", ref, require_oid(new), old or gateway.ZERO_OID])
    if done.code and (resolve(git_dir, ref) or "") == old:
        raise gateway.failed("update-ref", done)
    return done.code == 0


def list_refs(git_dir: Path, *prefixes: str) -> dict[str, str]:
    """Full ref → oid for all refs that are one of ``prefixes`` or below it (``refs/portal/…``; all of these without one), sorted."""
    raw = gateway.run(git_dir, "for-each-ref", ["--format=%(objectname) %(refname)", *(prefixes or (PORTAL,))])
    pairs = (line.split(b" ", 1) for line in raw.splitlines())
    return {decode(ref): oid.decode() for oid, ref in pairs}


def _require_own(ref: str) -> None:
    if not ref.startswith(PORTAL) or not is_branch_name(ref.removeprefix(PORTAL)):
        raise InvalidInput("bad_ref", "The portal pins objects only under refs/portal/.")


def _require_repository(git_dir: Path) -> None:
    if not (git_dir / "objects").is_dir():
        raise GitFailed(
            "The mirror of this repository is not on disk. Ask an administrator to synchronise it.",
            code="mirror_missing",
        )
