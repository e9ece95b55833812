"""The stages of a pipeline of Jenkins, told by the plugin Pipeline: Stage View; they add words to the build, which has its own end.

The plugin fails for some builds. Then the build is followed without its stages, and without the questions that it asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import StepProgress, StepState
from apps.deployments.dispatchers import jenkins_inputs as inputs
from apps.deployments.dispatchers.http import Client
from apps.deployments.dispatchers.remote import NAME_MOST, as_ended, listed, mapping, plain

PAUSED = "PAUSED_PENDING_INPUT"
LAST_MOMENT = 32503680000000
"""Milliseconds up to the year 3000: more is no moment of a build."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The stages as they are told, and the questions that wait, by id. Not ``is_told``: the plugin gave no answer."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    waiting: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    is_told: bool = True

    @property
    def words(self) -> str:
        """How a build that goes on is."""
        if not self.is_told:
            return "runs; its stages, and what it may ask, cannot be read"
        paused = paused_in(self.rows)
        return f"waits in {paused} until somebody answers" if paused else "runs"


def seen(client: Client, build: str, *, is_over: bool) -> Seen:
    """Of the build at the path ``build``; nothing where the plugin, or the pipeline, is missing."""
    try:
        rows = listed(mapping(inputs.told_by_plugin(client, f"{build}/wfapi/describe")).get("stages"))
        return Seen(rows, inputs.pending(client, build) if paused_in(rows) and not is_over else {})
    except Unavailable as problem:
        if problem.code != "bad_answer":
            raise
        return Seen(is_told=False)


def paused_in(rows: list[dict[str, Any]]) -> str:
    """The name of the stage that waits for an answer; empty where none does."""
    return next((plain(row.get("name"), 60) or "a stage" for row in rows if row.get("status") == PAUSED), "")


def step_of(row: Mapping[str, Any], link: str, *, is_fine: bool) -> StepProgress:
    status = str(row.get("status"))
    fields: dict[str, Any] = {"state": StepState.WAITING}
    if status in {"IN_PROGRESS", PAUSED}:
        fields = {"state": StepState.RUNNING}
    elif status == "SUCCESS":
        fields = as_ended()
    elif status in {"FAILED", "UNSTABLE"}:
        fields = as_ended("Jenkins calls it unstable." if status == "UNSTABLE" else "the log of the build says why.")
    elif status == "ABORTED":
        fields = as_ended(is_cancelled=True)
    is_over = fields["state"] == StepState.ENDED
    return StepProgress(
        key=f"stage-{plain(row.get('id'), 40)}",
        name=plain(row.get("name"), NAME_MOST),
        link=link,
        is_optional=is_fine,
        began=at(row.get("startTimeMillis")),
        ended=at(row.get("startTimeMillis"), row.get("durationMillis")) if is_over else None,
        **fields,
    )


def at(milliseconds: Any, more: Any = 0) -> datetime | None:
    """The moment that Jenkins counts in milliseconds since 1970, and so many later."""
    if not isinstance(milliseconds, int) or not isinstance(more, int) or not 0 < milliseconds < LAST_MOMENT:
        return None
    return datetime.fromtimestamp((milliseconds + min(max(more, 0), LAST_MOMENT)) / 1000, UTC)
