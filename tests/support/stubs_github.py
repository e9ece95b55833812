"""A small GitHub: what starts and follows workflow runs, checked in both directions against GitHub's own description.

``tests/contracts/github.json`` is a slice of it. Requests that it does not allow are collected in ``wrong``, and so
are answers of this stub that GitHub would not give.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse

from tests.support.stub_server import COMMIT, MINUTE_AGO, Answered, Asked, Stub

TOKEN = "github_pat_of_the_connection"
REPOSITORY = "acme/infra"
DECLARED = {"portal_key", "portal_commit", "region"}
AT = "https://api.github.com/repos/acme/infra"


@cache
def description() -> OpenAPI:
    """GitHub's description, read once."""
    path = Path(__file__).parents[1] / "contracts" / "github.json"
    return OpenAPI.from_dict(json.loads(path.read_text()))


@dataclass
class GitHub(Stub):
    """``head`` and ``raced`` as in the GitLab stub; ``tells_run``: whether a start answers with the id of the run.

    ``is_strict``: it refuses to be asked for that id, as GitHub Enterprise Server does where it does not know it.
    ``declared``: inputs of the workflow; ``shows_key``: whether it has ``run-name: ${{ inputs.portal_key }}``.
    ``tags``: name to commit; ``annotated``: those that are objects of their own. ``lacks``: a commit that did not arrive.
    """

    head: str = COMMIT
    raced: str = ""
    tells_run: bool = True
    is_strict: bool = False
    shows_key: bool = True
    runs: list[dict[str, Any]] = field(default_factory=list)
    inputs: dict[int, dict[str, Any]] = field(default_factory=dict)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    logs: dict[int, bytes] = field(default_factory=dict)
    log_at: str = ""
    deployments: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    annotated: set[str] = field(default_factory=set)
    lacks: str = ""

    def answer(self, asked: Asked) -> Answered:
        if asked.path.startswith("/blob/"):
            return self._blob(asked)
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answered(401, {"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest"})
        if asked.headers.get("x-github-api-version") != "2022-11-28":
            self.wrong.append("no version of the API is named")
        # The description calls `created` a moment; its text, and GitHub, take ranges such as `>=2026-01-02T03:04:05Z`.
        query = {name: value.removeprefix(">=") for name, value in asked.query.items()}
        request = MockRequest(
            "https://api.github.com",
            asked.method.lower(),
            asked.path,
            args=query,
            headers=asked.headers,
            data=json.dumps(asked.body).encode() if asked.body is not None else b"",
            content_type="application/json",
        )
        try:
            description().validate_request(request)
        except OpenAPIError as problem:
            self.wrong.append(f"{asked.method} {asked.path}: {problem!r} {problem.__cause__!r}")
            return Answered(422, {"message": str(problem)})
        answered = self._answer(asked)
        if answered.status < 300 and answered.status != 204:
            raw = json.dumps(answered.body).encode()
            description().validate_response(request, MockResponse(raw, status_code=answered.status))
        return answered

    def _answer(self, asked: Asked) -> Answered:
        path = asked.path.removeprefix(f"/repos/{REPOSITORY}")
        routes: dict[str, Callable[[Asked, str], Answered]] = {
            r"GET /user": lambda *_: Answered(200, {"login": "portal-bot", "id": 5, "user_view_type": "public"}),
            r"GET ": lambda *_: Answered(200, {"full_name": REPOSITORY, "default_branch": "main"}),
            r"GET /commits/main": lambda *_: Answered(200, {"sha": self.head}),
            r"GET /commits/([0-9a-f]{40})": self._commit,
            r"POST /git/refs": self._make_tag,
            r"GET /git/ref/tags%2F(.+)": self._tag,
            r"DELETE /git/refs/tags%2F(.+)": self._drop_tag,
            r"POST /actions/workflows/deploy.yml/dispatches": self._dispatch,
            r"GET /actions/workflows/deploy.yml/runs": self._listed,
            r"GET /actions/runs/(\d+)": self._run,
            r"GET /actions/runs/(\d+)/jobs": self._jobs,
            r"POST /actions/runs/(\d+)/cancel": self._cancel,
            r"POST /actions/runs/(\d+)/rerun-failed-jobs": self._repeat,
            r"GET /actions/jobs/(\d+)/logs": self._log,
            r"GET /deployments": lambda *_: Answered(200, self.deployments),
            r"POST /deployments": self._deployment,
            r"GET /deployments/(\d+)/statuses": lambda *_: Answered(200, self.statuses[::-1]),
            r"POST /deployments/(\d+)/statuses": self._status,
        }
        for rule, act in routes.items():
            if found := re.fullmatch(rule, f"{asked.method} {path}"):
                return act(asked, found[1] if found.groups() else "")
        return Answered(404, {"message": "Not Found"})

    def _dispatch(self, asked: Asked, _: str) -> Answered:
        if self.is_strict and "return_run_details" in asked.body:
            return Answered(422, {"message": 'Invalid request.\n\n"return_run_details" is not a permitted key.'})
        inputs = asked.body["inputs"]
        unknown = sorted(set(inputs) - DECLARED)
        if unknown:
            return Answered(422, {"message": f"Unexpected inputs provided: {json.dumps(unknown)}"})
        title = inputs["portal_key"] if self.shows_key else "Deploy"
        ref = asked.body["ref"]
        run = self.add(title, sha=self.raced or self.tags.get(ref, self.head), ref=ref, by="portal-bot")
        self.inputs[run["id"]] = inputs
        if not self.tells_run:
            return Answered(204)
        return Answered(200, {"workflow_run_id": run["id"], "run_url": run["url"], "html_url": run["html_url"]})

    def add(self, title: str, *, sha: str = COMMIT, ref: str = "main", by: str = "") -> dict[str, Any]:
        """A run as somebody started it; without ``by`` nobody says who."""
        number = 30433642 + len(self.runs)
        at = f"{AT}/actions/runs/{number}"
        names = ("jobs_url", "logs_url", "check_suite_url", "cancel_url", "rerun_url", "artifacts_url", "workflow_url")
        run = {
            **dict.fromkeys(names, at),
            "id": number,
            "node_id": "MDEyOldvcmtmbG93IFJ1bjI2OTI4OQ==",
            "name": "Deploy",
            "head_branch": ref,
            "head_sha": sha,
            "path": ".github/workflows/deploy.yml@main",
            "run_number": 562,
            "run_attempt": 1,
            "event": "workflow_dispatch",
            "display_title": title,
            "status": "queued",
            "conclusion": None,
            "workflow_id": 159038,
            "url": at,
            "html_url": f"https://github.com/acme/infra/actions/runs/{number}",
            "pull_requests": [],
            "created_at": MINUTE_AGO,
            "updated_at": MINUTE_AGO,
            "head_commit": {},
            "head_repository": {},
            **({"actor": {"login": by}} if by else {}),
            "repository": {"full_name": "Acme/infra"},
        }
        self.runs.append(run)
        return run

    def end(self, conclusion: str, at: int = 0) -> None:
        """The run is over."""
        self.runs[at].update(status="completed", conclusion=conclusion)

    def job(self, number: int, name: str, status: str, conclusion: str | None = None, **more: Any) -> dict[str, Any]:
        """Add a job of the first run."""
        row = {
            "id": number,
            "run_id": 30433642,
            "run_url": f"{AT}/actions/runs/30433642",
            "node_id": "MDEyOldvcmtmbG93IEpvYjM5OTQ0NDQ5Ng==",
            "head_sha": COMMIT,
            "url": f"{AT}/actions/jobs/{number}",
            "html_url": f"https://github.com/acme/infra/runs/30433642/jobs/{number}",
            "status": status,
            "conclusion": conclusion,
            "created_at": MINUTE_AGO,
            "started_at": MINUTE_AGO,
            "completed_at": MINUTE_AGO if status == "completed" else None,
            "name": name,
            "steps": [],
            "check_run_url": f"{AT}/check-runs/{number}",
            "labels": [],
            "runner_id": None,
            "runner_name": None,
            "runner_group_id": None,
            "runner_group_name": None,
            "workflow_name": "Deploy",
            "head_branch": "main",
            **more,
        }
        self.jobs.append(row)
        return row

    def _listed(self, asked: Asked, _: str) -> Answered:
        if asked.query.get("event") != "workflow_dispatch" or not asked.query.get("created", "").startswith(">=20"):
            self.wrong.append(f"looks among too many runs: {asked.query}")
        return Answered(200, {"total_count": len(self.runs), "workflow_runs": self.runs[::-1]})

    def _run(self, _: Asked, number: str) -> Answered:
        run = next((one for one in self.runs if one["id"] == int(number)), None)
        return Answered(200, run) if run else Answered(404, {"message": "Not Found"})

    def _jobs(self, asked: Asked, _: str) -> Answered:
        size = int(asked.query["per_page"])
        start = (int(asked.query["page"]) - 1) * size
        return Answered(200, {"total_count": len(self.jobs), "jobs": self.jobs[start : start + size]})

    def _cancel(self, _: Asked, number: str) -> Answered:
        run = next(one for one in self.runs if one["id"] == int(number))
        if run["status"] == "completed":
            return Answered(409, {"message": "Cannot cancel a workflow run that is completed."})
        run.update(status="completed", conclusion="cancelled")
        return Answered(202, {})

    def _repeat(self, _: Asked, number: str) -> Answered:
        run = next(one for one in self.runs if one["id"] == int(number))
        if run["status"] != "completed":
            return Answered(403, {"message": "The workflow run is already running"})
        run.update(status="queued", conclusion=None, run_attempt=run["run_attempt"] + 1)
        return Answered(201, {})

    def _log(self, _: Asked, number: str) -> Answered:
        if int(number) not in self.logs:
            return Answered(404, {"message": "Not Found"})
        return Answered(302, b"", {"Location": self.log_at or f"{self.url}/blob/{number}?sig=s3cr3t-signature"})

    def _blob(self, asked: Asked) -> Answered:
        if "authorization" in asked.headers:
            self.wrong.append("the token went to the store of logs")
        return Answered(200, self.logs[int(asked.path.rpartition("/")[2])], {"Content-Type": "text/plain"})

    def _commit(self, _: Asked, oid: str) -> Answered:
        missing = Answered(422, {"message": f"No commit found for SHA: {oid}"})
        return missing if oid == self.lacks else Answered(200, {"sha": oid})

    def _make_tag(self, asked: Asked, _: str) -> Answered:
        name = asked.body["ref"].removeprefix("refs/tags/")
        if name in self.tags:
            return Answered(422, {"message": "Reference already exists"})
        self.tags[name] = asked.body["sha"]
        return Answered(201, self._told_tag(name))

    def _tag(self, _: Asked, name: str) -> Answered:
        name = unquote(name)
        return Answered(200, self._told_tag(name)) if name in self.tags else Answered(404, {"message": "Not Found"})

    def _told_tag(self, name: str) -> dict[str, Any]:
        kind = "tag" if name in self.annotated else "commit"
        at = {"type": kind, "sha": self.tags[name], "url": f"{AT}/git/{kind}s/{self.tags[name]}"}
        return {"ref": f"refs/tags/{name}", "node_id": "MDM6UmVm", "url": f"{AT}/git/refs/tags/{name}", "object": at}

    def _drop_tag(self, _: Asked, name: str) -> Answered:
        gone = self.tags.pop(unquote(name), None)
        return Answered(204) if gone else Answered(422, {"message": "Reference does not exist"})

    def _deployment(self, asked: Asked, _: str) -> Answered:
        row = {
            "url": f"{AT}/deployments/1",
            "id": 1 + len(self.deployments),
            "node_id": "MDEwOkRlcGxveW1lbnQx",
            "sha": asked.body["ref"],
            "ref": asked.body["ref"],
            "task": "deploy",
            "payload": asked.body["payload"],
            "environment": asked.body["environment"],
            "description": asked.body["description"],
            "creator": None,
            "created_at": MINUTE_AGO,
            "updated_at": MINUTE_AGO,
            "statuses_url": f"{AT}/deployments/1/statuses",
            "repository_url": AT,
        }
        self.deployments.append(row)
        return Answered(201, row)

    def _status(self, asked: Asked, number: str) -> Answered:
        row = {
            "url": f"{AT}/deployments/{number}/statuses/1",
            "id": 1 + len(self.statuses),
            "node_id": "MDE2OkRlcGxveW1lbnRTdGF0dXMx",
            "state": asked.body["state"],
            "creator": None,
            "description": asked.body["description"],
            "target_url": asked.body.get("log_url", ""),
            "created_at": MINUTE_AGO,
            "updated_at": MINUTE_AGO,
            "deployment_url": f"{AT}/deployments/{number}",
            "repository_url": AT,
        }
        self.statuses.append(row)
        return Answered(201, row)
