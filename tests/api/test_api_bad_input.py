"""What cannot be understood is refused by name: never a failure of ours, never taken silently."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from tests.support.api_world import World

pytestmark = pytest.mark.django_db
HUGE = "9" * 40


def send(client: Any, path: str, body: Any, method: str = "post") -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body)
    return getattr(client, method)(f"/api/v1/{path}", raw, content_type="application/json")


TEXT_FIELDS = [
    ("post", "changes/", {"repository": "infra", "title": "T"}, ("title", "description", "source_branch", "target_branch", "repository")),
    ("patch", "changes/{review}/", {}, ("title", "description")),
    ("post", "changes/{backlog}/attach/", {"source_branch": "free"}, ("source_branch",)),
    ("post", "changes/{review}/retarget/", {"target_branch": "main"}, ("target_branch",)),
    ("post", "changes/{review}/withdraw/", {}, ("reason",)),
    ("post", "changes/{unstarted}/close/", {}, ("reason",)),
    ("post", "changes/{review}/assignments/", {"user": "kim"}, ("user", "reason")),
    ("post", "changes/{review}/threads/", {"body": "b"}, ("body", "kind", "path", "side")),
    ("post", "changes/{review}/threads/{thread}/replies/", {}, ("body",)),
    ("post", "changes/{review}/reviews/", {"revision": 1, "verdict": "comment", "body": "b"}, ("verdict", "body", "stage", "environment")),
    ("post", "deployments/", {"change": 1, "environment": "staging"}, ("environment",)),
    ("post", "deployments/{unknown}/resolve/", {"outcome": "failed", "reason": "r"}, ("outcome", "reason")),
    ("post", "repositories/", {"name": "n", "url": "u"}, ("name", "url", "default_branch", "username", "secret", "ssh_key")),
    ("put", "repositories/infra/members/kim/", {"role": "viewer"}, ("role",)),
    ("put", "repositories/infra/credentials/", {}, ("username", "secret", "ssh_key")),
    ("put", "environments/infra/staging/secrets/NEW/", {"value": "long-enough-value"}, ("value",)),
    ("post", "teams/", {"name": "dba"}, ("name", "title")),
    ("patch", "teams/network/", {}, ("title", "description", "external_group")),
    ("post", "tokens/", {"name": "n"}, ("name",)),
    ("post", "users/", {"username": "newcomer"}, ("username", "display_name", "email", "password", "kind")),
    ("post", "users/kim/deactivate/", {}, ("reason",)),
]  # fmt: skip
FIELDS = [(method, path, body, name) for method, path, body, names in TEXT_FIELDS for name in names]


@pytest.mark.parametrize(("method", "path", "body", "name"), FIELDS, ids=[f"{f[1]}{f[3]}" for f in FIELDS])
def test_text_that_no_database_keeps_or_that_is_no_text_is_refused_by_name(
    method: str, path: str, body: dict[str, Any], name: str, world: World, api: Any
) -> None:
    client = api("erin" if path.startswith(("users", "teams", "repositories", "environments")) else "maintainer")
    path = path.format(**world.names)
    before = AuditEntry.objects.count()
    for bad in ("a\0b", "\ud800", "x" * 1_100_000, 5, True, ["a"], {"a": "b"}):
        answer = send(client, path, {**body, name: bad}, method)
        assert answer.status_code == 422, (bad if not isinstance(bad, str) else bad[:5], answer.content[:300])
        assert name in answer.json()["fields"], answer.content[:300]
    assert AuditEntry.objects.count() == before


BODIES: list[tuple[bytes, int]] = [
    (b"", 422),  # required fields are missing
    (b"null", 422),
    (b"[]", 422),
    (b'"text"', 422),
    (b"7", 422),
    (b"{", 400),
    (b'{"title": NaN}', 400),
    (b'{"title": Infinity}', 400),
    (b'{"title": "a", "title": "b", "repository": "infra"}', 400),
    (b'{"title": "\xff"}', 400),
    (b"[" * 100_000 + b"]" * 100_000, 400),
    (b'{"title":' * 50_000 + b"1" + b"}" * 50_000, 400),
    (b'{"title": ' + b"9" * 10_000 + b"}", 400),
    (b'{"title": 1e999, "repository": "infra"}', 422),
    (b'{"\\u0000": 1}', 422),
    (b'{"\\ud800": 1}', 422),
    (b'{"titel": "x", "title": "x", "repository": "infra"}', 422),
]


@pytest.mark.parametrize(("body", "status"), BODIES, ids=[body[:20].decode("latin-1") for body, _ in BODIES])
def test_body_that_is_no_change_is_refused(body: bytes, status: int, world: World, api: Any) -> None:
    answer = send(api("alice"), "changes/", body)
    assert answer.status_code == status, answer.content[:300]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"]


def test_unknown_fields_are_named_and_so_are_the_known_ones(world: World, api: Any) -> None:
    answer = send(api("alice"), "changes/", {"repository": "infra", "title": "x", "branch": "free"})
    assert answer.json()["fields"] == {
        "branch": ["Unknown field. Known fields: description, draft, repository, source_branch, target_branch, title."]
    }


@pytest.mark.parametrize("field", ["state", "status", "number", "requester", "author", "owner", "version", "id"])
def test_nothing_but_title_and_text_can_be_written_to_a_change(field: str, world: World, api: Any) -> None:
    number = world.names["review"]
    before = ChangeRequest.objects.filter(number=number).values().get()
    for method, path in (("patch", f"changes/{number}/"), ("post", "changes/")):
        answer = send(api("maintainer"), path, {"title": "x", "repository": "infra", field: "merged"}, method)
        assert answer.status_code == 422
    assert ChangeRequest.objects.filter(number=number).values().get() == before
    assert not ChangeRequest.objects.filter(title="x").exists()


def test_actor_cannot_be_named_in_a_review(world: World, api: Any) -> None:
    path = f"changes/{world.names['review']}/reviews/"
    body = {"revision": 1, "verdict": "approve"}
    for field in ("reviewer", "actor", "user", "via", "subject", "shown"):
        assert send(api("bob"), path, {**body, field: "kim"}).status_code == 422
    assert send(api("bob"), path, body).json()["reviewer"] == "bob"


def test_actions_without_fields_take_no_fields(world: World, api: Any) -> None:
    path = f"changes/{world.names['approved']}/merge/"
    assert send(api("alice"), path, {"force": True}).status_code == 422
    assert send(api("alice"), path, [1]).status_code == 422
    assert send(api("alice"), path, b"{").status_code == 400
    assert ChangeRequest.objects.get(number=world.names["approved"]).status == "in_review"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_body_that_is_not_json_is_415(kind: str, world: World, api: Any) -> None:
    answer = api("alice").generic("POST", "/api/v1/changes/", b"title=x", content_type=kind)
    assert answer.status_code == 415
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_body_that_is_too_large_is_413_and_without_length_411(world: World, api: Any) -> None:
    large = send(api("alice"), "changes/", {"repository": "infra", "title": "x" * 6_000_000})
    assert large.status_code == 413
    chunked = api("alice").generic("POST", "/api/v1/changes/", b"", headers={"Transfer-Encoding": "chunked"})
    assert chunked.status_code == 411
    odd = api("alice").generic("POST", "/api/v1/changes/", b"{}", CONTENT_LENGTH="many")
    assert odd.status_code in {400, 411}


NUMBERS = [
    "0",
    "00",
    "2147483648",
    "9223372036854775808",
    HUGE,
    "9" * 5000,
    "-1",
    "1.5",
    "٣",
    "１",
    "1e3",
    "0x1",
    "%00",
]


@pytest.mark.parametrize("number", NUMBERS, ids=[number[:20] for number in NUMBERS])
def test_number_of_nothing_in_an_address_is_404(number: str, world: World, api: Any) -> None:
    for path in (
        f"changes/{number}/", f"changes/{number}/diff/", f"changes/{world.names['review']}/revisions/{number}/",
        f"deployments/{number}/", f"deployments/{number}/events/", f"deployments/{number}/log/",
    ):  # fmt: skip
        answer = api("alice").get(f"/api/v1/{path}")
        if number in {"٣", "１"}:
            assert answer.status_code in {200, 404}  # digits of other scripts are digits, or nothing
            continue
        assert answer.status_code == 404, (path, answer.content[:200])
        assert answer.headers["Content-Type"] == "application/problem+json"
    for path in (f"changes/{number}/merge/", f"deployments/{number}/cancel/", f"tokens/{number}/"):
        assert send(api("alice"), path, {}, "delete" if "tokens" in path else "post").status_code in {404, 202, 409}


BAD_PARAMETERS = [
    ("changes/", "after"), ("changes/", "limit"), ("changes/", "state"), ("deployments/", "change"),
    ("deployments/", "after"), ("deployments/", "limit"), ("deployments/", "state"), ("audit/", "change"),
    ("audit/", "after"), ("audit/", "limit"), ("audit/", "from"), ("audit/", "to"), ("users/", "limit"),
    ("teams/", "limit"), ("repositories/", "limit"), ("deployments/{succeeded}/events/", "after"),
    ("deployments/{succeeded}/events/", "limit"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "name"), BAD_PARAMETERS, ids=[f"{path}{name}" for path, name in BAD_PARAMETERS])
def test_parameter_that_means_nothing_is_named(path: str, name: str, world: World, api: Any) -> None:
    for value in ("-1", "x", "1.5", HUGE, "%00", "٣", "%F0%9F%92%A5", "' OR 1=1 --"):
        answer = api("erin").get(f"/api/v1/{path.format(**world.names)}?{name}={value}")
        assert answer.status_code == 422, (value, answer.content[:200])
        assert name in answer.json()["fields"]


@pytest.mark.parametrize("limit", ["0", "101", "1001", "99999"])
def test_limit_has_limits(limit: str, world: World, api: Any) -> None:
    assert api("alice").get(f"/api/v1/changes/?limit={limit}").status_code == 422


@pytest.mark.parametrize(
    "value", ["%00", "%ED%A0%80", "%F0%9F%92%A5", "x" * 3000, "%", "..%2F..", "<script>", '"', "state:x"]
)
def test_search_with_anything_is_answered(value: str, world: World, api: Any) -> None:
    for path in ("changes/?q=", "audit/?q=", "audit/?actor=", "changes/?repository=", "environments/?repository=",
                 "deployments/?environment=", "users/?after=", "changes/1/diff/?from=", "changes/1/diff/?path="):  # fmt: skip
        answer = api("erin").get(f"/api/v1/{path}{value}")
        assert answer.status_code in {200, 404, 422}, (path, answer.content[:200])


@pytest.mark.parametrize(
    "name", ["%00", "%F0%9F%92%A5", "..", "team%2Fsre", "team/", "team/%00", "a/b/c", "%ED%A0%80", "x" * 4000]
)
def test_name_of_nothing_in_an_address_is_refused(name: str, world: World, api: Any) -> None:
    erin = api("erin")
    for path in (f"teams/{name}/", f"repositories/{name}/", f"users/{name}/"):
        assert erin.get(f"/api/v1/{path}").status_code == 404, path
    answer = send(erin, f"repositories/infra/members/{name}/", {"role": "viewer"}, "put")
    assert answer.status_code in {404, 422}
    assert send(erin, f"repositories/infra/members/{name}/", {}, "delete").status_code == 404
    assert send(erin, f"environments/infra/{name}/secrets/A/", {"value": "long-enough-value"}, "put").status_code == 404


def test_teams_are_members_under_their_whole_name(world: World, api: Any) -> None:
    answer = send(api("maintainer"), "repositories/infra/members/team/network/", {"role": "author"}, "put")
    assert answer.json() == {"member": "team/network", "role": "author"}
    person = send(api("maintainer"), "repositories/infra/members/user/kim/", {"role": "author"}, "put")
    assert person.json() == {"member": "kim", "role": "author"}


def test_pages_refuse_text_that_no_database_keeps(world: World) -> None:
    browser = world.browser("alice")
    assert browser.get("/changes/?q=%00").status_code == 422
    assert browser.get("/repositories/%00/").status_code == 404
    answer = browser.post(f"/changes/{world.names['review']}/threads/", {"body": "a\0b"})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("patch", "connections/corp/", {"values": {"secret": 5}}),
        ("patch", "connections/corp/", {"values": {"secret": True}}),
        ("post", "connections/", {"name": "new", "kind": "webhook", "url": "https://a.example", "values": {"secret": 12345678}}),
        ("put", "connections/corp/repositories/infra/", {"environments": [5]}),
        ("put", "connections/corp/repositories/infra/", {"environments": [True, "staging"]}),
    ],
)  # fmt: skip
def test_a_number_inside_of_a_list_or_a_mapping_is_no_text(
    method: str, path: str, body: dict[str, Any], world: World, api: Any
) -> None:
    before = AuditEntry.objects.count()
    answer = send(api("erin"), path, body, method)
    assert answer.status_code == 422, answer.content[:300]
    assert "Not a string." in answer.content.decode()
    assert AuditEntry.objects.count() == before
