"""Claims of providers in all the places where they put them."""

from __future__ import annotations

import pytest

from apps.accounts.claims import UnusableClaims, read_claims
from apps.accounts.handles import suggested_handle, validate_handle

TOKEN = {"iss": "https://idp.example", "sub": "42"}


def read(info=None, token=None, claim="groups"):
    data = {"id_token": {**TOKEN, **(token or {})}}
    if info is not None:
        data["userinfo"] = {"sub": "42", **info}
    return read_claims(data, groups_claim=claim)


@pytest.mark.parametrize(
    ("info", "token", "claim", "groups"),
    [
        ({"groups": ["a", "b", "a"]}, None, "groups", ("a", "b")),
        (None, {"groups": ["a"]}, "groups", ("a",)),
        ({}, {"groups": ["a"]}, "groups", ("a",)),
        ({"groups": []}, {"groups": ["stale"]}, "groups", ()),
        ({"groups": ["/parent/child"]}, None, "groups", ("parent/child",)),
        ({"groups": "only"}, None, "groups", ("only",)),
        ({"groups": [{"name": "a"}, {"id": 1}, 7, None, "", "x" * 301]}, None, "groups", ("a",)),
        (None, {"realm_access": {"roles": ["a"]}}, "realm_access.roles", ("a",)),
        (None, {"https://x.example/groups": ["a"]}, "https://x.example/groups", ("a",)),
        ({}, None, "groups", None),
        (None, {"realm_access": "text"}, "realm_access.roles", None),
    ],
)
def test_groups_are_found_wherever_the_provider_puts_them(info, token, claim, groups):
    assert read(info, token, claim).groups == groups


@pytest.mark.parametrize(
    ("verified", "expected"),
    [(True, "a@x.example"), ("true", "a@x.example"), (False, ""), ("false", ""), (None, ""), (1.5, "")],
)
def test_address_counts_only_when_the_provider_vouches_for_it(verified, expected):
    assert read({"email": "A@x.example", "email_verified": verified}).verified_email == expected


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"userinfo": {"sub": "42"}},
        {"id_token": {"sub": "42"}},
        {"id_token": {"iss": "https://idp.example"}},
        {"id_token": TOKEN, "userinfo": {"sub": "43"}},
        {"id_token": TOKEN, "userinfo": {"email": "a@x.example"}},
        {"id_token": "text"},
    ],
)
def test_answers_that_prove_no_identity_are_refused(data):
    with pytest.raises(UnusableClaims):
        read_claims(data, groups_claim="groups")


@pytest.mark.parametrize(
    ("text", "handle"),
    [("Alice", "alice"), ("a.b@corp.example", "a.b"), ("Jürgen Müller", "j-rgen-m-ller"), ("???", ""), ("-x-", "x")],
)
def test_suggested_handles_are_legal(text, handle):
    assert suggested_handle(text) == handle
    if handle:
        validate_handle(handle)
