"""The files that differ between two environments are read on a page of the portal; the raw patch stands beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from apps.deployments.services import merge_change
from apps.presentation import compared_files as module
from tests.support.delivery import Delivery, pipeline, run_until_idle
from tests.web.test_web_drift import client_of

pytestmark = pytest.mark.django_db
FROM = "from=infra%2Fstaging&to=git"


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    """Staging has what was there first; Git has three files that differ."""
    found = Delivery.start(tmp_path, pipeline(), {"app/old.yaml": "a: 1\n" * 30, "app/gone.yaml": "b: 1\n"})
    merge_change(found.people.alice, change=found.approved())
    run_until_idle()
    found.work.run("fetch", "-q", "origin")
    found.work.run("checkout", "-q", "-B", "main", "origin/main")
    found.work.run("rm", "-q", "app/gone.yaml")
    found.work.run("mv", "app/old.yaml", "app/new<b>.yaml")
    found.work.commit("Later", files={"app/values.yaml": "replicas: 9\n-- <i>two</i>\n"})
    found.work.run("push", "-q", "origin", "main")
    return found


def shown(delivery: Delivery, query: str = FROM) -> str:
    from apps.repositories.jobs import sync

    sync(delivery.repository.pk)
    answer = client_of(delivery.people.bob).get(f"/environments/compare/files/?{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_each_file_is_there_with_what_happens_to_it_and_its_lines_by_their_sign(delivery: Delivery) -> None:
    html = shown(delivery)
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.partition("<main")[2]))
    assert "3 files differ" in words
    assert "app/gone.yaml removed" in words
    assert "app/new&lt;b&gt;.yaml moved from app/old.yaml" in words
    assert "app/values.yaml changed" in words
    assert 'class="rl rl--d"><span class="sr">removed </span>' in html
    assert "replicas: 9" in html
    assert "&lt;i&gt;two" in html
    assert "<i>two" not in html


def test_the_comparison_leads_to_the_page_and_to_the_raw_patch_beside_it(delivery: Delivery) -> None:
    shown(delivery)
    html = client_of(delivery.people.bob).get(f"/environments/compare/?{FROM}").content.decode()
    page, raw = "/environments/compare/files/?", "/environments/compare/source/?"
    assert re.search(rf'href="{re.escape(page)}[^"]+">Difference of ', html)
    assert re.search(rf'href="{re.escape(raw)}[^"]+">raw</a>', html)
    assert f'href="{raw}' in shown(delivery)


def test_what_is_not_shown_is_counted(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 2)
    monkeypatch.setattr(module, "LINES_OF_ONE", 1)
    html = shown(delivery)
    assert "1 more line: the raw difference" in html
    assert "1 more file: the raw difference" in html


def test_the_same_commit_says_so_and_who_may_not_see_it_does_not(delivery: Delivery) -> None:
    assert "No file differs" in shown(delivery, "from=infra%2Fstaging&to=infra%2Fstaging")
    stranger = client_of(delivery.people.mallory)
    assert stranger.get(f"/environments/compare/files/?{FROM}").status_code == 404
    at = "2000-01-01T00:00Z"
    answer = client_of(delivery.people.bob).get(f"/environments/compare/files/?from=infra/staging&at={at}&to=git")
    assert answer.status_code == 422
