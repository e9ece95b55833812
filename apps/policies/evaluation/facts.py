"""What is judged: recorded facts, complete and immutable, so that every verdict can be replayed.

The caller gathers them (ids of people, never rows); nothing here asks a database, a clock or Git.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from apps.policies.codeowners import OwnerMatch
from apps.policies.config import MERGE, RollbackConfig, Rule, StandardConfig

NORMAL = "normal"
ROLLBACK = "rollback"
EMERGENCY = "emergency"
RENDERED = "rendered"
WAITS = "waiting"
BROKEN = "failed"
"""States of :class:`RenderingFact`."""
CHECK_PASSED, CHECK_FAILED, CHECK_RUNS = "success", "failure", "pending"
"""States of a reported check."""
APPROVE = "approve"
REQUEST_CHANGES = "request_changes"
_NOBODY: Mapping[str, tuple[int, ...]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Person:
    """``may_approve``: holds, now, a role of the repository that lets them give a verdict at this stage."""

    id: int
    username: str
    active: bool = True
    human: bool = True
    may_approve: bool = True


@dataclass(frozen=True, slots=True)
class Review:
    """One submitted verdict; the order in :attr:`Facts.reviews` is the order in time.

    ``subject_equal``: what was approved then is what would be merged or deployed now, or carries over.
    ``counts`` and ``why_not`` (a :class:`~apps.policies.evaluation.standing.Standing` code) let the caller
    rule it out for a reason that only it can know. ``seen`` are the keys of the parts that the reviewer had
    marked as viewed at that moment; ``id`` tells two reviews of one person apart. ``at``: seconds since 1970 (0: not known).
    ``reauthenticated``: the person had just signed in again. ``carried``: it was given on an earlier target branch, and what
    was approved, put on the present one, is exactly what would be merged. ``beforehand``: it was given with the approval of the
    change that is rolled back; when and with which one, in words.
    """

    person: int
    verdict: str
    revision: int
    stage: str = MERGE
    environment: str = ""
    subject_equal: bool = True
    counts: bool = True
    why_not: str = ""
    id: int = 0
    seen: tuple[str, ...] = ()
    at: int = 0
    reauthenticated: bool = False
    carried: bool = False
    beforehand: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """Something of the change that a rule can ask an approver to have viewed.

    ``key`` names its content (``file:DIGEST``, of a rendered resource ``resource:DIGEST``), so equal keys are
    equal content. Every file is a part without ``kinds``; each thing that is destroyed and each right that is touched is
    one more, under the key of what shows it.
    """

    key: str
    label: str
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contributor:
    """``how``: author, committer, pusher, co_author, suggestion or sponsor, in revision ``revision``."""

    person: int
    how: str = "author"
    revision: int = 0


@dataclass(frozen=True, slots=True)
class EnvironmentFact:
    """An environment of the policy, and whether this change reaches it."""

    name: str
    protected: bool = False
    affected: bool = True


@dataclass(frozen=True, slots=True)
class PathOwners:
    """What CODEOWNERS says of one touched path; given for every path, also when nobody owns it."""

    path: str
    matches: tuple[OwnerMatch, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A review that requests changes and is in force: neither replaced by its author nor dismissed."""

    person: int
    revision: int


@dataclass(frozen=True, slots=True)
class OpenThread:
    """A blocking thread that is not resolved; ``where`` is its place in words."""

    author: int
    where: str = ""


@dataclass(frozen=True, slots=True)
class PolicyFact:
    """Which version of the policy files governs: ``file``, ``default``, ``last_valid`` or ``broken``.

    ``rego``: the folder of modules that have to be asked, too (empty: there are none).
    """

    governs: str = "file"
    path: str = ".gitops/portal.yaml"
    owners_path: str = "CODEOWNERS"
    problems: tuple[str, ...] = ()
    rego: str = ""


@dataclass(frozen=True, slots=True)
class ResourceFact:
    """What happens to one rendered resource; ``risks`` are codes such as ``rbac``.

    ``fields``: what of it changes, as ``spec.replicas``; ``None``: not known.
    """

    kind: str
    action: str
    name: str
    namespace: str = ""
    risks: tuple[str, ...] = ()
    fields: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class RenderingFact:
    """What is known of the effect on one target that the change reaches.

    ``state``: ``rendered``, ``waiting`` or ``failed``; ``text`` says why it failed. Of an ``optional`` target a failure
    holds nothing by itself. ``unmet``: why checks that the policy requires do not pass; empty where they do, or none are.
    """

    environment: str
    target: str
    state: str
    text: str = ""
    optional: bool = False
    resources: tuple[ResourceFact, ...] = ()
    unmet: str = ""

    @property
    def label(self) -> str:
        return f"{self.environment}/{self.target}"


