"""What callers give to a renderer, and what every renderer does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from apps.rendering.model import Json, Kind, Rendered, ToolIdentity
from apps.rendering.toolbox import Toolbox

REGULAR, EXECUTABLE, SYMLINK, GITLINK = 0o100644, 0o100755, 0o120000, 0o160000
FILES = frozenset({REGULAR, EXECUTABLE, 0o100664})
"""Modes of plain files; very old histories have the last one."""


class Entry(NamedTuple):
    """One file, symbolic link or gitlink of a commit; ``mode`` as Git has it, ``oid`` the blob (of a gitlink: the commit)."""

    path: str
    mode: int
    oid: str
    size: int


class Tree(Protocol):
    """One commit, to be read only. Paths have ``/`` between their parts and none at the ends."""

    def entries(self, under: str = "") -> Iterable[Entry]:
        """Everything in this folder and below, or the one file of this name; nothing where there is nothing."""

    def read(self, path: str) -> bytes:
        """The bytes of a file, of a symbolic link its target. Raises ``KeyError`` where there is none."""


@dataclass(frozen=True)
class Target:
    """A target as ``portal.yaml`` has it; ``options`` are its other keys, with the names that they have there.

    helm: ``chart values release namespace kubeVersion apiVersions includeCrds``; kustomize and flux: ``path``; manifests:
    ``path recurse namespace``; terraform: ``path plan``; cloudformation: ``template parameters stack region``.
    """

    name: str
    environment: str
    kind: Kind
    options: Mapping[str, Json] = field(default_factory=dict)


class Renderer(Protocol):
    """One system. No method raises anything but :class:`~apps.rendering.model.RenderError` for what a commit can hold."""

    @property
    def kind(self) -> Kind: ...

    def tool(self, toolbox: Toolbox) -> ToolIdentity:
        """What would render. Raises ``MISSING_TOOL``."""

    def render(self, tree: Tree, target: Target, toolbox: Toolbox) -> Rendered:
        """One side of the target."""

    def inputs(self, tree: Tree, target: Target) -> tuple[str, ...]:
        """The paths that a rendering may read, folders with ``/`` at the end, sorted; runs no tool.

        What cannot be told yet (a file that is missing, or broken) is named by what is known: the answer may be too wide,
        and is never too narrow.
        """
