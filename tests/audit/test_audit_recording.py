"""One entry per act, in its transaction, with nothing in it that must not be kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import connection, transaction

from apps.audit import services
from apps.audit.actions import ACTIONS
from apps.audit.actors import SYSTEM, Actor
from apps.audit.canonical import ZERO_HASH, canonical_json, entry_hash, instant
from apps.audit.models import AuditEntry, AuditHead
from apps.audit.sanitising import MAX_DATA_BYTES, clean_data
from apps.audit.services import AuditMisuse, record
from apps.core.context import request_id
from apps.core.errors import Conflict
from tests.support.people import person

db = pytest.mark.django_db
ALICE = Actor(id=7, issuer="https://idp.example", subject="42", name="alice", kind="human")


def write(number: int = 1, **fields) -> list[AuditEntry]:
    with transaction.atomic():
        return [record(ALICE, "change.requested", **{"summary": f"act {n}", **fields}) for n in range(number)]


@db
def test_entries_chain_from_zero_without_a_gap():
    first, second, third = write(3)
    assert [first.seq, second.seq, third.seq] == [1, 2, 3]
    assert first.prev_hash == ZERO_HASH
    assert (second.prev_hash, third.prev_hash) == (first.hash, second.hash)
    head = AuditHead.objects.get()
    assert (head.seq, head.hash) == (3, third.hash)


@db
def test_entry_holds_what_was_given_and_the_request():
    token = request_id.set("req-12345678")
    try:
        write(
            target="change/42", repository="infra", change=42, environment="production", deployment=7, data={"a": [1, None, True]}
        )  # fmt: skip
    finally:
        request_id.reset(token)
    entry = AuditEntry.objects.get()
    assert entry.actor == {"id": 7, "issuer": "https://idp.example", "kind": "human", "name": "alice", "subject": "42"}
    assert (entry.actor_name, entry.target, entry.repository) == ("alice", "change/42", "infra")
    assert (entry.change_number, entry.environment, entry.deployment_number) == (42, "production", 7)
    assert (entry.data, entry.request_id) == ({"a": [1, None, True]}, "req-12345678")


@db
def test_actor_of_an_account_is_its_identity_at_that_moment():
    alice = person("alice")
    assert Actor.of(alice) == Actor(alice.pk, "local", "alice", "alice", "human")
    alice.issuer, alice.subject = "https://idp.example", "42"
    assert (Actor.of(alice).issuer, Actor.of(alice).subject) == ("https://idp.example", "42")


@pytest.mark.django_db(transaction=True)
def test_recording_outside_a_transaction_is_refused():
    with pytest.raises(AuditMisuse):
        record(SYSTEM, "change.requested", summary="x")
    assert not AuditEntry.objects.exists()


@db
def test_action_that_is_not_listed_is_refused():
    with pytest.raises(AuditMisuse), transaction.atomic():
        record(SYSTEM, "change.invented", summary="x")


def test_actions_are_nouns_with_past_verbs():
    assert all(len(action.split(".")) == 2 and text for action, text in ACTIONS.items())


@pytest.mark.django_db(transaction=True)
def test_rolled_back_act_leaves_no_entry_and_no_gap():
    write()

    def failing_act() -> None:
        with transaction.atomic():
            record(ALICE, "change.merged", summary="lost")
            raise LookupError

    with pytest.raises(LookupError):
        failing_act()
    (second,) = write()
    assert second.seq == 2
    assert AuditEntry.objects.count() == 2


@db
def test_rolled_back_savepoint_leaves_no_gap():
    with transaction.atomic():
        with pytest.raises(LookupError), transaction.atomic():
            record(ALICE, "change.merged", summary="lost")
            raise LookupError
        assert record(ALICE, "change.withdrawn", summary="kept").seq == 1


@db
def test_missing_head_of_a_log_with_entries_stops_everything():
    write()
    AuditHead.objects.all().delete()
    with pytest.raises(Conflict) as refusal:
        write()
    assert refusal.value.code == "audit_head_missing"


@db
def test_recording_takes_a_constant_number_of_queries(django_assert_num_queries):
    write()
    with django_assert_num_queries(3), transaction.atomic(savepoint=False):
        record(ALICE, "change.requested", summary="x")


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "PASSWORD",
        "client_secret",
        "token",
        "access_token",
        "api_key",
        "apiKey",
        "ssh-key",
        "Authorization",
        "cookie",
    ],
)
def test_secrets_are_removed_wherever_they_stand(key):
    cleaned = clean_data({"outer": [{key: "hunter2"}], key: {"nested": "hunter2"}})
    assert "hunter2" not in str(cleaned)


def test_what_only_sounds_like_a_secret_is_kept():
    data = {"token_id": 3, "keyboard": "x", "monkey": "y", "password_changed": True, "token": None}
    assert clean_data(data) == data


def test_credentials_in_addresses_are_removed():
    cleaned = clean_data({"url": "cloned https://bob:hunter2@git.example/x.git and ssh://git@host/y"})
    assert cleaned == {"url": "cloned https://git.example/x.git and ssh://host/y"}


def test_endless_data_becomes_its_size_and_digest():
    cleaned = clean_data({f"k{n}": "x" * 1000 for n in range(100)})
    assert set(cleaned) == {"omitted_bytes", "omitted_sha256"}
    assert cleaned["omitted_bytes"] > MAX_DATA_BYTES
    assert len(clean_data({"text": "x" * 9000})["text"]) == 2000
    assert clean_data({"list": list(range(500))})["list"][-1] == "… 300 more"


@db
def test_values_that_databases_or_json_refuse_are_made_visible():
    nested: dict = {}
    nested["self"] = nested
    at = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    data = {
        "nul": "a\x00b",
        "half": "\udcff",
        "float": 0.5,
        "big": 2**60,
        "at": at,
        "set": {"b", "a"},
        "deep": nested,
        5: b"x",
    }
    write(summary="line\x00\udc80", target="\ud800", data=data)
    entry = AuditEntry.objects.get()
    assert entry.summary == "line\\u0000\\udc80"
    assert entry.data["nul"] == "a\\u0000b"
    assert entry.data["half"] == "\\udcff"
    assert (entry.data["float"], entry.data["big"]) == ("0.5", str(2**60))
    assert (entry.data["at"], entry.data["set"]) == ("2026-01-02T03:04:05.000006Z", ["a", "b"])
    assert entry_hash(entry.document()) == entry.hash


def test_canonical_bytes_are_those_of_rfc_8785():
    # Keys of RFC 8785 §3.2.3 in their required order; then its escapes.
    keys = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert list(canonical_json(keys).decode().translate({34: None, 123: None, 125: None}).split(",")) == [
        "\\r:2", "1:4", "\u0080:6", "\u00f6:7", "\u20ac:1", "\U0001f600:5", "\ufb33:3",
    ]  # fmt: skip
    assert canonical_json({"b": [1, True, None], "a": "\u20ac$\x0f\nA'B\"\\"}) == (
        '{"a":"\u20ac$\\u000f\\nA\'B\\"\\\\","b":[1,true,null]}'.encode()
    )
    with pytest.raises(TypeError):
        canonical_json({"a": 0.5})


def test_known_entry_has_its_known_hash():
    document = {
        "v": 1, "seq": 1, "at": "2026-01-02T03:04:05.000006Z", "action": "change.requested",
        "actor": ALICE.as_json(), "target": "", "repository": "infra", "change": 42, "environment": "",
        "deployment": None, "summary": "x", "data": {}, "request_id": "", "prev_hash": ZERO_HASH,
    }  # fmt: skip
    import hashlib
    import json

    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    assert entry_hash(document) == hashlib.sha256(b"\x00" + text.encode()).hexdigest()


def test_instants_have_one_form():
    elsewhere = timezone(timedelta(hours=5, minutes=30))
    assert instant(datetime(2026, 1, 1, 0, 0, tzinfo=elsewhere)) == "2025-12-31T18:30:00.000000Z"


@db
def test_module_offers_only_recording():
    assert connection.in_atomic_block
    assert [name for name in vars(services) if name.startswith(("record", "update", "delete"))] == ["record"]
