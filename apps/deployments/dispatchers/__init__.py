"""How a deployment's plan is carried out: one protocol, one module per way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from apps.core.errors import Unavailable

LOOK_FOR = 60.0
"""Seconds during which a request whose answer was lost is looked for in the other system."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a dispatcher can do; pages and API offer only that.

    ``remote``: another system runs it, so any worker can follow it. ``resends``: that system
    recognises ``run.key``, so a request whose fate is not known may be sent again. ``only_told``: it cannot be asked how a run
    does, and says so by itself. What can be done
    with single steps is what each of them offers (:class:`ActsOnSteps`). ``only_failed``: an attempt can do again only
    what failed in the run of the one before. ``timeout``: seconds that a run has where portal.yaml names none; 0: any number.
    """

    cancel: bool = False
    logs: bool = False
    from_step: bool = False
    only_failed: bool = False
    remote: bool = False
    resends: bool = False
    only_told: bool = False
    timeout: float = 0.0


class NotSent(Unavailable):
    """The request certainly did not reach the other system: it is tried again later."""


class Refused(Unavailable):
    """The other system answered no: nothing was started there, and asking again would not help."""


class InDoubt(Unavailable):
    """The request may have arrived. It is looked for there; it is never simply sent again."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One command of the plan; ``timeout`` in seconds."""

    name: str
    run: str
    timeout: float


