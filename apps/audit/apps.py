"""The audit context keeps its triggers in place after every migration."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate


def _install_triggers(using: str, **_: Any) -> None:
    # SQLite rebuilds a table to alter it, and drops its triggers on the way.
    from apps.audit import triggers

    triggers.install(connections[using])


class AuditConfig(AppConfig):
    name = "apps.audit"

    def ready(self) -> None:
        post_migrate.connect(_install_triggers, sender=self, dispatch_uid="audit_triggers")
