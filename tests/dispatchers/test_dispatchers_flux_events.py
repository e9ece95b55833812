"""Events of Flux's notification controller: told to who watches, once, and never believed."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.audit.models import AuditEntry
from apps.core.clock import now
from apps.core.errors import InvalidInput, NotAllowed
from apps.deployments import queries, services
from apps.deployments.models import Deployment, Report
from tests.dispatchers.test_dispatchers_flux import OTHER, Flux
from tests.support.delivery import Delivery
from tests.support.dispatching import TOKEN
from tests.support.kube import kube
from tests.support.ordering import picture
from tests.support.outside import delivery_via, step_engine, until

pytestmark = pytest.mark.django_db
KEY = "event-key-of-the-connection"


@pytest.fixture
def there() -> Iterator[Flux]:
    with kube() as found:
        yield Flux(found)


@pytest.fixture
def delivery(tmp_path: Path, there: Flux, settings: Any) -> Delivery:
    settings.PORTAL_LEASE_SECONDS = 60
    deploy = "via: flux, connection: corp, kustomization: all-apps"
    return delivery_via(tmp_path, deploy, kind="flux", url=there.url, values={"token": TOKEN, "events": KEY})


@pytest.fixture
def row(delivery: Delivery) -> Deployment:
    found = until(delivery.deployment(delivery.merged()), "running")
    step_engine()
    return found


def event(commit: str = "", **more: Any) -> bytes:
    metadata = {"revision": f"main@sha1:{commit}"} if commit else {}
    about = {"kind": "Kustomization", "namespace": "flux-system", "name": "all-apps"}
    told = {"involvedObject": about, "severity": "info", "timestamp": now().isoformat(), "reason": "Progressing",
            "message": "Deployment/web configured", "metadata": metadata, **more}  # fmt: skip
    return json.dumps(told).encode()


def signed(body: bytes, key: str = KEY) -> str:
    return f"sha256={hmac.new(key.encode(), body, sha256).hexdigest()}"


def hear(body: bytes, *, name: str = "corp", signature: str | None = None) -> int:
    headers = {"x-signature": signed(body) if signature is None else signature}
    return services.accept_event(name=name, headers=headers, body=body)


def told(row: Deployment) -> list[str]:
    return [one.text for one in queries.events(row) if one.text.startswith("Flux says of ")]


def test_an_event_is_told_once_and_the_cluster_is_asked_at_once(row: Deployment) -> None:
    Deployment.objects.update(check_at=now() + timedelta(minutes=1))
    body = event(row.commit, message=f"configured with {TOKEN}\n{KEY}")
    assert hear(body) == 1
    assert told(row) == ["Flux says of Kustomization flux-system/all-apps: Progressing: configured with •••• ••••"]
    row.refresh_from_db()
    assert row.check_at is not None
    assert row.check_at <= now()
    before = picture(row)
    assert hear(body) == 0
    assert picture(row) == before
    assert AuditEntry.objects.filter(action="deployment.event_heard").count() == 1


def test_no_event_moves_a_state_only_what_the_cluster_answers(row: Deployment, there: Flux) -> None:
    hear(event(row.commit, reason="ReconciliationSucceeded", message="Reconciliation finished"))
    hear(event(row.commit, reason="HealthCheckFailed", severity="error", message="timeout"))
    step_engine()
    row.refresh_from_db()
    assert row.status == "running"
    there.fetch(row.commit)
    there.reconcile(row.commit)
    assert until(row, "succeeded", "failed").status == "succeeded"


@pytest.mark.parametrize("forged", ["", "sha256=", "sha256=00", "sha1=00", "v1,AAAA"])
def test_a_forged_event_changes_nothing(row: Deployment, forged: str) -> None:
    before = picture(row)
    body = event(row.commit)
    for signature in (forged, signed(body, "another-key-1234"), signed(body + b" ")):
        with pytest.raises(NotAllowed, match="not signed"):
            hear(body, signature=signature)
    assert picture(row) == before
    assert not Report.objects.exists()


def test_nobody_learns_which_connections_there_are(delivery: Delivery, row: Deployment) -> None:
    services.create_connection(
        delivery.people.erin, name="keyless", kind="flux", url="https://k.example", values={"token": TOKEN}
    )
    words = set()
    for name in ("corp", "keyless", "nowhere"):
        with pytest.raises(NotAllowed) as refused:
            hear(event(row.commit), name=name, signature=signed(event(), ""))
        words.add((refused.value.code, refused.value.message))
    assert len(words) == 1


def test_an_event_about_something_else_or_from_before_changes_nothing(row: Deployment) -> None:
    before = picture(row)
    about = {"kind": "Kustomization", "namespace": "flux-system", "name": "others"}
    early = (now() - timedelta(minutes=10)).isoformat()
    for body in (
        event(row.commit, involvedObject=about),
        event(row.commit, involvedObject={**about, "name": "all-apps", "kind": "HelmRelease"}),
        event(row.commit, involvedObject={**about, "name": "all-apps", "namespace": "prod"}),
        event(OTHER),
        event(row.commit, timestamp=early),
    ):
        assert hear(body) == 0
    assert picture(row) == before


def test_an_event_after_the_end_changes_nothing(row: Deployment, there: Flux) -> None:
    body = event(row.commit)
    hear(body)
    there.fetch(row.commit)
    there.reconcile(row.commit)
    until(row, "succeeded")
    before = picture(row)
    assert hear(body) == hear(event(row.commit, reason="Failed", severity="error")) == 0
    step_engine()
    assert picture(row) == before


def test_an_event_of_the_attempt_before_is_not_told_again_to_the_next(
    row: Deployment, there: Flux, delivery: Delivery
) -> None:
    body = event(row.commit)
    hear(body)
    there.fetch(row.commit)
    there.reconcile(OTHER, row.commit, "False", reason="BuildFailed")
    until(row, "failed")
    services.retry(delivery.people.alice, deployment=row)
    until(row, "running")
    before = picture(row)
    assert hear(body) == 0
    assert picture(row) == before


@pytest.mark.parametrize(
    "body", [b"", b"no", b"[]", b'{"involvedObject": {}}', b'{"involvedObject": 3, "timestamp": "x"}', b"[" * 100_000]
)
def test_what_is_no_event_is_refused(row: Deployment, body: bytes) -> None:
    with pytest.raises(InvalidInput):
        hear(body)


def test_the_api_takes_it_with_the_signature_alone(row: Deployment) -> None:
    body = event(row.commit)
    url = "/api/v1/connections/corp/events/"
    answer = Client().post(url, body, content_type="application/json", headers={"X-Signature": signed(body)})
    assert (answer.status_code, answer.json()) == (202, {"deployments": 1})
    answer = Client().post(url, body, content_type="application/json")
    assert answer.status_code == 403
    large = event(row.commit, message="x" * 300_000)
    answer = Client().post(url, large, content_type="application/json", headers={"X-Signature": signed(large)})
    assert answer.status_code in {413, 422}
    assert len(told(row)) == 1
