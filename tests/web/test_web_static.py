"""Browser assets: whole answers under ASGI, with the headers that let browsers keep them."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from django.test import AsyncClient, Client

from tests.support.sockets import running_server

ASSET = "/static/js/live.js"
CONTENT = (Path(__file__).resolve().parents[2] / "static/js/live.js").read_bytes()


def test_an_asset_is_answered_whole_with_its_headers(client: Client) -> None:
    answer = client.get(ASSET)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer["Content-Type"].startswith("text/javascript")
    assert int(answer["Content-Length"]) == len(CONTENT)
    assert not answer.streaming
    same = client.get(ASSET, headers={"If-None-Match": answer["ETag"]})
    assert (same.status_code, same.content) == (304, b"")


def test_a_range_is_that_range_and_head_has_no_body(client: Client) -> None:
    part = client.get(ASSET, headers={"Range": "bytes=3-12"})
    assert (part.status_code, part.content) == (206, CONTENT[3:13])
    assert part["Content-Range"] == f"bytes 3-12/{len(CONTENT)}"
    head = client.head(ASSET)
    assert (head.status_code, head.content, int(head["Content-Length"])) == (200, b"", len(CONTENT))
    assert client.get(ASSET, headers={"Range": "bytes=99999999-"}).status_code == 416


def test_assets_are_only_read_and_others_are_not_there(client: Client) -> None:
    assert client.post(ASSET).status_code == 405
    assert client.get("/static/js/../../manage.py").status_code == 404
    assert client.get("/static/js/%2e%2e/%2e%2e/manage.py").status_code == 404


async def test_django_warns_of_nothing_under_asgi(async_client: AsyncClient) -> None:
    answer = await async_client.get(ASSET)
    assert answer.content == CONTENT


@pytest.mark.django_db(transaction=True)
def test_a_server_sends_them_whole() -> None:
    with running_server() as port:
        answer = httpx.get(f"http://127.0.0.1:{port}{ASSET}")
        again = httpx.head(f"http://127.0.0.1:{port}{ASSET}")
    assert answer.content == CONTENT
    assert again.headers["content-length"] == str(len(CONTENT))
