"""Bringing Git in line with what runs: a change is asked for, with what was found in its text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.changes.services import create_change
from apps.core.errors import Conflict
from apps.deployments import access
from apps.deployments.models import DriftCheck, Environment
from apps.deployments.queries.drift import acceptances_of, findings_of

MOST_NAMED = 40
"""Findings of all targets together that stand in the text."""
MOST_TEXT = 40_000
"""Characters of the text; a description may have some more."""
Findings = Sequence[Mapping[str, str]]


def adopt_drift(actor: User, *, environment: Environment) -> ChangeRequest:
    """Ask for a change that brings Git in line with what was found and not accepted: in the backlog, with the findings.

    The portal does not write it: what was found is what one cluster has, and which file of the repository that belongs to
    only a person can say. :class:`Conflict` ``nothing_drifted`` where nothing is left to adopt.
    """
    access.require_check_drift(actor, environment)
    accepted = acceptances_of(environment)
    found = [
        (check, [one for one in check.findings if one["mark"] not in accepted]) for check in findings_of(environment)
    ]
    counted = sum(len(rows) for _, rows in found)
    if not counted:
        raise Conflict("nothing_drifted", f"The last check of {environment.name} left nothing to adopt.")
    title = f"Adopt drift of {environment.name}: {counted} finding{'s' if counted != 1 else ''}"
    text = _text(environment, found)
    return create_change(actor, repository=environment.repository, title=title, description=text)


def _text(environment: Environment, found: Sequence[tuple[DriftCheck, Findings]]) -> str:
    """Findings stand as code, one a line, so that nothing in them is taken for markup."""
    lines = [
        f"What runs in {environment.name} differs from what was deployed there.",
        "Bring Git in line with it, or say why not and deploy what is live again.",
    ]
    named = 0
    for check, findings in found:
        fitting = _fitting(findings, MOST_NAMED - named, MOST_TEXT - len("\n".join(lines)))
        lines += [*_head(check), *fitting] if fitting else []
        named += len(fitting)
    left_out = sum(len(findings) + check.more for check, findings in found) - named
    return "\n".join([*lines, *(["", f"    and {left_out} more"] if left_out else [])])


def _head(check: DriftCheck) -> list[str]:
    when = f"{check.checked_at:%Y-%m-%d %H:%M} UTC"
    return ["", f"Compared with `{check.commit[:10]}` ({check.deployment.label}), {when}:", ""]


def _fitting(findings: Findings, most: int, characters: int) -> list[str]:
    """The lines of the first findings: at most ``most``, of at most ``characters`` together."""
    lines = []
    for one in findings[:most]:
        where = f"{one['resource']} {one['path']}".rstrip()
        line = f"    {where}: deployed {one['wanted'][:200]}, found {one['found'][:200]}"
        characters -= len(line) + 1
        if characters < 0:
            break
        lines.append(line)
    return lines
