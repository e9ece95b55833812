"""Where people come out who had to sign in first: always at a page that can be opened."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

PAGE = "/changes/1/diff/?view=split"


@pytest.mark.parametrize(
    ("address", "method", "headers", "expected"),
    [
        (PAGE, "get", {}, PAGE),
        ("/changes/1/reviews/", "post", {"Referer": f"http://testserver{PAGE}"}, PAGE),
        ("/changes/1/merge/", "post", {}, "/queue/"),
        ("/changes/1/merge/", "post", {"Referer": "http://elsewhere.example/trap/"}, "/queue/"),
        ("/changes/1/_header/", "get", {"HX-Request": "true", "Referer": f"http://testserver{PAGE}"}, PAGE),
    ],
)
def test_signing_in_leads_back_to_the_page_not_to_the_action(
    address: str, method: str, headers: dict[str, str], expected: str
) -> None:
    answer = getattr(Client(), method)(address, headers=headers)
    target = answer.headers.get("HX-Redirect") or answer.headers["Location"]
    assert urlsplit(target).path == "/accounts/login/"
    assert parse_qs(urlsplit(target).query)["next"] == [expected]
