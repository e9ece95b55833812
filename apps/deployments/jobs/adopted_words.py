"""The title and the description of a change that adopts drift: what was written and where, what was not and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.deployments.jobs.adopted_files import Edits
from apps.deployments.models import DriftCheck, Environment
from apps.deployments.models.drift import ADOPTING_TITLE

MOST_NAMED = 40
"""Findings of all targets together that stand in the text."""
MOST_TEXT = 40_000
"""Characters of the text; a description may have some more."""
MOST_TITLE = 200


def title_of(environment: Environment, edits: Edits) -> str:
    counted = len(edits.written) + len(edits.left)
    return f"{ADOPTING_TITLE}{environment.name}: {counted} finding{'s' if counted != 1 else ''}"[:MOST_TITLE]


def text_of(environment: Environment, checks: Sequence[DriftCheck], edits: Edits) -> str:
    """Findings stand as code, one a line, so that nothing in them is taken for markup."""
    lines = [f"What runs in {environment.name} differs from what was deployed there."]
    lines += [_compared(check) for check in checks]
    if edits.written:
        lines += ["", "The portal wrote this, and what is rendered with it is what was found:", ""]
    else:
        lines.append("Bring Git in line with it, or say why not and deploy what is live again.")
    rows = [f"    {place}: {_finding(one)}" for one, place in edits.written]
    named = _fitting(rows, MOST_NAMED, MOST_TEXT - len("\n".join(lines)))
    lines += named
    rest = [f"    {_finding(one.finding)}\n        ({one.why})" for one in edits.left]
    if rest:
        lines += ["", "This is left to a person:", ""]
    fitting = _fitting(rest, MOST_NAMED - len(named), MOST_TEXT - len("\n".join(lines)))
    left_out = len(rows) + len(rest) - len(named) - len(fitting) + sum(check.more for check in checks)
    return "\n".join([*lines, *fitting, *([f"    and {left_out} more"] if left_out else [])])


def _compared(check: DriftCheck) -> str:
    when = f"{check.checked_at:%Y-%m-%d %H:%M} UTC"
    return f"{check.target or 'The environment'} was compared with `{check.commit[:10]}` ({check.deployment.label}), {when}."


def _finding(one: Mapping[str, Any]) -> str:
    where = f"{one['resource']} {one['path']}".rstrip()
    return f"{where}: deployed {one['wanted'][:200]}, found {one['found'][:200]}"


def _fitting(lines: Sequence[str], most: int, characters: int) -> list[str]:
    """The first of them: at most ``most``, of at most ``characters`` together."""
    found = []
    for line in lines[:most]:
        characters -= len(line) + 1
        if characters < 0:
            break
        found.append(line)
    return found
