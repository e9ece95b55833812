"""How a deployment's plan is carried out: one protocol, one module per way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a dispatcher can do; pages and API offer only that."""

    cancel: bool = False
    logs: bool = False
    from_step: bool = False


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One command of the plan; ``timeout`` in seconds."""

    name: str
    run: str
    timeout: float


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt as a dispatcher needs it.

    ``key`` is the idempotency key: whatever is asked twice under one key happens once.
    ``environment`` are plain variables, ``secrets`` those that never appear in a log.
    ``external`` is what :meth:`Dispatcher.prepare` returned and the attempt stored.
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
    """One step as it is now. ``reason``: exited | timeout | cancelled | output_limit | not_started."""

    state: StepState
    reason: str = ""
    exit_code: int | None = None
    signal: int | None = None
    problem: str = ""
    began: datetime | None = None
    ended: datetime | None = None
    output_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """The run as a whole, and its steps by position."""

    state: RunState
    steps: tuple[StepProgress, ...] = ()


class Dispatcher(Protocol):
    """Every method may be called again after a crash; none may make a thing happen twice."""

    capabilities: Capabilities

    def prepare(self, run: Run) -> dict[str, Any]:
        """Make ready all that can be repeated freely; the answer is stored before :meth:`dispatch`."""

    def dispatch(self, run: Run) -> None:
        """Set it going, at most once per ``run.key``."""

    def observe(self, run: Run) -> Progress:
        """What is known now, without changing anything."""

    def read_log(self, run: Run, position: int, offset: int, limit: int) -> bytes:
        """Raw output of a step: at most ``limit`` bytes from ``offset``."""

    def cancel(self, run: Run) -> bool:
        """Ask it to stop. False: it had not begun, and now it never will."""

    def discard(self, run: Run) -> None:
        """Remove what the run left behind, keeping what forbids a second start."""
