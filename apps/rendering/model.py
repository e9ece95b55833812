"""What a renderer gives and what a comparison finds (ADR 15). Pure data; bodies are JSON values.

A *target* is one thing that is rendered into one environment: a chart with its values, an overlay, a root module. Its
two *sides* are rendered apart; the *difference* of both is what a reviewer reads and what an approval binds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = Any
"""``None``, ``bool``, ``int``, ``float``, ``str``, a list of these, or a mapping of ``str`` to these."""


class Kind(StrEnum):
    """The systems a target can be of; the words of ``portal.yaml``."""

    MANIFESTS = "manifests"
    KUSTOMIZE = "kustomize"
    HELM = "helm"
    FLUX = "flux"
    TERRAFORM = "terraform"
    CLOUDFORMATION = "cloudformation"


class Action(StrEnum):
    """What happens to one resource, the heaviest first (the order of pages)."""

    DELETE = "delete"
    REPLACE = "replace"
    UPDATE = "update"
    CREATE = "create"


class Absent:
    """There is nothing at this place: not the same as ``null``."""

    def __repr__(self) -> str:
        return "ABSENT"

    def __reduce__(self) -> str:
        """There is only one, also after a copy or a stay in a cache."""
        return "ABSENT"


ABSENT = Absent()


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that is known only when it was done (Terraform's "known after apply")."""


UNKNOWN = Unknown()


@dataclass(frozen=True, order=True, slots=True)
class ResourceId:
    """Who a resource is in its system.

    Kubernetes: ``api`` is the group without its version (``apps``; empty for the core), so an object whose apiVersion moves
    stays itself. Terraform: ``kind`` is the type, ``name`` the whole address. CloudFormation: ``name`` is the logical id,
    with the ids of its nested stacks before it, joined by ``/``.
    """

    api: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {f'{self.namespace}/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True, slots=True)
class Source:
    """The file of the repository from which a resource came, as far as the tool tells; ``line`` 0: not known."""

    path: str
    line: int = 0

    @property
    def place(self) -> str:
        """``app/values.yaml:12``."""
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource as it was rendered. ``body`` is whole, with ``apiVersion``, ``kind`` and ``metadata`` in Kubernetes."""

    id: ResourceId
    body: Mapping[str, Json]
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class ToolIdentity:
    """What rendered: name, version, and the SHA-256 of the program that ran (empty: our own code)."""

    name: str
    version: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a target that has a state of its own, such as one HelmRelease of a Flux cluster.

    ``failure`` is empty for a part that was rendered.
    """

    name: str
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One side of a target. ``inputs``: the paths that were read, folders with a ``/`` at the end.

    ``has_charts``: functions of a chart had a part in it, so that another run may give something else. Not kept.
    """

    resources: tuple[Resource, ...]
    tool: ToolIdentity
    inputs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    has_charts: bool = field(default=False, compare=False)


class Failure(StrEnum):
    """Why a target could not be evaluated; never "no changes"."""

    MISSING_TOOL = "missing_tool"
    NOT_ISOLATED = "not_isolated"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    TEMPLATE = "template"
    UNSUPPORTED = "unsupported"
    REFUSED = "refused"
    MISSING_INPUT = "missing_input"
    DEFECT = "defect"
    """An error of the portal itself; its log has more."""


class RenderError(Exception):
    """A side could not be rendered: what, and where the tool says so.

    ``message`` is for people and was cleaned (no path of this machine, no control character, at most 4,000 characters).
    """

    def __init__(self, failure: Failure, message: str, *, path: str = "", line: int = 0) -> None:
        super().__init__(message)
        self.failure, self.message, self.path, self.line = failure, message, path, line


@dataclass(frozen=True, slots=True)
class Element:
    """A step of a field path into a keyed list: the element with these values (``containers[nginx]``)."""

    keys: tuple[tuple[str, Json], ...]


@dataclass(frozen=True, slots=True)
class Order:
    """The last step of a path to the order of a keyed list; before and after are the keys of its elements, in order.

    ``keys`` are the names of the keys; the name of a value that is its own key is empty, as it is in :class:`Element`.
    """

    keys: tuple[str, ...]


Step = str | int | Element | Order
"""A key of a mapping, an index of a list, the keys of an element, or the order of a list."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One place of a body that differs. ``before`` or ``after`` is :data:`ABSENT` where there was, or will be, nothing.

    Indices of a path count in the list as it was; that of an element that was not there counts in the list as it will be.
    ``rule`` is the name of the rule by which this difference has no effect (empty: it counts). Such differences are
    counted and can be shown; nothing is thrown away.
    """

    path: tuple[Step, ...]
    before: Json
    after: Json
    rule: str = ""


class Weight(StrEnum):
    """How a risk is shown: ``HIGH`` has the colour of danger."""

    HIGH = "high"
    MEDIUM = "medium"


@dataclass(frozen=True, slots=True)
class Risk:
    """A fact that reviewers must not overlook, in plain words; ``code`` is for rules (``rbac``, ``destroy``, …)."""

    code: str
    text: str
    weight: Weight = Weight.MEDIUM


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """What happens to one resource. ``fields`` that count come first; bodies are whole (``None``: it was not, or will not be).

    ``replace_paths``: fields that force the replacement, where the system says so.
    """

    id: ResourceId
    action: Action
    fields: tuple[FieldChange, ...] = ()
    before: Mapping[str, Json] | None = None
    after: Mapping[str, Json] | None = None
    replace_paths: tuple[tuple[Step, ...], ...] = ()
    risks: tuple[Risk, ...] = ()
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """What a change does to one target. ``silent``: resources whose only differences have no effect, by the same rules."""

    changes: tuple[ResourceChange, ...]
    unchanged: int = 0
    silent: tuple[ResourceChange, ...] = field(default=())

    @property
    def counts(self) -> dict[str, int]:
        """How many resources are created, updated, replaced and deleted."""
        found = {action.value: 0 for action in Action}
        for change in self.changes:
            found[change.action.value] += 1
        return found
