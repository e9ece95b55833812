"""Viewed marks on the page: works as plain forms, put into shared fragments per person, never cached for others."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.test import Client

from apps.reviews.content import files_of
from apps.reviews.models import SeenMark
from tests.web.conftest import World

AS = Callable[[str], Client]


def file_ids(world: World, name: str = "open") -> dict[str, str]:
    change = world.change(name)
    assert change.revision is not None
    return {file.path: file.id for file in files_of(change, change.revision)}


def page(client: Client, world: World) -> str:
    return client.get(world.url("open", "diff/")).content.decode()


def pressed(html: str) -> dict[str, str]:
    return {
        file: state
        for _, file, state in re.findall(
            r'<button class="vw" form="viewed-form" name="(file|unview)" value="(\w+)" aria-pressed="(\w+)">', html
        )
    }


def test_viewed_works_without_scripts_and_comes_back_to_the_file(world: World, as_: AS) -> None:
    bob, ids = as_("bob"), file_ids(world)
    assert set(pressed(page(bob, world)).values()) == {"false"}
    one = ids["app/new.yaml"]
    answer = bob.post(
        world.url("open", "viewed/"), {"file": one, "revision": "1", "back": "from=base&to=r1&view=split"}
    )
    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        f"{world.url('open', 'diff/')}?from=base&to=r1&view=split#f-{one}",
    )
    html = page(bob, world)
    assert pressed(html) == {one: "true", ids["app/values.yaml"]: "false"}
    assert "1/2 viewed" in html
    assert html.count('data-mark="viewed"') == 1
    bob.post(world.url("open", "viewed/"), {"unview": one, "revision": "1"})
    assert "0/2 viewed" in page(bob, world)


def test_one_person_s_marks_are_not_shown_to_another(world: World, as_: AS) -> None:
    bob, dave = as_("bob"), as_("dave")
    page(dave, world)
    bob.post(world.url("open", "viewed/"), {"file": list(file_ids(world).values()), "revision": "1"})
    assert set(pressed(page(bob, world)).values()) == {"true"}
    assert set(pressed(page(dave, world)).values()) == {"false"}
    assert "marked" not in dave.get(world.url("open", "history/")).content.decode()


def test_a_script_gets_the_progress_alone(world: World, as_: AS) -> None:
    one = file_ids(world)["app/new.yaml"]
    answer = as_("bob").post(
        world.url("open", "viewed/"), {"file": one, "revision": "1"}, headers={"HX-Request": "true"}
    )
    assert answer.status_code == 200
    assert answer.content.decode().count("<") < 12
    assert "1/2 viewed" in answer.content.decode()
    assert answer.headers["Cache-Control"] == "no-store"


def test_what_is_no_file_of_the_revision_is_404_and_nothing_is_marked(world: World, as_: AS) -> None:
    bob, one = as_("bob"), file_ids(world)["app/new.yaml"]
    hostile = next(iter(file_ids(world, "hostile").values()))
    for body in ({"file": hostile, "revision": "1"}, {"file": one, "revision": "9"}, {"file": "../x", "revision": "1"}):
        assert bob.post(world.url("open", "viewed/"), body).status_code == 404
    for body in ({"file": one, "revision": "x"}, {"revision": "1"}):
        assert bob.post(world.url("open", "viewed/"), body).status_code == 422
    assert as_("mallory").post(world.url("open", "viewed/"), {"file": one, "revision": "1"}).status_code == 404
    assert not SeenMark.objects.exists()


def test_coming_back_leads_nowhere_else(world: World, as_: AS) -> None:
    one = file_ids(world)["app/new.yaml"]
    for back in ("//evil.example/", "x\r\nSet-Cookie: a=b", "?a#b"):
        answer = as_("bob").post(world.url("open", "viewed/"), {"file": one, "revision": "1", "back": back})
        assert answer.headers["Location"] == f"{world.url('open', 'diff/')}?#f-{one}"
