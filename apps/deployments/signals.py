"""Notices upward, ids only, sent after commit. Receivers write no domain rows."""

from __future__ import annotations

from django.dispatch import Signal

deployment_event = Signal()
"""``deployment_id`` (int), ``seq`` (int): the newest numbered event of this deployment."""

environment_changed = Signal()
"""``environment_id`` (int): what is live there, its queue or its definition changed; ``change_id`` (int): by a deployment of that change."""
