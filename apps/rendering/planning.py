"""Systems that say themselves what they will do: a plan, in place of two sides that we compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from apps.rendering.model import Difference, Kind, Part, ToolIdentity
from apps.rendering.protocol import Target, Tree
from apps.rendering.redaction import Fingerprint
from apps.rendering.toolbox import Toolbox


@dataclass(frozen=True, slots=True)
class Planned:
    """What will happen. Secrets are fingerprints already, also in ``warnings``."""

    difference: Difference
    tool: ToolIdentity
    inputs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()


class Planner(Protocol):
    """One system. No method raises anything but :class:`~apps.rendering.model.RenderError` for what a commit can hold."""

    @property
    def kind(self) -> Kind: ...

    def tool(self, toolbox: Toolbox) -> ToolIdentity:
        """What would plan. Raises ``MISSING_TOOL``."""

    def inputs(self, tree: Tree, target: Target) -> tuple[str, ...]:
        """The paths that a plan may read, as :meth:`apps.rendering.protocol.Renderer.inputs` has them."""

    def plan(self, before: Tree, after: Tree, target: Target, toolbox: Toolbox, fingerprint: Fingerprint) -> Planned:
        """What happens to the target when ``after`` takes the place of ``before``."""
