"""A small GitLab: the part of REST API v4 that starts and follows pipelines, with the shapes its manual gives.

The schemas are ours, written from the facts of the manual (docs.gitlab.com/api: pipelines, jobs, pipeline
triggers, tags). They hold for requests and for the answers of this stub.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import jsonschema

from tests.support.stub_server import COMMIT, MINUTE_AGO, Answered, Asked, Stub

TOKEN, TRIGGER = "glpat-token-of-the-connection", "glptt-trigger-token"
PROJECT = "platform/infra"
BOT = {"id": 7, "username": "project_3_bot", "name": "portal"}
MALLORY = {"id": 66, "username": "mallory", "name": "Mallory"}
_TEXT, _NUMBER, _SHA = {"type": "string"}, {"type": "integer"}, {"type": "string", "pattern": "^[0-9a-f]{40}$"}
_OR_NONE = {"type": ["string", "null"]}
_SINGLE = {"type": ["string", "number", "boolean"]}
PIPELINE_REQUEST = {
    "type": "object",
    "required": ["ref"],
    "additionalProperties": False,
    "properties": {
        "ref": _TEXT,
        "inputs": {"type": "object", "additionalProperties": _SINGLE},
        "variables": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["key", "value"],
                "additionalProperties": False,
                "properties": {
                    "key": {"type": "string", "pattern": "^[A-Za-z0-9_]{1,255}$"},
                    "value": _TEXT,
                    "variable_type": {"enum": ["env_var", "file"]},
                },
            },
        },
    },
}
TRIGGER_REQUEST = {
    "type": "object",
    "required": ["ref", "token"],
    "additionalProperties": False,
    "properties": {
        "ref": _TEXT,
        "token": _TEXT,
        "inputs": {"type": "object", "additionalProperties": _SINGLE},
        "variables": {"type": "object", "additionalProperties": _TEXT},
    },
}
TAG_REQUEST = {
    "type": "object",
    "required": ["tag_name", "ref"],
    "additionalProperties": False,
    "properties": {"tag_name": _TEXT, "ref": _SHA, "message": _TEXT},
}
PIPELINE = {
    "type": "object",
    "required": ["id", "iid", "project_id", "sha", "ref", "status", "source", "web_url", "created_at"],
    "properties": {
        "id": _NUMBER,
        "iid": _NUMBER,
        "project_id": _NUMBER,
        "sha": _SHA,
        "ref": _TEXT,
        "status": _TEXT,
        "source": _TEXT,
        "web_url": _TEXT,
        "finished_at": _OR_NONE,
        "yaml_errors": _OR_NONE,
        "user": {"type": ["object", "null"], "required": ["id", "username"]},
    },
}
JOB = {
    "type": "object",
    "required": ["id", "name", "stage", "status", "allow_failure", "pipeline", "started_at", "finished_at", "web_url"],
    "properties": {
        "id": _NUMBER,
        "name": _TEXT,
        "stage": _TEXT,
        "status": _TEXT,
        "allow_failure": {"type": "boolean"},
        "started_at": _OR_NONE,
        "finished_at": _OR_NONE,
        "failure_reason": _OR_NONE,
        "pipeline": {"type": "object", "required": ["id", "project_id", "sha"]},
    },
}
ONLY_OF_ONE = {"user", "yaml_errors", "tag", "finished_at"}
"""What a pipeline tells when it is asked for alone, and not in a list."""
LIST_QUERY = {
    "ref",
    "source",
    "sha",
    "updated_after",
    "created_after",
    "order_by",
    "sort",
    "per_page",
    "page",
    "status",
}


@dataclass
class GitLab(Stub):
    """``head``: the commit of main; ``raced``: what main is at when the pipeline starts, if it moved meanwhile.

    ``tags``: name to commit; ``annotated``: those that are objects of their own. ``lacks``: a commit that did not arrive.
    """

    head: str = COMMIT
    raced: str = ""
    pipelines: list[dict[str, Any]] = field(default_factory=list)
    variables: dict[int, dict[str, str]] = field(default_factory=dict)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    bridges: list[dict[str, Any]] = field(default_factory=list)
    traces: dict[int, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    annotated: set[str] = field(default_factory=set)
    lacks: str = ""

    def answer(self, asked: Asked) -> Answered:
        if asked.headers.get("private-token") != TOKEN:
            return Answered(401, {"message": "401 Unauthorized"})
        if asked.path == "/api/v4/user":
            return Answered(200, BOT)
        found = re.fullmatch(r"/api/v4/projects/([^/]+)(/.*)?", asked.path)
        if not found or unquote(found[1]) != PROJECT:
            return Answered(404, {"message": "404 Project Not Found"})
        return self._in_project(asked, found[2] or "")

    def _in_project(self, asked: Asked, path: str) -> Answered:
        if found := re.fullmatch(r"/repository/(tags|commits)(?:/(.+))?", path):
            return self._in_repository(asked, found[1], unquote(found[2] or ""))
        if asked.method == "POST":
            return self._change(asked, path)
        whole = {
            "": lambda: {"id": 3, "path_with_namespace": PROJECT, "default_branch": "main"},
            "/pipelines": lambda: self._listed(asked),
        }
        if path in whole:
            return Answered(200, whole[path]())
        if found := re.fullmatch(r"/pipelines/(\d+)(/\w+)?", path):
            return self._of_pipeline(int(found[1]), found[2] or "", asked)
        if found := re.fullmatch(r"/jobs/(\d+)(/trace)?", path):
            return self._of_job(int(found[1]), is_trace=bool(found[2]))
        return Answered(404, {"error": "404 Not Found"})

    def _in_repository(self, asked: Asked, what: str, name: str) -> Answered:
        if what == "commits":
            oid = self.head if name == "main" else name
            missing = Answered(404, {"message": "404 Commit Not Found"})
            return missing if oid == self.lacks else Answered(200, {"id": oid, "short_id": oid[:8], "title": "one"})
        if asked.method == "POST":
            jsonschema.validate(asked.body, TAG_REQUEST)
            name = asked.body["tag_name"]
            if name in self.tags:
                return Answered(400, {"message": f"Tag {name} already exists"})
            self.tags[name] = asked.body["ref"]
            return Answered(201, self._told_tag(name))
        if name not in self.tags:
            return Answered(404, {"message": "404 Tag Not Found"})
        if asked.method == "DELETE":
            del self.tags[name]
            return Answered(204)
        return Answered(200, self._told_tag(name))

    def _told_tag(self, name: str) -> dict[str, Any]:
        oid = self.tags[name]
        target = oid[::-1] if name in self.annotated else oid
        return {"name": name, "message": None, "target": target, "commit": {"id": oid}, "protected": False}

    def _listed(self, asked: Asked) -> list[dict[str, Any]]:
        if not set(asked.query) <= LIST_QUERY:
            self.wrong.append(f"unknown parameters: {asked.query}")
        same = [one for one in self.pipelines if one["ref"] == asked.query.get("ref", one["ref"])]
        same = [one for one in same if one["source"] == asked.query.get("source", one["source"])]
        rows = sorted(same, key=lambda one: -int(one["id"]))[: int(asked.query.get("per_page", 20))]
        return [{name: value for name, value in one.items() if name not in ONLY_OF_ONE} for one in rows]

    def _of_pipeline(self, number: int, rest: str, asked: Asked) -> Answered:
        pipeline = next((one for one in self.pipelines if one["id"] == number), None)
        if pipeline is None:
            return Answered(404, {"message": "404 Not found"})
        if rest == "/variables":
            pairs = self.variables.get(number, {}).items()
            return Answered(200, [{"key": key, "value": value, "variable_type": "env_var"} for key, value in pairs])
        if rest in {"/jobs", "/bridges"}:
            rows = self.jobs if rest == "/jobs" else self.bridges
            for row in rows:
                jsonschema.validate(row, JOB)
            mine = sorted((row for row in rows if row["pipeline"]["id"] == number), key=lambda row: -row["id"])
            if asked.query.get("include_retried") != "true":
                mine = [
                    row for row in mine if not any(row["name"] == one["name"] for one in mine if one["id"] > row["id"])
                ]
            start = (int(asked.query["page"]) - 1) * int(asked.query["per_page"])
            return Answered(200, mine[start : start + int(asked.query["per_page"])])
        jsonschema.validate(pipeline, PIPELINE)
        return Answered(200, pipeline)

    def _of_job(self, number: int, *, is_trace: bool) -> Answered:
        if is_trace:
            return Answered(200, self.traces.get(number, b""), {"Content-Type": "text/plain"})
        job = next((row for row in self.jobs if row["id"] == number), None)
        return Answered(200, job) if job else Answered(404, {"message": "404 Not found"})

    def _change(self, asked: Asked, path: str) -> Answered:
        if path in {"/pipeline", "/trigger/pipeline"}:
            return self._start(asked, is_trigger=path.startswith("/trigger"))
        if found := re.fullmatch(r"/pipelines/(\d+)/cancel", path):
            pipeline = next(one for one in self.pipelines if one["id"] == int(found[1]))
            if pipeline["status"] not in {"success", "failed", "manual"}:  # manual jobs are not cancelled
                pipeline["status"] = "canceled"
            return Answered(200, pipeline)
        if found := re.fullmatch(r"/pipelines/(\d+)/retry", path):
            return self._retry(int(found[1]))
        if found := re.fullmatch(r"/jobs/(\d+)/(play|retry)", path):
            return self._act(int(found[1]), found[2])
        return Answered(404, {"error": "404 Not Found"})

    def _act(self, number: int, action: str) -> Answered:
        job = next(row for row in self.jobs if row["id"] == number)
        if action == "play" and job["status"] != "manual":
            return Answered(400, {"message": "400 Bad request - Unplayable Job"})
        if action == "retry" and job["status"] != "failed":
            return Answered(403, {"message": "403 Forbidden - Job is not retryable"})
        for pipeline in self.pipelines:
            if pipeline["id"] == job["pipeline"]["id"]:
                pipeline["status"] = "running"
        if action == "play":
            job["status"] = "pending"
            return Answered(200, job)
        self.jobs.append({**job, "id": 900 + number, "status": "pending", "started_at": None, "finished_at": None})
        return Answered(201, self.jobs[-1])

    def _retry(self, number: int) -> Answered:
        """Failed and cancelled jobs are done again as new ones."""
        pipeline = next(one for one in self.pipelines if one["id"] == number)
        newest = {row["name"]: row for row in sorted(self.jobs, key=lambda row: int(row["id"]))}
        for row in list(newest.values()):
            if row["status"] in {"failed", "canceled"}:
                fresh = {"status": "pending", "started_at": None, "finished_at": None, "failure_reason": None}
                self.jobs.append({**row, "id": 900 + row["id"], **fresh})
                pipeline["status"] = "running"
        return Answered(201, pipeline)

    def _start(self, asked: Asked, *, is_trigger: bool) -> Answered:
        try:
            jsonschema.validate(asked.body, TRIGGER_REQUEST if is_trigger else PIPELINE_REQUEST)
        except jsonschema.ValidationError as problem:
            self.wrong.append(problem.message)
            return Answered(400, {"error": problem.message})
        if is_trigger and asked.body["token"] != TRIGGER:
            return Answered(404, {"message": "404 Not Found"})
        told = asked.body.get("variables", {})
        variables = dict(told) if is_trigger else {pair["key"]: pair["value"] for pair in told}
        ref = asked.body["ref"]
        sha = self.raced or self.tags.get(ref, self.head)
        pipeline = self.add(variables, source="trigger" if is_trigger else "api", sha=sha, ref=ref)
        return Answered(201, pipeline)

    def add(
        self,
        variables: dict[str, str],
        *,
        source: str = "api",
        sha: str = COMMIT,
        ref: str = "main",
        by: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """A pipeline as somebody started it; a trigger may be of somebody else than the connection."""
        number = 61 + len(self.pipelines)
        pipeline = {
            "id": number,
            "iid": number - 40,
            "project_id": 3,
            "sha": sha,
            "ref": ref,
            "status": "pending",
            "source": source,
            "tag": ref in self.tags,
            "yaml_errors": None,
            "created_at": MINUTE_AGO,
            "updated_at": MINUTE_AGO,
            "finished_at": None,
            "user": by or (BOT if source == "api" else MALLORY),
            "web_url": f"https://gitlab.example.org/{PROJECT}/-/pipelines/{number}",
        }
        self.pipelines.append(pipeline)
        self.variables[number] = variables
        return pipeline

    def job(self, number: int, name: str, status: str, *, pipeline: int = 61, **more: Any) -> dict[str, Any]:
        """Add a job of that pipeline."""
        has_run = status in {"running", "success", "failed"}
        row = {
            "id": number,
            "name": name,
            "stage": "deploy",
            "status": status,
            "allow_failure": False,
            "started_at": MINUTE_AGO if has_run else None,
            "finished_at": MINUTE_AGO if status in {"success", "failed"} else None,
            "failure_reason": "script_failure" if status == "failed" else None,
            "pipeline": {"id": pipeline, "project_id": 3, "sha": COMMIT, "ref": "main", "status": "running"},
            "web_url": f"https://gitlab.example.org/{PROJECT}/-/jobs/{number}",
            **more,
        }
        (self.bridges if "downstream_pipeline" in more else self.jobs).append(row)
        return row
