"""A run as a dispatcher is told of it, and the rounds in which the engine asks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import Dispatcher, Outside, Progress, Run, RunState

COMMIT = "c" * 40
KEY = "k" * 64
TOKEN = "a-token-that-nobody-may-read"


def run_for(kind: str, url: str, options: Mapping[str, Any], **more: Any) -> Run:
    """Attempt 1 of deployment 7, not sent yet."""
    return Run(
        key=more.pop("key", KEY),
        deployment=7,
        attempt=1,
        git_dir=Path("/nowhere"),
        commit=more.pop("commit", COMMIT),
        steps=(),
        environment={"PORTAL_REPOSITORY": "infra", "PORTAL_ENVIRONMENT": "staging"},
        options={"connection": "corp", **options},
        outside=Outside("corp", kind, url, {"token": TOKEN, **more.pop("credentials", {})}),
        **more,
    )


def sent(run: Run, seconds_ago: float = 0.0, **facts: Any) -> Run:
    """The run after its request went out."""
    moment = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return replace(run, external={**run.external, "sent": moment.isoformat(), **facts}, memory={})


def older(run: Run, seconds: float) -> Run:
    """The same run that much later: what it remembers began so much earlier."""
    moved = {}
    for key, value in run.external.items():
        is_moment = isinstance(value, str) and key in {"sent", "degraded_since", "since"} and value
        moved[key] = (datetime.fromisoformat(value) - timedelta(seconds=seconds)).isoformat() if is_moment else value
    return replace(run, external=moved, memory={})


def look(dispatcher: Dispatcher, run: Run) -> tuple[Run, Progress]:
    """One look as the engine does it: begin what has not begun, then see, and keep what is told."""
    run = replace(run, memory={})
    if run.is_cancelled:
        dispatcher.cancel(run)
    elif dispatcher.observe(run).state == RunState.NOT_STARTED:
        before = run
        run = sent(run) if not run.is_sent else run
        try:
            told = dispatcher.dispatch(run)
        except Unavailable:
            if not before.is_sent:
                raise
            told = {}
        run = replace(run, external={**run.external, **told}, memory={})
    progress = dispatcher.observe(run)
    return replace(run, external={**run.external, **progress.external}), progress


def log_of(dispatcher: Dispatcher, run: Run, key: str) -> str:
    """The whole log of a step, taken in small pieces after one look."""
    run = replace(run, memory={})
    dispatcher.observe(run)
    found = b""
    while piece := dispatcher.read_log(run, key, len(found), 50):
        found += piece
    return found.decode()
