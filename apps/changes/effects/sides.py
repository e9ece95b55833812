"""Both sides of a target, each rendered once for equal content: by tool, options and the blobs of its inputs.

What is kept is looked up first and kept last, by the thread that asks; in between, what is missing is made at the same time.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeGuard

from django.db import IntegrityError, transaction

from apps.changes.effects.git_tree import GitTree
from apps.changes.effects.making import CHARTS, Making, Side
from apps.changes.effects.targets import Sides
from apps.changes.effects.tools import toolbox
from apps.changes.models import RenderedSide
from apps.core.clock import now
from apps.core.text import first_few
from apps.rendering.charts import cache_identity
from apps.rendering.checks import Checked, manifest_checker
from apps.rendering.comparing.codec import decode_rendered, encode_rendered
from apps.rendering.model import Failure, Rendered, RenderError, ToolIdentity
from apps.rendering.parallel import in_parallel
from apps.rendering.paths import inside
from apps.rendering.protocol import Renderer, Target
from apps.rendering.redaction import Fingerprint

VERSION = 5
"""Grows when what a side holds changes its meaning; older ones are then rendered anew."""


@dataclass(frozen=True, slots=True)
class _Missing:
    """A side that is to be made, and then kept under ``key``."""

    key: str
    making: Making


def both_sides(renderer: Renderer, sides: Sides, target: Target, hide: Fingerprint) -> tuple[Side, Side]:
    """Each as it was kept, or rendered now, at the same time as the other.

    Raises :class:`~apps.rendering.model.RenderError`, of two that of the target branch, or ``MISSING_INPUT`` where the target
    is on neither side; a failure is not kept.
    """
    before = _looked_up(renderer, sides.before, target, hide)
    try:
        after = _looked_up(renderer, sides.after, target, hide)
    except RenderError:
        _made((before,))  # where that fails as well, it is what is told
        raise
    if _is_absent(before) and _is_absent(after):
        raise _nowhere(target, after.rendered.inputs)
    first, second = _made((before, after))
    return first, second


def _is_absent(found: Side | _Missing) -> TypeGuard[Side]:
    return isinstance(found, Side) and not found.was_kept


def _nowhere(target: Target, inputs: tuple[str, ...]) -> RenderError:
    """Nothing would be compared with nothing, and that is not what "no change" means."""
    text = f"There is nothing at {first_few(inputs) or target.name}, before the change or after it."
    return RenderError(Failure.MISSING_INPUT, text, path=inside(inputs[0]) if inputs else "")


def one_side(renderer: Renderer, tree: GitTree, target: Target, hide: Fingerprint) -> Side:
    """A single side as it was kept, or rendered now. Raises :class:`~apps.rendering.model.RenderError`."""
    return _made((_looked_up(renderer, tree, target, hide),))[0]


def _made(looked_up: tuple[Side | _Missing, ...]) -> list[Side]:
    """In the same order; two of equal content are made once."""
    missing = {each.key: each.making for each in looked_up if isinstance(each, _Missing)}
    runs = in_parallel([partial(making.side, alone=len(missing) == 1) for making in missing.values()])
    run_of = dict(zip(missing, runs, strict=True))
    found = []
    for each in looked_up:
        if isinstance(each, Side):
            found.append(each)
            continue
        side = run_of[each.key].result()
        if not side.checked.passing:
            _keep(each.key, side)
        found.append(side)
    return found


def _looked_up(renderer: Renderer, tree: GitTree, target: Target, hide: Fingerprint) -> Side | _Missing:
    tool = renderer.tool(toolbox())
    inputs = renderer.inputs(tree, target)
    if not any(True for path in inputs for _ in tree.entries(inside(path))):
        return Side(Rendered((), tool, inputs))  # the target is not there on this side: nothing is there to be rendered
    key = _key(tool, target, tree, inputs, hide)
    kept = RenderedSide.objects.filter(key=key).first()
    if kept is None:
        return _Missing(key, Making(renderer, tree, target, inputs, hide))
    RenderedSide.objects.filter(pk=kept.pk).update(used_at=now())
    return _unpacked(kept)


def _key(tool: ToolIdentity, target: Target, tree: GitTree, inputs: Iterable[str], hide: Fingerprint) -> str:
    entries = {entry.path: entry for path in inputs for entry in tree.entries(inside(path))}
    facts = {
        "version": VERSION,
        "tool": [tool.name, tool.version, tool.sha256],
        "kind": target.kind.value,
        "options": target.options,
        "secrets": hide.own.identity,
        "checks": manifest_checker(toolbox()),
        "charts": cache_identity(toolbox()) if target.kind in CHARTS else [],
        "inputs": sorted(inputs),
        "blobs": [[path, entry.mode, entry.oid] for path, entry in sorted(entries.items())],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def packed(document: dict[str, Any]) -> bytes:
    """A JSON document as it is stored."""
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 6)


def unpacked(data: bytes | memoryview) -> Any:
    """The way back."""
    return json.loads(zlib.decompress(bytes(data)))


def _keep(key: str, side: Side) -> None:
    document = {
        "rendered": encode_rendered(side.rendered),
        "unstable": list(side.unstable),
        "checked": side.checked.to_json(),
    }
    moment = now()
    try:
        with transaction.atomic():
            RenderedSide.objects.create(
                key=key, document=packed(document), milliseconds=side.milliseconds, created_at=moment, used_at=moment
            )
    except IntegrityError:
        return  # another worker rendered the same at the same time


def _unpacked(row: RenderedSide) -> Side:
    document = unpacked(row.document)
    return Side(
        decode_rendered(document["rendered"]),
        tuple(document["unstable"]),
        row.milliseconds,
        was_kept=True,
        checked=Checked.of_json(document["checked"]),
    )
