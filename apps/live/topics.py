"""Names of what can be watched, and the notices that ring their bells."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from apps.changes.signals import change_changed
from apps.deployments.signals import deployment_event, environment_changed
from apps.live.hub import hub
from apps.reviews.signals import attention_changed, verdict_changed


def deployment_topic(deployment_id: int) -> str:
    return f"deployment.{deployment_id}"


def change_topic(change_id: int) -> str:
    return f"change.{change_id}"


def environment_topic(environment_id: int) -> str:
    return f"environment.{environment_id}"


def queue_topic(user_id: int) -> str:
    return f"queue.{user_id}"


BOARD_TOPIC = "board"
DESK_TOPIC = "desk"
"""Nothing happens on it: a socket that only carries its person's own notices."""


def ring(topic: str) -> None:
    """Tell every process that ``topic`` has news; never raises, never waits long."""
    hub.ring(topic)
    if settings.REDIS_URL:
        from apps.live import relay  # loaded only where it is configured

        relay.send(topic)


def on_deployment_event(sender: Any, *, deployment_id: int, **_facts: Any) -> None:
    ring(deployment_topic(deployment_id))


def on_change_changed(sender: Any, *, change_id: int, **_facts: Any) -> None:
    ring(change_topic(change_id))


def on_attention_changed(sender: Any, *, user_ids: list[int], **_facts: Any) -> None:
    for user_id in user_ids:
        ring(queue_topic(user_id))


def on_environment_changed(sender: Any, *, environment_id: int, change_id: int | None = None, **_facts: Any) -> None:
    ring(BOARD_TOPIC)
    ring(environment_topic(environment_id))
    if change_id is not None:
        ring(change_topic(change_id))


def connect_signals() -> None:
    """Listen to the domain's notices; called once when the app starts."""
    deployment_event.connect(on_deployment_event, dispatch_uid="live.deployment")
    change_changed.connect(on_change_changed, dispatch_uid="live.change")
    verdict_changed.connect(on_change_changed, dispatch_uid="live.verdict")
    attention_changed.connect(on_attention_changed, dispatch_uid="live.attention")
    environment_changed.connect(on_environment_changed, dispatch_uid="live.environment")
