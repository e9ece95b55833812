"""Which dispatcher carries out ``deploy.via``."""

from __future__ import annotations

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import Dispatcher
from apps.deployments.dispatchers.local import LocalDispatcher

DISPATCHERS: dict[str, Dispatcher] = {"local": LocalDispatcher()}


def dispatcher_of(via: str) -> Dispatcher:
    """The dispatcher of that name; :class:`Unavailable` names those that exist."""
    try:
        return DISPATCHERS[via]
    except KeyError:
        raise Unavailable(
            "no_dispatcher",
            f"This portal cannot deploy via {via!r}; it knows {', '.join(sorted(DISPATCHERS))}. "
            "A maintainer can change `deploy.via` in .gitops/portal.yaml.",
        ) from None
