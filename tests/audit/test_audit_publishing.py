"""What is recorded stands in Git a moment later, and goes on from there and from nowhere else."""

from __future__ import annotations

import json
import os
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import F

from apps.accounts.models import User
from apps.audit.canonical import entry_hash
from apps.audit.checkpoints import open_note
from apps.audit.models import AuditEntry, AuditHead, Publication
from apps.audit.published import REF, Held, signer
from apps.audit.publishing import advance, publish
from apps.audit.tlog import entries_in
from apps.audit.verification import verify
from apps.core.errors import Unavailable
from apps.vcs import gateway
from tests.support.git import GitRepo
from tests.support.publishing import acts, again, checkpoints, forget, publish_here, tamper, turn

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("place")]


def test_what_is_recorded_is_published_once_and_every_checkpoint_follows_from_the_one_before(place):
    for count in (1, 3, 255, 300):
        acts(count)
        assert turn()
    assert not turn()
    found = checkpoints(place)
    assert [checkpoint.size for checkpoint in found] == [1, 4, 259, 559]
    assert {checkpoint.origin for checkpoint in found} == {"127.0.0.1:8000/audit"}
    row = Publication.objects.get()
    assert (row.size, row.root, row.failure) == (559, found[-1].root.hex(), "")
    assert row.commit == GitRepo(place).rev_parse(REF)


def test_a_whole_entry_stands_there_and_its_hash_is_its_leaf(place):
    (entry,) = acts(1)
    turn()
    (raw,) = entries_in(GitRepo(place).run_bytes("show", f"{REF}:tile/entries/000.p/1"))
    assert json.loads(raw) == entry.document()
    assert GitRepo(place).run_bytes("show", f"{REF}:tile/0/000.p/1").hex() == entry.hash


def test_much_that_waits_is_published_in_parts(place, monkeypatch):
    monkeypatch.setattr("apps.audit.publishing.MOST", 256)
    acts(600)
    assert turn()
    assert [checkpoint.size for checkpoint in checkpoints(place)] == [256, 512, 600]
    assert not turn()


def test_an_empty_log_publishes_nothing(place):
    turn()
    assert not GitRepo(place).has_ref(REF)


def test_the_same_rows_give_the_same_commit_again(place, settings, tmp_path, monkeypatch):
    acts(5)
    first = advance()
    publish_here(settings, tmp_path / "elsewhere", monkeypatch)
    second = advance()
    assert first and second
    assert first.commit == second.commit


def test_while_another_publisher_is_at_it_nothing_is_done(place):
    acts(2)
    Publication.objects.create()
    assert Publication.objects.claim(Publication.ONLY, seconds=60)
    publish()
    assert not place.exists()


def test_whoever_is_overtaken_makes_no_second_log(place, monkeypatch):
    acts(2)
    turn()
    acts(2)

    def overtaken(*args: Any, **given: Any) -> str:
        monkeypatch.undo()
        monkeypatch.setattr("apps.audit.publishing.settings.PORTAL_DATA_DIR", place.parent)
        acts(1)
        assert advance()
        return given["parent"]

    monkeypatch.setattr("apps.audit.publishing.add_loose_commit", overtaken)
    assert advance() is None
    assert [checkpoint.size for checkpoint in checkpoints(place)] == [2, 5]


# --- a log that is another one -------------------------------------------------------------


def test_an_older_database_is_held_before_its_first_new_entry(place, monkeypatch):
    acts(9)
    turn()
    forget(4)
    monkeypatch.setattr("apps.audit.published._is_current", False)
    with pytest.raises(Held, match="ends at entry 4, but 9 are published") as refused:
        acts(1)
    assert refused.value.code == "audit_log_behind"
    assert AuditEntry.objects.count() == 4
    monkeypatch.setattr("apps.audit.jobs._has_looked", False)
    assert turn(), "a new process looks, although the restored row says that all is published"
    assert "older database" in AuditHead.objects.get().held
    assert [checkpoint.size for checkpoint in checkpoints(place)] == [9]


def test_a_running_portal_is_held_as_soon_as_the_publisher_sees_it(place):
    acts(9)
    turn()
    forget(4)
    acts(1)
    again()
    with pytest.raises(Held) as refused:
        acts(1)
    assert refused.value.code == "audit_log_held"
    assert "recover_audit_log" in refused.value.message


