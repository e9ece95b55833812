"""A signed request to whoever deploys, which answers by signed reports (Standard Webhooks 1.0, both ways).

The request carries ``webhook-id`` = the key of the attempt, so a receiver that keeps the ids it has seen
does nothing twice; that is what makes a request of unknown fate safe to send again. Reports come to
``callback_url`` in the body; ``docs/dispatchers.md`` has the shapes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.deployments.dispatchers import Capabilities, Outside, Progress, Run, RunState, StepProgress, StepState
from apps.deployments.dispatchers.http import Client
from apps.deployments.dispatchers.remote import asked_in_doubt, log_window, moment, read_json
from apps.repositories.forges.signatures import standard_signature

DEFAULT_TIMEOUT = 3600.0
ENDED = {"succeeded", "failed", "cancelled"}
MOST_STEPS = 200
"""Of one report, and of all of a run; names beyond them are passed over."""
STEP_STATES = {"waiting": StepState.WAITING, "running": StepState.RUNNING}


class WebhookDispatcher:
    """See the module."""

    capabilities = Capabilities(
        cancel=True, logs=True, remote=True, resends=True, only_told=True, timeout=DEFAULT_TIMEOUT
    )

    def prepare(self, run: Run) -> dict[str, Any]:
        return {}

    def dispatch(self, run: Run) -> Mapping[str, Any]:
        answer = _post(run, "deployment.requested", message_id=run.key)
        return {"accepted": now().isoformat(), "id": _told_id(answer)}

    def observe(self, run: Run) -> Progress:
        if not run.external.get("accepted") and not run.reports:
            return asked_in_doubt(run, _limit(run))
        return _progress(run)

    def read_log(self, run: Run, key: str, offset: int, limit: int) -> bytes:
        def fetch() -> bytes:
            parts = (step.get("log", "") for report in run.reports for step in _steps_in(report) if step["name"] == key)
            return "".join(str(part) for part in parts).encode()

        return log_window(run, key, fetch, offset, limit)

    def cancel(self, run: Run) -> bool:
        if not run.is_sent:
            return False
        if _progress(run).state == RunState.RUNNING:
            _post(run, "deployment.cancelled", message_id=f"{run.key}-cancel")
        return True

    def discard(self, run: Run) -> None:
        return


def test(outside: Outside) -> str:
    """A signed ``portal.ping``; the receiver answers 2xx."""
    body = json.dumps({"type": "portal.ping", "timestamp": now().isoformat()}).encode()
    with Client(outside) as client:
        client.change("POST", "", content=body, headers=_signed(outside, f"ping-{now().timestamp():.0f}", body))
    return "It took a signed ping."


def _limit(run: Run) -> float:
    return float(run.options.get("timeout") or DEFAULT_TIMEOUT)


def _post(run: Run, kind: str, *, message_id: str) -> bytes:
    outside = run.outside
    if outside is None:
        raise Unavailable("no_connection", "This run has no connection.")
    body = json.dumps(_message(run, kind), sort_keys=True).encode()
    with Client(outside) as client:
        path = str(run.options.get("path") or "")
        return client.change("POST", path, content=body, headers=_signed(outside, message_id, body)).body


def _message(run: Run, kind: str) -> dict[str, Any]:
    words = run.environment
    return {
        "type": kind,
        "timestamp": now().isoformat(),
        "data": {
            "key": run.key,
            "repository": words["PORTAL_REPOSITORY"],
            "environment": words["PORTAL_ENVIRONMENT"],
            "change": words["PORTAL_CHANGE"],
            "commit": run.commit,
            "deployment": run.deployment,
            "attempt": run.attempt,
            "kind": words["PORTAL_KIND"],
            "payload": run.options.get("payload") or {},
            "report_to": run.callback_url,
        },
    }


def _signed(outside: Outside, message_id: str, body: bytes) -> dict[str, str]:
    stamp = str(int(now().timestamp()))
    signature = standard_signature(outside.credentials["secret"], message_id, stamp, body)
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{signature}",
    }


def _told_id(body: bytes) -> str:
    try:
        found = read_json(body)
    except ValueError:
        return ""
    return str(found.get("id", ""))[:100] if isinstance(found, dict) else ""


def _progress(run: Run) -> Progress:
    """What the reports add up to: the first that ends the run is the last that counts."""
    steps: dict[str, StepProgress] = {}
    text = ""
    for report in run.reports:
        for told in _steps_in(report):
            if told["name"] not in steps and len(steps) >= MOST_STEPS:
                continue
            steps[told["name"]] = _step(told, steps.get(told["name"]))
        text = str(report.get("text", "")) or text
        status = str(report.get("status", ""))
        if status in ENDED:
            problem = text if status == "failed" else ""
            return Progress(RunState.ENDED, tuple(steps.values()), outcome=status, text=text, problem=problem)
    if run.age(now()) > _limit(run):
        name = run.outside.name if run.outside else "The receiver"
        return Progress(RunState.LOST, tuple(steps.values()), problem=f"{name} did not report an end in time.")
    return Progress(RunState.RUNNING, tuple(steps.values()), text=text)


def _steps_in(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(report.get("steps") or [])


def _step(told: Mapping[str, Any], before: StepProgress | None) -> StepProgress:
    name, status = str(told["name"]), str(told["status"])
    if before is not None and before.state == StepState.ENDED:
        return before  # what has ended does not run again under one key
    began = before.began if before else None
    if status in STEP_STATES:
        running = STEP_STATES[status] == StepState.RUNNING
        return StepProgress(
            STEP_STATES[status],
            name,
            name,
            str(told.get("url", "")),
            began=began or (moment(told.get("at")) if running else None),
        )
    reason = "cancelled" if status == "cancelled" else "reported"
    return StepProgress(
        StepState.ENDED,
        name,
        name,
        str(told.get("url", "")),
        reason=reason,
        exit_code=0 if status == "succeeded" else 1,
        problem=str(told.get("text", ""))[:400],
        began=began,
        ended=moment(told.get("at")),
    )
