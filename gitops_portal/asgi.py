"""ASGI entry point: HTTP, WebSocket, and the start and stop of the embedded engine."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gitops_portal.settings")
django.setup(set_prefix=False)  # what is imported below needs it

from asgiref.sync import sync_to_async  # noqa: E402
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.conf import settings  # noqa: E402

from apps.deployments.dispatchers.staying import stay_for_steps  # noqa: E402
from apps.live.doubts import Watcher  # noqa: E402
from apps.live.routing import websocket_urlpatterns  # noqa: E402
from apps.operations import draining, observing  # noqa: E402
from apps.operations.probes import Probes  # noqa: E402
from apps.worker.embedded import Engine  # noqa: E402
from gitops_portal.handler import PortalHandler  # noqa: E402

Message = MutableMapping[str, Any]


def _listeners() -> list[Any]:
    """What lets this process hear of what others do; nothing where it does everything itself."""
    found: list[Any] = []
    if settings.REDIS_URL:
        from apps.live.relay import Listener  # loaded only where it is configured

        found.append(Listener())
    if settings.REDIS_URL or settings.PORTAL_ENGINE != "embedded":
        found.append(Watcher())
    return found


async def lifespan(
    _scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Start the engine with the server and stop it cleanly; killed uncleanly, its leases expire."""
    engine = Engine() if settings.PORTAL_ENGINE == "embedded" else None
    listeners = _listeners()
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            draining.reset()
            draining.drain_before_stopping()
            observing.begin()
            for listener in listeners:
                listener.start()
            if engine is not None:
                engine.start()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            draining.begin()
            if engine is not None:
                await sync_to_async(engine.stop, thread_sensitive=False)()
                await sync_to_async(stay_for_steps, thread_sensitive=False)()
            for listener in listeners:
                listener.stop()
            observing.end()
            await send({"type": "lifespan.shutdown.complete"})
            return


application = ProtocolTypeRouter(
    {
        "http": draining.let_connections_go(Probes(PortalHandler())),
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
        "lifespan": lifespan,
    }
)
