"""Runs as a remote dispatcher gets them, and what the engine keeps between two looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from apps.core.clock import now
from apps.deployments.dispatchers import Dispatcher, InDoubt, NotSent, Outside, Progress, Run
from tests.support.stub_server import COMMIT

KEY = "pk-5f2d0c9a1b3e4d6f8a7b"


def run_of(kind: str, url: str, credentials: dict[str, str], /, options: dict[str, Any], **more: Any) -> Run:
    """An attempt of ``web`` in ``staging``, not sent yet."""
    return Run(
        key=KEY,
        deployment=4,
        attempt=1,
        git_dir=Path("/nowhere"),
        commit=COMMIT,
        steps=(),
        environment={
            "PORTAL_REPOSITORY": "web",
            "PORTAL_ENVIRONMENT": "staging",
            "PORTAL_CHANGE": "c-12",
            "PORTAL_COMMIT": COMMIT,
            "PORTAL_DEPLOYMENT": "4",
            "PORTAL_ATTEMPT": "1",
            "PORTAL_KIND": "deploy",
        },
        options=options,
        outside=Outside("corp", kind, url, credentials, more.pop("settings", {})),
        **more,
    )


def sent(run: Run, /, *, seconds_ago: float = 0.0, **known: Any) -> Run:
    """The run after its request went out, with what was kept of the answer."""
    moment = (now() - timedelta(seconds=seconds_ago)).isoformat()
    return replace(run, external={**run.external, "sent": moment, **known}, memory={})


def dispatched(dispatcher: Dispatcher, run: Run) -> Run:
    """As the engine does it: what the answer told is kept; of one that was lost, only the moment."""
    try:
        return sent(run, **dispatcher.dispatch(run))
    except InDoubt:
        return sent(run)
    except NotSent:
        return run


def look(dispatcher: Dispatcher, run: Run) -> tuple[Run, Progress]:
    """One look, and the run as the next one gets it."""
    progress = dispatcher.observe(replace(run, memory={}))
    return replace(run, external={**run.external, **progress.external}, memory={}), progress


def later(run: Run, seconds: float) -> Run:
    """The run as if its request had gone out that much earlier."""
    return sent(run, seconds_ago=seconds)
