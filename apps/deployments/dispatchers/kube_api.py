"""The Kubernetes API as far as dispatchers need it: names to addresses, server-side apply, and what refusals mean.

Shapes: https://kubernetes.io/docs/reference/using-api/api-concepts/ and …/server-side-apply/. Names from manifests stand in
addresses only quoted, as one segment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import InDoubt, Outside, Run
from apps.deployments.dispatchers.answers import NOT_THERE, Answer
from apps.deployments.dispatchers.http import Client
from apps.deployments.dispatchers.remote import listed, mapping
from apps.deployments.dispatchers.words import joined, said

MANAGER = "gitops-portal"
CONFLICT = 409
MOST_PAGES = 200
APPLY_TYPE = "application/apply-patch+yaml"
"""YAML by name; JSON is YAML, and what we send is JSON."""
NO_TYPE = "failed to create typed patch object"
"""What a server says, with the status 500, of fields that the kind does not have or that are of another type."""
MERGE_TYPE = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Place:
    """Where objects of a kind are: ``prefix`` is ``/api/v1`` or ``/apis/GROUP/VERSION``."""

    prefix: str
    plural: str
    is_namespaced: bool

    def many(self, namespace: str = "") -> str:
        inside = f"/namespaces/{quote(namespace, safe='')}" if self.is_namespaced and namespace else ""
        return f"{self.prefix}{inside}/{self.plural}"

    def one(self, namespace: str, name: str) -> str:
        return f"{self.many(namespace)}/{quote(name, safe='')}"


class NoSuchKind(Exception):
    """The server knows no such kind (yet)."""


class Answered(Exception):
    """The server answered no to a change. ``owners``: the managers that own fields of it; ``words`` are for people."""

    def __init__(self, status: int, words: str, *, owners: frozenset[str] = frozenset()) -> None:
        super().__init__(words)
        self.status, self.words, self.owners = status, words, owners


class KubeApi:
    """One cluster, for one look; use as a context manager."""

    def __init__(self, outside: Outside | None) -> None:
        token = outside.credentials.get("token", "") if outside else ""
        self._outside = outside
        self.client = Client(outside, {"Authorization": f"Bearer {token}", "Accept": "application/json"})
        self._kinds: dict[str, dict[str, Place]] = {}

    def __enter__(self) -> Self:
        self.client.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.__exit__(kind, value, trace)

    def place(self, api_version: str, kind: str, *, anew: bool = False) -> Place:
        """Raises :class:`NoSuchKind`."""
        if anew or api_version not in self._kinds:
            self._kinds[api_version] = self._discover(api_version)
        try:
            return self._kinds[api_version][kind]
        except KeyError:
            raise NoSuchKind(f"The cluster knows no {kind} of {api_version}.") from None

    def _discover(self, api_version: str) -> dict[str, Place]:
        group, _, version = api_version.rpartition("/")
        name = quote(version, safe="")
        prefix = f"/apis/{quote(group, safe='')}/{name}" if group else f"/api/{name}"
        answer = self._read(prefix)
        if answer is None:
            return {}
        return {
            str(one.get("kind")): Place(prefix, quote(str(one["name"]), safe=""), one.get("namespaced") is True)
            for one in listed(answer.get("resources"))
            if one.get("name") and "/" not in str(one["name"])
        }

    def get(self, path: str, **params: str) -> dict[str, Any] | None:
        """The object, or ``None``. Raises :class:`Answered` where the account may not read it."""
        return self._read(path, params=params)

    def _read(self, path: str, **options: Any) -> dict[str, Any] | None:
        answer = self.client.read(path, allow=(401, 403, NOT_THERE), **options)
        if answer.status == NOT_THERE:
            return None
        if answer.status >= 400:
            raise self._answered(answer.status, _status_in(answer))
        return mapping(answer.json())

    def items(self, path: str, selector: str) -> list[dict[str, Any]]:
        """All objects with these labels; :class:`Unavailable` where the pages have no end."""
        found: list[dict[str, Any]] = []
        params = {"labelSelector": selector, "limit": "500"}
        for _ in range(MOST_PAGES):
            page = mapping(self.client.read(path, params=params).json())
            found += listed(page.get("items"))
            going_on = str(mapping(page.get("metadata")).get("continue") or "")
            if not going_on:
                return found
            if going_on == params.get("continue"):
                break
            params["continue"] = going_on
        raise Unavailable("bad_answer", "The cluster gives page after page of one list, without an end.")

    def apply(
        self, path: str, body: Mapping[str, Any], *, dry: bool, force: bool = False
    ) -> tuple[dict[str, Any], bool]:
        """Server-side apply; the object as it is then, and whether it is new. Raises :class:`Answered`; may be repeated.

        ``force`` takes fields from others: in earnest only from the very version (``resourceVersion``) whose owners were seen.
        """
        assert dry or not force or metadata(body).get("resourceVersion")  # noqa: S101 - see above
        params = {"fieldManager": MANAGER, "force": "true" if force else "false", "fieldValidation": "Strict"}
        if dry:
            params["dryRun"] = "All"
        content = json.dumps(body).encode()
        answer = self.change("PATCH", path, params=params, content=content, headers={"Content-Type": APPLY_TYPE})
        return answer[1], answer[0] == 201

    def change(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        """Status and object. Raises :class:`Answered` for a refusal, :class:`NotSent` and :class:`InDoubt` for the rest."""
        refusals = (400, 401, 403, 404, 405, 406, 409, 410, 413, 415, 422, 500)
        answer = self.client.change(method, path, allow=refusals, **options)
        if answer.status < 300:
            return answer.status, mapping(answer.json()) if answer.body else {}
        found = self._answered(answer.status, _status_in(answer))
        if answer.status == 500 and NO_TYPE not in found.words:
            raise InDoubt("outside_failed", f"The cluster failed: {found.words}")
        raise found

    def _answered(self, code: int, status: Mapping[str, Any]) -> Answered:
        causes = listed(mapping(status.get("details")).get("causes"))
        theirs = [one for one in causes if one.get("reason") == "FieldManagerConflict"]
        if code == CONFLICT and theirs:
            owners = self._owned(theirs)
            words = "; ".join(
                f"{said(self._outside, who, 80) or 'another manager'} has {joined(fields)}"
                for who, fields in owners.items()
            )
            return Answered(code, words, owners=frozenset(owners))
        words = said(self._outside, status.get("message")) or f"the server answered {code}"
        if code == 401:
            words = "the cluster does not accept the token of the connection. An administrator enters a new one"
        return Answered(code, words)

    def _owned(self, causes: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
        """Manager → fields, as the server tells it; without a name where the message has another shape."""
        owners: dict[str, list[str]] = {}
        for one in causes:
            parts = str(one.get("message") or "").split('"')
            who = parts[1] if len(parts) > 2 else ""
            owners.setdefault(who, []).append(said(self._outside, one.get("field"), 120))
        return owners


def _status_in(answer: Answer) -> dict[str, Any]:
    try:
        return mapping(answer.json())
    except Unavailable:
        return {}


def test(outside: Outside) -> str:
    """Who the cluster takes the token for, as far as its version tells."""
    with KubeApi(outside) as api:
        version = mapping(api.client.read("/version").json())
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": "default"},
        }
        api.client.change("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", json=review)
    return f"It takes the token, and runs Kubernetes {said(outside, version.get('gitVersion'), 40)}."


def option(run: Run, key: str) -> str:
    """A text of ``deploy`` in portal.yaml; empty where it is not there."""
    found = run.options.get(key)
    return found if isinstance(found, str) else ""


def metadata(body: Mapping[str, Any]) -> dict[str, Any]:
    return mapping(body.get("metadata"))


def condition(body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The condition of that type; empty where there is none."""
    found = listed(mapping(body.get("status")).get("conditions"))
    return next((one for one in found if one.get("type") == kind), {})
