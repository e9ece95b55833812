"""Tricks on the rules that say who must agree (FEATURES C1 to C3 and C5): the rule still holds, and the reviewer sees why."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from apps.reviews import services as reviews
from apps.reviews.queries import verdict_of
from tests.support.repositories import pushed
from tests.web.conftest import World, settle
from tests.web.test_web_hiding_tricks import Stage, words

AS = Callable[[str], Client]


@pytest.fixture
def stage(world: World, as_: AS) -> Stage:
    return Stage(world, as_("bob"))


def owned(stage: Stage, owners: str, **files: str) -> None:
    """main has these owners, and the branch of the trick begins there."""
    stage.work.run("checkout", "-q", "main")
    stage.work.commit("owners", files={"CODEOWNERS": owners, **files})
    stage.work.push("HEAD:refs/heads/main", force=True)
    pushed(stage.world.repository, stage.work)
    stage.work.run("checkout", "-q", "-B", "trick", "main")


def approve(stage: Stage, *names: str) -> None:
    for name in names:
        change = stage.world.change("trick")
        assert change.revision is not None
        reviews.submit_review(
            getattr(stage.world.people, name), change=change, revision=change.revision.number, verdict="approve"
        )
    settle()


def allowed(stage: Stage) -> bool:
    return verdict_of(stage.world.change("trick")).allowed


def approvals(stage: Stage) -> str:
    return words(stage.bob.get(stage.url("approvals/")).content.decode())


def test_c1_a_move_out_of_an_owned_path_needs_the_owners_of_both(stage: Stage) -> None:
    owned(stage, "/app/ @carol\n/open/ @bob\n")
    stage.work.path.joinpath("open").mkdir()
    stage.work.run("mv", "app/values.yaml", "open/values.yaml")
    stage.commit({})
    stage.propose()
    approve(stage, "bob")
    assert not allowed(stage)
    text = approvals(stage)
    assert "owners of /app/" in text
    approve(stage, "carol")
    assert allowed(stage)


def test_c2_a_spelling_of_the_owners_file_that_is_none_gives_no_owners_and_is_seen_as_new(stage: Stage) -> None:
    stage.commit({"codeowners": "* @alice\n", ".GitHub/CODEOWNERS": "* @alice\n", "App/values.yaml": "evil: 1\n"})
    html = stage.propose()
    asked = re.search(r'hx-get="(/changes/\d+/_diff/moves/[^"]+)"', html)
    assert asked is not None
    found = words(stage.bob.get(asked[1].replace("&amp;", "&"), headers={"HX-Request": "true"}).content.decode())
    assert "taken for another one" in found
    assert "codeowners beside CODEOWNERS" in found
    assert "App/values.yaml beside app" in found
    assert not allowed(stage)
    approve(stage, "bob")
    assert allowed(stage), "the owners are still those of CODEOWNERS"


def test_c2_a_path_in_another_case_is_not_owned_by_the_rule_of_the_first(stage: Stage) -> None:
    owned(stage, "* @bob\n/app/ @carol\n")
    stage.commit({"App/values.yaml": "evil: 1\n"})
    stage.propose()
    assert "owners of /app/" not in approvals(stage)
    assert not allowed(stage)


@pytest.mark.parametrize(
    "files",
    [
        {"CODEOWNERS": "* @alice @bob\n"},
        {".github/CODEOWNERS": "* @bob\n"},
        {".gitops/portal.yaml": "apiVersion: portal/v1\nrules:\n  - {name: anybody, needs: {approvals: 1, from: [role/reviewer]}}\n"},
    ],
)  # fmt: skip
def test_c3_a_change_is_judged_by_the_rules_of_the_target_and_not_by_its_own(
    stage: Stage, files: dict[str, str]
) -> None:
    owned(stage, "* @carol\n")
    stage.commit({**files, "app/values.yaml": "evil: 1\n"})
    html = stage.propose()
    assert next(iter(files)) in words(html)
    approve(stage, "bob")
    assert not allowed(stage)
    assert "@carol" in approvals(stage)
    approve(stage, "carol")
    assert allowed(stage)


def test_c5_two_owners_of_two_paths_are_both_asked_and_a_count_is_a_count(stage: Stage) -> None:
    owned(stage, "[Both][2]\n* @bob @carol\n")
    stage.commit({"app/values.yaml": "evil: 1\n"})
    stage.propose()
    approve(stage, "bob")
    assert not allowed(stage), "one of the owners does not stand for all"
    approve(stage, "carol")
    assert allowed(stage)
