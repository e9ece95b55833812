"""What is in the cluster of an environment by the ledgers of the attempts that went there (``via: kubernetes``).

An attempt that failed, was cancelled or is not known to have ended has changed the cluster, too. So what is there is what the
last one that succeeded has applied, and what each one since has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.db.models import QuerySet

from apps.deployments.dispatchers import Applied
from apps.deployments.dispatchers.kube_pruning import OVER, brought
from apps.deployments.lifecycle import Status
from apps.deployments.models import Attempt

MOST_ATTEMPTS = 100
"""Without a success between them; what older ones brought is forgotten."""
FACTS = ("external_run__stage", "external_run__ledger", "external_run__announced")
ENDED = {Status.FAILED: "which failed", Status.CANCELLED: "which was cancelled"}


def brought_before(attempt: Attempt) -> tuple[Applied, ...]:
    """By name: what is there when ``attempt`` begins, through its connection. Nothing of it is its own."""
    there = _of_environment(attempt).filter(pk__lt=attempt.pk)
    last = there.filter(outcome=Status.SUCCEEDED, external_run__stage=OVER).first()
    since = there if last is None else there.filter(pk__gt=last.pk)
    rows = _told(since.filter(connection=attempt.connection_id))
    if last is not None and last.connection_id == attempt.connection_id:
        rows = [*_told(there.filter(pk=last.pk)), *rows]
    return _together(rows)


def left_since(attempt: Attempt) -> tuple[Applied, ...]:
    """By name: what those have brought that came after ``attempt``, through its connection, and did not succeed."""
    since = _of_environment(attempt).filter(pk__gt=attempt.pk, connection=attempt.connection_id)
    return _together(_told(since.exclude(outcome=Status.SUCCEEDED)))


def _of_environment(attempt: Attempt) -> QuerySet[Attempt]:
    """The newest first. Each holds the environment until it is over, so they began in the order of their keys."""
    rows = Attempt.objects.filter(deployment__environment=attempt.deployment.environment_id)
    return rows.filter(external_run__has_key="ledger").order_by("-pk")


def _told(rows: QuerySet[Attempt]) -> list[tuple[Any, ...]]:
    """The oldest of the newest first; without the logs that are stored beside."""
    return list(rows.values_list("deployment__number", "outcome", *FACTS)[:MOST_ATTEMPTS])[::-1]


def _together(rows: Iterable[Sequence[Any]]) -> tuple[Applied, ...]:
    """One of each name: who made the object that has it, and that is the last one whose answer named another."""
    found: dict[tuple[str, str, str, str], Applied] = {}
    for number, outcome, stage, ledger, announced in rows:
        by = "" if outcome == Status.SUCCEEDED else f"d-{number}, {ENDED.get(outcome, 'whose end nobody knows')}"
        for one in brought(str(stage), ledger or [], announced or []):
            name = (one.api_version.rpartition("/")[0], one.kind, one.namespace, one.name)
            if name not in found or (one.uid and one.uid != found[name].uid):
                found[name] = replace(one, by=by)
    return tuple(found.values())
