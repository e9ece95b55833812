"""What a change is called, where it stands, and the next step for this person (UX §2.13). Pure.

A change has one stored status; everything else here is derived from facts each time, so that
no two pages can disagree.
"""

from __future__ import annotations

from dataclasses import dataclass

WAITING_DEPLOYMENTS = frozenset({"pending"})
RUNNING_DEPLOYMENTS = frozenset({"dispatching", "running"})


@dataclass(frozen=True, slots=True)
class DeploymentFact:
    """The newest deployment of a change into one environment; ``only_start``: it waits for nothing but somebody who presses Start."""

    number: int
    environment: str
    status: str
    only_start: bool = False


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """What is known of a change, almost without asking who looks at it.

    ``met``/``needed`` count requirements; ``allowed`` is the verdict for merging;
    ``objections`` are requests for changes that stand; ``deployments``: newest per environment;
    ``open_threads`` wait for an answer (those that the person who looks opened are not theirs to answer).
    """

    status: str
    conflict: bool = False
    allowed: bool = False
    met: int = 0
    needed: int = 0
    objections: int = 0
    open_threads: int = 0
    closed_reason: str = ""
    rolled_back: bool = False
    deploys: bool = True
    deployments: tuple[DeploymentFact, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """``state`` is a key of :data:`apps.presentation.words.WORDS`; ``detail`` follows the word on the chip;
    ``note`` follows the label of the current step."""

    state: str
    detail: str = ""
    note: str = ""


def standing_of(facts: ChangeFacts) -> Standing:
    """The one word for the change as it is now."""
    if facts.status == "in_review":
        return _in_review(facts)
    if facts.status == "merged":
        return _merged(facts)
    if facts.status == "done":
        return _done(facts)
    return Standing(facts.status)


def _in_review(facts: ChangeFacts) -> Standing:
    if facts.conflict:
        return Standing("conflict", note="conflict")
    if facts.objections:
        return Standing("changes_requested", note="changes requested")
    if facts.allowed:
        return Standing("ready")
    count = f"{facts.met} of {facts.needed}" if facts.needed else ""
    return Standing("in_review", note=count)


def _merged(facts: ChangeFacts) -> Standing:
    """The most urgent fact wins: failed, unknown, running, waiting for a person, waiting, cancelled, all there."""
    by_status: dict[str, list[DeploymentFact]] = {}
    for row in facts.deployments:
        by_status.setdefault(row.status, []).append(row)
    succeeded = len(by_status.get("succeeded", []))
    total = len(facts.deployments)
    running = by_status.get("running", []) + by_status.get("dispatching", [])
    for state, rows in (
        ("deploy_failed", by_status.get("failed", [])),
        ("unknown", by_status.get("unknown", [])),
        ("deploying", running),
        ("to_start", [row for row in facts.deployments if row.only_start]),
        ("queued", by_status.get("pending", [])),
        ("cancelled", by_status.get("cancelled", [])),
    ):
        if rows:
            return Standing(state, _environments(rows), f"{succeeded} of {total}" if succeeded else "")
    if succeeded:
        return Standing("deployed")
    return Standing("merged")


def _environments(rows: list[DeploymentFact]) -> str:
    names = [row.environment for row in rows]
    return names[0] if len(names) == 1 else f"{names[0]} +{len(names) - 1}"


def _done(facts: ChangeFacts) -> Standing:
    if facts.rolled_back:
        return Standing("rolled_back")
    if facts.closed_reason:
        return Standing("closed")
    if any(row.status == "succeeded" for row in facts.deployments):
        return Standing("deployed")
    return Standing("done")
