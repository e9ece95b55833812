"""Doing again only what failed in a run that is over, as its next try.

No CI system takes a key for that. Whether the request arrived is told by a number that grows with each try of the run
(``tries``): it is stored before anything is asked for, the request goes out only while the run has exactly that one, and
only a greater one counts as ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.core.clock import now
from apps.deployments.dispatchers import LOOK_FOR, Progress, Refused, Run, RunState

KEPT = ("project", "link", "tag", "finished", "manual")
"""What stays true of a run in its next try, beside what names it."""


def is_repeat(run: Run) -> bool:
    """Whether this attempt does again what failed in the run of the one before."""
    return run.before is not None or bool(run.external.get("repeats"))


def told_before(run: Run, name: str) -> dict[str, Any]:
    """What is stored of a repeat before it is asked for; nothing for a run of its own. :class:`Refused` without a run.

    ``name``: under which the run itself is stored.
    """
    if not is_repeat(run):
        return {}
    before = run.before or {}
    if not before.get(name) or not before.get("tries"):
        raise Refused(
            "nothing_to_repeat",
            "The attempt before has no run any more of which only what failed could be done again. Retry it as a whole.",
        )
    kept = {key: before[key] for key in (name, *KEPT) if before.get(key)}
    return {**kept, "tries": before["tries"], "repeats": before["tries"]}


def has_begun(run: Run, tries: int) -> bool:
    """Whether what a run with so many tries tells is of this attempt: always of a run of its own, of a repeat only when there is a new try."""
    return not is_repeat(run) or tries > int(run.external.get("repeats") or 0)


def waiting_for_try(run: Run, known: Mapping[str, Any], system: str, what: str) -> Progress:
    """The run has no new try: looked for a minute; then only a person can say whether one comes."""
    if run.quiet(now()) <= LOOK_FOR:
        return Progress(RunState.RUNNING, text=f"{system} is asked whether the request arrived.", external=dict(known))
    how = f"{system} took the request" if run.external.get("accepted") else f"The answer of {system} was lost"
    problem = f"{how}, and {what} has no new try. Look there whether its jobs run again."
    return Progress(RunState.LOST, problem=problem, external=dict(known))