def test_a_rewritten_log_is_not_published_and_everything_is_held(place):
    acts(6)
    turn()
    tamper("DELETE FROM audit_auditentry")
    AuditHead.objects.update(seq=0, hash="0" * 64)
    acts(8, "another")
    again()
    assert "not the one that was published" in AuditHead.objects.get().held
    assert [checkpoint.size for checkpoint in checkpoints(place)] == [6]


def test_an_altered_entry_is_not_published(place):
    acts(3)
    tamper("UPDATE audit_auditentry SET summary = 'something else' WHERE seq = 2")
    turn()
    assert "Entry 2 of the audit log is missing or was altered" in AuditHead.objects.get().held
    assert not GitRepo(place).has_ref(REF)


def test_an_entry_that_does_not_follow_the_one_before_is_not_published(place):
    """Nobody recorded it, and its own hash holds: published, it would cover nothing of what is before it."""
    acts(3)
    turn()
    entry = AuditEntry.objects.get(seq=3)
    entry.seq, entry.prev_hash = 4, "a" * 64
    entry.hash = entry_hash(entry.document())
    entry.save(force_insert=True)
    AuditHead.objects.update(seq=4, hash=entry.hash)
    turn()
    assert "Entry 4 of the audit log is missing or was altered" in AuditHead.objects.get().held
    assert [checkpoint.size for checkpoint in checkpoints(place)] == [3]


def test_entries_that_are_missing_at_the_end_are_not_passed_over(place):
    acts(3)
    turn()
    acts(2)
    tamper("DELETE FROM audit_auditentry WHERE seq > 3")
    turn()
    assert "Entry 4 of the audit log is missing or was altered" in AuditHead.objects.get().held
    assert GitRepo(place).run("rev-list", "--count", REF).strip() == "1"


def test_whoever_slept_over_the_lease_lets_nothing_go(place, monkeypatch):
    acts(2)

    def overtaken(_row: Any) -> bool:
        Publication.objects.update(fence=F("fence") + 1)
        return bool(AuditHead.objects.update(held="Another publisher found that it is not the published one."))

    monkeypatch.setattr("apps.audit.publishing._publish", overtaken)
    publish()
    assert AuditHead.objects.get().held


def test_what_is_put_right_is_let_go_again(place, settings):
    acts(3)
    turn()
    right = settings.PORTAL_AUDIT_KEY
    settings.PORTAL_AUDIT_KEY = "another key, by mistake, of some length"
    acts(1)
    again()
    assert "not signed by the key of this log" in AuditHead.objects.get().held
    settings.PORTAL_AUDIT_KEY = right
    again()
    assert AuditHead.objects.get().held == ""
    acts(1)
    assert turn()
    assert [checkpoint.size for checkpoint in checkpoints(place)] == [3, 4, 5]


@pytest.mark.parametrize("file", ["checkpoint", "tile/0/000.p/3", "tile/entries/000.p/3"])
def test_a_changed_or_missing_file_of_the_published_log_is_found(place, file):
    acts(3)
    turn()
    work = GitRepo.clone(place, place.parent / "work")
    work.run("fetch", "-q", "origin", REF)
    work.run("checkout", "-q", "FETCH_HEAD")
    (work.path / file).unlink()
    work.run(
        "commit",
        "-qam",
        "gone",
        env={
            "GIT_AUTHOR_NAME": "x",
            "GIT_AUTHOR_EMAIL": "x@x",
            "GIT_COMMITTER_NAME": "x",
            "GIT_COMMITTER_EMAIL": "x@x",
        },
    )
    work.run("push", "-q", "origin", f"HEAD:{REF}")
    acts(1)
    again()
    assert AuditHead.objects.get().held


def test_entries_that_are_cut_off_in_the_published_log_are_found(place):
    acts(3)
    turn()
    work = GitRepo.clone(place, place.parent / "work")
    work.run("fetch", "-q", "origin", REF)
    work.run("checkout", "-q", "FETCH_HEAD")
    work.write("tile/entries/000.p/3", b"")
    work.commit("cut off")
    work.run("push", "-q", "origin", f"HEAD:{REF}")
    acts(1)
    again()
    assert "not the one that was published" in AuditHead.objects.get().held


