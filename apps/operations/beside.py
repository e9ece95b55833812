"""A small server for probes and metrics in a process that only does background work."""

from __future__ import annotations

import threading
from typing import Any

import structlog
from django.conf import settings

from apps.operations.probes import Probes

log = structlog.get_logger(__name__)


def serve_beside(sender: Any, **_facts: Any) -> None:
    """Listen on ``PORTAL_PROBE_PORT`` in a thread, if it is set; the work goes on when that fails."""
    port = int(settings.PORTAL_PROBE_PORT)
    if port:
        threading.Thread(target=_serve, args=(port,), name="probes", daemon=True).start()


def _serve(port: int) -> None:
    import uvicorn

    try:
        uvicorn.run(
            Probes(), host=settings.PORTAL_PROBE_HOST, port=port, lifespan="off", log_level="error",
            access_log=False, server_header=False,
        )  # fmt: skip
    except SystemExit:  # the port is taken
        log.warning("probes_not_served", port=port)
