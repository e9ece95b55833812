"""The files of a revision as somebody reviews them: their ids, what names their content, and what is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from django.core.cache import cache

from apps.changes.models import ChangeRequest, Revision
from apps.diffs.effects import EFFECTS_VERSION, MAX_BYTES, Effect, effects_of
from apps.diffs.files import ABSENT, FileChange, with_ids
from apps.policies.evaluation import Part
from apps.reviews.interdiff import step_of
from apps.vcs import objects, trees
from apps.vcs.errors import BlobTooLarge
from apps.vcs.paths import display

KEEP = 24 * 3600  # seconds in the cache; what two trees differ in never changes
MAX_READ = 64_000_000
"""Bytes of one difference that are examined; what lies beyond counts as if it held everything."""


def files_of(change: ChangeRequest, revision: Revision) -> tuple[FileChange, ...]:
    """All files of the whole change (target → merge result; of a conflict: merge base → head), in Git's order."""
    return _files(change.repository.mirror_path, *_trees(change.repository.mirror_path, revision))


def _trees(git_dir: Path, revision: Revision) -> tuple[str, str]:
    step = step_of(git_dir, revision)
    return step.before, step.after


@lru_cache(maxsize=64)
def _files(git_dir: Path, old: str, new: str) -> tuple[FileChange, ...]:
    return tuple(with_ids(trees.diff_trees(git_dir, old, new)))


def digest_of(file: FileChange) -> str:
    """Names what happens to one file: modes, contents and paths of both sides (40 hex digits of SHA-256)."""
    facts = (file.old_mode, file.new_mode, file.old_oid, file.new_oid, file.old_path, file.new_path)
    text = "".join(f"{len(fact)}:{fact}" for fact in facts)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:40]


def key_of(file: FileChange) -> str:
    """The key of the part that the file is (see :class:`~apps.policies.evaluation.Part`)."""
    return f"file:{digest_of(file)}"


def parts_of(change: ChangeRequest, revision: Revision) -> tuple[Part, ...]:
    """Every file, and each thing that is destroyed and each right that is touched; read from Git once, then remembered."""
    files = files_of(change, revision)
    effects = effects_in(change, revision)
    parts: list[Part] = []
    for file in files:
        key, path = key_of(file), display(file.path)
        parts.append(Part(key, path))
        parts += [Part(key, f"{path}: {found.what}", (found.kind,)) for found in effects.get(file.id, ())]
    return tuple(parts)


def effects_in(change: ChangeRequest, revision: Revision) -> dict[str, tuple[Effect, ...]]:
    """By file id, what each file takes away and which rights it touches; files without effects are left out."""
    git_dir = change.repository.mirror_path
    old, new = _trees(git_dir, revision)
    key = f"effects:{EFFECTS_VERSION}:{git_dir.name}:{old}:{new}"
    found: dict[str, tuple[Effect, ...]] | None = cache.get(key)
    if found is None:
        found = _examined(git_dir, _files(git_dir, old, new))
        cache.set(key, found, KEEP)
    return found


def _examined(git_dir: Path, files: Iterable[FileChange]) -> dict[str, tuple[Effect, ...]]:
    found: dict[str, tuple[Effect, ...]] = {}
    left = MAX_READ
    for file in files:
        sides = []
        for mode, oid in ((file.old_mode, file.old_oid), (file.new_mode, file.new_oid)):
            data = _content(git_dir, oid, min(left, MAX_BYTES)) if mode.startswith("100") and mode != ABSENT else None
            left -= len(data or b"")
            sides.append(data)
        effects = effects_of(file, *sides)
        if effects:
            found[file.id] = effects
    return found


def _content(git_dir: Path, oid: str, most: int) -> bytes | None:
    try:
        return objects.read_blob(git_dir, oid, max_bytes=most)
    except BlobTooLarge:
        return None