def test_git_that_fails_holds_nothing_up_and_is_tried_again(place, monkeypatch):
    acts(2)

    def broken(*_: Any, **__: Any) -> str:
        raise Unavailable("git_failed", "Git failed.")

    with monkeypatch.context() as patched:
        patched.setattr("apps.audit.publishing.add_loose_commit", broken)
        turn()
    row = Publication.objects.get()
    assert (row.failure, row.lease_until) == ("Git failed.", None)
    acts(1)
    assert not turn(), "not before its time"
    again()
    assert (Publication.objects.get().size, Publication.objects.get().failure) == (3, "")


@pytest.mark.parametrize("left", ["refs/portal/audit.lock", "packed-refs.lock"])
def test_a_lock_that_a_killed_git_left_is_removed(place, left):
    acts(2)
    turn()
    (place / left).touch()
    os.utime(place / left, (0, 0))
    acts(1)
    turn()
    assert [checkpoint.size for checkpoint in checkpoints(place)] == [2, 3]


def test_a_repository_that_was_not_made_to_its_end_is_not_there(place, monkeypatch):
    acts(2)

    def killed(*_: Any, **__: Any) -> bytes:
        raise Unavailable("git_failed", "Killed.")

    with monkeypatch.context() as patched:
        patched.setattr(gateway, "run", killed)
        turn()
    assert not list(place.parent.iterdir())
    monkeypatch.setattr("apps.audit.published._is_current", False)
    acts(1)
    again()
    assert [checkpoint.size for checkpoint in checkpoints(place)] == [3]


def test_the_key_is_no_secret_of_anything_else(settings):
    assert signer().verifier.startswith("portal-audit+")
    assert settings.PORTAL_AUDIT_KEY not in signer().verifier
    assert settings.PORTAL_AUDIT_KEY != settings.SECRET_KEY


# --- checked and shown ----------------------------------------------------------------------


def test_the_chain_is_compared_with_what_is_published(place):
    acts(300)
    turn()
    acts(2)
    report = verify()
    assert (report.ok, report.entries, report.published) == (True, 302, 300)
    assert verify(from_seq=250).published == 0
    said = StringIO()
    call_command("verify_audit_log", stdout=said)
    assert "302 entries" in said.getvalue()
    assert "the first 300 as published" in said.getvalue()


def test_a_log_that_was_rewritten_with_its_head_is_found_by_what_is_published(place):
    acts(4)
    turn()
    tamper("DELETE FROM audit_auditentry")
    AuditHead.objects.update(seq=0, hash="0" * 64)
    acts(4, "rewritten")
    report = verify()
    assert not report.ok
    assert "not those that were published" in report.problem


def test_a_shorter_log_is_found_by_what_is_published(place):
    acts(4)
    turn()
    forget(2)
    report = verify()
    assert (report.ok, report.first_bad) == (False, 3)


def test_auditors_see_how_far_it_is_published_and_why_everything_is_held(place, client):
    client.force_login(User.objects.create_superuser("erin", password="x"))
    assert client.get("/api/v1/audit/checkpoint/").json() | {"verifier": ""} == {
        "size": 0, "root_hash": None, "commit": None, "note": None, "verifier": "", "published_at": None,
        "copied": None, "problem": None,
    }  # fmt: skip
    acts(3)
    turn()
    said = client.get("/api/v1/audit/checkpoint/").json()
    assert open_note(said["note"], said["verifier"]).size == said["size"] == AuditEntry.objects.count()
    assert said["root_hash"] in client.get("/audit/").content.decode()
    forget(2)
    acts(1)
    again()
    assert "older database" in client.get("/api/v1/audit/checkpoint/").json()["problem"]
    page = client.get("/audit/").content.decode()
    assert "Nothing can be recorded, so nothing can be done" in page
    refused = client.post("/api/v1/teams/", {"name": "ops"}, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (503, "audit_log_held")
    assert "recover_audit_log" in client.post("/teams/new/", {"name": "ops"}).content.decode()


def test_who_signs_in_to_a_held_portal_is_told_why_not(place, client):
    User.objects.create_user("alice", password="a long password")
    AuditHead.objects.update_or_create(
        pk=1, defaults={"held": "An older database was restored. Run recover_audit_log."}
    )
    answer = client.post("/accounts/login/", {"login": "alice", "password": "a long password"})
    assert answer.status_code == 503
    assert "recover_audit_log" in answer.content.decode()
    assert "_auth_user_id" not in client.session
