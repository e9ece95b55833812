"""The policy files of one commit, read through ``apps.vcs`` and kept in memory: a commit never changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from apps.policies.codeowners import LOCATIONS, CodeOwners, parse_bytes
from apps.policies.codeowners import MAX_BYTES as OWNERS_BYTES
from apps.policies.config import DEFAULT_CONFIG, MAX_BYTES, Parsed, PortalConfig, Problem, has_errors, parse_portal_yaml
from apps.policies.config.effects import MODULE_SUFFIX
from apps.policies.rego.modules import MOST_BYTES, MOST_MODULES, Modules, modules_of
from apps.vcs.errors import BlobTooLarge
from apps.vcs.objects import TreeEntry, entries_at, entry_at, list_tree, read_blob

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
    """Both files as they were understood; an empty blob: there is no such file.

    ``modules`` of Rego lie in the folder ``rego_tree`` (empty: the policy names none); ``None``: there are none to ask.
    """

    config: PortalConfig
    owners: CodeOwners
    problems: tuple[Located, ...]
    portal_blob: str
    owners_blob: str
    owners_path: str
    rego_tree: str = ""
    modules: Modules | None = None

    @property
    def is_valid(self) -> bool:
        return not has_errors(found.problem for found in self.problems)


def files_at(git_dir: Path, commit_oid: str) -> PolicyFiles:
    """The files at a commit. Raises ``ObjectMissing`` when the mirror does not have the commit."""
    found, rego = _read_at(git_dir, commit_oid)
    return _with_modules(git_dir, found, rego) if found.config.rego.directory else found


@lru_cache(maxsize=512)
def _read_at(git_dir: Path, commit_oid: str) -> tuple[PolicyFiles, TreeEntry | None]:
    """The files, and what stands where the modules should be."""
    entries = entries_at(git_dir, commit_oid, (PORTAL_PATH, *LOCATIONS))
    portal = entries.get(PORTAL_PATH)
    owners_path = next((path for path in LOCATIONS if path in entries), "")
    owners = entries.get(owners_path)
    odd = [_odd(entry) for entry in (portal, owners) if entry is not None and not _is_file(entry)]
    found = _files(
        git_dir,
        portal.oid if portal is not None and _is_file(portal) else "",
        owners.oid if owners is not None and _is_file(owners) else "",
        owners_path,
    )
    directory = found.config.rego.directory
    rego = entry_at(git_dir, commit_oid, directory) if directory else None
    return replace(found, problems=(*odd, *found.problems)), rego


def files_of(git_dir: Path, portal_blob: str, owners_blob: str, owners_path: str, rego_tree: str = "") -> PolicyFiles:
    """The files with these blobs, and the modules of this folder (``""``: none)."""
    found = _files(git_dir, portal_blob, owners_blob, owners_path)
    directory = found.config.rego.directory
    if not directory:
        return found
    entry = TreeEntry(directory, "040000", "tree", rego_tree, None) if rego_tree else None
    return _with_modules(git_dir, found, entry)


def _files(git_dir: Path, portal_blob: str, owners_blob: str, owners_path: str) -> PolicyFiles:
    parsed = _portal(git_dir, portal_blob)
    owners = _owners(git_dir, owners_blob)
    problems = [Located(PORTAL_PATH, problem) for problem in parsed.problems]
    problems += [Located(owners_path, problem) for problem in owners.problems]
    return PolicyFiles(parsed.config or DEFAULT_CONFIG, owners, tuple(problems), portal_blob, owners_blob, owners_path)


def _with_modules(git_dir: Path, found: PolicyFiles, entry: TreeEntry | None) -> PolicyFiles:
    rego = found.config.rego
    if entry is None or entry.type != "tree":
        what = "does not exist" if entry is None else "is no folder"
        problem = Problem(
            rego.line, 0, "rego", f"`{rego.directory}` {what}.", "Put modules of Rego there, or remove `rego`."
        )
        return replace(found, problems=(*found.problems, Located(PORTAL_PATH, problem)))
    modules = modules_of(_contents(git_dir, entry.oid, rego.directory))
    problems = located_modules(modules, rego.line)
    return replace(found, problems=(*found.problems, *problems), rego_tree=entry.oid, modules=modules)


def located_modules(modules: Modules, line: int) -> tuple[Located, ...]:
    """The problems of modules; what concerns all of them stands at the key ``rego``, on that line of portal.yaml."""
    return tuple(
        Located(one.file or PORTAL_PATH, one.problem if one.file else replace(one.problem, line=line))
        for one in modules.problems
    )


@lru_cache(maxsize=64)
def _contents(git_dir: Path, tree: str, directory: str) -> Mapping[str, bytes | str]:
    """Modules by their paths; of what is no file, or too large, what it is."""
    entries = [entry for entry in list_tree(git_dir, tree) if entry.path.endswith(MODULE_SUFFIX)]
    # One more than may be: enough to say that there are too many, without reading them all.
    return {f"{directory}/{entry.path}": _content(git_dir, entry) for entry in entries[: MOST_MODULES + 1]}


def _content(git_dir: Path, entry: TreeEntry) -> bytes | str:
    if not _is_file(entry):
        return _what(entry)
    try:
        return read_blob(git_dir, entry.oid, max_bytes=MOST_BYTES)
    except BlobTooLarge as error:
        return f"a file of {error.details['size']:,} bytes, more than {MOST_BYTES:,}"


def _is_file(entry: TreeEntry) -> bool:
    return entry.type == "blob" and not entry.is_symlink


def _odd(entry: TreeEntry) -> Located:
    return Located(entry.path, Problem(0, 0, "", f"It is {_what(entry)}, not a file.", "Put a regular file there."))


def _what(entry: TreeEntry) -> str:
    return "a symbolic link" if entry.is_symlink else "a folder" if entry.type == "tree" else "a submodule"


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
