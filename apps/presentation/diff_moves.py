"""Moved blocks of a difference: looked for after the first response, and once."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.cache import cache
from django.utils.safestring import SafeString, mark_safe

from apps.diffs.fragments import Options
from apps.diffs.moves import MAX_LINES, MAX_SHOWN, find_moves, list_html
from apps.presentation.diff_pages import KEEP, content_key, counted_listing, file_patches
from apps.presentation.diff_sides import Sides


@dataclass(frozen=True, slots=True)
class MovedBlocks:
    """``too_large``: the difference has more changed lines than are compared. ``shown`` of ``total`` are in the list."""

    html: SafeString
    shown: int
    total: int
    too_large: bool


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
