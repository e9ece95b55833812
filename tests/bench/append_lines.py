"""Log lines for the fan-out: appended as the recorder of runs does it, one event a line, each in its own transaction.

``python -m tests.bench.append_lines DEPLOYMENT RATE SECONDS OUT [TOGETHER]`` writes the moment of each commit (UNIX seconds) as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def append_lines(deployment: int, rate: float, seconds: float, out: Path, together: int = 1) -> None:
    """``rate`` lines a second; ``out`` then holds ``{event number: moment of its commit}``. ``together``: lines of one transaction."""
    from django.db import transaction

    from apps.deployments.models import Deployment, DeploymentEvent
    from apps.deployments.transitions import append_event

    row = Deployment.objects.get(pk=deployment)
    committed: dict[int, float] = {}
    start = time.monotonic()
    for first in range(0, int(rate * seconds), together):
        time.sleep(max(0.0, start + first / rate - time.monotonic()))
        moment: list[float] = []
        seqs: list[int] = []
        with transaction.atomic():
            # Before the notice that append_event leaves: the clock starts when the row is readable.
            transaction.on_commit(lambda moment=moment: moment.append(time.time()))  # type: ignore[misc]
            for number in range(first, first + together):
                seq = append_event(
                    row, kind=DeploymentEvent.Kind.LOG, text=f"line {number}: applied service-{number} in 0.3 s",
                    attempt=1, step="apply", first_line=number + 1, data={"lines": 1},
                )  # fmt: skip
                seqs.append(seq)
        committed |= dict.fromkeys(seqs, moment[0])
    unfinished = out.with_suffix(".part")
    unfinished.write_text(json.dumps(committed))
    unfinished.rename(out)


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gitops_portal.settings")
    django.setup()
    together = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    append_lines(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]), together)
