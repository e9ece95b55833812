"""Reads of the deployments context."""

from apps.deployments.queries.dry_runs import DryRun, Tried, dry_run
from apps.deployments.queries.reading import (
    EnvironmentRow,
    board,
    events,
    find,
    find_environment,
    log_text,
    queue_position,
    secret_names,
    steps_of,
)
from apps.deployments.queries.waits import Wait, is_by_emergency, is_superseded, live_successor, waits_of

__all__ = [
    "DryRun",
    "EnvironmentRow",
    "Tried",
    "Wait",
    "board",
    "dry_run",
    "events",
    "find",
    "find_environment",
    "is_by_emergency",
    "is_superseded",
    "live_successor",
    "log_text",
    "queue_position",
    "secret_names",
    "steps_of",
    "waits_of",
]
