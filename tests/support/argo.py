"""Argo CD as far as the portal speaks to it: every request and every answer is checked against its API description."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from jsonschema import Draft4Validator

from tests.support.dispatching import TOKEN
from tests.support.serving import serving

SLICE = Path(__file__).parent.parent / "contracts" / "argocd-3.6.0.json"


@lru_cache(maxsize=1)
def description() -> dict[str, Any]:
    """The slice, with objects that allow nothing beyond what they name."""
    found: dict[str, Any] = json.loads(SLICE.read_text())
    joined = {one["$ref"].rpartition("/")[2] for each in found["definitions"].values() for one in each.get("allOf", ())}
    for name, definition in found["definitions"].items():
        if "properties" in definition and "allOf" not in definition and name not in joined:
            definition["additionalProperties"] = False
    return found


def problems_of(schema: dict[str, Any], value: Any) -> list[str]:
    validator = Draft4Validator({**schema, "definitions": description()["definitions"]})
    return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(value)]


def moment() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def resource(name: str = "web", status: str = "Synced", **more: Any) -> dict[str, Any]:
    return {
        "group": "apps",
        "version": "v1",
        "kind": "Deployment",
        "namespace": "web",
        "name": name,
        "status": status,
    } | more


@dataclass
class Argo:
    """One application. ``answers``: statuses that the next requests get instead; ``drop``: the next sync is taken and not answered."""

    url: str = ""
    name: str = "web"
    app: dict[str, Any] = field(default_factory=dict)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    managed: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    synced: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    drop: bool = False

    def __post_init__(self) -> None:
        self.app = {
            "metadata": {"name": self.name},
            "spec": {
                "project": "default",
                "destination": {},
                "source": {"repoURL": "https://git.example.org/a", "targetRevision": "main"},
            },
            "status": {
                "sync": {"status": "OutOfSync", "revision": "b" * 40},
                "health": {"status": "Healthy"},
                "resources": [resource()],
            },
        }

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.app["status"]
        return found

    def begin(self, **state: Any) -> None:
        """The controller takes up what was asked for."""
        operation = self.app.pop("operation")
        self.status["operationState"] = {"operation": operation, "phase": "Running", "startedAt": moment(), **state}

    def operate(
        self, revision: str, phase: str = "Succeeded", info: list[dict[str, str]] | None = None, **state: Any
    ) -> None:
        """An operation that somebody else asked for."""
        self.app["operation"] = {"sync": {"revision": revision}, "info": info or []}
        self.begin()
        if phase != "Running":
            self.end(phase, **state)

    def end(self, phase: str = "Succeeded", message: str = "", *, health: str = "Healthy", results: Any = None) -> None:
        """The controller ends the operation and looks at what is there."""
        state = self.status["operationState"]
        revision = state["operation"]["sync"].get("revision", "")
        state |= {"phase": phase, "message": message, "finishedAt": moment()}
        state["syncResult"] = {"revision": revision, "resources": results or [], "source": {"repoURL": ""}}
        if phase == "Succeeded":
            self.status["sync"] = {"status": "Synced", "revision": revision}
            self.status.setdefault("history", []).append({"id": 1, "revision": revision, "deployedAt": moment()})
        self.status["health"] = {"status": health}
        self.status["reconciledAt"] = moment()

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        steps = path.removeprefix("/api/v1/").split("/")
        if steps == ["session", "userinfo"]:
            return 200, {"loggedIn": True, "username": "portal"}
        if unquote(steps[1]) != self.name:
            return 403, {"code": 7, "message": "permission denied", "error": "permission denied"}
        act = (method, "/".join(steps[2:]))
        told = {("GET", "resource-tree"): {"nodes": self.nodes}, ("GET", "managed-resources"): {"items": self.managed}}
        if act in told:
            return 200, told[act]
        if act == ("DELETE", "operation"):
            self.status["operationState"]["phase"] = "Terminating"
            return 200, {}
        if act == ("POST", "sync"):
            return self._sync(body)
        return 200, copy.deepcopy(self.app)

    def _sync(self, body: dict[str, Any]) -> tuple[int, Any]:
        state = self.status.get("operationState", {})
        if self.app.get("operation") or state.get("phase") in {"Running", "Terminating"}:
            return 400, {"code": 9, "message": "another operation is already in progress"}
        if self.app["spec"].get("syncPolicy", {}).get("automated") is not None:
            return 400, {"code": 9, "message": f"Cannot sync to {body['revision']}: auto-sync currently set to main"}
        self.app["operation"] = {"sync": {"revision": body["revision"], "prune": body["prune"]}, "info": body["infos"]}
        self.synced.append(body)
        return 200, copy.deepcopy(self.app)


def _operation(method: str, path: str) -> tuple[str, dict[str, Any]]:
    """The path of the description that this is, and what it says of the method."""
    for template, methods in description()["paths"].items():
        mine, theirs = path.split("/"), template.split("/")
        fits = len(mine) == len(theirs) and all(b.startswith("{") or a == b for a, b in zip(mine, theirs, strict=True))
        if fits and method.lower() in methods:
            return template, methods[method.lower()]
    return "", {}


def _check_request(there: Argo, method: str, path: str, query: dict[str, str], body: Any) -> None:
    template, operation = _operation(method, path)
    if not template:
        there.wrong.append(f"no such operation: {method} {path}")
        return
    known = {one["name"]: one for one in operation.get("parameters", [])}
    there.wrong += [
        f"{method} {template}: no parameter {name}" for name in query if known.get(name, {}).get("in") != "query"
    ]
    if "body" in known:
        there.wrong += problems_of(known["body"]["schema"], body)
    elif body is not None:
        there.wrong.append(f"{method} {template} takes no body")


def _check_answer(there: Argo, method: str, path: str, status: int, body: Any) -> None:
    _, operation = _operation(method, path)
    schema = operation.get("responses", {}).get(str(status), {}).get("schema")
    if schema:
        there.wrong += [f"the stub's own answer: {problem}" for problem in problems_of(schema, body)]


class _Handler(BaseHTTPRequestHandler):
    """``there`` is set for each server."""

    there: Argo

    def do_GET(self) -> None:
        here = self.there
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(raw) if raw else None
        here.requests.append((self.command, self.path, body))
        _check_request(here, self.command, parts.path, query, body)
        key = f"{self.command} {parts.path.rpartition('/')[2]}"
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._say(401, {"code": 16, "message": "invalid session: token is not valid"})
        elif here.answers.get(key):
            status, text = here.answers[key].pop(0)
            self._say(status, {"message": text})
        else:
            status, found = here.answer(self.command, parts.path, query, body)
            _check_answer(here, self.command, parts.path, status, found)
            self._say(status, found)

    def do_POST(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def _say(self, status: int, body: Any) -> None:
        if self.there.drop and self.command == "POST":
            self.there.drop = False
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        return


@contextmanager
def argo() -> Iterator[Argo]:
    """One Argo CD on a free port; what was wrong with a request is a failure at the end."""
    here = Argo()
    with serving(type("Handler", (_Handler,), {"there": here})) as here.url:
        yield here
    assert not here.wrong, here.wrong
