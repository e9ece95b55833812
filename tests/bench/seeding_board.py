"""Environments, services and deployments for the benchmark of the board, written in bulk.

``python -m tests.bench.seeding_board COLUMNS ROWS`` fills the portal of ``PORTAL_DATA_DIR`` and prints, as JSON, how many
queries each page then makes for carol.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gitops_portal.settings")

PAGES = ("/environments/", "/environments/?q=s01", "/environments/?state=failed", "/environments/?behind=1")
DEPLOYMENTS = 5
SMALL = 10
"""Services of each repository but the first, which has half of all."""


def main() -> None:
    django.setup()
    columns, rows = int(sys.argv[1]), int(sys.argv[2])
    _fill(columns, rows)
    print(json.dumps({path: _queries(path) for path in PAGES}))


def _fill(columns: int, rows: int) -> None:
    from apps.accounts.models import User

    carol = User.objects.get(username="carol")
    first = max(rows // 2, 1)
    sizes = [first, *[min(SMALL, rows - at) for at in range(first, rows, SMALL)]]
    start = 0
    for number, size in enumerate(sizes):
        _repository(carol, number, [f"s{start + index:03}" for index in range(size)], columns)
        start += size


def _repository(carol: Any, number: int, services: list[str], columns: int) -> None:
    from apps.changes.models import ChangeRequest
    from apps.core.clock import now
    from apps.deployments.models import Environment
    from apps.repositories.models import Repository, RepositoryRole

    repository = Repository.objects.create(
        name=f"r{number:03}", url="/nowhere", default_branch="main", created_by=carol, webhook_secret=""
    )
    RepositoryRole.objects.create(repository=repository, user=carol, role="maintainer")
    change = ChangeRequest.objects.create(
        number=number + 1, repository=repository, title=f"Raise the replicas of {number}", status="merged",
        requester=carol, owner=carol, target_branch="main", merged_at=now(), created_at=now(), updated_at=now(), merge_commit="%040x" % (number + 1),
    )  # fmt: skip
    rows = Environment.objects.bulk_create(
        Environment(repository=repository, name=f"e{position:03}", position=position, targets=services)
        for position in range(columns)
    )
    for row in rows:
        _deploy(row, change, carol, failed=row.position % 7 == 3)


def _deploy(environment: Any, change: Any, carol: Any, *, failed: bool) -> None:
    from apps.core.clock import now
    from apps.deployments.models import Deployment, Environment

    first = environment.pk * DEPLOYMENTS
    rows = [
        Deployment(
            number=first + index, change=change, environment=environment, commit="%040x" % (first + index), plan={},
            status="failed" if failed and index == DEPLOYMENTS - 1 else "succeeded", requested_by=carol,
            became_live=not failed or index < DEPLOYMENTS - 1,
            queued_at=now() - timedelta(hours=1), started_at=now(), ended_at=now(),
        )
        for index in range(DEPLOYMENTS)
    ]  # fmt: skip
    made = Deployment.objects.bulk_create(rows)
    live = made[-2] if failed else made[-1]
    Environment.objects.filter(pk=environment.pk).update(
        live_commit=live.commit, live_deployment=live, live_since=now()
    )


def _queries(path: str) -> int:
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from apps.accounts.models import User

    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(User.objects.get(username="carol"), backend="apps.accounts.backends.PortalBackend")
    client.get(path)
    with CaptureQueriesContext(connection) as seen:
        client.get(path)
    return len(seen)


if __name__ == "__main__":
    main()
