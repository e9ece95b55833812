"""Whom a deployment calls: what failed waits for people, and what ended is told."""

from __future__ import annotations

from django.db.models import Max

from apps.changes.models import ChangeRequest
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment
from apps.repositories.roles import DEPLOY
from apps.reviews.attention import Origin
from apps.reviews.models import Call, News
from apps.reviews.people import people_of
from apps.reviews.transitions import set_calls, tell

WAITS_FOR_PEOPLE = {
    Status.FAILED: "{label} to {environment} failed: look at the error, then retry or roll back",
    Status.UNKNOWN: "What became of {label} to {environment} is not known: decide",
}
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
        people = {change.owner_id or 0, change.requester_id, deployment.requested_by_id, *wanted}
        tell(change, people, kind=kind, text=_said(text, deployment), place=f"deployment:{deployment.number}")
    if status in WAITS_FOR_PEOPLE or calls.exists():
        set_calls(change, Origin.FAILED, wanted)


def tell_deployers(deployment: Deployment, text: str) -> None:
    """Something has to be known to everybody who deploys here, and to those whose change it is."""
    change = deployment.change
    people = {change.owner_id or 0, change.requester_id, deployment.requested_by_id}
    people |= people_of(change.repository).able.get(DEPLOY, frozenset())
    tell(change, people, kind=News.Kind.FAILED, text=text, place=f"deployment:{deployment.number}")


def _wanted(change: ChangeRequest) -> dict[int, str]:
    """Who deployed and who wrote it, for each environment whose newest deployment failed; else all who deploy here."""
    newest = Deployment.objects.filter(change=change).values("environment").annotate(last=Max("number"))
    bad = Deployment.objects.filter(
        number__in=[row["last"] for row in newest], status__in=[str(status) for status in WAITS_FOR_PEOPLE]
    )
    wanted: dict[int, str] = {}
    deployers = people_of(change.repository).able.get(DEPLOY, frozenset())
    for row in bad.select_related("environment").order_by("number"):
        reason = _said(WAITS_FOR_PEOPLE[Status(row.status)], row)
        present = {row.requested_by_id} & deployers or deployers
        for user in {*present, change.owner_id or change.requester_id}:
            wanted.setdefault(user, reason)
    return wanted


def _said(text: str, deployment: Deployment) -> str:
    problem = deployment.problem or "no reason is known"
    return text.format(label=deployment.label, environment=deployment.environment.name, problem=problem)
