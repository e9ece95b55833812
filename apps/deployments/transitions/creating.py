"""New deployments, and environments as ``portal.yaml`` defines them."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import IntegrityError, transaction
from django.db.models import F

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.core.work import request_work
from apps.deployments import plans
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment, DeploymentEvent, DeploymentNumber, DriftWatch, Environment
from apps.deployments.queries.deploying import require_none_under_way
from apps.deployments.signals import environment_changed
from apps.deployments.transitions.events import append_event
from apps.policies.config import EnvironmentConfig, PortalConfig
from apps.repositories.models import Repository


def next_number() -> int:
    """The next deployment number: no gaps, never twice; the row stays locked until the transaction ends."""
    DeploymentNumber.objects.get_or_create(pk=1)
    DeploymentNumber.objects.filter(pk=1).update(last=F("last") + 1)
    return DeploymentNumber.objects.get(pk=1).last


def refresh_environments(repository: Repository, config: PortalConfig) -> dict[str, Environment]:
    """Bring the rows in line with the file; what it no longer defines is kept for its history.

    They are written in the order of their names, wherever they stand in the file, and the watches after all of them (ADR 26):
    who brings them in line with another version of it at that moment waits, and neither is ended by a deadlock.
    """
    rows = {row.name: row for row in Environment.objects.filter(repository=repository)}
    defined = {found.name: _columns(position, found) for position, found in enumerate(config.environments)}
    for name in sorted({*rows, *defined}):
        columns, row, is_new = defined.get(name, {"defined": False}), rows.get(name), False
        if row is None:
            row, is_new = Environment.objects.get_or_create(repository=repository, name=name, defaults=columns)
            rows[name] = row
        if is_new or _update(row, columns):
            _announce(row)
    _watch_drift(rows, config)
    return rows


def _columns(position: int, found: EnvironmentConfig) -> dict[str, object]:
    return {
        "position": position,
        "protected": found.protected,
        "after": list(found.after),
        "targets": [target.name for target in found.targets],
        "defined": True,
    }


def _watch_drift(rows: Mapping[str, Environment], config: PortalConfig) -> None:
    """How often each of them is compared with what was deployed. What is looked at more often from now on is due at once."""
    named = sorted(config.environments, key=lambda found: found.name)
    wanted = {rows[found.name].pk: found.drift.every_seconds for found in named}
    known = dict(DriftWatch.objects.filter(environment__in=wanted).values_list("environment", "every_seconds"))
    for pk, seconds in wanted.items():
        if known.get(pk, 0) != seconds:
            columns = {"every_seconds": seconds, "next_at": now() if seconds else None}
            DriftWatch.objects.update_or_create(environment_id=pk, defaults=columns)


def _update(row: Environment, wanted: dict[str, object]) -> bool:
    """Write what differs; ``False`` where nothing does."""
    if all(getattr(row, key) == value for key, value in wanted.items()):
        return False
    for key, value in wanted.items():
        setattr(row, key, value)
    row.save(update_fields=list(wanted))
    return True


def _announce(row: Environment, **facts: int) -> None:
    pk = row.pk
    transaction.on_commit(lambda: environment_changed.send(sender=None, environment_id=pk, **facts))


def create_deployment(
    actor: User,
    *,
    change: ChangeRequest,
    environment: Environment,
    config: EnvironmentConfig,
    kind: str = Deployment.Kind.FORWARD,
    started_by_hand: bool = False,
) -> Deployment:
    """A pending deployment of the merged change; :class:`Conflict` ``already_pending`` names the one there is."""
    require_none_under_way(change, environment)
    audit.hold_log()  # before the number, as a landing does: in the other order the two would wait for each other
    moment = now()
    try:
        with transaction.atomic():
            row = Deployment.objects.create(
                number=next_number(),
                change=change,
                environment=environment,
                kind=kind,
                commit=change.merge_commit,
                plan=plans.freeze(config),
                manual_start=config.deploy.start == "manual" and not started_by_hand,
                requested_by=actor,
                queued_at=moment,
                latest_at=moment,
                check_at=moment,
            )
    except IntegrityError:  # another request was faster by less than our look
        require_none_under_way(change, environment)
        raise
    _tell(actor, row, started_by_hand=started_by_hand)
    return row


def _tell(actor: User, row: Deployment, *, started_by_hand: bool) -> None:
    """The first event, the audit entry, and the wake-up of the engine."""
    change, environment = row.change, row.environment
    text = f"{actor.shown_name} asked for {change.label} in {environment.name}."
    data = {"status": str(Status.PENDING), "kind": str(row.kind)}
    append_event(row, kind=DeploymentEvent.Kind.STATE, text=text, data=data)
    audit.record(
        Actor.of(actor),
        "deployment.requested" if started_by_hand else "deployment.created",
        target=row.label,
        repository=environment.repository.name,
        change=change.number,
        environment=environment.name,
        deployment=row.number,
        summary=f"{row.label}: {change.label} to {environment.name} ({row.kind})",
        data={"commit": row.commit, "kind": str(row.kind), "via": row.plan["via"]},
    )
    request_work("deployments.start", row.pk)
    _announce(environment, change_id=change.pk)
