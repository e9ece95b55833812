from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from apps.changes.models import ChangeRequest


class DeploymentsConfig(AppConfig):
    name = "apps.deployments"

    def ready(self) -> None:
        from apps.changes.earlier_states import answer_with
        from apps.deployments.waking import connect

        connect()
        answer_with(_was_live)


def _was_live(change: ChangeRequest, environments: Collection[str], before: bool) -> bool:
    """Asks the ledger, which is loaded only then: every process of the portal comes by here when it starts."""
    from apps.deployments.queries.ledger import was_live

    return was_live(change, environments, before)
