"""Looking for drift when somebody asks, and deciding what becomes of what was found."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput
from apps.core.text import shortened
from apps.core.work import request_work
from apps.deployments import access
from apps.deployments.models import Deployment, DriftAcceptance, DriftWatch, Environment
from apps.deployments.queries.drift import STALE, drift_of, findings_of
from apps.deployments.services.running import require_defined, start_deployment
from apps.deployments.signals import environment_changed
from apps.deployments.transitions import redraw_alerts

CHECK_DRIFT = "deployments.check_drift"
LONGEST = timedelta(days=90)
LONGEST_REASON = 300
LONGEST_NAME = 300
NOT_KNOWN = (
    "only that it differs is known, not how, so this would also cover whatever differs later. Deploy what is live again, or put "
    "it right where it is."
)


@transaction.atomic
def ask_drift_check(actor: User, *, environment: Environment) -> None:
    """Let what runs be compared with what was deployed, soon. A second request before it began changes nothing.

    :class:`Conflict` ``nothing_live`` where there is nothing to compare with, ``not_defined`` where portal.yaml has no such
    environment any more, so that nobody would ever look.
    """
    access.require_check_drift(actor, environment)
    require_defined(environment)
    if environment.live_deployment_id is None:
        text = f"Nothing was deployed to {environment.name} yet, so there is nothing to compare with."
        raise Conflict("nothing_live", text)
    watch, _ = DriftWatch.objects.get_or_create(environment=environment)
    DriftWatch.objects.filter(pk=watch.pk).update(next_at=now())
    request_work(CHECK_DRIFT, watch.pk)
    _record(actor, environment, "drift.check_asked", "asked for a check for drift of", {})


@transaction.atomic
def accept_drift(actor: User, *, environment: Environment, mark: str, reason: str, until: datetime) -> DriftAcceptance:
    """Let one finding be until ``until`` (aware). It stays visible, and counts again when the time or the value is another.

    :class:`Conflict` ``moved`` where that is no finding of the latest check any more, ``stale`` where that may be otherwise by now,
    ``not_known`` where only that it differs is known: what is accepted would be whatever comes next, too.
    """
    access.require_settle_drift(actor, environment)
    moment = now()
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise InvalidInput("reason_missing", f"Say why, in at most {LONGEST_REASON} characters.", field="reason")
    if not moment < until <= moment + LONGEST:
        raise InvalidInput("bad_time", "It is accepted until a time in the next 90 days.", field="until")
    require_current(Environment.objects.select_for_update(no_key=True).get(pk=environment.pk))
    target, finding = _found(environment, mark)
    if finding.get("is_vague"):
        raise Conflict("not_known", f"{finding['resource']} cannot be accepted: {NOT_KNOWN}")
    DriftAcceptance.objects.filter(environment=environment, mark=mark, ended_at=None).update(ended_at=moment)
    row = DriftAcceptance.objects.create(
        environment=environment, target=target, mark=mark, resource=shortened(finding["resource"], LONGEST_NAME),
        path=shortened(finding["path"], LONGEST_NAME), reason=reason.strip(), accepted_by=actor, accepted_at=moment, until=until,
    )  # fmt: skip
    data = {"resource": row.resource, "path": row.path, "mark": mark, "until": until.isoformat(), "reason": row.reason}
    redraw_alerts(environment)
    _record(actor, environment, "drift.accepted", "accepted drift of", data)
    return row


@transaction.atomic
def end_drift_acceptance(actor: User, *, environment: Environment, mark: str) -> None:
    """Let a finding count again at once. :class:`Conflict` ``not_accepted``."""
    access.require_settle_drift(actor, environment)
    rows = DriftAcceptance.objects.filter(environment=environment, mark=mark, ended_at=None)
    if not rows.update(ended_at=now()):
        raise Conflict("not_accepted", "This finding is not accepted (any more). Reload the page.")
    redraw_alerts(environment)
    _record(actor, environment, "drift.acceptance_ended", "ended the acceptance of drift of", {"mark": mark})


def reapply_live(actor: User, *, environment: Environment) -> Deployment:
    """Deploy what is live once more, through everything that holds a deployment.

    Refused as :func:`start_deployment` is; :class:`Conflict` ``nothing_live`` where nothing is, ``not_defined`` where portal.yaml
    has no such environment any more.
    """
    live = environment.live_deployment
    if live is None:
        access.require_check_drift(actor, environment)
        raise Conflict("nothing_live", f"Nothing was deployed to {environment.name} yet.")
    access.require_deploy(actor, live.change)
    require_defined(environment)
    return start_deployment(actor, change=live.change, environment=environment.name)


def require_current(environment: Environment) -> None:
    """:class:`Conflict` ``stale`` where what the last check told may be otherwise by now."""
    if drift_of([environment])[environment.pk].state == STALE:
        name = environment.name
        text = f"What is known of {name} may be otherwise by now: the last check is too old, or something was deployed since. Check first."
        raise Conflict("stale", text)


def _found(environment: Environment, mark: str) -> tuple[str, dict[str, Any]]:
    for check in findings_of(environment):
        for finding in check.findings:
            if finding["mark"] == mark:
                return check.target, finding
    raise Conflict("moved", "The latest check does not find this any more. Reload the page.")


def _record(actor: User, environment: Environment, action: str, did: str, data: dict[str, str]) -> None:
    audit.record(
        Actor.of(actor),
        action,
        target=environment.name,
        repository=environment.repository.name,
        environment=environment.name,
        summary=f"{actor.username} {did} {environment.name} of {environment.repository.name}",
        data=data,
    )
    transaction.on_commit(lambda: environment_changed.send(sender=None, environment_id=environment.pk))
