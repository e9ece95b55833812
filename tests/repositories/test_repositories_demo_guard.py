"""The hook on the demo's repository: installed at every start, asking where the portal listens now."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.models import ApiToken
from apps.demo.guard import guard
from apps.repositories.services import connect_repository
from tests.support.git import GitRepo
from tests.support.people import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def bare(data_dir: Path, settings: Any) -> GitRepo:
    settings.PORTAL_DEMO_DIR = data_dir / "demo"
    settings.PORTAL_LOCAL_REPOSITORY_DIRS = [str(settings.PORTAL_DEMO_DIR)]
    work = GitRepo.create(data_dir / "work")
    work.commit("First", files={"a.txt": "1\n"})
    made = GitRepo.create(settings.PORTAL_DEMO_DIR / "harbour.git", bare=True)
    work.run("push", "-q", str(made.path), "HEAD:refs/heads/main")
    carol = cast().carol
    carol.can_connect_repositories = True
    carol.save()
    connect_repository(carol, name="harbour", url=str(made.path), members={})
    return made


def test_it_is_installed_and_can_be_installed_again(bare: GitRepo, settings: Any) -> None:
    settings.PORTAL_URL = "http://127.0.0.1:8000"
    assert guard()
    assert os.access(bare.path / "hooks" / "pre-receive", os.X_OK)
    assert bare.run("config", "--get", "portal.url") == "http://127.0.0.1:8000"
    place = Path(bare.run("config", "--get", "portal.tokenFile"))
    first = place.read_text()
    assert place.stat().st_mode & 0o077 == 0
    settings.PORTAL_URL = 'http://odd"host\\:8001'
    assert guard()
    assert bare.run("config", "--get", "portal.url") == 'http://odd"host\\:8001'
    assert (place.read_text(), ApiToken.objects.count()) == (first, 1)


def test_a_token_that_does_not_work_any_more_is_made_anew(bare: GitRepo) -> None:
    guard()
    place = Path(bare.run("config", "--get", "portal.tokenFile"))
    first = place.read_text()
    ApiToken.objects.update(expires_at="2020-01-01T00:00Z")
    guard()
    assert place.read_text() != first
    assert ApiToken.objects.get(revoked_at=None, expires_at__year__gt=2020).scopes == ["propose"]


def test_without_the_demo_nothing_is_touched(settings: Any, data_dir: Path) -> None:
    settings.PORTAL_DEMO_DIR = data_dir / "demo"
    assert not guard()
    assert not (data_dir / "demo").exists()