@dataclass(frozen=True, slots=True)
class HoldFact:
    """A freeze that lasts, or allow windows of which none is open, in one environment (empty: at the merge).

    ``until``: when it ends by itself, in words; ``principals`` may let a change through all the same.
    """

    kind: str
    windows: tuple[str, ...]
    environment: str = ""
    until: str = ""
    principals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OverrideFact:
    """A person let this change through ``windows``; ``counts``: for what would be merged or deployed now, and not too long ago."""

    person: int
    windows: tuple[str, ...]
    environment: str = ""
    counts: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EmergencyFact:
    """An emergency in force: who declared it, who confirmed it, and how many of whom have to. ``until`` and ``owed``: when
    it ends, and by when the rules have to be met after all, in words.
    """

    declared_by: int
    reason: str = ""
    confirmed: tuple[int, ...] = ()
    approvals: int = 1
    principals: tuple[str, ...] = ()
    until: str = ""
    owed: str = ""


@dataclass(frozen=True, slots=True)
class FileFact:
    """What happens to one file: ``added``, ``changed``, ``deleted``, ``renamed`` and the like; ``old_path`` where it was another."""

    path: str
    action: str
    old_path: str = ""


@dataclass(frozen=True, slots=True)
class AboutFact:
    """What nothing but modules of Rego asks of a change. ``strangers``: how each contributor without an account took part."""

    number: int
    title: str
    author: str
    kind: str
    target_branch: str
    files: tuple[FileFact, ...] = ()
    strangers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RegoFact:
    """What modules of Rego answered; with it a verdict is replayed without asking them again.

    ``modules`` and ``given`` are digests (SHA-256) of what was asked and of the input. ``required``: rules that hold beside
    those of the file. ``problem``: why there is no answer, which holds the change. ``file`` and ``line``: where ``deny`` stands.
    """

    modules: str
    given: str = ""
    denied: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    required: tuple[Rule, ...] = ()
    problem: str = ""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the verdict of one gate depends on.

    ``stage``: ``merge``, or ``deploy`` to ``environment``. ``principals`` maps ``team/x``, ``user/x``,
    ``role/x`` and the names of CODEOWNERS to ids of people; a name that is missing is unknown here.
    ``revision`` 0: there is none yet. ``changed_paths`` holds old and new path of a rename. ``parts`` is ``None`` while
    nobody has looked for them: then a rule that asks for what was seen cannot be evaluated. ``renderings`` is ``None``
    where the policy names no targets; ``()``: it does, and the change reaches none. ``holds``: the windows that hold this gate
    at the moment of judging. ``moment``: that moment in seconds since 1970 (0: not known). ``files`` and ``lines``: how much
    changes; ``uncounted``: files of which lines do not tell it (binary, links, submodules, modes). ``authors``: which kinds of contributors there are (:data:`apps.policies.config.AUTHORS`). ``lasting``: names of
    the windows that last. ``checks``: name → state, as reported for exactly the merge result. ``standards``: the templates of the
    policy for standard changes. ``rego``: what the modules that the policy names answered, told of it what stands here and in
    ``about``. Those that are ``None`` were not looked for: a rule that asks cannot be evaluated.
    """

    stage: str
    status: str
    environment: str = ""
    kind: str = NORMAL
    requester: int | None = None
    revision: int = 0
    is_current: bool = True
    has_source: bool = True
    has_target: bool = True
    is_empty: bool = False
    conflicts: tuple[str, ...] = ()
    changed_paths: tuple[str, ...] = ()
    environments: tuple[EnvironmentFact, ...] = ()
    owners: tuple[PathOwners, ...] = ()
    principals: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: _NOBODY)
    people: tuple[Person, ...] = ()
    reviews: tuple[Review, ...] = ()
    contributors: tuple[Contributor, ...] = ()
    change_requests: tuple[ChangeRequest, ...] = ()
    open_threads: tuple[OpenThread, ...] = ()
    policy: PolicyFact = field(default_factory=PolicyFact)
    rollback: RollbackConfig = field(default_factory=RollbackConfig)
    parts: tuple[Part, ...] | None = None
    renderings: tuple[RenderingFact, ...] | None = None
    holds: tuple[HoldFact, ...] = ()
    overrides: tuple[OverrideFact, ...] = ()
    moment: int = 0
    files: int | None = None
    lines: int | None = None
    uncounted: int = 0
    authors: tuple[str, ...] | None = None
    lasting: tuple[str, ...] | None = None
    checks: Mapping[str, str] | None = None
    emergency: EmergencyFact | None = None
    standards: tuple[StandardConfig, ...] = ()
    about: AboutFact | None = None
    rego: RegoFact | None = None


class CannotEvaluate(Exception):
    """A rule cannot be judged from these facts; the message says why."""
