"""Bringing Git in line with what runs: somebody asks, and a worker writes what it can prove and asks for the rest."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.core.clock import now
from apps.core.errors import Conflict
from apps.core.work import request_work
from apps.deployments import access
from apps.deployments.models import DriftAdoption, Environment
from apps.deployments.queries.drift import adopted_for, to_adopt
from apps.deployments.services.drifting import require_current
from apps.deployments.services.running import require_defined
from apps.deployments.signals import environment_changed

ADOPT_DRIFT = "deployments.adopt_drift"


@transaction.atomic
def adopt_drift(actor: User, *, environment: Environment) -> DriftAdoption:
    """Ask for a change that brings Git in line with what was found and not accepted.

    What a rendering proves is written into the files, if ``actor`` may write changes; the rest stands in the change's
    description. :class:`Conflict` ``nothing_drifted`` where nothing is left to adopt, ``adopting`` where it is at work, ``adopted`` where an open change was made of all of it, ``stale``
    where what was found may be otherwise by now, ``not_defined`` where portal.yaml has no such environment any more.
    """
    access.require_check_drift(actor, environment)
    environment = (
        Environment.objects.select_for_update(of=("self",), no_key=True)
        .select_related("repository")
        .get(pk=environment.pk)
    )
    require_defined(environment)
    require_current(environment)
    if not to_adopt(environment):
        raise Conflict("nothing_drifted", f"The last check of {environment.name} left nothing to adopt.")
    if DriftAdoption.objects.open().filter(environment=environment).exists():
        raise Conflict("adopting", f"A change that adopts the drift of {environment.name} is being written already.")
    if (change := adopted_for(actor, environment)) is not None:
        text = f"{change.label} was made of all that was found. Go on there, or have it withdrawn."
        raise Conflict("adopted", text, change=change.number)
    row = DriftAdoption.objects.create(environment=environment, asked_by=actor, asked_at=now())
    audit.record(
        Actor.of(actor),
        "drift.adoption_asked",
        target=environment.name,
        repository=environment.repository.name,
        environment=environment.name,
        summary=f"{actor.username} asked for a change that adopts the drift of {environment.name} of {environment.repository.name}",
    )
    request_work(ADOPT_DRIFT, row.pk)
    transaction.on_commit(lambda: environment_changed.send(sender=None, environment_id=environment.pk))
    return row
