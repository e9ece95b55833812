"""Notices of Git hosts: only signed ones count, once, and nothing in them is believed."""

from __future__ import annotations

import hmac
import json
from hashlib import sha256

import pytest

from apps.audit.models import AuditEntry
from apps.core.clock import now
from apps.core.errors import InvalidInput, NotAllowed, NotVisible
from apps.repositories.forges.signatures import standard_signature
from apps.repositories.models import WebhookDelivery
from apps.repositories.queries import webhook_secret
from apps.repositories.services import accept_delivery, rotate_webhook_secret, synchronise
from tests.support.people import cast
from tests.support.repositories import branch_with, connected

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    return cast()


@pytest.fixture
def infra(tmp_path, people):
    return connected(tmp_path, people.carol)


def push_body(branch: str = "x", oid: str = "a" * 40, **more: object) -> bytes:
    return json.dumps({"ref": f"refs/heads/{branch}", "after": oid, **more}).encode()


def hexed(repository, body: bytes) -> str:
    return hmac.new(webhook_secret(repository).encode(), body, sha256).hexdigest()


def headers_of(provider: str, repository, body: bytes, ident: str = "id-1", at: int | None = None) -> dict[str, str]:
    moment = str(at if at is not None else int(now().timestamp()))
    return {
        "github": {
            "X-GitHub-Delivery": ident, "X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={hexed(repository, body)}",
        },
        "gitlab": {"X-Gitlab-Event-UUID": ident, "X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": webhook_secret(repository)},
        "gitea": {"X-Gitea-Delivery": ident, "X-Gitea-Event": "push", "X-Gitea-Signature": hexed(repository, body)},
        "generic": {
            "webhook-id": ident, "webhook-timestamp": moment,
            "webhook-signature": "v1,c3R1ZmY= v1," + standard_signature(webhook_secret(repository), ident, moment, body),
        },
    }[provider]  # fmt: skip


def deliver(repository, provider: str, headers: dict[str, str], body: bytes) -> WebhookDelivery:
    return accept_delivery(repository_name=repository.name, provider=provider, headers=headers, body=body)


@pytest.mark.parametrize("provider", ["github", "gitlab", "gitea", "generic"])
def test_a_signed_push_is_kept_once_and_asks_for_a_look(infra, provider):
    repository, _ = infra
    body = push_body()
    headers = headers_of(provider, repository, body)
    entries = AuditEntry.objects.count()
    first = deliver(repository, provider, headers, body)
    again = deliver(repository, provider, headers, body)
    assert first == again and first.status == "accepted" and first.branch == "x"
    assert WebhookDelivery.objects.count() == 1
    assert AuditEntry.objects.count() == entries + 1
    repository.refresh_from_db()
    assert repository.sync_requested_at is not None


@pytest.mark.parametrize("provider", ["github", "gitlab", "gitea", "generic"])
@pytest.mark.parametrize("damage", ["no header", "other secret", "other body"])
def test_an_unsigned_or_wrongly_signed_notice_leaves_no_trace(infra, provider, damage):
    repository, _ = infra
    body = push_body()
    headers = headers_of(provider, repository, body)
    if damage == "no header":
        headers = {name: value for name, value in headers.items() if "ignature" not in name and "Token" not in name}
    elif damage == "other secret":
        secret = "whsec_" + "QUJD" * 11
        wrong = hmac.new(secret.encode(), body, sha256).hexdigest()
        headers |= {
            "X-Hub-Signature-256": f"sha256={wrong}", "X-Gitea-Signature": wrong, "X-Gitlab-Token": secret,
            "webhook-signature": "v1," + standard_signature(secret, "id-1", headers.get("webhook-timestamp", ""), body),
        }  # fmt: skip
    elif provider == "gitlab":
        headers["webhook-signature"] = "v1," + standard_signature(webhook_secret(repository), "id-1", "0", body)
        body += b" "
    else:
        body += b" "
    entries = AuditEntry.objects.count()
    with pytest.raises(NotAllowed) as refusal:
        deliver(repository, provider, headers, body)
    assert refusal.value.code == "bad_signature"
    assert not WebhookDelivery.objects.exists() and AuditEntry.objects.count() == entries


def test_an_unknown_repository_is_refused_like_a_wrong_signature(infra):
    repository, _ = infra
    body = push_body()
    with pytest.raises(NotAllowed) as refusal:
        accept_delivery(
            repository_name="nothing", provider="github", headers=headers_of("github", repository, body), body=body
        )
    assert refusal.value.code == "bad_signature"


def test_an_unknown_provider_is_not_found(infra):
    repository, _ = infra
    with pytest.raises(NotVisible):
        deliver(repository, "sourceforge", {}, b"{}")


