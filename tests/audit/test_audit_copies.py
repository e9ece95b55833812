"""The copy of the published log elsewhere: it goes forward only, and one that is another log is noticed."""

from __future__ import annotations

import shutil
import subprocess
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.audit.checkpoints import Checkpoint
from apps.audit.models import AuditEntry, AuditHead, Publication
from apps.audit.published import REF
from apps.audit.publishing import begin_anew, publish
from apps.core.errors import Unavailable
from apps.vcs.drafting import create_bare
from tests.support.git import GitRepo
from tests.support.publishing import acts, again, checkpoints, forget, publish_here, tamper, turn

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("place")]


@pytest.fixture
def copy(settings: Any, tmp_path: Path) -> Path:
    there = tmp_path / "remotes" / "audit.git"
    there.parent.mkdir()
    create_bare(there)
    settings.PORTAL_LOCAL_REPOSITORY_DIRS = [str(there.parent)]
    settings.PORTAL_AUDIT_REMOTE = str(there)
    return there


def test_a_copy_is_kept_elsewhere(place, copy):
    for _ in range(3):
        acts(2)
        assert turn()
    assert not turn()
    assert checkpoints(copy) == checkpoints(place)


def test_a_copy_that_was_away_is_brought_up_later(place, copy):
    acts(2)
    turn()
    copy.rename(copy.with_name("away"))
    acts(2)
    turn()
    assert Publication.objects.get().failure
    acts(1)  # nothing is held up by that
    copy.with_name("away").rename(copy)
    again()
    assert [checkpoint.size for checkpoint in checkpoints(copy)] == [2, 4, 5]
    assert Publication.objects.get().failure == ""


def test_a_host_that_does_not_answer_keeps_one_publisher_busy_and_no_second_one(place, copy, monkeypatch):
    acts(2)
    asked = []

    def silent(*_: Any, **__: Any) -> str:
        asked.append(True)
        Publication.objects.update(lease_until=None)  # it takes longer than a lease
        publish()
        raise Unavailable("git_timeout", "The host did not answer.")

    with monkeypatch.context() as patched:
        patched.setattr("apps.audit.publishing.remotes.remote_tip", silent)
        turn()
    assert len(asked) == 1
    again()
    assert checkpoints(copy) == checkpoints(place)


def test_the_log_here_goes_on_while_the_copy_is_away(place, copy):
    acts(2)
    turn()
    copy.rename(copy.with_name("away"))
    for _ in range(3):
        acts(1)
        assert turn()
        assert "no Git repository" in Publication.objects.get().failure
    assert not turn(), "the copy is asked later"
    assert [checkpoint.size for checkpoint in checkpoints(place)] == [2, 3, 4, 5]


def test_who_lost_the_data_directory_goes_on_with_the_copy(place, copy):
    acts(3)
    turn()
    place.rename(place.with_name("lost"))
    acts(2)
    again()
    assert [checkpoint.size for checkpoint in checkpoints(place)] == [3, 5]
    assert checkpoints(copy) == checkpoints(place)


def test_a_copy_that_is_ahead_shows_that_this_portal_was_restored(place, copy):
    acts(3)
    turn()
    before = place.with_name("backup")
    subprocess.run(["cp", "-r", place, before], check=True)
    acts(3)
    turn()
    subprocess.run(["rm", "-r", place], check=True)
    before.rename(place)
    forget(3)
    again()  # ours is brought up to the copy
    again()
    assert "ends at entry 3, but 6 are published" in AuditHead.objects.get().held
    assert checkpoints(copy) == checkpoints(place)


def test_two_portals_that_write_to_one_copy_are_held_and_nothing_is_overwritten(
    place, copy, settings, tmp_path, monkeypatch
):
    acts(3)
    turn()
    publish_here(settings, tmp_path / "second", monkeypatch)
    create_bare(tmp_path / "second" / "audit.git")
    tamper("DELETE FROM audit_auditentry")
    AuditHead.objects.update(seq=0, hash="0" * 64)
    Publication.objects.all().delete()
    acts(5, "another portal's")
    settings.PORTAL_AUDIT_REMOTE = ""
    again()
    settings.PORTAL_AUDIT_REMOTE = str(copy)
    again()
    assert "another audit log" in AuditHead.objects.get().held, Publication.objects.get().failure
    assert [checkpoint.size for checkpoint in checkpoints(copy)] == [3]


# --- restored, and taken back ---------------------------------------------------------------


