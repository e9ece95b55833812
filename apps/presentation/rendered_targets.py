"""The targets of a revision as rows: state, tool, what it says. Read from facts alone, so that it can be asked for often."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.changes.effects.reading import Effects, State, checked_of, effects_of
from apps.changes.models import Rendering, Revision
from apps.rendering.checks import Checked
from apps.rendering.model import Action
from apps.rendering.sandbox.isolation import Level
from apps.reviews.effects import PLANS

ACTIONS = tuple(action.value for action in Action)
"""What happens to a resource, the heaviest first."""
MOST_OPEN = 5
"""Parts that could not be evaluated and are told without a click: of a cluster whose charts lie elsewhere there is one for each."""
_NAMED = re.compile(r"\b\w+ [\w.-]*/[\w.-]+")
RENDERING, IN_PART = "rendering", "rendered_in_part"


@dataclass(frozen=True, slots=True)
class Checks:
    """What the checks of the result found; ``summary`` names new errors, errors and warnings that there are."""

    checked: Checked
    required: bool
    summary: str

    @property
    def is_open(self) -> bool:
        """Whether it is shown without a click: what is new, or holds the merge."""
        return any(one.is_new for one in self.checked.findings) or (self.required and bool(self.checked.errors))


def checks_of(row: Rendering) -> Checks | None:
    """``None`` where there is nothing to check, or no result."""
    checked = checked_of(row)
    if checked is None or row.state != State.RENDERED:
        return None
    new = sum(one.is_new for one in checked.findings)
    warnings = len(checked.findings) - checked.errors
    counted = ((checked.errors, "error", "errors"), (warnings, "warning", "warnings"))
    parts = [f"{count} {one if count == 1 else many}" for count, one, many in counted if count]
    if parts and new:
        parts[-1] += f" ({new} new)"
    if checked.more:
        parts.append(f"{checked.more} more that are not listed")
    return Checks(checked, row.options.get("checks") == "required", ", ".join(parts))


@dataclass(frozen=True, slots=True)
class TargetRow:
    """One target with its state in words; ``counts`` only when it was rendered.

    ``problems``: what could not be evaluated, first what the change touches; pages fold all but the first few.
    """

    label: str
    environment: str
    target: str
    kind: str
    state: str
    optional: bool
    message: str
    place: str
    counts: tuple[tuple[str, int], ...]
    tool: str
    handed_in_by: str
    digest: str
    notes: tuple[str, ...]
    open_words: str
    problems: tuple[str, ...]
    seconds: float
    waits_for: str
    can_render: bool
    can_cancel: bool
    checks: Checks | None

    @property
    def first_problems(self) -> tuple[str, ...]:
        """Those that stand open."""
        return self.problems[:MOST_OPEN]

    @property
    def more_problems(self) -> tuple[str, ...]:
        """Those that are folded."""
        return self.problems[MOST_OPEN:]


@dataclass(frozen=True, slots=True)
class Targets:
    """The targets under "Rendered", or with ``is_plan`` under "Plan"."""

    revision: Revision
    is_plan: bool
    effects: Effects
    targets: tuple[TargetRow, ...]

    @property
    def working(self) -> int:
        """How many targets are being rendered, or wait for it."""
        return sum(row.state in {State.QUEUED, RENDERING} for row in self.targets)

    @property
    def failed(self) -> int:
        """How many targets could not be evaluated."""
        return sum(row.state in {State.FAILED, State.CANCELLED} or bool(row.problems) for row in self.targets)

    @property
    def rendered(self) -> int:
        """How many targets were rendered."""
        return sum(row.state in {State.RENDERED, IN_PART} for row in self.targets)


def targets_of(revision: Revision, *, is_plan: bool, can_act: bool) -> Targets:
    """Their states as they are now; two queries, and no difference is read."""
    effects = effects_of(revision)
    rows = rows_of(effects, is_plan=is_plan)
    return Targets(revision, is_plan, effects, tuple(_target(row, can_act) for row in rows))


def rows_of(effects: Effects, *, is_plan: bool) -> list[Rendering]:
    """The renderings that stand under "Rendered", or under "Plan"."""
    return [row for row in effects.rows if (row.kind in PLANS) == is_plan]


def _open_words(isolation: Sequence[str]) -> str:
    """That the tool ran without isolation; empty where it was shut in."""
    return isolation[1] if len(isolation) == 2 and isolation[0] == Level.OPEN else ""


def _state(row: Rendering, *, has_problems: bool) -> str:
    if row.state == State.QUEUED and row.started_at:
        return RENDERING
    return IN_PART if row.state == State.RENDERED and has_problems else row.state


def _failed(facts: Mapping[str, Any]) -> list[str]:
    """The parts of a cluster that could not be built, those first that this change touches: the part, or where it says it comes from."""
    touched = {f"{kind} {namespace}/{name}" for kind, _, namespace, name, *_ in facts.get("resources", ())}
    found = [f"{part}: {failure}" for part, failure in facts.get("parts", ()) if failure]
    return sorted(found, key=lambda text: touched.isdisjoint(one.rstrip(".") for one in _NAMED.findall(text)))


def _target(row: Rendering, can_act: bool) -> TargetRow:
    facts = row.facts
    name, version, sha256 = (*facts.get("tool", ()), "", "", "")[:3]
    failed = _failed(facts)
    unstable = [f"{one} differs from one run to the next" for one in facts.get("unstable", ())]
    waived = [
        f"{one} differs from one run to the next, as portal.yaml allows: what changes there is not shown"
        for one in facts.get("waived", ())
    ]
    queued = row.state == State.QUEUED
    handed_in_by = str(facts.get("handed_in_by", ""))
    if queued and handed_in_by:  # that plan was dropped, and another one is waited for
        name = version = sha256 = handed_in_by = ""
    return TargetRow(
        label=row.label,
        environment=row.environment,
        target=row.target,
        kind=row.kind,
        state=_state(row, has_problems=bool(failed or unstable)),
        optional=row.optional,
        message=row.message.removeprefix(f"{row.message_path}, line {row.message_line}: "),  # which stands before it
        place=row.message_place,
        counts=tuple((action, int(facts.get("counts", {}).get(action, 0))) for action in ACTIONS if facts.get("counts", {}).get(action)),
        tool=f"{name} {version}".strip() + (f" ({sha256[:12]})" if sha256 else ""),
        handed_in_by=handed_in_by,
        digest=row.digest[:12],
        notes=(*facts.get("warnings", ()), *waived),
        open_words=_open_words(facts.get("isolation", ())),
        problems=(*failed, *unstable),
        seconds=facts.get("milliseconds", 0) / 1000,
        waits_for=row.waits_for,
        can_render=can_act and not queued,
        can_cancel=can_act and queued,
        checks=checks_of(row),
    )  # fmt: skip
