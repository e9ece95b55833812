"""Reports of an outside system about a run that the portal asked it for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Sum

from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput, NotAllowed
from apps.core.strict_json import read_strict_json
from apps.core.text import require_storable
from apps.core.work import request_work
from apps.deployments.dispatchers.webhook import ENDED, MOST_STEPS
from apps.deployments.dispatchers.words import said
from apps.deployments.lifecycle import Status
from apps.deployments.models import Attempt, Connection, Deployment, Report
from apps.deployments.queries.connections import outside_of
from apps.deployments.transitions import say
from apps.repositories.forges.signatures import is_standard_signed

MAX_REPORT = 1024 * 1024
LONGEST_ID = 200
MOST_REPORTS = 2000
"""Of one attempt, and one more that ends it."""
MOST_LOGGED = 32 * 1024 * 1024
"""Characters of the reports of one attempt beyond which no log is taken: whoever follows the run reads them all."""
MOST_TOLD = 2 * MOST_LOGGED
"""Beyond this nothing but its end is taken."""
LONGEST_TEXT, LONGEST_URL = 1000, 500
STATUSES = ("running", "succeeded", "failed", "cancelled")
STEP_STATUSES = ("waiting", *STATUSES)


def accept_report(*, number: int, headers: Mapping[str, str], body: bytes) -> Report:
    """Keep a signed report about the present attempt of deployment ``number`` and wake who follows it.

    Guarantees: without the signature of the very connection through which that attempt was started nothing is
    kept and nothing is told apart (:class:`NotAllowed` ``bad_signature``, also for an unknown deployment); a
    message id counts once, a repeat changes nothing; another attempt's key is :class:`Conflict` ``other_run``,
    a run that is over ``over``. What the report says is judged by the worker that follows the run, not here.
    """
    if len(body) > MAX_REPORT:
        raise InvalidInput("body_too_large", "A report may have at most 1 MB. Send the log in parts.")
    attempt = _attempt(number)
    connection = attempt.connection if attempt is not None else None
    if attempt is None or connection is None or not _is_signed(connection, headers, body):
        raise NotAllowed(
            "bad_signature", "This report is not signed with the secret of a connection that runs this deployment."
        )
    report = _read(body)
    message_id = headers["webhook-id"]
    if len(message_id) > LONGEST_ID:
        raise InvalidInput("bad_report", f"webhook-id has at most {LONGEST_ID} characters.")
    known = Report.objects.filter(connection=connection, message_id=message_id).first()
    if known is not None:
        return _same(known, attempt, report)
    _require_this_run(attempt, report)
    try:
        with transaction.atomic():
            return _write(attempt, connection, message_id, report)
    except IntegrityError:
        return _same(Report.objects.get(connection=connection, message_id=message_id), attempt, report)


def _same(known: Report, attempt: Attempt, report: Mapping[str, Any]) -> Report:
    """The report of the first time; another one under its id would be lost without a word."""
    if known.attempt_id != attempt.pk or known.body != report:
        message = "This webhook-id was used for another report. Send the report under an id of its own."
        raise Conflict("message_id_reused", message)
    return known


def _attempt(number: int) -> Attempt | None:
    rows = Attempt.objects.filter(deployment__number=number, connection__kind="webhook")
    rows = rows.select_related("connection", "deployment", "deployment__environment__repository", "deployment__change")
    return rows.order_by("-number").first()


def _is_signed(connection: Connection, headers: Mapping[str, str], body: bytes) -> bool:
    secret = outside_of(connection).credentials.get("secret", "")
    return bool(secret) and is_standard_signed(headers, secret, body, now())


def _require_this_run(attempt: Attempt, report: Mapping[str, Any]) -> None:
    deployment = attempt.deployment
    if report["key"] != attempt.key:
        message = (
            f"{deployment.label} runs under another key now: this report is about another attempt. It was not taken."
        )
        raise Conflict("other_run", message)
    if attempt.ended_at is not None and deployment.status != Status.UNKNOWN:
        raise Conflict("over", f"{deployment.label} has {deployment.status} already. This report changes nothing.")
    ends = report["status"] in ENDED
    told = attempt.reports.aggregate(count=Count("pk"), size=Sum("logged"))
    size = (told["size"] or 0) + _size(report)
    if not ends and (told["count"] >= MOST_REPORTS or size > MOST_TOLD):
        message = (
            f"A run may have {MOST_REPORTS:,} reports of {MOST_TOLD >> 20} MB together; only its end is still taken. "
            "Send fewer, and only the steps that have changed."
        )
        raise Conflict("too_many_reports", message)
    if any(step["log"] for step in report["steps"]) and size > MOST_LOGGED:
        message = (
            f"What is reported of a run may have {MOST_LOGGED >> 20} MB with logs. Nothing of this report was taken: "
            "send it without `log`, and its steps and status will be."
        )
        raise Conflict("too_much_log", message)


def _size(report: Mapping[str, Any]) -> int:
    """Characters that are kept of it."""
    return len(report["text"]) + sum(len(text) for step in report["steps"] for text in step.values())


def _write(attempt: Attempt, connection: Connection, message_id: str, report: dict[str, Any]) -> Report:
    if attempt.deployment.status == Status.UNKNOWN:
        _tell_who_decides(attempt, connection, report)
    row = Report.objects.create(
        connection=connection,
        attempt=attempt,
        message_id=message_id,
        body=report,
        logged=_size(report),
        received_at=now(),
    )
    summary = f"{connection.name} reported of {attempt.deployment.label}: {report['status']}"
    data = {"status": report["status"], "message_id": message_id}
    look_again(attempt.deployment, connection, "deployment.reported", summary=summary, data=data)
    return row


def _tell_who_decides(attempt: Attempt, connection: Connection, report: Mapping[str, Any]) -> None:
    """What comes after the time is over decides nothing, and nobody else reads it: who looks has to know it. Each word once."""
    if attempt.reports.filter(body__status=report["status"], body__text=report["text"]).exists():
        return
    words = said(outside_of(connection), report["text"], 500)
    told = f"{connection.name} reports only now: {report['status']}.{' ' * bool(words)}{words} This decides nothing."
    say(attempt.deployment, told, attempt=attempt.number)


def look_again(
    deployment: Deployment, connection: Connection, action: str, *, summary: str, data: dict[str, Any]
) -> None:
    """Wake who follows the run, because ``connection`` spoke of it, and record that. Inside the caller's transaction."""
    Deployment.objects.filter(pk=deployment.pk, status=Status.RUNNING).update(check_at=now())
    request_work("deployments.follow", deployment.pk)
    audit.record(
        Actor.outside(connection.name, issuer="connection"),
        action,
        target=deployment.label,
        repository=deployment.environment.repository.name,
        change=deployment.change.number,
        environment=deployment.environment.name,
        deployment=deployment.number,
        summary=summary,
        data=data,
    )


