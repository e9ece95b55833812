"""The portal's ASGI application with one thread more, which appends log lines as the embedded engine does.

``BENCH_LINES`` names a file; when it appears, its words are the arguments of :func:`append_lines`.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from gitops_portal.asgi import application
from tests.bench.append_lines import append_lines

__all__ = ["application"]


def _write_when_told() -> None:
    order = Path(os.environ["BENCH_LINES"])
    while not order.exists():
        time.sleep(0.05)
    deployment, rate, seconds, out = order.read_text().split("\n")
    append_lines(int(deployment), float(rate), float(seconds), Path(out))


threading.Thread(target=_write_when_told, daemon=True).start()
