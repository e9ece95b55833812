"""What ``manage.py`` offers beside Django's own commands."""

from __future__ import annotations

from django.core.management.base import BaseCommand


class PortalCommand(BaseCommand):
    """A command that starts at once: Django's system checks load every page, and belong to ``make check`` and ``migrate``."""

    requires_system_checks = ()
