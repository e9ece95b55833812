"""Connections to PostgreSQL for the threads of a process: the pool of the settings is made for those of a server."""

from __future__ import annotations

from django.conf import settings

BESIDE_THE_THREADS = 4
"""For probes, metrics, the sweep, and what a process does about itself."""


def have_a_connection_for_each(threads: int) -> None:
    """Call it before anything connects; a thread more than there are connections would wait for one, and fail."""
    pool = settings.DATABASES["default"].get("OPTIONS", {}).get("pool")
    if pool:
        pool["max_size"] = max(pool["max_size"], threads + BESIDE_THE_THREADS)
