"""After an older database was restored: what was published since is taken back, or a new log is begun, and both are on record."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.audit import triggers
from apps.audit.models import AuditEntry, AuditHead, Publication
from apps.audit.publishing import publish
from apps.audit.verification import verify
from tests.support.git import GitRepo
from tests.support.publishing import acts, checkpoints, publish_here

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def place(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    publish_here(settings, tmp_path, monkeypatch)
    return tmp_path / "audit.git"


def recover(*options: str) -> str:
    said = StringIO()
    call_command("recover_audit_log", *options, stdout=said)
    return said.getvalue()


def restore(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database as it was when entry ``after`` was its last, and a new process."""
    with triggers.suspended(connection), connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_auditentry WHERE seq > %s", [after])
    AuditHead.objects.update(seq=after, hash=AuditEntry.objects.get(seq=after).hash)
    Publication.objects.update(size=after)
    monkeypatch.setattr("apps.audit.published._is_current", False)


@pytest.mark.parametrize("count", [7, 300])
def test_forgotten_entries_are_taken_back_as_they_were(place, monkeypatch, count):
    acts(count)
    publish()
    were = list(AuditEntry.objects.order_by("seq").values())
    restore(4, monkeypatch)
    assert f"{count - 4} entries were taken back" in recover()
    assert list(AuditEntry.objects.order_by("seq").values())[:count] == were
    last = AuditEntry.objects.first()
    assert (last.action, last.data["after"], last.data["entries"]) == ("audit.recovered", 4, count - 4)
    assert verify().ok
    assert [checkpoint.size for checkpoint in checkpoints(place)] == [count, count + 1]
    acts(1)


def test_a_log_that_forgot_nothing_stays_as_it_is(place):
    acts(3)
    publish()
    acts(1)
    assert "0 entries" in recover()
    assert AuditEntry.objects.count() == 4
    assert [checkpoint.size for checkpoint in checkpoints(place)] == [3, 4]


def test_logs_that_parted_are_not_joined(place, monkeypatch):
    acts(9)
    publish()
    restore(4, monkeypatch)
    monkeypatch.setattr("apps.audit.published._is_current", True)
    acts(2, "written in between")
    for _ in range(2):
        with pytest.raises(CommandError, match="parted before"):
            recover()
    assert AuditEntry.objects.count() == 6
    acts(6, "more")
    with pytest.raises(CommandError, match="not the one that was published"):
        recover()


def test_a_new_log_says_why_and_what_was_before(place, monkeypatch):
    acts(9)
    publish()
    old = GitRepo(place).rev_parse("refs/portal/audit")
    note = GitRepo(place).run_bytes("show", f"{old}:checkpoint").decode()
    restore(4, monkeypatch)
    monkeypatch.setattr("apps.audit.published._is_current", True)
    acts(2, "written in between")
    publish()
    assert AuditHead.objects.get().held
    with pytest.raises(CommandError, match="Say why"):
        recover("--begin-anew", " ")
    recover("--begin-anew", "the database was restored")
    entry = AuditEntry.objects.first()
    assert entry.action == "audit.begun_anew"
    assert entry.data == {"reason": "the database was restored", "commit": old, "checkpoint": note}
    assert AuditHead.objects.get().held == ""
    found = GitRepo(place)
    assert found.run("rev-list", "--count", "refs/portal/audit").strip() == "2", "the old one stays in the history"
    acts(3)
    publish()
    newest = found.run_bytes("show", "refs/portal/audit:checkpoint").decode().splitlines()
    assert newest[:2] == [f"127.0.0.1:8000/audit/{old[:12]}", "10"]
    assert verify().ok


def test_a_lost_key_is_answered_with_a_new_log(place, settings):
    acts(3)
    publish()
    settings.PORTAL_AUDIT_KEY = "a new key because the old one is lost"
    with pytest.raises(CommandError, match="not signed by the key"):
        recover()
    recover("--begin-anew", "the key was lost")
    acts(1)
    publish()
    assert Publication.objects.get().size == 5
    assert AuditHead.objects.get().held == ""


def test_there_is_nothing_to_begin_anew_before_the_first(place):
    with pytest.raises(CommandError, match="Nothing is published"):
        recover("--begin-anew", "why not")
    assert "0 entries" in recover()


@pytest.mark.parametrize(("was", "becomes"), [(b"act 3", b"act 9"), (b'"action"', b'{action"'), (b'"seq"', b'"sqe"')])
def test_a_published_entry_that_was_changed_is_not_taken_back(place, monkeypatch, was, becomes):
    acts(5)
    publish()
    restore(2, monkeypatch)
    work = GitRepo.clone(place, place.parent / "work")
    work.run("fetch", "-q", "origin", "refs/portal/audit")
    work.run("checkout", "-q", "FETCH_HEAD")
    file = work.path / "tile/entries/000.p/5"
    file.write_bytes(file.read_bytes().replace(was, becomes))
    work.commit("changed")
    work.run("push", "-q", "origin", "HEAD:refs/portal/audit")
    with pytest.raises(CommandError, match="parted before"):
        recover()
    assert AuditEntry.objects.count() == 2
