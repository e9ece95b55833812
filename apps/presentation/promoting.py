"""From a comparison to the button: what one side lacks and may be deployed there now. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlencode

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict, PortalError
from apps.deployments.access import can_deploy
from apps.deployments.models import Deployment, Environment
from apps.deployments.queries.comparing import Between, Compared
from apps.deployments.queries.deploying import deployable
from apps.deployments.queries.rolled_back import due_text, rollback_text

MOST_TRIED = 5
"""The newest of what a side lacks may have been rolled back; so many are asked about."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """``newest`` brings along whatever of the rest it contains. ``waiting``: the deployment of it that is under way there already."""

    environment: Environment
    newest: ChangeRequest
    waiting: Deployment | None = None

    @property
    def url(self) -> str:
        if self.waiting is None:
            return f"/changes/{self.newest.number}/deploy/?{urlencode({'environment': self.environment.name})}"
        tail = "start/" if self.waiting.manual_start else ""
        return f"/deployments/{self.waiting.number}/{tail}"


def promotions(user: User, compared: Compared, between: Between) -> tuple[Promotion, ...]:
    """For each side that shows what runs now: the newest change that is due there and not live, if ``user`` may deploy it."""
    return tuple(_promotions(user, compared, between))


def _promotions(user: User, compared: Compared, between: Between) -> Iterator[Promotion]:
    both = ((compared.end, compared.start, between.only_start), (compared.start, compared.end, between.only_end))
    for here, there, lacking in both:
        if not here.is_running or there.moment is not None:
            continue
        due = [one for one in lacking if one.number in between.due and can_deploy(user, one).allowed]
        tried = (_promotion(one, here.environment) for one in due[:MOST_TRIED])
        yield from islice(filter(None, tried), 1)


def _promotion(change: ChangeRequest, environment: Environment) -> Promotion | None:
    """``None`` where it cannot be deployed there now, also because it was rolled back or is about to be."""
    try:
        wanted = deployable(change, environment.name)
    except Conflict as problem:
        if problem.code != "already_pending":
            return None
        return Promotion(environment, change, Deployment.objects.get(number=problem.details["deployment"]))
    except PortalError:
        return None
    is_undone = rollback_text(wanted.unsaved) or due_text(wanted.unsaved)
    return None if is_undone else Promotion(environment, change)
