"""What pages, API and sockets read of deployments and environments."""

from __future__ import annotations

from collections.abc import Iterator

from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment, DeploymentEvent, Environment, EnvironmentSecret, Step
from apps.deployments.queries.waits import queue_ahead, waits_for_its_turn
from apps.repositories.models import Repository

EVENTS_AT_ONCE = 50
RELATED = ("change", "change__repository", "change__owner", "change__requester", "environment", "environment__repository",
           "requested_by")  # fmt: skip


def find(user: User, number: int) -> Deployment:
    """The deployment of that number; :class:`NotVisible` when there is none or it may not be seen."""
    row = Deployment.objects.visible_to(user).select_related(*RELATED).filter(number=number).first()
    if row is None:
        raise NotVisible("not_visible", "There is no such deployment, or you may not see it.")
    return row


def find_environment(user: User, repository: str, name: str) -> Environment:
    """The environment; :class:`NotVisible` when there is none or it may not be seen."""
    seen = Repository.objects.visible_to(user).filter(name=repository)
    row = Environment.objects.filter(repository__in=seen, name=name).select_related("repository").first()
    if row is None:
        raise NotVisible("not_visible", "There is no such environment, or you may not see it.")
    return row


def events(deployment: Deployment, *, after: int = 0, limit: int = 500) -> list[DeploymentEvent]:
    """The events with a greater number than ``after``, in order."""
    return list(deployment.events.filter(seq__gt=after).order_by("seq")[:limit])


def log_text(deployment: Deployment, *, step: str = "", attempt: int | None = None) -> Iterator[str]:
    """The masked log, piece by piece, as one text file; of one step and one attempt when named."""
    rows = deployment.events.filter(kind=DeploymentEvent.Kind.LOG).order_by("seq")
    if attempt is not None:
        rows = rows.filter(attempt=attempt)
    if step:
        rows = rows.filter(step=step)
    last = 0
    while piece := list(rows.filter(seq__gt=last).values_list("seq", "text")[:EVENTS_AT_ONCE]):
        for last, text in piece:  # noqa: B007  # where the next piece goes on
            yield f"{text}\n"


def steps_of(deployment: Deployment, *, attempt: int | None = None) -> list[Step]:
    """The steps of an attempt (the newest unless named), in order."""
    number = deployment.attempts if attempt is None else attempt
    return list(Step.objects.filter(attempt__deployment=deployment, attempt__number=number).order_by("position"))


def queue_position(deployment: Deployment) -> int | None:
    """1 is next; ``None`` when it is not pending, or waits for something else than its turn."""
    is_queued = deployment.status == Status.PENDING and waits_for_its_turn(deployment)
    return len(queue_ahead(deployment)) + 1 if is_queued else None


def secret_names(environment: Environment) -> list[str]:
    """The names of the environment's secrets; values are never read back."""
    return list(
        EnvironmentSecret.objects.filter(environment=environment)
        .order_by("name")
        .values_list("name", flat=True)
        .distinct()
    )
