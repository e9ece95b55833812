"""One table of shortcuts: page, dialog, settings and API show the same, for defaults and for one's own keys."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from django.test import Client

from apps.accounts.services import create_token
from apps.accounts.shortcuts import SHORTCUTS, caps
from tests.web.conftest import World

pytestmark = pytest.mark.django_db
ROW = re.compile(r'data-shortcut="([^"]+)" data-keys="([^"]*)"[^>]*><dt>([^<]*)</dt><dd>(.*?)</dd>')
FIELD = re.compile(r'<label for="id_([^"]+)">([^<]*)</label>\s*<input[^>]*?name="\1"[^>]*?>')


def table_of(text: str) -> dict[str, tuple[str, str]]:
    """Id → text and keys as they are shown."""
    return {
        name: (html.unescape(words), " ".join(re.findall(r"<kbd>([^<]*)</kbd>", shown)))
        for name, _, words, shown in ROW.findall(text)
    }


def dialog_of(page: str) -> str:
    return page[page.index('<dialog id="shortcuts"') :]


def settings_of(page: str) -> dict[str, tuple[str, str]]:
    found = {}
    for match in FIELD.finditer(page):
        value = re.search(r'value="([^"]*)"', match[0])
        found[match[1]] = (html.unescape(match[2]), html.unescape(value[1]) if value else "")
    return found


def test_acceptance_5_handler_dialog_help_settings_and_api_list_the_same(world: World, as_: Callable[..., Client]):
    bob = as_("bob")
    for keys in ({}, {"next-block": "b", "previous-block": "Shift+B", "go-queue": "g k", "fold": ""}):
        answer = bob.post("/settings/keyboard/", _form(bob) | keys)
        assert answer.status_code == 303, answer.content.decode()
        page = bob.get("/help/shortcuts/").content.decode()
        handler = dialog_of(page)
        shown = table_of(handler)
        assert list(shown) == [one.id for one in SHORTCUTS]
        assert table_of(page[: page.index('<dialog id="shortcuts"')]) == shown
        settings = settings_of(bob.get("/settings/keyboard/").content.decode())
        movable = {one.id for one in SHORTCUTS if not one.fixed}
        assert settings == {name: row for name, row in shown.items() if name in movable}
        api = {one["id"]: one for one in bob.get("/api/v1/me/keyboard/").json()["shortcuts"]}
        assert {name: (one["text"], " ".join(caps(one["keys"]))) for name, one in api.items()} == shown
        assert {name: html.unescape(keys) for name, keys, _, _ in ROW.findall(handler)} == {
            name: one["keys"] for name, one in api.items()
        }
        for name, typed in keys.items():
            assert shown[name][1] == typed


def _form(client: Client) -> dict[str, str]:
    fields = settings_of(client.get("/settings/keyboard/").content.decode())
    return {"is_on": "on"} | {name: value for name, (_, value) in fields.items()}


def test_a_conflict_keeps_what_was_typed_and_names_both(world: World, as_: Callable[..., Client]):
    bob = as_("bob")
    answer = bob.post("/settings/keyboard/", _form(bob) | {"next-block": "p", "fold": "<i>"})
    text = html.unescape(answer.content.decode())
    assert answer.status_code == 422
    assert "“p” is also the key of “Previous changed block”; give one of them another." in text
    assert "“p” is also the key of “Next changed block, in the next file too”" in text
    assert 'value="&lt;i&gt;"' in answer.content.decode()
    assert (
        bob.get("/api/v1/me/keyboard/").json()["shortcuts"]
        == as_("alice").get("/api/v1/me/keyboard/").json()["shortcuts"]
    )


def test_one_or_all_go_back_to_their_defaults(world: World, as_: Callable[..., Client]):
    bob = as_("bob")
    assert bob.post("/settings/keyboard/", _form(bob) | {"next-block": "b", "fold": "y"}).status_code == 303
    page = bob.get("/settings/keyboard/").content.decode()
    assert re.findall(r'name="reset" value="([^"]+)"', page) == ["all", "next-block", "fold"]
    bob.post("/settings/keyboard/", _form(bob) | {"reset": "fold"})
    kept = {one["id"]: one["keys"] for one in bob.get("/api/v1/me/keyboard/").json()["shortcuts"]}
    assert (kept["fold"], kept["next-block"]) == ("z", "b")
    bob.post("/settings/keyboard/", _form(bob) | {"reset": "all"})
    assert {one["keys"] == one["default"] for one in bob.get("/api/v1/me/keyboard/").json()["shortcuts"]} == {True}


def test_off_is_said_by_page_and_dialog_and_is_ones_own(world: World, as_: Callable[..., Client]):
    bob = as_("bob")
    form = _form(bob)
    del form["is_on"]
    assert bob.post("/settings/keyboard/", form).status_code == 303
    assert " data-off" in dialog_of(bob.get("/queue/").content.decode()).split(">", 1)[0]
    assert " data-off" not in dialog_of(as_("alice").get("/queue/").content.decode()).split(">", 1)[0]
    assert bob.get("/api/v1/me/keyboard/").json()["is_on"] is False


def test_a_program_sets_the_keys_of_its_owner_and_is_told_what_is_wrong(world: World):
    _, secret = create_token(world.people.bob, user=world.people.bob, name="keys")
    token = {"HTTP_AUTHORIZATION": f"Bearer {secret}", "content_type": "application/json"}
    answer = Client().put("/api/v1/me/keyboard/", {"keys": {"next-block": "b"}}, **token)
    assert answer.status_code == 200
    assert {one["id"]: one["keys"] for one in answer.json()["shortcuts"]}["next-block"] == "b"
    refused = Client().put("/api/v1/me/keyboard/", {"keys": {"next-block": "Enter"}}, **token)
    assert refused.status_code == 422
    assert "next-block" in refused.json()["fields"]
