"""An API server of Kubernetes as far as dispatchers speak to one, in memory: discovery, server-side apply, dry run, deletion.

The same tests run against a real one (``PORTAL_TEST_KUBE_URL``, ``PORTAL_TEST_KUBE_CA``), which keeps this one honest. Nothing
watches here: what controllers would do, a test says by :meth:`Kube.status`.
"""

from __future__ import annotations

import copy
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.dispatching import TOKEN
from tests.support.serving import serving

Object = dict[str, Any]
KINDS = {
    "v1": {"Namespace": ("namespaces", False), "ConfigMap": ("configmaps", True), "Secret": ("secrets", True),
           "Service": ("services", True), "Pod": ("pods", True), "PersistentVolumeClaim": ("persistentvolumeclaims", True)},
    "apps/v1": {"Deployment": ("deployments", True), "StatefulSet": ("statefulsets", True)},
    "batch/v1": {"Job": ("jobs", True)},
    "rbac.authorization.k8s.io/v1": {"ClusterRole": ("clusterroles", False)},
    "apiextensions.k8s.io/v1": {"CustomResourceDefinition": ("customresourcedefinitions", False)},
}  # fmt: skip
WORDS = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 422: "Invalid"}
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


class No(Exception):
    """A refusal: status, message, and the causes in its details."""

    def __init__(self, status: int, message: str, reason: str = "", causes: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "message": message}
        self.body |= {"reason": reason or WORDS.get(status, ""), "details": {"causes": causes or []}}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Fields as server-side apply owns them: lists of named things by name, other lists whole."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}")
    elif isinstance(value, list) and value and all(isinstance(one, dict) and "name" in one for one in value):
        for one in value:
            yield from leaves(one, f'{path}[name="{one["name"]}"]')
    else:
        yield path, value


def _stamp() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def owned(body: Object) -> dict[str, Any]:
    spared = (".apiVersion", ".kind", ".metadata.name", ".metadata.namespace")
    return {path: value for path, value in leaves(body) if path not in spared and not path.startswith(".status")}


def merged(live: Any, new: Any) -> Any:
    if isinstance(live, dict) and isinstance(new, dict):
        return {**live, **{key: merged(live.get(key), value) for key, value in new.items()}}
    is_named = isinstance(new, list) and new and all(isinstance(one, dict) and "name" in one for one in new)
    if isinstance(live, list) and is_named:
        old = {one["name"]: one for one in live}
        return [*old.values()] if not new else [merged(old.get(one["name"]), one) for one in new]
    return copy.deepcopy(new)


def without(body: Any, path: str, at: str = "") -> Any:
    """The object without one field."""
    if not isinstance(body, dict):
        return body
    return {key: without(value, path, f"{at}.{key}") for key, value in body.items() if f"{at}.{key}" != path}


