"""One side of a target, rendered once for equal content: by tool, options and the blobs of its inputs."""

from __future__ import annotations

import hashlib
import json
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db import IntegrityError, transaction

from apps.changes.effects.git_tree import GitTree
from apps.changes.effects.tools import toolbox
from apps.changes.models import RenderedSide
from apps.core.clock import now
from apps.rendering.charts import cache_identity
from apps.rendering.checks import Checked, check_manifests, manifest_checker
from apps.rendering.comparing import words
from apps.rendering.comparing.codec import decode_rendered, encode_rendered
from apps.rendering.model import Kind, Rendered, ToolIdentity
from apps.rendering.protocol import Renderer, Target
from apps.rendering.quoted import quotes_of
from apps.rendering.redaction import Fingerprint, redact, redact_text
from apps.rendering.stability import asks_for_time, render_twice, settled

CHARTS = frozenset({Kind.HELM, Kind.FLUX})
VERSION = 4
"""Grows when what a side holds changes its meaning; older ones are then rendered anew."""


NOTHING_CHECKED = Checked()


@dataclass(frozen=True, slots=True)
class Side:
    """What a side is made of: redacted resources. ``unstable`` names values that differ between two runs, in words."""

    rendered: Rendered
    unstable: tuple[str, ...] = ()
    milliseconds: int = 0
    was_kept: bool = False
    checked: Checked = NOTHING_CHECKED


def side_of(renderer: Renderer, tree: GitTree, target: Target, hide: Fingerprint) -> Side:
    """The side as it was kept, or rendered now. Raises :class:`~apps.rendering.model.RenderError`; that is not kept."""
    tool = renderer.tool(toolbox())
    inputs = renderer.inputs(tree, target)
    if not any(True for path in inputs for _ in tree.entries(path.rstrip("/"))):
        return Side(Rendered((), tool, inputs))  # the target is not there on this side: nothing is there to be rendered
    key = _key(tool, target, tree, inputs, hide)
    kept = RenderedSide.objects.filter(key=key).first()
    if kept is not None:
        RenderedSide.objects.filter(pk=kept.pk).update(used_at=now())
        return _unpacked(kept)
    began = time.monotonic()
    rendered, unstable = _rendered(renderer, tree, target, inputs)
    checked = check_manifests(rendered.resources, target, toolbox()).said(lambda text: redact_text(text, hide))
    milliseconds = round((time.monotonic() - began) * 1000)
    found = Side(_redacted(rendered, tree, hide), unstable, milliseconds, checked=checked)
    if not checked.passing:
        _keep(key, found)
    return found


def _rendered(
    renderer: Renderer, tree: GitTree, target: Target, inputs: Iterable[str]
) -> tuple[Rendered, tuple[str, ...]]:
    """The side, and in words what no two runs have in common: such values are replaced, so that the rest can be compared.

    Only charts have functions that could differ; of files and overlays the same comes out by what they are.
    """
    if target.kind not in CHARTS:
        return renderer.render(tree, target, toolbox()), ()
    waits = asks_for_time(tree, inputs)
    twice = render_twice(renderer, tree, target, toolbox(), in_another_second=waits)
    named = tuple(dict.fromkeys(f"{identity} {words(path)}".strip() for identity, path in twice.unstable))
    return settled(twice), named


def _key(tool: ToolIdentity, target: Target, tree: GitTree, inputs: Iterable[str], hide: Fingerprint) -> str:
    entries = {entry.path: entry for path in inputs for entry in tree.entries(path.rstrip("/"))}
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


def _redacted(rendered: Rendered, tree: GitTree, hide: Fingerprint) -> Rendered:
    """Without secrets. What a tool says can quote those of its inputs, which are read only where it says anything."""
    failures = [part.failure for part in rendered.parts if part.failure]
    quotes = quotes_of((tree,), rendered.inputs if rendered.warnings or failures else (), hide)

    def said(text: str) -> str:
        return redact_text(quotes.without(text), hide)

    return replace(
        rendered,
        resources=tuple(redact(resource, hide) for resource in rendered.resources),
        warnings=tuple(map(said, rendered.warnings)),
        parts=tuple(replace(part, failure=said(part.failure)) for part in rendered.parts),
    )


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
