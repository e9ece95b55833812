"""The policy files of one commit, read through ``apps.vcs`` and kept in memory: a commit never changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from apps.policies.codeowners import LOCATIONS, CodeOwners, parse_bytes
from apps.policies.codeowners import MAX_BYTES as OWNERS_BYTES
from apps.policies.config import DEFAULT_CONFIG, MAX_BYTES, Parsed, PortalConfig, Problem, has_errors, parse_portal_yaml
from apps.vcs.errors import BlobTooLarge
from apps.vcs.objects import TreeEntry, entry_at, read_blob

PORTAL_PATH = ".gitops/portal.yaml"
NO_OWNERS = CodeOwners()


@dataclass(frozen=True, slots=True)
class Located:
    """A problem and the file in which it stands."""

    file: str
    problem: Problem

    def __str__(self) -> str:
        place = f"{self.file}:{self.problem.line}" if self.problem.line else self.file
        return f"{place}: {self.problem.message}{f' {self.problem.fix}' if self.problem.fix else ''}"

    def to_dict(self) -> dict[str, str | int]:
        """JSON-ready."""
        return {"file": self.file, **self.problem.to_dict()}


@dataclass(frozen=True, slots=True)
class PolicyFiles:
    """Both files as they were understood; an empty blob: there is no such file."""

    config: PortalConfig
    owners: CodeOwners
    problems: tuple[Located, ...]
    portal_blob: str
    owners_blob: str
    owners_path: str

    @property
    def is_valid(self) -> bool:
        return not has_errors(found.problem for found in self.problems)


@lru_cache(maxsize=512)
def files_at(git_dir: Path, commit_oid: str) -> PolicyFiles:
    """The files at a commit. Raises ``ObjectMissing`` when the mirror does not have the commit."""
    portal = entry_at(git_dir, commit_oid, PORTAL_PATH)
    candidates = ((path, entry_at(git_dir, commit_oid, path)) for path in LOCATIONS)
    owners_path, owners = next(((path, entry) for path, entry in candidates if entry is not None), ("", None))
    odd = [_odd(entry) for entry in (portal, owners) if entry is not None and not _is_file(entry)]
    found = files_of(
        git_dir,
        portal.oid if portal is not None and _is_file(portal) else "",
        owners.oid if owners is not None and _is_file(owners) else "",
        owners_path,
    )
    return replace(found, problems=(*odd, *found.problems))


def files_of(git_dir: Path, portal_blob: str, owners_blob: str, owners_path: str) -> PolicyFiles:
    """The files with these blobs (``""``: none)."""
    parsed = _portal(git_dir, portal_blob)
    owners = _owners(git_dir, owners_blob)
    problems = [Located(PORTAL_PATH, problem) for problem in parsed.problems]
    problems += [Located(owners_path, problem) for problem in owners.problems]
    return PolicyFiles(parsed.config or DEFAULT_CONFIG, owners, tuple(problems), portal_blob, owners_blob, owners_path)


def _is_file(entry: TreeEntry) -> bool:
    return entry.type == "blob" and not entry.is_symlink


def _odd(entry: TreeEntry) -> Located:
    what = "a symbolic link" if entry.is_symlink else "a folder" if entry.type == "tree" else "a submodule"
    return Located(entry.path, Problem(0, 0, "", f"It is {what}, not a file.", "Put a regular file there."))


@lru_cache(maxsize=256)
def _portal(git_dir: Path, oid: str) -> Parsed:
    if not oid:
        return Parsed(DEFAULT_CONFIG)
    try:
        return parse_portal_yaml(read_blob(git_dir, oid, max_bytes=MAX_BYTES))
    except BlobTooLarge as error:
        return Parsed(None, (Problem(0, 0, "", error.message, f"At most {MAX_BYTES:,} bytes are read."),))


@lru_cache(maxsize=256)
def _owners(git_dir: Path, oid: str) -> CodeOwners:
    if not oid:
        return NO_OWNERS
    try:
        return parse_bytes(read_blob(git_dir, oid, max_bytes=OWNERS_BYTES))
    except BlobTooLarge as error:
        return CodeOwners(problems=(Problem(0, 0, "", error.message, f"At most {OWNERS_BYTES:,} bytes are read."),))