@dataclass(frozen=True, slots=True)
class Outside:
    """The other system of a remote dispatcher: a connection with its credentials in clear.

    ``credentials`` are secrets (token, password, key); ``options`` are not (user name, region, CA).
    """

    name: str
    kind: str
    url: str
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Applied:
    """One resource that a deployment applied; ``uid`` tells it from a later one of the same name.

    Without ``uid`` the answer was lost: it may have been made anew then, or never. ``by``: a deployment that did not succeed
    brought it, and how that ended (``d-2, which failed``).
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class ToApply:
    """The resources of the target that is deployed, whole and in clear: nothing of them may be shown before ``hide``.

    ``digest`` is what was approved, empty where the change does not reach the target. ``before``: what is
    in the cluster of the environment by what it was deployed with last and since, through the same connection.
    """

    resources: tuple[Mapping[str, Any], ...] = field(repr=False)
    digest: str = ""
    hide: Callable[[Mapping[str, Any]], Any] = dict
    before: tuple[Applied, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of comparing a new plan with the approved one: ``problem`` is empty where it is exactly that.

    ``is_empty``: there is nothing to do. ``lines`` tell it, for the log. ``hide``: texts of the plan that nobody may see.
    """

    problem: str = ""
    is_empty: bool = False
    lines: tuple[str, ...] = ()
    hide: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ToPlan:
    """The target whose plan was approved, for a dispatcher that has the system plan again and carries out that very plan.

    ``options`` are those of the target. ``judge`` compares: bytes of ``terraform show -json``, or the ``Changes`` of a change
    set. ``content`` is what is sent of the repository (template and parameters); ``hide``: texts of it that nobody may see.
    ``programs``: paths on this machine that are needed.
    """

    name: str
    options: Mapping[str, Any]
    judge: Callable[[Any], Judged]
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)
    hide: tuple[str, ...] = field(default=(), repr=False)
    programs: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt as a dispatcher needs it.

    ``key`` is the idempotency key: whatever is asked twice under one key happens once.
    ``environment`` are plain variables, ``secrets`` those that never appear in a log.
    ``external`` is what the attempt stored of what :meth:`Dispatcher.prepare`, ``dispatch`` and
    ``observe`` told; ``sent`` in it is the moment (ISO) before the request went out, ``asked`` that of the last one.
    ``options`` are the keys of ``deploy`` in portal.yaml beside ``via``, ``start`` and ``steps``.
    ``reports`` are the signed messages of the other system about this key, oldest first.
    ``is_cancelled``: a person asked for it to be stopped.
    ``before``: of an attempt that does again only what failed, what the one before stored of its run, until it is prepared.
    ``is_watched``: it was over, and well, and its health is watched: no time limit of the run counts any more.
    ``memory`` lasts one look: what was fetched once in it need not be fetched again.
    ``is_as_deployed``: of a look for drift: whether another commit contains ``commit`` and nothing between them reaches the environment.
    """

    key: str
    deployment: int
    attempt: int
    git_dir: Path
    commit: str
    steps: tuple[PlannedStep, ...]
    from_step: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    external: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    outside: Outside | None = None
    reports: tuple[Mapping[str, Any], ...] = ()
    callback_url: str = ""
    is_cancelled: bool = False
    is_watched: bool = False
    before: Mapping[str, Any] | None = None
    to_apply: ToApply | None = None
    to_plan: ToPlan | None = None
    memory: dict[str, Any] = field(default_factory=dict, compare=False)
    is_as_deployed: Callable[[str], bool] = field(default=lambda _: False, compare=False)

    @property
    def is_sent(self) -> bool:
        """Whether a request for it may have gone out."""
        return bool(self.external.get("sent"))

    def age(self, at: datetime) -> float:
        """Seconds since the request went out; 0 before that."""
        sent = self.external.get("sent")
        return max(0.0, (at - datetime.fromisoformat(str(sent))).total_seconds()) if sent else 0.0

    def quiet(self, at: datetime) -> float:
        """Seconds since anything was last asked for in order to start it: from then on it is looked for."""
        asked = self.external.get("asked") or self.external.get("sent")
        return max(0.0, (at - datetime.fromisoformat(str(asked))).total_seconds()) if asked else 0.0

    def is_late(self, at: datetime, limit: float) -> bool:
        """Whether it takes longer than ``limit`` seconds."""
        return not self.is_watched and self.age(at) > limit


class RunState(StrEnum):
    """``NOT_STARTED``: certainly nothing ran. ``LOST``: it began and nobody can say how it went on."""

    NOT_STARTED = "not_started"
    RUNNING = "running"
    ENDED = "ended"
    LOST = "lost"


class StepState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class StepProgress:
    """One step as it is now. ``reason``: exited | timeout | cancelled | output_limit | memory_limit | process_limit | not_started | reported.

    ``key`` names it among the steps of the run: its position in the plan, or what the other system
    calls it. ``reported``: the other system says how it ended (``exit_code`` 0: well), ``problem`` why.
    ``is_optional``: its failure does not fail the run. ``offers``: what a person can do with it there.
    """

    state: StepState
    key: str = ""
    name: str = ""
    link: str = ""
    is_optional: bool = False
    offers: tuple[str, ...] = ()
    reason: str = ""
    exit_code: int | None = None
    signal: int | None = None
    problem: str = ""
    began: datetime | None = None
    ended: datetime | None = None
    output_bytes: int = 0

    @property
    def is_success(self) -> bool:
        return self.state == StepState.ENDED and self.reason in {"exited", "reported"} and self.exit_code == 0


@dataclass(frozen=True, slots=True)
class ResourceState:
    """One resource as the other system sees it; words of that system, mapped to ours.

    ``sync``: synced | out_of_sync | unknown. ``health``: healthy | progressing | degraded | missing | suspended | unknown.
    """

    kind: str
    name: str
    namespace: str = ""
    group: str = ""
    sync: str = "unknown"
    health: str = "unknown"
    message: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """The run as a whole, and its steps in order.

    ``outcome`` (succeeded | failed | cancelled, once ended) is what the other system says of the whole;
    without it the steps tell. ``text`` says how far it is, ``problem`` why it failed, as a sentence.
    ``external`` is kept for the next look. ``resources``: what it made there, with their health. ``pause``: seconds before
    which it is not looked at again, because the other system may be asked only so often.
    """

    state: RunState
    steps: tuple[StepProgress, ...] = ()
    outcome: str = ""
    text: str = ""
    problem: str = ""
    external: Mapping[str, Any] = field(default_factory=dict)
    resources: tuple[ResourceState, ...] = ()
    pause: float = 0.0


class Dispatcher(Protocol):
    """Every method may be called again after a crash; none may make a thing happen twice.

    A remote one talks to ``run.outside`` and raises :class:`NotSent`, :class:`Refused` and
    :class:`InDoubt` from ``dispatch``; from the others any :class:`Unavailable` means "ask again later".
    """

    capabilities: Capabilities

    def prepare(self, run: Run) -> dict[str, Any]:
        """Make ready all that can be repeated freely; the answer is stored before :meth:`dispatch`."""

    def dispatch(self, run: Run) -> Mapping[str, Any]:
        """Set it going, at most once per ``run.key``; what is returned is stored in ``run.external``."""

    def observe(self, run: Run) -> Progress:
        """What is known now, without changing anything.

        ``NOT_STARTED`` only where it is certain, or where asking again under the same key is safe. A
        remote dispatcher finds here, by key, what was sent and whose answer was lost.
        """

    def read_log(self, run: Run, key: str, offset: int, limit: int) -> bytes:
        """Raw output of the step ``key``: at most ``limit`` bytes from ``offset``."""

    def cancel(self, run: Run) -> bool:
        """Ask it to stop. False: it had not begun, and now it never will."""

    def discard(self, run: Run) -> None:
        """Remove what the run left behind, keeping what forbids a second start."""


class ActsOnSteps(Protocol):
    """A dispatcher whose steps offer something."""

    def act(self, run: Run, key: str, action: str) -> None:
        """Do what a person asked for (one of the step's ``offers``); a repeat must be harmless or refused there."""