def _read(body: bytes) -> dict[str, Any]:
    """The report in its fixed shape; :class:`InvalidInput` says what is wrong with it."""
    try:
        found = read_strict_json(body)
    except ValueError as error:
        raise InvalidInput("bad_report", f"A report is a JSON object: {error}.") from error
    if not isinstance(found, dict):
        raise InvalidInput("bad_report", "A report is a JSON object.")
    require_storable([value for value in found.values() if isinstance(value, str)])
    _require_word(found.get("status"), STATUSES, "status")
    if not isinstance(found.get("key"), str):
        raise InvalidInput("bad_report", "A report names the `key` that the request had.", field="key")
    steps = [] if found.get("steps") is None else found["steps"]
    if not isinstance(steps, list) or len(steps) > MOST_STEPS:
        raise InvalidInput("bad_report", f"`steps` is a list of at most {MOST_STEPS}.", field="steps")
    return {
        "key": found["key"],
        "status": found["status"],
        "text": _text(found.get("text"), "text")[:LONGEST_TEXT],
        "steps": [_step(step) for step in steps],
    }


def _step(step: Any) -> dict[str, str]:
    if not isinstance(step, dict) or not _text(step.get("name"), "steps.name").strip():
        raise InvalidInput("bad_report", "Each step is an object with a `name`.", field="steps")
    _require_word(step.get("status"), STEP_STATUSES, "steps.status")
    url = _text(step.get("url"), "steps.url")
    is_link = len(url) <= LONGEST_URL and url.startswith(("https://", "http://"))
    return {
        "name": str(step["name"])[:80],
        "status": str(step["status"]),
        "text": _text(step.get("text"), "steps.text")[:400],
        "url": url if is_link else "",
        "at": _text(step.get("at"), "steps.at")[:40],
        "log": _text(step.get("log"), "steps.log"),
    }


def _text(value: Any, field: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput("bad_report", f"`{field}` is text.", field=field)
    text = value.replace("\0", "")
    require_storable(text, field=field)
    return text


def _require_word(value: Any, known: tuple[str, ...], field: str) -> None:
    if value not in known:
        raise InvalidInput("bad_report", f"`{field}` is one of {', '.join(known)}.", field=field)
