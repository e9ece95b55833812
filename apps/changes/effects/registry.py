"""Which code renders which kind of target."""

from __future__ import annotations

from apps.rendering.model import Failure, Kind, RenderError
from apps.rendering.planners import PLANNERS
from apps.rendering.planning import Planner
from apps.rendering.protocol import Renderer
from apps.rendering.registry import RENDERERS


def renderer_of(kind: Kind) -> Renderer:
    """Raises ``UNSUPPORTED``."""
    if kind not in RENDERERS:
        raise RenderError(Failure.UNSUPPORTED, f"This version does not render targets of the kind {kind.value}.")
    return RENDERERS[kind]


def reader_of(kind: Kind) -> Renderer | Planner:
    """Who knows the inputs of a target of this kind."""
    return PLANNERS[kind] if kind in PLANNERS else renderer_of(kind)
