"""Why something is not possible is said once, and everywhere in the same words (UX acceptance 17, 20 and 21)."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.accounts.services import create_token
from apps.policies import evaluation
from apps.presentation import words
from apps.reviews.queries import verdict_of
from tests.web.conftest import World, settle

AS = Callable[[str], Client]
BAD = {"octagon-x"}


def shown(client: Client, address: str) -> str:
    """What a page says: its text, tags and entities resolved."""
    answer = client.get(address)
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def token_of(world: World, name: str) -> dict[str, str]:
    person = getattr(world.people, name)
    return {"Authorization": f"Bearer {create_token(person, user=person, name='test')[1]}"}


def test_acceptance_17_page_queue_list_api_and_refusal_say_the_same(world: World, as_: AS) -> None:
    settle()
    change = world.change("open")
    said = verdict_of(change).summary
    assert "bob" in said, "the shortest way names who can act"
    lead = re.search(r'<p class="verdict-lead">(.*?)</p>', shown(as_("alice"), world.url("open")))
    assert lead is not None
    assert lead[1] == said
    assert f'title="{said}"' in shown(as_("bob"), "/queue/")
    assert said in shown(as_("alice"), "/changes/")
    answer = Client().get(f"/api/v1/changes/{change.number}/", headers=token_of(world, "alice"))
    assert answer.json()["verdict"]["summary"] == said
    refused = Client().post(
        f"/api/v1/changes/{change.number}/merge/", {}, "application/json", headers=token_of(world, "carol")
    )
    assert refused.status_code == 409
    assert refused.json()["verdict"]["summary"] == said
    page = as_("carol").post(world.url("open", "merge/"))
    assert page.status_code == 409
    for requirement in verdict_of(change).requirements:
        if not requirement.is_satisfied:
            assert requirement.text in html.unescape(page.content.decode())


def test_acceptance_20_waiting_is_never_painted_as_failing() -> None:
    for state, word in words.WORDS.items():
        assert (word.tone == "bad") == (word.icon in BAD or state in {"high", "delete"}), state
    waiting = [words.word_of(state) for state in ("waiting", "in_review", "pending", "queued") if state in words.WORDS]
    assert waiting
    assert all(word.tone != "bad" and word.icon not in BAD for word in waiting)
    assert words.word_of("failed").tone == "bad"
    assert words.word_of("failed").tone != words.word_of("running").tone


@pytest.mark.parametrize("what", ["facts", "rule"])
def test_acceptance_21_what_cannot_be_evaluated_is_said_at_once_and_never_spins(
    world: World, as_: AS, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def broken(*_args: Any, **_options: Any) -> Any:
        raise ValueError("nobody can know")

    if what == "rule":
        monkeypatch.setattr("apps.policies.evaluation.judge.rule_requirements", broken)
    else:
        monkeypatch.setattr("apps.policies.evaluation.judge.status_gate", broken)
    verdict = verdict_of(world.change("open"))
    assert not verdict.allowed
    failed = [row for row in verdict.requirements if row.state == evaluation.FAILED]
    assert any("could not be evaluated" in row.text for row in failed)
    page = shown(as_("alice"), world.url("open"))
    region = page[page.index('<p class="verdict-lead">') : page.index("</section>", page.index("verdict-lead"))]
    assert "could not be evaluated" in region
    assert "icon--spin" not in region