@pytest.mark.parametrize("age", [-301, 301, 86_400])
def test_a_standard_webhook_outside_of_five_minutes_is_refused(infra, age):
    repository, _ = infra
    body = push_body()
    headers = headers_of("generic", repository, body, at=int(now().timestamp()) - age)
    with pytest.raises(NotAllowed):
        deliver(repository, "generic", headers, body)


@pytest.mark.parametrize("stamp", ["", "soon", "-1", "9" * 40, "１２３"])
def test_a_strange_timestamp_is_refused_not_a_crash(infra, stamp):
    repository, _ = infra
    body = push_body()
    headers = headers_of("generic", repository, body) | {"webhook-timestamp": stamp}
    with pytest.raises(NotAllowed):
        deliver(repository, "generic", headers, body)


def test_gitlab_with_a_signing_token_is_checked_by_signature_alone(infra):
    repository, _ = infra
    body = push_body()
    headers = headers_of("generic", repository, body) | {"X-Gitlab-Event": "Push Hook"}
    assert deliver(repository, "gitlab", headers, body).status == "accepted"
    wrong = headers | {"webhook-id": "id-2", "X-Gitlab-Token": webhook_secret(repository)}
    with pytest.raises(NotAllowed):
        deliver(repository, "gitlab", wrong, body)


def test_the_plain_portal_signature_is_accepted_for_own_scripts(infra):
    repository, _ = infra
    body = push_body()
    headers = {"X-Portal-Signature": f"sha256={hexed(repository, body)}"}
    assert deliver(repository, "generic", headers, body).status == "accepted"


@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_a_signed_body_that_is_no_json_object_is_bad_input(infra, body):
    repository, _ = infra
    with pytest.raises(InvalidInput) as refusal:
        deliver(repository, "github", headers_of("github", repository, body), body)
    assert refusal.value.code == "bad_payload"


def test_more_than_a_megabyte_is_not_read(infra):
    repository, _ = infra
    body = push_body(junk="x" * 1_000_001)
    with pytest.raises(InvalidInput) as refusal:
        deliver(repository, "github", headers_of("github", repository, body), body)
    assert refusal.value.code == "body_too_large"


def test_a_ping_is_kept_and_ignored(infra):
    repository, _ = infra
    body = b'{"zen": "Keep it logically awesome."}'
    headers = headers_of("github", repository, body) | {"X-GitHub-Event": "ping"}
    assert deliver(repository, "github", headers, body).status == "ignored"
    repository.refresh_from_db()
    assert repository.sync_requested_at is None


def test_odd_values_in_a_notice_are_harmless(infra):
    repository, _ = infra
    body = push_body("x" * 4000, oid={"$gt": 1}, pusher={"name": "a\x00b\ud800", "email": ["x"]})
    row = deliver(repository, "github", headers_of("github", repository, body), body)
    assert row.new_oid == "" and "\0" not in row.pusher_name and len(row.branch) <= 250


def test_a_lie_about_a_branch_changes_nothing_but_that_git_is_looked_at(infra):
    repository, work = infra
    tip = work.rev_parse("main")
    body = push_body("main", "b" * 40)
    deliver(repository, "github", headers_of("github", repository, body), body)
    assert synchronise(repository.pk)
    assert repository.branch_tips.get(name="main").oid == tip
    assert not repository.ref_updates.exclude(cause="connect").exists()


def test_everybody_who_pushed_between_two_looks_is_named(infra, people):
    repository, work = infra
    branch_with(work, "x", {"a": "0"})
    synchronise(repository.pk)
    for number, (name, email) in enumerate([("someone", "alice@example.org"), ("bob", "elsewhere@nowhere.test")]):
        oid = work.commit(f"by {name}", files={"a": f"{number} {name}"})
        work.push()
        body = push_body("x", oid, pusher={"name": name, "email": email})
        deliver(repository, "github", headers_of("github", repository, body, f"id-{number}"), body)
    assert synchronise(repository.pk)
    rows = repository.ref_updates.filter(branch="x", kind="advanced").order_by("pk")
    assert [row.pusher.username for row in rows] == ["alice", "bob"]
    assert rows[0].new_oid == rows[1].old_oid
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"synced"}


def test_a_new_secret_ends_the_old_one(infra, people):
    repository, _ = infra
    body = push_body()
    old = headers_of("github", repository, body)
    rotate_webhook_secret(people.carol, repository=repository)
    with pytest.raises(NotAllowed):
        deliver(repository, "github", old, body)
    with pytest.raises(NotVisible):
        rotate_webhook_secret(people.mallory, repository=repository)
