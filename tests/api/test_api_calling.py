"""Who calls and how: tokens, scopes, sessions, problem documents, ETags, pages of lists."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import ApiToken, User
from apps.accounts.services import create_token, revoke_token
from apps.core.clock import now
from apps.core.errors import PortalError
from apps.repositories.models import Repository
from apps.reviews import services as reviews
from tests.support.api_world import World

pytestmark = pytest.mark.django_db
CHANGE_QUERIES = 25


def post(client: Client, path: str, body: Any = None, **headers: str) -> Any:
    return client.post(f"/api/v1/{path}", json.dumps(body or {}), content_type="application/json", headers=headers)


def bearer(secret: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)


def test_without_token_and_session_401_says_how_to_sign_in(world: World) -> None:
    for method in ("get", "post", "put", "delete", "patch", "head", "options"):
        answer = getattr(Client(), method)("/api/v1/changes/")
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="gitops-portal"'
    assert Client().get("/api/v1/me/").json()["code"] == "not_authenticated"


def test_refused_token_says_why(world: World) -> None:
    alice = world.people["alice"]
    token, secret = create_token(alice, user=alice, name="one", days=1)
    assert bearer(secret).get("/api/v1/me/").status_code == 200
    ApiToken.objects.filter(pk=token.pk).update(expires_at=now() - timedelta(seconds=1))
    assert _refused(bearer(secret)) == "token_expired"
    ApiToken.objects.filter(pk=token.pk).update(expires_at=now() + timedelta(days=1))
    revoke_token(alice, token=token)
    assert _refused(bearer(secret)) == "token_revoked"
    assert _refused(bearer("gop_" + "A" * 43)) == "token_unknown"
    for odd in ("x", "gop_\xff", "a b", "", "gop_" + "A" * 100_000):
        assert bearer(odd).get("/api/v1/me/").status_code == 401
    User.objects.filter(pk=world.people["bob"].pk).update(is_active=False)
    assert _refused(bearer(world.token("bob"))) == "inactive"


def _refused(client: Client) -> Any:
    answer = client.get("/api/v1/me/")
    assert answer.status_code == 401
    return answer.json()["code"]


def test_bad_token_is_not_rescued_by_a_good_session(world: World) -> None:
    browser = world.browser("alice")
    assert browser.get("/api/v1/me/").json()["username"] == "alice"
    assert browser.get("/api/v1/me/", headers={"Authorization": "Bearer nonsense"}).status_code == 401
    mixed = browser.get("/api/v1/me/", headers={"Authorization": f"Bearer {world.token('bob')}"})
    assert mixed.json()["username"] == "bob"


def test_session_needs_the_csrf_token_and_a_bearer_token_does_not(world: World) -> None:
    browser = world.browser("alice", enforce_csrf_checks=True)
    refused = post(browser, "changes/", {"repository": "infra", "title": "x"})
    assert refused.status_code == 403
    assert refused.json()["code"] == "csrf"
    browser.get("/changes/new/?repository=infra")
    csrf = browser.cookies["csrftoken"].value
    assert post(browser, "changes/", {"repository": "infra", "title": "x"}, **{"X-CSRFToken": csrf}).status_code == 201
    program = Client(headers={"Authorization": f"Bearer {world.token('alice')}"}, enforce_csrf_checks=True)
    assert post(program, "changes/", {"repository": "infra", "title": "x"}).status_code == 201


SCOPES = [
    ("propose", "post", "changes/", {"repository": "infra", "title": "x"}),
    ("propose", "post", "changes/{review}/threads/", {"body": "b"}),
    ("review", "post", "changes/{review}/reviews/", {"revision": 1, "verdict": "comment", "body": "b"}),
    ("deploy", "post", "changes/{approved}/merge/", {}),
    ("deploy", "post", "deployments/{failed}/retry/", {}),
    ("manage", "put", "repositories/infra/members/kim/", {"role": "viewer"}),
    ("manage", "delete", "repositories/infra/members/kim/", {}),
    ("manage", "post", "teams/", {"name": "dba"}),
    ("admin", "put", "teams/network/", {"members": []}),
    ("admin", "patch", "users/kim/", {"can_connect_repositories": True}),
]


@pytest.mark.parametrize(("scope", "method", "path", "body"), SCOPES, ids=[f"{s[1]} {s[2]}" for s in SCOPES])
def test_token_needs_the_scope_of_the_method(
    scope: str, method: str, path: str, body: dict[str, Any], world: World, api: Any
) -> None:
    person = "erin" if scope in {"admin", "manage"} else "maintainer"
    others = {"read", "propose", "review", "deploy", "manage"} - {scope}
    path = f"/api/v1/{path.format(**world.names)}"
    refused = getattr(api(person, *others), method)(path, json.dumps(body), content_type="application/json")
    assert refused.status_code == 403
    assert refused.json()["code"] == "scope_missing"
    done = getattr(api(person, "read", scope), method)(path, json.dumps(body), content_type="application/json")
    assert done.status_code in {200, 201, 202}, done.content


def test_token_without_read_reads_nothing(world: World, api: Any) -> None:
    assert api("alice", "propose").get("/api/v1/changes/").status_code == 403


def test_token_makes_no_token_with_more_rights(world: World, api: Any) -> None:
    client = api("erin", "read", "manage")
    assert post(client, "tokens/", {"name": "n"}).json()["scopes"] == ["read", "manage"]
    assert post(client, "tokens/", {"name": "n", "scopes": ["read"]}).json()["scopes"] == ["read"]
    for more in (["admin"], ["admin", "read"]):
        refused = post(client, "tokens/", {"name": "n", "scopes": more})
        assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert post(client, "tokens/", {"name": "n", "scopes": ["root"]}).status_code == 403


def test_service_account_never_approves(world: World) -> None:
    robot = User.objects.get(username="robot")
    with pytest.raises(PortalError):
        create_token(robot, user=robot, name="n", scopes=["review"])
    world.repository.roles.create(user=robot, role="reviewer")
    secret = create_token(robot, user=robot, name="n")[1]
    body = {"revision": 1, "verdict": "approve"}
    assert post(bearer(secret), f"changes/{world.names['review']}/reviews/", body).status_code == 403
    client = Client()
    client.force_login(robot)
    answer = post(client, f"changes/{world.names['review']}/reviews/", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "service_account")


def test_contributor_cannot_approve(world: World, api: Any) -> None:
    body = {"revision": 1, "verdict": "approve"}
    world.repository.roles.filter(user=world.people["alice"]).update(role="reviewer")
    answer = post(api("alice"), f"changes/{world.names['review']}/reviews/", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "contributor")


def test_stale_revision_is_a_conflict_that_names_the_present_one(world: World, api: Any) -> None:
    answer = post(api("bob"), f"changes/{world.names['review']}/reviews/", {"revision": 7, "verdict": "approve"})
    assert (answer.status_code, answer.json()["code"], answer.json()["current"]) == (409, "stale_revision", 1)


def test_refused_merge_carries_the_verdict_of_the_page(world: World, api: Any) -> None:
    path = f"changes/{world.names['review']}/"
    answer = post(api("alice"), f"{path}merge/")
    assert (answer.status_code, answer.json()["code"]) == (409, "verdict")
    assert answer.json()["verdict"] == api("alice").get(f"/api/v1/{path}").json()["verdict"]


def test_second_deployment_is_a_conflict_with_the_number_of_the_first(world: World, api: Any) -> None:
    body = {"change": world.names["unstarted"], "environment": "staging"}
    answer = post(api("carol"), "deployments/", body).json()
    assert answer["code"] == "already_pending"
    shown = api("carol").get(f"/api/v1/deployments/{answer['number']}/").json()
    assert (shown["change"], shown["state"], answer["status"]) == (world.names["unstarted"], "pending", 409)


def test_unknown_address_is_a_problem_document(world: World, api: Any) -> None:
    for path in ("nothing/", "changes", "changes/1/nothing/", ""):
        answer = api("alice").get(f"/api/v1/{path}")
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert "slash" in api("alice").get("/api/v1/changes").json()["detail"]


def test_method_that_is_not_there_is_405_with_those_that_are(world: World, api: Any) -> None:
    answer = api("alice").delete("/api/v1/changes/")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "POST", "HEAD", "OPTIONS"}
    assert answer.json()["code"] == "method_not_allowed"


def test_head_is_get_without_its_body_and_options_change_nothing(world: World, api: Any) -> None:
    for path in ("changes/", f"changes/{world.names['review']}/", f"deployments/{world.names['succeeded']}/log/"):
        head, get = api("alice").head(f"/api/v1/{path}"), api("alice").get(f"/api/v1/{path}")
        assert (head.status_code, head.content, head.headers["ETag"]) == (200, b"", get.headers["ETag"])
    assert api("alice").options("/api/v1/changes/").status_code == 200
    assert api("mallory").head(f"/api/v1/changes/{world.names['review']}/").status_code == 404


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "nonsense", "*/*", ""])
def test_answer_is_json_whatever_is_accepted(accept: str, world: World, api: Any) -> None:
    for path in ("/api/v1/me/", "/api/v1/me/?format=xml"):
        answer = api("alice").get(path, headers={"Accept": accept})
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/json"


def test_same_answer_is_304_and_a_changed_one_is_not(world: World, api: Any) -> None:
    path = f"/api/v1/changes/{world.names['review']}/"
    tag = api("alice").get(path).headers["ETag"]
    for sent in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = api("alice").get(path, headers={"If-None-Match": sent})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert api("alice").get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    change = world.repository.changes.get(number=world.names["review"])
    reviews.open_thread(world.people["bob"], change=change, body="new")
    reviews.submit_review(world.people["bob"], change=change, revision=1, verdict="comment", body="new")
    assert api("alice").get(path, headers={"If-None-Match": tag}).status_code == 200


def test_pages_of_changes_hold_each_once_and_keep_the_filters(world: World, api: Any) -> None:
    every = [row["number"] for row in api("alice").get("/api/v1/changes/?repository=infra").json()["results"]]
    seen, address = [], "/api/v1/changes/?repository=infra&limit=2"
    while address:
        body = api("alice").get(address).json()
        assert len(body["results"]) <= 2
        seen += [row["number"] for row in body["results"]]
        address = body["next"]
        assert address is None or "repository=infra" in address
    assert seen == every == sorted(every, reverse=True)


def test_page_stays_where_it_is_while_changes_are_added(world: World, api: Any) -> None:
    following = api("alice").get("/api/v1/changes/?limit=2").json()["next"]
    before = api("alice").get(following).json()
    for title in ("one more", "two more"):
        assert post(api("alice"), "changes/", {"repository": "infra", "title": title}).status_code == 201
    assert api("alice").get(following).json() == before


@pytest.mark.parametrize(("path", "key"), [("users/", "username"), ("audit/", "seq"), ("deployments/", "latest_at")])
def test_every_long_list_has_pages(path: str, key: str, world: World, api: Any) -> None:
    seen, address = [], f"/api/v1/{path}?limit=3"
    while address and len(seen) < 30:
        body = api("erin").get(address).json()
        seen += [row[key] for row in body["results"]]
        address = body["next"]
    assert len(set(seen)) == len(seen) > 3
    assert seen == sorted(seen, reverse=path != "users/")


def test_events_go_on_behind_the_last_one_seen(world: World, api: Any) -> None:
    path = f"/api/v1/deployments/{world.names['succeeded']}/events/"
    every = api("alice").get(path).json()["results"]
    first = api("alice").get(f"{path}?limit=2").json()
    rest = api("alice").get(first["next"].replace("limit=2", "limit=1000")).json()
    assert first["results"] + rest["results"] == every
    assert [event["seq"] for event in every] == list(range(1, len(every) + 1))
    assert api("alice").get(f"{path}?after={len(every)}").json() == {"results": [], "next": None}


def test_unhandled_failure_tells_nothing_of_itself(world: World, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any, **_options: Any) -> None:
        raise RuntimeError("password=hunter2 at /srv/portal")

    monkeypatch.setattr(Repository.objects.__class__, "visible_to", fail)
    answer = api("alice").get("/api/v1/repositories/")
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert b"hunter2" not in answer.content
    assert b"/srv" not in answer.content
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


def test_one_change_costs_the_same_whatever_happened_to_it(world: World, api: Any) -> None:
    path = f"/api/v1/changes/{world.names['merged']}/"
    few = _queries(api("alice"), path)
    change = world.repository.changes.get(number=world.names["review"])
    review_path = f"/api/v1/changes/{world.names['review']}/"
    before = _queries(api("alice"), review_path)
    for number in range(8):
        body = f"Remark {number}"
        reviews.submit_review(world.people["bob"], change=change, revision=1, verdict="comment", body=body)
        reviews.open_thread(world.people["kim"], change=change, body=body)
    reviews.submit_review(world.people["bob"], change=change, revision=1, verdict="approve")
    reviews.submit_review(world.people["kim"], change=change, revision=1, verdict="approve")
    assert _queries(api("alice"), review_path) <= before + 2  # approvals are looked up once there are any
    assert max(few, before) <= CHANGE_QUERIES


def _queries(client: Client, path: str) -> int:
    client.get(path)  # the token's last use is written at most once a minute
    with CaptureQueriesContext(
        connection,
    ) as found:
        assert client.get(path).status_code == 200
    return len(found)
