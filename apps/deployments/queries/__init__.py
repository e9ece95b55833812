"""Reads of the deployments context."""

from apps.deployments.queries.dry_runs import DryRun, Tried, dry_run
from apps.deployments.queries.freezes import find_freeze, freezes_of, open_freeze
from apps.deployments.queries.gates import config_then
from apps.deployments.queries.merges import claim_refused_at, last_merge, why_it_waits
from apps.deployments.queries.reading import (
    events,
    find,
    find_environment,
    log_text,
    queue_position,
    secret_names,
    steps_of,
)
from apps.deployments.queries.standing import goes_back, is_superseded, live_successor
from apps.deployments.queries.waits import Look, Wait, look_at, waits_of

__all__ = [
    "DryRun",
    "Look",
    "Tried",
    "Wait",
    "claim_refused_at",
    "config_then",
    "dry_run",
    "events",
    "find",
    "find_environment",
    "find_freeze",
    "freezes_of",
    "goes_back",
    "is_superseded",
    "last_merge",
    "live_successor",
    "log_text",
    "look_at",
    "open_freeze",
    "queue_position",
    "secret_names",
    "steps_of",
    "waits_of",
    "why_it_waits",
]
