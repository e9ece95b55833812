"""One file whose difference is too large to be held takes nothing away from the others."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from apps.changes import services as changes
from apps.diffs import tiers
from apps.vcs import pool, trees
from apps.vcs.errors import GitOutputTooLarge
from tests.support.repositories import branch_with, pushed
from tests.web.conftest import REMEMBERED, World, settle

AS = Callable[[str], Client]


@pytest.fixture
def padded(world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    """A script becomes executable, and a line with a hidden character comes, beside one line of many bytes."""
    world.work.run("checkout", "-q", "main")
    world.work.commit("scripts", files={"run.sh": "echo\n"})
    pushed(world.repository, world.work, "main")
    branch_with(
        world.work,
        "padding",
        {"big.txt": "x" * 60_000 + "\n", "note.txt": "a\u202eb\n"},
        author="Alice <alice@example.org>",
    )
    world.work.run("checkout", "-q", "padding")
    world.work.run("update-index", "--chmod=+x", "run.sh")
    world.work.run("-c", "user.name=Alice", "-c", "user.email=alice@example.org", "commit", "-q", "-m", "chmod")
    pushed(world.repository, world.work)
    made = changes.create_change(
        world.people.alice, repository=world.repository, title="Padding", source_branch="padding", target_branch="main"
    )
    world.numbers["padded"] = made.number
    settle()
    for memory in REMEMBERED:
        memory.clear()
    cache.clear()
    monkeypatch.setattr(tiers, "CLOSED_BYTES", 30_000)
    limits = replace(pool.DEFAULT_POOL.limits, output_bytes=30_000)
    monkeypatch.setattr(pool.DEFAULT_POOL, "limits", limits)
    read = trees.patch

    def limited(*arguments: Any, **named: Any) -> bytes:
        data = read(*arguments, **named)
        if len(data) > limits.output_bytes:
            raise GitOutputTooLarge("too large", limit=limits.output_bytes)
        return data

    monkeypatch.setattr(trees, "patch", limited)
    return world.url("padded")


def test_the_others_are_shown_with_all_that_is_to_be_said_of_them(padded: str, as_: AS) -> None:
    answer = as_("bob").get(f"{padded}diff/")
    assert answer.status_code == 200
    big, note, run = re.findall(r'<section class="df".*?</section>', answer.content.decode(), re.DOTALL)
    assert "mode 644 → 755" in run
    assert "1 hidden character is shown as a token: [U+202E] 1" in note
    assert "a<span" in note
    assert 'data-state="closed"' in big
    assert "Large: 60,001 bytes of difference" in big


def test_the_large_one_is_named_as_not_displayed(padded: str, as_: AS) -> None:
    html = as_("bob").get(f"{padded}diff/").content.decode()
    form = html.split('id="review-form"')[1].split("</form>")[0]
    assert "big.txt" in form
    assert "note.txt" not in form
