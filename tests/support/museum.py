"""The stage of the bypass museum: one real repository, its people, and nothing but HTTP and ``git push`` between them.

``exhibit("A1", …)`` marks a test as the entry of these ids, so that the table of contents can tell what is missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import create_token
from tests.support.delivery import run_jobs, run_until_idle
from tests.support.git import bare_remote
from tests.support.people import Cast, cast

MEMBERS = {"alice": "author", "bob": "reviewer", "kim": "reviewer", "dave": "auditor"}
ENVIRONMENTS = """\
environments:
  staging:
    deploy: {via: local, steps: [{name: apply, run: cat app/values.yaml, timeout: 60s}]}
  production:
    after: [staging]
    protected: true
    deploy: {via: local, steps: [{name: apply, run: echo production, timeout: 60s}]}
"""
REVIEWER = "  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}\n"
OWNERS = "  - {name: owners, needs: {approvals: 1, from: [code-owners]}}\n"
VALUES = "app/values.yaml"
FILES = {VALUES: "replicas: 1\n", "net/lb.yaml": "port: 80\n"}
GIT_FOLLOWS = ("repositories.sync", "changes.take_ref_updates", "changes.follow_branches")


def exhibit(*ids: str) -> Callable[[Any], Any]:
    """This test is the entry of these ids."""
    return pytest.mark.exhibit(*ids)


def policy(rules: str = REVIEWER, *, environments: str = "", more: str = "") -> str:
    """A ``portal.yaml``; without ``environments`` there is one that runs nothing."""
    return f"apiVersion: portal/v1\n{environments}rules:\n{rules}{more}"


def email(name: str) -> str:
    """``alice`` as Git writes her."""
    return f"{name.title()} <{name}@example.org>"


class Museum:
    """``work`` is where people commit, ``bare`` the Git host; verbs named for what people do, each one HTTP call or push."""

    def __init__(self, place: Path, portal_yaml: str, files: Mapping[str, str | bytes] | None = None) -> None:
        self.people: Cast = cast()
        self._clients: dict[str, Client] = {}
        content = {**FILES, ".gitops/portal.yaml": portal_yaml, **(files or {})}
        self.bare, self.work = bare_remote(place, content)
        body = {"name": "infra", "url": str(self.bare.path), "members": MEMBERS}
        self.post("carol", "repositories/", body, status=201)

    # ---------------------------------------------------------------------------------------------- over HTTP
    def client(self, who: str) -> Client:
        """Somebody's program, with a token for all that they may do."""
        if who not in self._clients:
            user = User.objects.get(username=who)
            self._clients[who] = bearer(create_token(user, user=user, name="museum")[1])
        return self._clients[who]

    def get(self, who: str, path: str, *, status: int = 200) -> Any:
        return _answer(self.client(who).get(f"/api/v1/{path}"), status)

    def send(self, who: str, method: str, path: str, body: Mapping[str, Any] | None = None, *, status: int) -> Any:
        text = json.dumps(body or {})
        return _answer(self.client(who).generic(method, f"/api/v1/{path}", text, "application/json"), status)

    def post(self, who: str, path: str, body: Mapping[str, Any] | None = None, *, status: int) -> Any:
        return self.send(who, "POST", path, body, status=status)

    def browser(self, who: str) -> Client:
        """Somebody at a browser, signed in."""
        browser = Client(raise_request_exception=False)
        browser.force_login(User.objects.get(username=who))
        return browser

    def page(self, who: str, path: str, *, status: int = 200) -> str:
        answer = self.browser(who).get(path)
        assert answer.status_code == status, (path, answer.status_code)
        return answer.content.decode()

    def shown(self, number: int, tail: str = "diff/", *, who: str = "bob") -> str:
        """The words of a page of the change, as its reviewer reads them."""
        return words(self.page(who, f"/changes/{number}/{tail}"))

    # ---------------------------------------------------------------------------------------------- with Git
    def commit(
        self, branch: str, files: Mapping[str, str | bytes], *, author: str = "alice", at: str = "", message: str = "m"
    ) -> str:
        """A commit on ``branch`` (new from main, or begun again ``at``) in the work clone; its oid."""
        if at.startswith("origin/"):
            self.work.run("fetch", "-q", "origin")
        if at or not self.work.has_ref(f"refs/heads/{branch}"):
            self.work.run("checkout", "-q", "--no-track", "-B", branch, at or "main")
        else:
            self.work.run("checkout", "-q", branch)
        return self.work.commit(message, files=files, author=email(author))

    def push(self, *refspecs: str) -> None:
        """Push, and let the portal look at it."""
        self.work.push(*refspecs, force=True)
        self.look()

    def pushed(self, branch: str, files: Mapping[str, str | bytes], **options: str) -> str:
        """Commit and push; the oid of the head."""
        oid = self.commit(branch, files, **options)
        self.push(f"{oid}:refs/heads/{branch}")
        return oid

    def look(self) -> None:
        """Somebody asks for a fetch, and the engine follows the branches that moved."""
        self.post("carol", "repositories/infra/sync/", status=202)
        run_jobs(*GIT_FOLLOWS)

    def tip(self, branch: str = "main") -> str:
        return self.bare.rev_parse(f"refs/heads/{branch}")

    # ---------------------------------------------------------------------------------------------- changes
    def open(self, branch: str, *, target: str = "main", who: str = "alice", status: int = 201) -> int:
        """Ask for review of a branch; the number of the change."""
        body = {"repository": "infra", "title": f"Bring {branch}", "source_branch": branch, "target_branch": target}
        return int(self.post(who, "changes/", body, status=status).get("number", 0))

    def propose(self, branch: str, files: Mapping[str, str | bytes], **options: str) -> int:
        """A branch of alice's with one commit, in review."""
        oid = self.commit(branch, files, **options)
        self.work.push(f"{oid}:refs/heads/{branch}", force=True)
        return self.open(branch)

    def change(self, number: int) -> Any:
        return self.get("carol", f"changes/{number}/")

    def revision(self, number: int) -> int:
        return int(self.change(number)["revisions"][-1]["number"])

    def review(
        self, number: int, who: str, verdict: str = "approve", *, status: int = 201, revision: int = 0, **more: str
    ) -> Any:
        body = {"revision": revision or self.revision(number), "verdict": verdict, "body": "because", **more}
        return self.post(who, f"changes/{number}/reviews/", body, status=status)

    def approved(self, branch: str, files: Mapping[str, str | bytes], **options: str) -> int:
        """A change of alice's that bob approved, and that could be merged as it is."""
        number = self.propose(branch, files, **options)
        self.review(number, "bob")
        assert self.change(number)["verdict"]["allowed"]
        return number

    def standing(self, number: int) -> str:
        """What the newest approval is worth, by its code."""
        return str(self.change(number)["verdict"]["standings"][-1]["code"])

    def why_not_counted(self, number: int) -> str:
        """Why an approval does not count for a requirement that asked for another person, by its code."""
        rows = self.change(number)["verdict"]["requirements"]
        found = [one["code"] for row in rows for one in row["not_counted"]]
        return str(found[-1]) if found else ""

    def merge_is_refused(self, number: int, *codes: str, who: str = "alice") -> str:
        """Nothing merges: 409 with the verdict, on the API and on the page; branch and state stay. What it says, in words.

        ``codes``: of requirements that are among those not met.
        """
        before = self.tip(self.change(number)["target_branch"])
        refusal = self.post(who, f"changes/{number}/merge/", status=409)
        assert refusal["code"] == "verdict", refusal
        unmet = {reason["code"] for reason in refusal["verdict"]["reasons"]}
        assert set(codes) <= unmet, (codes, unmet)
        assert self.browser(who).post(f"/changes/{number}/merge/").status_code == 409
        self.nothing_happened(number, before)
        entry = self.told(number, "merge.refused")[0]
        assert (entry["actor"]["name"], entry["data"]["code"]) == (who, "verdict")
        return json.dumps(refusal, ensure_ascii=False)

    def nothing_happened(self, number: int, main: str) -> None:
        """The engine finds nothing to do, no deployment exists, and the target branch is where it was."""
        run_jobs("deployments.carry_out_merges", "deployments.merge_when_allowed", "deployments.start")
        body = self.change(number)
        assert body["state"] not in ("merging", "merged", "done")
        assert body["deployments"] == []
        assert self.tip(body["target_branch"]) == main
        assert self.told(number, "change.merging") == []

    def merge(self, number: int, *, who: str = "alice") -> str:
        """Merge it over HTTP and let the engine carry it out; the commit that is on the branch now."""
        self.post(who, f"changes/{number}/merge/", status=202)
        run_jobs("deployments.carry_out_merges")
        body = self.change(number)
        assert body["state"] in ("merged", "done"), body["state"]
        return str(body["merge_commit"])

    def deploy_all(self) -> None:
        """The engine, until it is idle."""
        run_until_idle()

    def late_jobs(self) -> None:
        """Everything that any background job would still do."""
        run_jobs()

    def deployment(self, number: int, environment: str) -> Any:
        """The newest deployment of a change to an environment."""
        rows = self.get("carol", f"deployments/?change={number}&environment={environment}")["results"]
        return self.get("carol", f"deployments/{rows[0]['number']}/")

    # ---------------------------------------------------------------------------------------------- the record
    def told(self, number: int, action: str) -> list[Any]:
        """What the auditor reads of this change, newest first; ``action`` whole or its beginning."""
        return list(self.get("dave", f"audit/?change={number}&action={action}")["results"])

    def render(self) -> None:
        """The engine renders what is due."""
        for _ in range(2):
            run_jobs("changes.plan_renderings", "changes.render")

    def told_of_repository(self, action: str) -> list[Any]:
        return list(self.get("dave", f"audit/?repository=infra&action={action}")["results"])


def words(html: str) -> str:
    """The text of a page."""
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", "", html))


def bearer(secret: str) -> Client:
    """A program with this token."""
    return Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)


def _answer(answer: Any, status: int) -> Any:
    assert answer.status_code == status, (answer.status_code, answer.content.decode()[:2000])
    return answer.json()
