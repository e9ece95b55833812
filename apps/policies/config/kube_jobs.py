"""The ``job`` of a deployment via Kubernetes: what it may say, judged when it is written and again when it is sent."""

from __future__ import annotations

from typing import Any

JOB_KEYS = ("image", "command", "env", "serviceAccount", "backoffLimit")
MOST_TRIES = 10


def why_no_job(job: Any) -> str:
    """What is wrong with it, as a sentence without its full stop; empty when it can be run."""
    if not isinstance(job, dict):
        return "`job` is a mapping, such as {image: registry/deployer:1.4}"
    if unknown := [key for key in job if key not in JOB_KEYS]:
        return f"`job` has no key {str(unknown[0])[:40]!r}; it has {', '.join(JOB_KEYS)}"
    checks = {
        "`job.image` names the image": _is_text(job.get("image")),
        "`job.command` is a list of words, such as [./deploy, staging]": _is_command(job.get("command", [])),
        "`job.env` has names with single values": _is_env(job.get("env", {})),
        "`job.serviceAccount` is a name": "serviceAccount" not in job or _is_text(job["serviceAccount"]),
        f"`job.backoffLimit` is a number from 0 to {MOST_TRIES}": _is_count(job.get("backoffLimit", 0)),
    }
    return next((problem for problem, is_good in checks.items() if not is_good), "")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_command(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_env(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str | int | float) for one in value.values())


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TRIES