@dataclass
class Kube:
    """``answers``: ``METHOD plural`` → statuses that the next requests get instead; ``drop``: the next change is done, not answered."""

    url: str = ""
    ca: str = ""
    objects: dict[tuple[str, str, str], Object] = field(default_factory=dict)  # (plural, namespace, name)
    kinds: dict[str, dict[str, tuple[str, bool]]] = field(default_factory=lambda: copy.deepcopy(KINDS))
    requests: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    answers: dict[str, list[int]] = field(default_factory=dict)
    logs: dict[str, bytes] = field(default_factory=dict)
    drop: str = ""
    version: int = 1

    def changes(self) -> list[str]:
        """Requests that were more than a look or a dry run."""
        return [
            f"{method} {path.partition('?')[0]}"
            for method, path in self.requests
            if method != "GET" and "dryRun" not in path
        ]

    def status(self, plural: str, name: str, status: Object, namespace: str = "web") -> None:
        """What a controller writes."""
        found = self.objects[plural, namespace, name]
        found["status"] = {"observedGeneration": found["metadata"]["generation"], **status}

    def answer(self, method: str, path: str, query: dict[str, str], body: Any, kind: str) -> tuple[int, Any]:
        if path == "/version" or "/proxy/" in path:
            return 200, {"gitVersion": "v1.20.2"}
        if path.startswith("/apis/authorization.k8s.io/v1/"):
            return 201, body
        version, rest = self._split(path)
        return self._of(version, rest, method, query, body, kind) if rest else self._discovered(version)

    def _discovered(self, version: str) -> tuple[int, Any]:
        if version not in self.kinds:
            raise No(404, "the server could not find the requested resource")
        kinds = self.kinds[version].items()
        return 200, {
            "resources": [{"name": plural, "namespaced": inside, "kind": name} for name, (plural, inside) in kinds]
        }

    def _of(
        self, version: str, rest: list[str], method: str, query: dict[str, str], body: Any, kind: str
    ) -> tuple[int, Any]:
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        plural, name = rest[0], rest[1] if len(rest) > 1 else ""
        if plural not in {found for found, _ in self.kinds.get(version, {}).values()}:
            raise No(404, "the server could not find the requested resource")
        if rest[2:] == ["log"]:
            return 200, self.logs.get(name, b"")
        if kind == "application/merge-patch+json":
            return self._merge(plural, namespace, name, body)
        acts = {"GET": self._get, "PATCH": self._apply, "POST": self._create, "DELETE": self._delete}
        return acts[method](plural, namespace, name, query, body, kind)

    @staticmethod
    def _split(path: str) -> tuple[str, list[str]]:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        return ("/".join(parts[1:3]), parts[3:]) if parts[0] == "apis" else (parts[1], parts[2:])

    def _get(
        self, plural: str, namespace: str, name: str, query: dict[str, str], body: Any, kind: str
    ) -> tuple[int, Any]:
        if name:
            return 200, self._live(plural, namespace, name)
        wanted = dict(part.split("=") for part in query.get("labelSelector", "").split(",") if part)
        found = [
            one
            for (many, inside, _), one in sorted(self.objects.items())
            if many == plural and (not namespace or inside == namespace)
        ]
        fitting = [one for one in found if wanted.items() <= one["metadata"].get("labels", {}).items()]
        return 200, {
            "items": [
                {key: value for key, value in one.items() if key not in {"kind", "apiVersion"}} for one in fitting
            ]
        }

    def _live(self, plural: str, namespace: str, name: str) -> Object:
        if (plural, namespace, name) not in self.objects:
            raise No(404, f'{plural} "{name}" not found')
        return self.objects[plural, namespace, name]

    def _placed(self, plural: str, namespace: str, name: str, body: Object) -> None:
        if not NAME.fullmatch(name):
            raise No(422, f'{plural} "{name}" is invalid: metadata.name: Invalid value: "{name}"')
        if namespace and ("namespaces", "", namespace) not in self.objects:
            raise No(404, f'namespaces "{namespace}" not found')
        if namespace and body.get("metadata", {}).get("namespace", namespace) != namespace:
            raise No(400, "the namespace of the object does not match the namespace on the request")
        if body.get("kind") == "Deployment" and not isinstance(body["spec"].get("replicas", 1), int):
            raise No(500, "failed to create typed patch object: .spec.replicas: expected numeric (int or float)")

    def _apply(
        self, plural: str, namespace: str, name: str, query: dict[str, str], body: Any, kind: str
    ) -> tuple[int, Any]:
        self.wrong += (
            []
            if kind == "application/apply-patch+yaml" and query.get("fieldManager")
            else [f"not an apply: {kind}, {query}"]
        )
        self._placed(plural, namespace, name, body)
        if "managedFields" in body["metadata"]:
            raise No(400, "metadata.managedFields must be nil")
        manager, fields = query["fieldManager"], owned(body)
        live = self.objects.get((plural, namespace, name))
        version = body["metadata"].pop("resourceVersion", None)
        if version is not None and (live is None or live["metadata"]["resourceVersion"] != version):
            raise No(409, "the object has been modified; please apply your changes to the latest version and try again")
        managers: dict[str, dict[str, Any]] = copy.deepcopy(live["_managers"]) if live else {}
        values = owned(live) if live else {}
        disputed = [
            (other, path)
            for other, theirs in managers.items()
            for path in theirs
            if other != manager and path in fields and values.get(path) != fields[path]
        ]
        causes = [
            {"reason": "FieldManagerConflict", "message": f'conflict with "{other}" using v1', "field": path}
            for other, path in disputed
        ]
        if causes and query.get("force") != "true":
            raise No(409, f"Apply failed with {len(causes)} conflicts", causes=causes)
        for other, path in disputed:
            del managers[other][path]
        found = merged(live or {}, body)
        for path in managers.get(manager, {}):
            if path not in fields and not any(path in theirs for other, theirs in managers.items() if other != manager):
                found = without(found, path)
        managers[manager] = fields
        return self._stored(plural, namespace, name, found, live, managers, dry=query.get("dryRun") == "All")

    def _merge(self, plural: str, namespace: str, name: str, body: Any) -> tuple[int, Any]:
        live = self._live(plural, namespace, name)
        self.objects[plural, namespace, name] = merged(live, body)
        return 200, self.objects[plural, namespace, name]

    def _stored(
        self, plural: str, namespace: str, name: str, body: Object, live: Object | None, managers: Any, *, dry: bool
    ) -> tuple[int, Any]:
        self.version += 0 if dry else 1
        old = (
            live["metadata"]
            if live
            else {"uid": str(uuid.uuid4()), "generation": 0, "creationTimestamp": "2026-01-01T00:00:00Z"}
        )
        is_same = live is not None and live.get("spec") == body.get("spec")
        kept = {
            "uid": old["uid"],
            "creationTimestamp": old["creationTimestamp"],
            "generation": old["generation"] + (not is_same),
        }
        names = {"name": name, **({"namespace": namespace} if namespace else {})}
        fields = [{"manager": manager, "operation": "Apply"} for manager in managers]
        stored = {
            **body,
            "metadata": {
                **body["metadata"],
                **names,
                **kept,
                "resourceVersion": str(self.version),
                "managedFields": fields,
            },
        }
        stored["_managers"] = managers
        if not dry:
            self.objects[plural, namespace, name] = stored
            self._control(plural, stored)
        return (200 if live else 201), {key: value for key, value in stored.items() if key != "_managers"}

    def _control(self, plural: str, body: Object) -> None:
        """The little that controllers do at once on a real server too."""
        if plural == "customresourcedefinitions":
            spec = body["spec"]
            kinds = self.kinds.setdefault(f"{spec['group']}/v1", {})
            kinds[spec["names"]["kind"]] = (spec["names"]["plural"], spec["scope"] == "Namespaced")
            body["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
        elif plural == "namespaces":
            body["status"] = {"phase": "Active"}
        elif plural == "deployments" and body["spec"].get("replicas") == 0:
            body["status"] = {"observedGeneration": body["metadata"]["generation"]}

    def _create(
        self, plural: str, namespace: str, name: str, query: dict[str, str], body: Any, kind: str
    ) -> tuple[int, Any]:
        name = body["metadata"]["name"]
        self._placed(plural, namespace, name, body)
        if (plural, namespace, name) in self.objects:
            raise No(409, f'{plural} "{name}" already exists', "AlreadyExists")
        return self._stored(
            plural, namespace, name, body, None, {query.get("fieldManager", "somebody"): owned(body)}, dry=False
        )

    def _delete(
        self, plural: str, namespace: str, name: str, query: dict[str, str], body: Any, kind: str
    ) -> tuple[int, Any]:
        live = self._live(plural, namespace, name)
        if (body or {}).get("preconditions", {}).get("uid", live["metadata"]["uid"]) != live["metadata"]["uid"]:
            raise No(409, "the UID in the precondition does not match the UID in record")
        has_pods = any(
            mark == "pods" and one["metadata"].get("labels", {}).get("job-name") == name
            for (mark, _, _), one in self.objects.items()
        )
        if has_pods and (body or {}).get("propagationPolicy") == "Foreground":
            live["metadata"] |= {"deletionTimestamp": _stamp(), "finalizers": ["foregroundDeletion"]}
            return 200, live
        del self.objects[plural, namespace, name]
        return 200, {"kind": "Status", "status": "Success"}


class _Handler(BaseHTTPRequestHandler):
    there: Kube

    def do_GET(self) -> None:
        here, parts = self.there, urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        here.requests.append((self.command, self.path))
        plural = next((part for part in reversed(parts.path.split("/")) if part.isalpha() and part.endswith("s")), "")
        try:
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                raise No(401, "Unauthorized")
            if here.answers.get(f"{self.command} {plural}"):
                status = here.answers[f"{self.command} {plural}"].pop(0)
                raise No(status, f"no: {TOKEN}")
            kind = self.headers.get("Content-Type", "")
            status, found = here.answer(self.command, parts.path, query, json.loads(raw) if raw else None, kind)
        except No as problem:
            status, found = problem.status, problem.body
        if here.drop and here.drop == self.command and "dryRun" not in self.path:
            here.drop = ""
            self.close_connection = True
            self.connection.close()
            return
        self._say(status, found)

    def _say(self, status: int, found: Any) -> None:
        if isinstance(found, dict):
            found = json.dumps({key: value for key, value in found.items() if key != "_managers"}).encode()
        self.send_response(status)
        self.end_headers()
        self.wfile.write(found)

    def do_POST(self) -> None:
        self.do_GET()

    def do_PATCH(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        return


@contextmanager
def kube() -> Iterator[Kube]:
    """An API server on a free port with the namespaces ``default`` and ``web``."""
    here = Kube()
    for name in ("default", "web"):
        here.answer(
            "POST", "/api/v1/namespaces", {}, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, ""
        )
    with serving(type("Handler", (_Handler,), {"there": here})) as here.url:
        yield here
    assert not here.wrong, here.wrong
