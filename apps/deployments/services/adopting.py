"""Bringing Git in line with what runs: a change is asked for, with what was found in its text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.changes.services import create_change
from apps.core.errors import Conflict
from apps.deployments import access
from apps.deployments.models import DriftCheck, Environment
from apps.deployments.queries.drift import acceptances_of, findings_of

MOST_NAMED = 40
"""Findings of a target that stand in the text."""
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
    for check, findings in found:
        lines += _of_target(check, findings) if findings else []
    return "\n".join(lines)


def _of_target(check: DriftCheck, findings: Findings) -> Iterator[str]:
    when = f"{check.checked_at:%Y-%m-%d %H:%M} UTC"
    yield from ("", f"Compared with `{check.commit[:10]}` ({check.deployment.label}), {when}:", "")
    for one in findings[:MOST_NAMED]:
        where = f"{one['resource']} {one['path']}".rstrip()
        yield f"    {where}: deployed {one['wanted'][:200]}, found {one['found'][:200]}"
    left_out = max(len(findings) - MOST_NAMED, 0) + check.more
    if left_out:
        yield f"    and {left_out} more"
