"""Writing what a check for drift told. One transaction for all targets of an environment: a page never shows half of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from apps.audit import services as audit
from apps.audit.actors import SYSTEM
from apps.changes import transitions as changes
from apps.core.clock import now
from apps.core.leases import LeaseLost
from apps.deployments.dispatchers.drift import MOST_FINDINGS, Found
from apps.deployments.dispatchers.standing import Standing
from apps.deployments.models import Deployment, DriftAcceptance, DriftCheck, DriftWatch, Environment
from apps.deployments.queries.drift import count_open, findings_of
from apps.deployments.querysets import HOLDING
from apps.deployments.signals import environment_changed
from apps.deployments.transitions.calling import redraw_alerts, tell_of_drift

KEPT = 200
"""Checks of one environment that are kept, the latest of each target among them."""
State = DriftCheck.State


@dataclass(frozen=True, slots=True)
class Told:
    """What one look came to. ``found`` is ``None`` where it told nothing, and ``why`` says why. ``health``: where anybody can say."""

    target: str
    way: str
    found: Found | None
    why: str = ""
    health: Standing | None = None

    @property
    def state(self) -> str:
        """In sync only where everything was compared and nothing differs."""
        if self.found is None:
            return str(State.UNKNOWN)
        if self.found.findings:
            return str(State.DRIFTED)
        return str(State.UNKNOWN if self.found.problems else State.IN_SYNC)

    @property
    def words(self) -> str:
        """Why it is not known, or what of it is not."""
        return self.why or " ".join(self.found.problems[:5] if self.found else ())


def write_checks(
    watch: DriftWatch, fence: int, deployment: Deployment, told: Sequence[Told], *, began: datetime
) -> bool:
    """Keep what was told; ``False`` where it is about something that is no longer so, and nothing was kept.

    Raises :class:`LeaseLost` where another worker looks at the environment meanwhile.
    """
    with transaction.atomic():
        if any(one.state == State.DRIFTED for one in told):
            changes.lock_change(deployment.change)  # people may be told, and whoever tells holds the change (ADR 26)
        row = DriftWatch.objects.select_for_update(no_key=True).filter(pk=watch.pk, fence=fence).first()
        if row is None:
            raise LeaseLost
        if not _is_still(watch.environment_id, deployment, began):
            DriftWatch.objects.filter(pk=watch.pk).update(lease_until=None)
            return False
        environment = deployment.environment
        before = {row.target: row for row in DriftCheck.objects.filter(environment=environment, is_latest=True)}
        DriftCheck.objects.filter(environment=environment, is_latest=True).update(is_latest=False)
        made = [DriftCheck.objects.create(**_columns(one, deployment, before.get(one.target))) for one in told]
        DriftWatch.objects.filter(pk=row.pk).update(checked=deployment, lease_until=None, next_at=_next(row, began))
        _forget(environment)
        _take_note(row, deployment, list(before.values()), made)
        transaction.on_commit(lambda: environment_changed.send(sender=None, environment_id=environment.pk))
    return True


@transaction.atomic
def end_by_time(pk: int) -> None:
    """End an acceptance whose time is over, with one entry in the log; nothing where somebody ended it meanwhile."""
    row = DriftAcceptance.objects.select_related("environment__repository", "accepted_by").get(pk=pk)
    environment = row.environment
    is_found = any(row.mark == mark for check in findings_of(environment) for mark, _ in check.marks)
    live = environment.live_deployment if is_found else None
    if live is not None:
        changes.lock_change(live.change)  # ADR 26
    if not DriftAcceptance.objects.filter(pk=pk, ended_at=None, until__lte=now()).update(ended_at=now()):
        return
    if live is not None:
        tell_of_drift(
            live, f"Drift of {environment.name} that {row.accepted_by.username} accepted counts again: {row.resource}"
        )
    audit.record(
        SYSTEM,
        "drift.acceptance_over",
        target=environment.name,
        repository=environment.repository.name,
        environment=environment.name,
        summary=f"Drift of {environment.name} of {environment.repository.name} that {row.accepted_by.username} accepted counts again: its time is over",
        data={"resource": row.resource, "path": row.path, "mark": row.mark, "until": row.until.isoformat()},
    )
    transaction.on_commit(lambda: environment_changed.send(sender=None, environment_id=environment.pk))


def _next(row: DriftWatch, began: datetime) -> datetime | None:
    """What was asked for after this look began is looked at again."""
    if row.next_at is not None and row.next_at > began:
        return row.next_at
    return now() + timedelta(seconds=row.every_seconds) if row.every_seconds else None


def _is_still(environment: int, deployment: Deployment, began: datetime) -> bool:
    """Whether that is still live, nothing is changing it, and nothing did so since the look ``began``, however it ended."""
    row = Environment.objects.filter(pk=environment, live_deployment=deployment, live_commit=deployment.commit)
    holding = Deployment.objects.filter(environment=environment, status__in=HOLDING)
    ran = Deployment.objects.filter(environment=environment, started_at__gte=began)
    return row.exists() and not holding.exists() and not ran.exists()


def _columns(told: Told, deployment: Deployment, before: DriftCheck | None) -> dict[str, object]:
    findings = told.found.findings if told.found else ()
    marks = [[one.mark(told.target), one.resource] for one in findings[:MOST_FINDINGS]]
    kept = [{**one.to_dict(), "mark": mark} for one, (mark, _) in zip(findings, marks, strict=False)]
    moment = now()
    went_on = before is not None and before.state == State.DRIFTED and before.since is not None
    since = (before.since if before is not None and went_on else moment) if told.state == State.DRIFTED else None
    return {
        "environment": deployment.environment, "deployment": deployment, "commit": deployment.commit,
        "target": told.target, "way": told.way, "state": told.state, "why": told.words[:1000], "findings": kept,
        "marks": marks, "more": max(len(findings) - MOST_FINDINGS, 0),
        "not_looked": list(told.found.not_looked) if told.found else [],
        "looked_at": told.found.looked_at if told.found else 0, "checked_at": moment, "since": since,
        **_health(told.health, deployment, before, moment),
    }  # fmt: skip


def _health(
    found: Standing | None, deployment: Deployment, before: DriftCheck | None, moment: datetime
) -> dict[str, object]:
    """``health_since``: from when on each look at this very deployment has told the same."""
    if found is None:
        return {}
    went_on = before is not None and before.deployment_id == deployment.pk and before.health == found.word
    since = before.health_since if before is not None and went_on else moment
    return {"health": found.word, "health_why": found.why[:500], "health_since": since}


def _forget(environment: Environment) -> None:
    rows = DriftCheck.objects.filter(environment=environment, is_latest=False).order_by("-pk")
    old = list(rows.values_list("pk", flat=True)[KEPT : 2 * KEPT])
    DriftCheck.objects.filter(pk__in=old).delete()


def _take_note(
    watch: DriftWatch, deployment: Deployment, before: Sequence[DriftCheck], made: Sequence[DriftCheck]
) -> None:
    """One entry when drift appears and one when it is gone, however many looks in between told nothing; not one for each look.

    People are told with the first, and of what is found where all that was known is accepted. What they have in their queues
    is drawn again where it is another number.
    """
    environment = deployment.environment
    drifted = any(row.state == State.DRIFTED for row in made)
    is_clean = all(row.state == State.IN_SYNC for row in made)
    was_open, is_open = (count_open(environment, rows) for rows in (before, made))
    appeared, is_gone = drifted and watch.found_at is None, is_clean and watch.found_at is not None
    if appeared or is_gone:
        DriftWatch.objects.filter(pk=watch.pk).update(found_at=now() if appeared else None)
    all_accepted = any(row.state == State.DRIFTED for row in before) and not was_open
    if is_open and (appeared or all_accepted):
        tell_of_drift(
            deployment, f"{environment.name} drifted from what {deployment.label} brought: {_findings(is_open)}"
        )
    if was_open != is_open or is_gone:
        redraw_alerts(environment)
    if appeared or is_gone:
        _record(environment, made, appeared=appeared)


def _findings(count: int) -> str:
    return f"{count} finding{'s' if count != 1 else ''}"


def _record(environment: Environment, made: Sequence[DriftCheck], *, appeared: bool) -> None:
    found = _findings(sum(len(row.findings) + row.more for row in made))
    audit.record(
        SYSTEM,
        "drift.found" if appeared else "drift.gone",
        target=environment.name,
        repository=environment.repository.name,
        environment=environment.name,
        summary=f"{environment.name} of {environment.repository.name} {f'drifted: {found}' if appeared else 'is in sync again'}",
        data={"commit": made[0].commit, "targets": [row.target for row in made if row.state == State.DRIFTED]},
    )