@pytest.fixture
def restored(place: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four entries as in the backup of the database and of the data directory, and five more at the copy."""
    acts(4)
    turn()
    shutil.copytree(place, place.with_name("backup"))
    acts(5)
    turn()
    shutil.rmtree(place)
    forget(4)
    publish_here(settings, place.parent, monkeypatch)
    return place.with_name("backup")


@pytest.mark.parametrize("with_data", [True, False])
def test_what_only_the_copy_has_is_taken_back_at_once(place, copy, restored, with_data):
    if with_data:
        restored.rename(place)
    said = StringIO()
    call_command("recover_audit_log", stdout=said)
    assert "5 entries were taken back" in said.getvalue()
    assert AuditEntry.objects.count() == 10
    assert checkpoints(copy) == checkpoints(place)


def test_a_portal_that_was_restored_with_its_data_publishes_nothing_beside_the_copy(place, copy, restored):
    restored.rename(place)
    acts(1, "before the first look")
    turn()
    assert "ends at entry 5, but 9 are published" in AuditHead.objects.get().held
    with pytest.raises(CommandError, match="parted before"):
        call_command("recover_audit_log")
    call_command("recover_audit_log", "--begin-anew", "one was written in between", stdout=StringIO())
    assert AuditHead.objects.get().held == ""
    assert [checkpoint.size for checkpoint in checkpoints(copy)] == [4, 9, 6]
    assert checkpoints(copy) == checkpoints(place)


def test_a_copy_that_is_away_does_not_keep_an_operator_from_taking_back(place, copy, restored):
    shutil.copytree(copy, place)
    copy.rename(copy.with_name("away"))
    warned, said = StringIO(), StringIO()
    call_command("recover_audit_log", stdout=said, stderr=warned)
    assert "was not looked at" in warned.getvalue()
    assert "5 entries were taken back" in said.getvalue()


def test_recovering_says_so_when_everything_stays_held(place, copy):
    acts(2)
    turn()
    _point(copy, _unsigned(copy))
    acts(1)
    with pytest.raises(CommandError, match="another audit log"):
        call_command("recover_audit_log")


def test_who_lost_the_data_directory_and_the_key_begins_anew_behind_the_old_log(place, copy, settings):
    acts(3)
    turn()
    shutil.rmtree(place)
    settings.PORTAL_AUDIT_KEY = "a new key because the old one is lost"
    acts(1)
    again()
    assert "another audit log" in AuditHead.objects.get().held
    call_command("recover_audit_log", "--begin-anew", "the data directory was lost", stdout=StringIO())
    assert AuditHead.objects.get().held == ""
    assert [checkpoint.size for checkpoint in checkpoints(copy)] == [3, 5]


# --- a copy that lies -----------------------------------------------------------------------


def _git(copy: Path, *words: str, given: str = "") -> str:
    who = ("-c", "user.name=x", "-c", "user.email=x@x")
    return subprocess.run(
        ["git", *who, *words], cwd=copy, input=given, capture_output=True, text=True, check=True
    ).stdout.strip()


def _point(copy: Path, oid: str) -> None:
    _git(copy, "update-ref", REF, oid)


def _file(copy: Path) -> str:
    return _git(copy, "rev-parse", f"{REF}:checkpoint")


def _unsigned(copy: Path) -> str:
    return _git(copy, "commit-tree", _git(copy, "mktree"), "-p", REF, "-m", "ahead")


def _tag(copy: Path) -> str:
    ahead = _unsigned(copy)
    return _git(copy, "mktag", given=f"object {ahead}\ntype commit\ntag x\ntagger x <x@x> 1 +0000\n\nx\n")


@pytest.mark.parametrize("lie", [_file, _unsigned, _tag])
def test_what_is_no_log_of_ours_moves_nothing_here(place, copy, lie):
    acts(3)
    turn()
    right = _git(copy, "rev-parse", REF)
    _point(copy, lie(copy))
    Publication.objects.update(pushed="")
    again()
    assert "another audit log" in AuditHead.objects.get().held
    assert GitRepo(place).rev_parse(REF) == right
    _point(copy, right)
    again()
    assert AuditHead.objects.get().held == ""
    assert checkpoints(copy) == checkpoints(place)


def test_entries_that_were_rewritten_with_the_key_are_not_brought_to_the_copy(place, copy, monkeypatch):
    """Somebody writes to the database and to the data directory, and knows the key; the copy is out of reach."""
    acts(4)
    monkeypatch.setattr("apps.audit.publishing.origin", lambda: "a name")
    turn()
    right = checkpoints(copy)
    tamper("DELETE FROM audit_auditentry")
    AuditHead.objects.update(seq=0, hash="0" * 64)
    acts(5, "rewritten")
    monkeypatch.setattr("apps.audit.publishing.Checkpoint", lambda _name, *rest: Checkpoint("a name", *rest))
    assert begin_anew(5, old="", parent=GitRepo(place).rev_parse(REF))
    again()
    assert "audit.git were rewritten" in AuditHead.objects.get().held
    assert checkpoints(copy) == right


def test_a_copy_that_was_moved_back_is_brought_up_again(place, copy):
    for _ in range(2):
        acts(2)
        turn()
    _point(copy, _git(copy, "rev-parse", f"{REF}~1"))
    acts(1)
    turn()
    assert [checkpoint.size for checkpoint in checkpoints(copy)] == [2, 4, 5]


def test_a_copy_that_sends_without_end_does_not_fill_the_disk(place, copy, settings):
    acts(3)
    turn()
    large = _git(copy, "hash-object", "-w", "--stdin", given="".join(f"{number:x}" for number in range(900_000)))
    tree = _git(copy, "mktree", given=f"100644 blob {large}\tcheckpoint\n")
    _point(copy, _git(copy, "commit-tree", tree, "-p", REF, "-m", "large"))
    settings.PORTAL_MIRROR_MAX_MB = 1
    acts(1)
    again()
    assert "larger than this installation takes" in Publication.objects.get().failure
    assert AuditHead.objects.get().held == ""
    assert not list((place / "objects" / "pack").glob("tmp_*"))
    assert [checkpoint.size for checkpoint in checkpoints(place)] == [3, 4]
