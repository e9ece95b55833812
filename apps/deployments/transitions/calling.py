"""Whom a deployment calls: what failed waits for people, and what ended is told."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Max, Q

from apps.changes.models import ChangeRequest
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment, Environment
from apps.repositories.roles import DEPLOY, WRITE
from apps.reviews.attention import Origin
from apps.reviews.models import Call, News
from apps.reviews.people import people_of
from apps.reviews.signals import attention_changed
from apps.reviews.transitions import set_calls, tell

WAITS_FOR_PEOPLE = {
    Status.FAILED: "{label} to {environment} failed: look at the error, then retry or roll back",
    Status.UNKNOWN: "What became of {label} to {environment} is not known: decide",
}
TO_START = "{label} to {environment} waits only for somebody who presses Start"
SILENT = "The portal cannot look after {label} to {environment}: look there, cancel it if nobody can help"
SAID_OF_SILENCE = "For a quarter of an hour {label} to {environment} could not be looked after: {problem}"
TOLD = {
    Status.SUCCEEDED: (News.Kind.DEPLOYED, "Deployed to {environment} ({label})"),
    Status.FAILED: (News.Kind.FAILED, "{label} to {environment} failed: {problem}"),
    Status.UNKNOWN: (News.Kind.FAILED, "What became of {label} to {environment} is not known: {problem}"),
}


def call_people(deployment: Deployment, status: Status) -> None:
    """Bring the calls of the change in line with its deployments, and tell its people what ended."""
    change = deployment.change
    calls = Call.objects.filter(change=change, origin=Origin.FAILED, ended_at=None)
    wanted = _wanted(change) if status in WAITS_FOR_PEOPLE or calls.exists() else {}
    if status in TOLD:
        kind, text = TOLD[status]
        _tell(deployment, kind, _said(text, deployment, deployment.problem), wanted)
    if status in WAITS_FOR_PEOPLE or calls.exists():
        set_calls(change, Origin.FAILED, wanted)
    if Call.objects.filter(change=change, origin=Origin.START, ended_at=None).exists():
        call_to_start(change)


def call_to_start(change: ChangeRequest) -> None:
    """Bring who is called to press Start in line with what waits for nothing else. The change is locked."""
    set_calls(change, Origin.START, _starters(change))


def _starters(change: ChangeRequest) -> dict[int, str]:
    """Who may press Start, with the first deployment in promotion order that waits for that alone."""
    rows = Deployment.objects.filter(change=change, status=Status.PENDING, manual_start=True, environment__defined=True)
    ordered = rows.select_related("environment").order_by("environment__position", "number")
    first = next((row for row in ordered if row.only_start), None)
    if first is None:
        return {}
    able = people_of(change.repository).able
    owners = {change.owner_id or 0, change.requester_id} & able.get(WRITE, frozenset())
    return dict.fromkeys({*able.get(DEPLOY, frozenset()), *owners}, _said(TO_START, first, ""))


def tell_deployers(deployment: Deployment, text: str) -> None:
    """Something has to be known to everybody who deploys here, and to those whose change it is."""
    deployers = people_of(deployment.change.repository).able.get(DEPLOY, frozenset())
    _tell(deployment, News.Kind.FAILED, text, deployers)


def tell_of_drift(deployment: Deployment, text: str) -> None:
    """What runs is not what ``deployment`` brought: for whoever deploys there, and who deployed it. The change is locked."""
    environment = deployment.environment
    people = {deployment.requested_by_id, *_deployers(environment)}
    place = f"drift:{environment.repository.name}/{environment.name}"
    tell(deployment.change, people, kind=News.Kind.DRIFT, text=text, place=place)


def redraw_alerts(environment: Environment) -> None:
    """The alert of drift that stands in the queues of who deploys there, until it is gone, accepted or being adopted, is another."""
    people = sorted(_deployers(environment))
    transaction.on_commit(lambda: attention_changed.send(sender=Environment, user_ids=people))


def _deployers(environment: Environment) -> frozenset[int]:
    return people_of(environment.repository).able.get(DEPLOY, frozenset())


def call_about_silence(deployment: Deployment, problem: str) -> None:
    """Nobody could look after it for long: it goes on by itself only if whoever is silent speaks again. The change is locked."""
    wanted = _wanted(deployment.change)
    _tell(deployment, News.Kind.FAILED, _said(SAID_OF_SILENCE, deployment, problem), wanted)
    set_calls(deployment.change, Origin.FAILED, wanted)


def end_call_about_silence(deployment: Deployment) -> None:
    """It can be looked after again. The change is locked."""
    set_calls(deployment.change, Origin.FAILED, _wanted(deployment.change))


def _tell(deployment: Deployment, kind: str, text: str, called: Iterable[int]) -> None:
    change = deployment.change
    people = {change.owner_id or 0, change.requester_id, deployment.requested_by_id, *called}
    tell(change, people, kind=kind, text=text, place=f"deployment:{deployment.number}")


def _wanted(change: ChangeRequest) -> dict[int, str]:
    """Who deployed and who wrote it, for each environment whose newest deployment failed or is silent; else all who deploy here."""
    rows = Deployment.objects.filter(change=change)
    newest = [row["last"] for row in rows.values("environment").annotate(last=Max("number"))]
    bad = Q(status__in=[str(status) for status in WAITS_FOR_PEOPLE]) | Q(pk__in=rows.stuck().values("pk"))
    wanted: dict[int, str] = {}
    deployers = people_of(change.repository).able.get(DEPLOY, frozenset())
    for row in rows.filter(bad, number__in=newest).select_related("environment").order_by("number"):
        reason = _said(WAITS_FOR_PEOPLE.get(Status(row.status), SILENT), row, row.problem)
        present = {row.requested_by_id} & deployers or deployers
        for user in {*present, change.owner_id or change.requester_id}:
            wanted.setdefault(user, reason)
    return wanted


def _said(text: str, deployment: Deployment, problem: str) -> str:
    return text.format(
        label=deployment.label, environment=deployment.environment.name, problem=problem or "no reason is known"
    )
