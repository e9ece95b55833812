"""The copy of the published log elsewhere: it goes forward only, and one that is another log is noticed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from apps.audit.jobs import logs_due
from apps.audit.models import AuditHead, Publication
from apps.core.errors import Unavailable
from apps.vcs.drafting import create_bare
from tests.support.publishing import acts, again, checkpoints, forget, publish_here, tamper, turn

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def place(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    publish_here(settings, tmp_path / "data", monkeypatch)
    return tmp_path / "data" / "audit.git"


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
    looked = []

    def silent(*_: Any, **__: Any) -> str:
        Publication.objects.update(lease_until=None)  # it takes longer than a lease
        looked.append(logs_due(1))
        raise Unavailable("git_timeout", "The host did not answer.")

    with monkeypatch.context() as patched:
        patched.setattr("apps.audit.publishing.remotes.remote_tip", silent)
        turn()
    assert looked == [[]]
    again()
    assert checkpoints(copy) == checkpoints(place)


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
    Publication.objects.update(size=0)
    acts(5, "another portal's")
    settings.PORTAL_AUDIT_REMOTE = ""
    again()
    settings.PORTAL_AUDIT_REMOTE = str(copy)
    again()
    assert "another audit log" in AuditHead.objects.get().held, Publication.objects.get().failure
    assert [checkpoint.size for checkpoint in checkpoints(copy)] == [3]
