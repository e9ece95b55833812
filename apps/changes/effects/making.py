"""One side of a target, made now: rendered, checked, without secrets. No database: it is done in a thread of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from apps.changes.effects.git_tree import GitTree
from apps.changes.effects.tools import toolbox
from apps.rendering.checks import Checked, check_manifests
from apps.rendering.comparing import words
from apps.rendering.model import Kind, Rendered
from apps.rendering.protocol import Renderer, Target
from apps.rendering.quoted import quotes_of
from apps.rendering.redaction import Fingerprint, redact_raw, redact_text
from apps.rendering.stability import asks_for_time, render_twice, settled

CHARTS = frozenset({Kind.HELM, Kind.FLUX})
NOTHING_CHECKED = Checked()


@dataclass(frozen=True, slots=True)
class Side:
    """What a side is made of: redacted resources. ``unstable`` names values that differ between two runs, in words."""

    rendered: Rendered
    unstable: tuple[str, ...] = ()
    milliseconds: int = 0
    was_kept: bool = False
    checked: Checked = NOTHING_CHECKED


@dataclass(frozen=True, slots=True)
class Making:
    """What a side is made from. ``alone``: the other one needs no tool, so this one may run two at once."""

    renderer: Renderer
    tree: GitTree
    target: Target
    inputs: tuple[str, ...]
    hide: Fingerprint

    def side(self, *, alone: bool) -> Side:
        """Raises :class:`~apps.rendering.model.RenderError`."""
        began = time.monotonic()
        rendered, unstable = self._rendered(alone)
        checked = check_manifests(rendered.resources, self.target, toolbox()).said(
            lambda text: redact_text(text, self.hide)
        )
        milliseconds = round((time.monotonic() - began) * 1000)
        return Side(redacted_side(rendered, self.tree, self.hide), unstable, milliseconds, checked=checked)

    def _rendered(self, alone: bool) -> tuple[Rendered, tuple[str, ...]]:
        """The side, and in words what no two runs have in common: such values are replaced, so that the rest can be compared.

        Only charts have functions that could differ; of files and overlays the same comes out by what they are.
        """
        if self.target.kind not in CHARTS:
            return self.renderer.render(self.tree, self.target, toolbox()), ()
        waits = asks_for_time(self.tree, self.inputs)
        at_once = alone and self.target.kind is Kind.HELM  # whether a cluster has charts only its first run tells
        twice = render_twice(self.renderer, self.tree, self.target, toolbox(), in_another_second=waits, at_once=at_once)
        named = tuple(dict.fromkeys(f"{identity} {words(path)}".strip() for identity, path in twice.unstable))
        return settled(twice), named


def redacted_side(rendered: Rendered, tree: GitTree, hide: Fingerprint) -> Rendered:
    """Without secrets. What a tool says can quote those of its inputs, which are read only where it says anything."""
    failures = [part.failure for part in rendered.parts if part.failure]
    quotes = quotes_of((tree,), rendered.inputs if rendered.warnings or failures else (), hide)

    def said(text: str) -> str:
        return redact_text(quotes.without(text), hide)

    return replace(
        rendered,
        resources=tuple(redact_raw(resource, hide) for resource in rendered.resources),
        warnings=tuple(map(said, rendered.warnings)),
        parts=tuple(replace(part, failure=said(part.failure)) for part in rendered.parts),
    )
