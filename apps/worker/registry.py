"""Every kind of background work, by name: what the contexts offer in their ``jobs.JOBS``."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec

from apps.core.work import Job

CONTEXTS = ("audit", "repositories", "changes", "reviews", "deployments", "runbooks", "notifications")


@cache
def jobs() -> dict[str, Job]:
    """Name → job. A name that two contexts use is a mistake that stops the start."""
    found: dict[str, Job] = {}
    for context in CONTEXTS:
        module = f"apps.{context}.jobs"
        if find_spec(module) is None:
            continue
        for job in import_module(module).JOBS:
            if job.name in found:
                raise RuntimeError(f"Two jobs are named {job.name!r}.")
            found[job.name] = job
    return found
