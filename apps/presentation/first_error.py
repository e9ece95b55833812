"""After a failure: the first line of the failing step that reads like an error, and the runbooks that are for it.

The log of a step that is over never changes, so what was found in it is remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.core.cache import cache

from apps.deployments.models import Deployment, DeploymentEvent, Step
from apps.presentation.ansi import without_sequences
from apps.presentation.log_html import line_url, step_anchor
from apps.presentation.log_scan import Scan, passes
from apps.runbooks.matching import Situation
from apps.runbooks.queries import Runbook, suggested

LONGEST = 300
"""Characters of the line that are repeated."""

KEEP = 3600
NONE = (0, "")


@dataclass(frozen=True, slots=True)
class FirstError:
    """``number`` 0: no line of the log that was read is like an error. ``anchor``: the id of the row."""

    step: str
    number: int
    text: str
    url: str
    anchor: str
    runbooks: tuple[Runbook, ...]


def first_error(deployment: Deployment, steps: Sequence[Step], attempt: int) -> FirstError | None:
    """Of the step that failed in ``attempt``; ``None`` when none did, or when there is nothing to tell of it."""
    failed = next((step for step in steps if step.status == Step.Status.FAILED and step.ended_at), None)
    if failed is None:
        return None
    number, text = _line(deployment, failed, attempt)
    paths = deployment.change.revision.paths if deployment.change.revision else []
    said = f"{text}\n{failed.problem}\n{deployment.problem}"
    situation = Situation(deployment.environment.name, failed.name, tuple(paths), said)
    runbooks = tuple(suggested(deployment.environment.repository, situation))
    if not number and not runbooks:
        return None
    url = line_url(deployment.number, failed.name, attempt, number) if number else ""
    return FirstError(failed.name, number, text, url, f"{step_anchor(failed.name, attempt)}-L{number}", runbooks)


def failed_line(deployment: Deployment) -> str:
    """The first error in the log of what failed last, else what is known of the problem. Two queries while nothing is remembered."""
    steps = Step.objects.filter(attempt__deployment=deployment, attempt__number=deployment.attempts)
    failed = steps.filter(status=Step.Status.FAILED, ended_at__isnull=False).order_by("position").first()
    return (_line(deployment, failed, deployment.attempts)[1] if failed else "") or deployment.problem


def _line(deployment: Deployment, step: Step, attempt: int) -> tuple[int, str]:
    """(number, text) of the line, masked as it is stored; the reading is bounded (log_scan.MOST_CHARACTERS)."""
    key = f"first-error:{step.pk}:{step.lines}"
    known: tuple[int, str] | None = cache.get(key)
    if known is None:
        rows = deployment.events.filter(kind=DeploymentEvent.Kind.LOG, attempt=attempt, step=step.name)
        line = next(iter(Scan(rows, passes("errors"), most=1)), None)
        known = (line.number, without_sequences(line.text).strip()[:LONGEST]) if line else NONE
        cache.set(key, known, KEEP)
    return known
