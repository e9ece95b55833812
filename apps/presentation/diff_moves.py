"""What is looked for after the first response, and once: moved blocks, keys that stand twice, names that are taken for one."""

from __future__ import annotations

from dataclasses import dataclass
from html import unescape

from django.core.cache import cache
from django.utils.safestring import SafeString, mark_safe

from apps.diffs.characters import plain
from apps.diffs.files import FileChange
from apps.diffs.fragments import Options
from apps.diffs.lexers import language_of
from apps.diffs.moves import MAX_LINES, MAX_SHOWN, find_moves, list_html
from apps.diffs.names import folded_alike
from apps.diffs.yaml_keys import MAX_BYTES, keys_twice, words
from apps.presentation.diff_pages import KEEP, content_key, counted_listing, file_patches, listing
from apps.presentation.diff_sides import Sides
from apps.vcs import objects
from apps.vcs.errors import BlobTooLarge

MAX_YAML_FILES = 300


@dataclass(frozen=True, slots=True)
class MovedBlocks:
    """``too_large``: the difference has more changed lines than are compared. ``shown`` of ``total`` are in the list."""

    html: SafeString
    shown: int
    total: int
    too_large: bool


@dataclass(frozen=True, slots=True)
class KeyTwice:
    """A file with a key that stands twice, in words; ``link`` leads to its second place."""

    path: str
    words: str
    link: str


@dataclass(frozen=True, slots=True)
class NameAlike:
    """A new path and the one for which some file systems take it; ``link`` leads to the file."""

    path: str
    other: str
    link: str


def moved_blocks(sides: Sides, options: Options, page: str) -> MovedBlocks:
    """The list of the blocks, each with a link to both places of ``page`` that works without scripts too."""
    key = content_key(sides, f"moves:{page}:{options.view}:{options.query}")
    cached: tuple[str, int, bool] | None = cache.get(key)
    if cached is None:
        cached = _look(sides, options, page)
        cache.set(key, cached, KEEP)
    html, total, too_large = cached
    return MovedBlocks(mark_safe(html), min(total, MAX_SHOWN), total, too_large)  # noqa: S308  # written by apps.diffs


def _look(sides: Sides, options: Options, page: str) -> tuple[str, int, bool]:
    found = counted_listing(sides)
    if sum(facts.changed for facts in found.facts.values()) > MAX_LINES:
        return "", 0, True
    texts = [change for change in found.files if found.facts[change.id].kind == "text"]
    moves = find_moves(file_patches(sides, texts)) if texts else []
    links = [
        (page + options.link(move.old, row=f"L{move.old_at}"), page + options.link(move.new, row=f"R{move.new_at}"))
        for move in moves[:MAX_SHOWN]
    ]
    return list_html(moves[:MAX_SHOWN], links), len(moves), False


def keys_standing_twice(sides: Sides, options: Options, page: str) -> list[KeyTwice]:
    """Of the first ``MAX_YAML_FILES`` changed YAML files, as they would be after the merge."""
    key = content_key(sides, f"twice:{page}:{options.view}:{options.query}")
    cached: list[KeyTwice] | None = cache.get(key)
    if cached is None:
        files = [change for change in listing(sides).files if _is_yaml(change)][:MAX_YAML_FILES]
        cached = [found for change in files for found in _twice_in(sides, change, options, page)]
        cache.set(key, cached, KEEP)
    return cached


def _is_yaml(change: FileChange) -> bool:
    is_file = change.status != "D" and change.new_mode.startswith("100") and change.has_content_change
    return is_file and language_of(change.path) == "yaml"


def _twice_in(sides: Sides, change: FileChange, options: Options, page: str) -> list[KeyTwice]:
    try:
        blob = objects.read_blob(sides.git_dir, change.new_oid, max_bytes=MAX_BYTES)
    except BlobTooLarge:
        return []
    return [
        KeyTwice(change.display_path, words(found), page + unescape(options.link(change, row=f"R{found.again}")))
        for found in keys_twice(blob)
    ]


def names_taken_for_one(sides: Sides, options: Options, page: str) -> list[NameAlike]:
    """New names that differ from another one of the tree only in letter case or composition."""
    key = content_key(sides, f"alike:{page}:{options.view}:{options.query}")
    cached: list[NameAlike] | None = cache.get(key)
    if cached is None:
        fresh = {change.new_path: change for change in listing(sides).files if change.status == "A" or change.is_moved}
        present = objects.list_paths(sides.git_dir, sides.new) if fresh else []
        cached = [
            NameAlike(fresh[path].display_path, plain(other), page + unescape(options.link(fresh[path])))
            for path, other in folded_alike(fresh, present)
        ]
        cache.set(key, cached, KEEP)
    return cached
