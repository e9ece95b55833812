"""Whatever is done to the rows behind the portal's back is found."""

from __future__ import annotations

import io

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from apps.audit import triggers
from apps.audit.actors import Actor
from apps.audit.canonical import entry_hash
from apps.audit.models import AuditEntry, AuditHead
from apps.audit.services import record
from apps.audit.verification import verify

pytestmark = pytest.mark.django_db
ALICE = Actor(id=7, issuer="https://idp.example", subject="42", name="alice", kind="human")
TABLE = triggers.TABLE


@pytest.fixture
def log() -> list[AuditEntry]:
    return [
        record(
            ALICE, "change.requested", summary=f"act {n}", target="t", repository="infra", change=42,
            environment="prod", deployment=7, data={"n": n},
        )
        for n in range(1, 6)
    ]  # fmt: skip


def run(sql: str, *parameters) -> None:
    with triggers.suspended(connection), connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def test_untouched_log_is_good(log):
    report = verify()
    assert (report.ok, report.entries, report.problem) == (True, 5, "")
    assert (report.head.seq, report.head.hash) == (5, log[-1].hash)


def test_empty_log_is_good():
    assert verify().ok
    assert verify().entries == 0


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", "2020-01-01 00:00:00"),
        ("action", "change.merged"),
        ("actor", '{"id": 7, "issuer": "https://idp.example", "subject": "43", "name": "alice", "kind": "human"}'),
        ("actor_name", "bob"),
        ("target", "u"),
        ("repository", "other"),
        ("change_number", 43),
        ("change_number", None),
        ("environment", "staging"),
        ("deployment_number", 8),
        ("summary", "act 3 "),
        ("data", '{"n": 4}'),
        ("data", "[]"),
        ("request_id", "another"),
        ("prev_hash", "0" * 64),
        ("hash", "f" * 64),
        ("seq", 9),
    ],
)
def test_every_changed_column_is_found(log, column, value):
    run(f"UPDATE {TABLE} SET {column} = %s WHERE seq = 3", value)
    report = verify()
    assert not report.ok
    assert report.first_bad == 3
    assert report.entries == 2


def test_every_column_is_among_those_that_are_tampered_with():
    tried = {mark.args[1][i][0] for mark in test_every_changed_column_is_found.pytestmark if mark.name == "parametrize"
             for i in range(len(mark.args[1]))}  # fmt: skip
    assert {field.column for field in AuditEntry._meta.fields} == tried


def test_rewritten_entry_with_a_matching_hash_breaks_the_next_one(log):
    forged = AuditEntry.objects.get(seq=3)
    forged.summary = "nothing happened"
    run(f"UPDATE {TABLE} SET summary = %s, hash = %s WHERE seq = 3", forged.summary, entry_hash(forged.document()))
    report = verify()
    assert (report.ok, report.first_bad) == (False, 4)


def test_chain_that_was_rewritten_to_its_end_does_not_fit_the_head(log):
    previous = log[1].hash
    for seq in (3, 4, 5):
        forged = AuditEntry.objects.get(seq=seq)
        forged.summary, forged.prev_hash = "nothing happened", previous
        previous = entry_hash(forged.document())
        run(f"UPDATE {TABLE} SET summary = %s, prev_hash = %s, hash = %s WHERE seq = %s", forged.summary,
            forged.prev_hash, previous, seq)  # fmt: skip
    report = verify()
    assert (report.ok, report.first_bad) == (False, 5)
    assert "head" in report.problem


@pytest.mark.parametrize(("seq", "bad"), [(1, 1), (3, 3), (5, 5)])
def test_removed_entry_is_found(log, seq, bad):
    run(f"DELETE FROM {TABLE} WHERE seq = %s", seq)
    report = verify()
    assert (report.ok, report.first_bad) == (False, bad)


def test_exchanged_entries_are_found(log):
    run(f"UPDATE {TABLE} SET seq = 99 WHERE seq = 2")
    run(f"UPDATE {TABLE} SET seq = 2 WHERE seq = 3")
    run(f"UPDATE {TABLE} SET seq = 3 WHERE seq = 99")
    report = verify()
    assert (report.ok, report.first_bad) == (False, 2)


def test_entry_that_was_added_by_hand_is_found(log):
    forged = AuditEntry.objects.get(seq=5)
    forged.seq, forged.prev_hash = 6, log[-1].hash
    forged.hash = entry_hash(forged.document())
    forged.save(force_insert=True)
    report = verify()
    assert (report.ok, report.first_bad) == (False, 6)


def test_tampered_head_is_found(log):
    AuditHead.objects.update(hash="f" * 64)
    assert not verify().ok
    AuditHead.objects.update(seq=4, hash=log[3].hash)
    assert verify().first_bad == 5
    AuditHead.objects.all().delete()
    assert verify().problem == "The head of the log is missing."


def test_emptied_log_is_found(log):
    run(f"DELETE FROM {TABLE}")
    assert verify().first_bad == 1


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL refuses such a value by itself")
def test_row_that_cannot_be_read_is_found(log):
    run(f"UPDATE {TABLE} SET at = 'garbage' WHERE seq = 3")
    report = verify()
    assert (report.ok, report.first_bad) == (False, 3)


def test_missing_triggers_are_found(log):
    triggers.remove(connection)
    report = verify()
    triggers.install(connection)
    assert not report.ok
    assert "audit_no_update" in report.problem
    assert verify().ok


def test_part_of_the_log_can_be_checked(log):
    report = verify(from_seq=4)
    assert (report.ok, report.entries) == (True, 2)
    run(f"UPDATE {TABLE} SET summary = 'x' WHERE seq = 2")
    assert verify(from_seq=4).ok
    assert not verify(from_seq=2).ok
    assert verify(from_seq=99).first_bad == 98


@pytest.mark.parametrize(
    "sql", [f"UPDATE {TABLE} SET summary = 'x' WHERE seq = 3", f"DELETE FROM {TABLE} WHERE seq = 3"]
)
def test_database_itself_refuses_changes(log, sql):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert verify().ok


def test_database_itself_refuses_changes_through_the_models(log):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEntry.objects.update(summary="x")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        log[0].delete()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        log[0].save()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite has INSERT OR REPLACE")
def test_replacing_a_row_is_refused_although_sqlite_fires_no_delete_trigger(log):
    columns = ", ".join(field.column for field in AuditEntry._meta.fields if field.column != "summary")
    sql = f"INSERT OR REPLACE INTO {TABLE} ({columns}, summary) SELECT {columns}, 'x' FROM {TABLE} WHERE seq = 3"
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def test_command_says_ok_and_where_it_broke(log):
    out, err = io.StringIO(), io.StringIO()
    call_command("verify_audit_log", stdout=out)
    assert out.getvalue().startswith(f"ok: 5 entries, head #5 {log[-1].hash}")
    run(f"UPDATE {TABLE} SET summary = 'x' WHERE seq = 3")
    with pytest.raises(SystemExit) as end:
        call_command("verify_audit_log", stdout=io.StringIO(), stderr=err)
    assert end.value.code == 1
    assert "Entry 3 was altered" in err.getvalue()


def test_command_escapes_control_characters():
    from apps.audit.management.commands.verify_audit_log import printable

    assert printable("a\x1b[31m\r\n\u202eb\x9b") == "a\\u001b[31m\\u000d\\u000a\\u202eb\\u009b"
