"""What a process that only does background work says about itself."""

from __future__ import annotations

from django.dispatch import Signal

engine_process_started = Signal()
"""Sent once in a process without a server (``run_engine``, a Celery worker) when it is about to take work."""
