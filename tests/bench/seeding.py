"""Rows for benchmarks: many changes, and a deployment that runs for ever. Written in bulk, into a database of its own.

``python -m tests.bench.seeding changes N`` fills the portal of ``PORTAL_DATA_DIR`` with N changes (``open N``: all of them in
review) and prints, as JSON, how many queries each list page then makes for carol; ``… deployment`` makes one running deployment and prints its id.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gitops_portal.settings")

STATES = ("done",) * 12 + ("withdrawn",) * 2 + ("in_review",) * 3 + ("draft",) + ("requested",) + ("merged",)
PAGES = ("/queue/", "/changes/", "/changes/?q=state%3Aopen", "/changes/?q=ingress", "/deployments/", "/environments/")
OID = "%040x"


def main() -> None:
    django.setup()
    if sys.argv[1] in ("changes", "open"):
        _changes(int(sys.argv[2]), STATES if sys.argv[1] == "changes" else ("in_review",))
        print(json.dumps({path: _queries(path) for path in PAGES}))
    else:
        print(_running_deployment())


def _repository() -> tuple[Any, Any, list[Any]]:
    from apps.accounts.models import User
    from apps.deployments.models import Environment
    from apps.repositories.models import Repository, RepositoryRole

    carol = User.objects.get(username="carol")
    people = list(User.objects.order_by("pk"))
    repository = Repository.objects.create(
        name="infra", url="/nowhere", default_branch="main", created_by=carol, webhook_secret=""
    )
    roles = {"carol": "deployer", "alice": "author"}
    for person in people:
        RepositoryRole.objects.create(repository=repository, user=person, role=roles.get(person.username, "reviewer"))
    for position, name in enumerate(("staging", "production")):
        Environment.objects.create(repository=repository, name=name, position=position)
    return repository, carol, people


def _changes(count: int, states: tuple[str, ...]) -> None:
    from apps.changes.models import ChangeNumber, ChangeRequest, Revision
    from apps.core.clock import now

    repository, _, people = _repository()
    start = now() - timedelta(minutes=10 * count)
    rows = []
    for number in range(1, count + 1):
        status, at = states[number % len(states)], start + timedelta(minutes=10 * number)
        rows.append(
            ChangeRequest(
                number=number, repository=repository, title=f"Raise the replicas of service {number} for ingress",
                description="More people come. " * 5, status=status, target_branch="main",
                source_branch="" if status == "requested" else f"change/CHG-{number}",
                requester=people[number % len(people)], owner=people[(number // 3) % len(people)],
                created_at=at, updated_at=at,
            )
        )  # fmt: skip
    made = ChangeRequest.objects.bulk_create(rows, batch_size=500)
    coded = [row for row in made if row.status != "requested"]
    revisions = Revision.objects.bulk_create(
        [
            Revision(
                change=row, number=1, cause="attached", source_branch=row.source_branch, target_branch="main",
                head_oid=OID % row.number, target_oid=OID % 1, result_tree=OID % (row.number + 10**6), files_changed=3,
                lines_added=12, lines_removed=4, commit_count=1, paths=["apps/web/values.yaml"], created_at=row.created_at,
            )
            for row in coded
        ],
        batch_size=500,
    )  # fmt: skip
    for row, revision in zip(coded, revisions, strict=True):
        row.revision = revision
    ChangeRequest.objects.bulk_update(coded, ["revision"], batch_size=500)
    ChangeNumber.objects.update_or_create(pk=1, defaults={"last": count})
    _discussed(coded, people)
    _deployed([row for row in coded if row.status in {"merged", "done"}], people)


def _discussed(rows: list[Any], people: list[Any]) -> None:
    from apps.reviews.models import Attention, Review, VerdictSnapshot

    reviews, turns, verdicts = [], [], []
    for row in rows:
        reviewer = people[(row.number * 7) % len(people)]
        verdict = "approve" if row.number % 5 else "request_changes"
        reviews.append(
            Review(change=row, revision=row.revision, reviewer=reviewer, verdict=verdict, created_at=row.updated_at)
        )
        if row.status == "in_review":
            turns.append(Attention(change=row, user=reviewer, reason="You own apps/web/**", since=row.updated_at))
            is_allowed = row.number % 2 == 0
            verdicts.append(
                VerdictSnapshot(
                    change=row, change_version=1, stale=False, allowed=is_allowed, met=2 if is_allowed else 1, total=2,
                    summary="Waits for the approval of bob", computed_at=row.updated_at,
                )
            )  # fmt: skip
    Review.objects.bulk_create(reviews, batch_size=500)
    Attention.objects.bulk_create(turns, batch_size=500)
    VerdictSnapshot.objects.bulk_create(verdicts, batch_size=500)


def _deployed(rows: list[Any], people: list[Any]) -> None:
    from apps.deployments.models import Deployment, Environment

    environments = list(Environment.objects.all())
    made = [
        Deployment(
            number=2 * row.number + place, change=row, environment=environment, status="succeeded", commit=OID % row.number,
            plan={"via": "local", "steps": [{"name": "apply", "run": "true", "timeout": 60}]},
            became_live=True, requested_by=people[0], queued_at=row.updated_at, started_at=row.updated_at, ended_at=row.updated_at,
            latest_at=row.updated_at,
        )
        for row in rows
        for place, environment in enumerate(environments)
    ]  # fmt: skip
    Deployment.objects.bulk_create(made, batch_size=500)


def _running_deployment() -> int:
    from apps.changes.models import ChangeRequest
    from apps.core.clock import now
    from apps.deployments.models import Deployment, Environment

    repository, carol, _ = _repository()
    change = ChangeRequest.objects.create(
        number=1, repository=repository, title="Watched", status="merged", target_branch="main", requester=carol,
        created_at=now(), updated_at=now(),
    )  # fmt: skip
    environment = Environment.objects.get(repository=repository, name="staging")
    plan = {"via": "local", "steps": [{"name": "apply", "run": "true", "timeout": 60}]}
    row = Deployment.objects.create(
        number=1, change=change, environment=environment, status="running", commit=OID % 1, plan=plan,
        requested_by=carol, queued_at=now(), started_at=now(), attempts=1,
    )  # fmt: skip
    return int(row.pk)


def _queries(path: str) -> int:
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from apps.accounts.models import User

    client = Client()
    client.force_login(User.objects.get(username="carol"), backend="apps.accounts.backends.PortalBackend")
    client.get(path, HTTP_HOST="127.0.0.1")
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(path, HTTP_HOST="127.0.0.1")
    assert answer.status_code == 200, (path, answer.status_code)
    return len(queries)


if __name__ == "__main__":
    main()
