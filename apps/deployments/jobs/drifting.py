"""Comparing what runs with what was deployed: by schedule, soon after each deployment, and when somebody asks."""

from __future__ import annotations

import structlog
from django.conf import settings

from apps.core.clock import now
from apps.core.errors import PortalError
from apps.deployments.dispatchers.standing import UNKNOWN, Standing
from apps.deployments.jobs.defects import defect_words
from apps.deployments.jobs.drift_looks import Look, looked, looks_at, names, stands
from apps.deployments.models import Deployment, DriftAcceptance, DriftWatch
from apps.deployments.transitions import LeaseLost, Told, write_checks
from apps.policies.config.drift import MOST_COMMAND_SECONDS

log = structlog.get_logger(__name__)
MARGIN_SECONDS = 300
"""What a lease has beside the longest run of a tool: for a large cluster, and for writing out a repository."""
RELATED = ("environment__repository", "change__repository", "change__revision")


def drift_due(limit: int) -> list[int]:
    """Environments that are to be looked at now; nobody does."""
    moment = now()
    rows = DriftWatch.objects.due(moment).unleased().order_by("next_at", "pk")
    return list(rows.values_list("pk", flat=True)[:limit])


def check_drift(pk: int) -> None:
    """One look at all targets of one environment. Two workers at once look once; killed, it is looked at again."""
    # Before it is known that nothing holds the environment: what takes it from here on is seen at the end.
    began = now()
    if not DriftWatch.objects.due(began).filter(pk=pk).exists():
        return
    fence = DriftWatch.objects.claim(pk, seconds=_seconds())
    if fence is None:
        return
    watch = DriftWatch.objects.select_related("environment").get(pk=pk)
    live = watch.environment.live_deployment_id
    if live is None:
        DriftWatch.objects.release(pk, fence=fence)
        return
    deployment = Deployment.objects.select_related(*RELATED).get(pk=live)
    try:
        with DriftWatch.objects.kept(pk, fence=fence, seconds=_seconds()):
            told = _tell_all(deployment, pk, fence)
        write_checks(watch, fence, deployment, told, began=began)
    except LeaseLost:
        log.info("drift_lease_lost", watch=pk)


def acceptances_over(limit: int) -> list[int]:
    """Those whose time is over, which is not in the log yet."""
    rows = DriftAcceptance.objects.filter(ended_at=None, until__lte=now()).order_by("until", "pk")
    return list(rows.values_list("pk", flat=True)[:limit])


def _seconds() -> float:
    longest = max(settings.PORTAL_PLAN_SECONDS, 4 * settings.PORTAL_RENDER_SECONDS, MOST_COMMAND_SECONDS)
    return float(longest + MARGIN_SECONDS)


def _tell_all(deployment: Deployment, pk: int, fence: int) -> list[Told]:
    try:
        looks = looks_at(deployment)
    except PortalError as problem:
        return [Told("", "", None, problem.message)]
    except Exception as error:  # noqa: BLE001 - told on the page and in the log, without the words of the error
        return [Told("", "", None, defect_words("drift_check_failed", pk, error))]
    return [_told(look, name, pk, fence) for look, name in names(looks)]


def _renew(pk: int, fence: int) -> None:
    if not DriftWatch.objects.renew(pk, fence=fence, seconds=_seconds()):
        raise LeaseLost


def _told(look: Look, name: str, pk: int, fence: int) -> Told:
    """Never "in sync" where the look failed, whatever failed."""
    _renew(pk, fence)
    try:
        found, why = looked(look)
    except LeaseLost:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        found, why = None, defect_words("drift_check_failed", pk, error)
    _renew(pk, fence)
    try:
        health = stands(look)
    except LeaseLost:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        health = Standing(UNKNOWN, defect_words("health_look_failed", pk, error))
    return Told(name, look.way, found, why, health)
