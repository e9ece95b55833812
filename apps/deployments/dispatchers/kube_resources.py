"""What is applied, in which order and under which mark; pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apps.deployments.dispatchers import Applied, Refused, Run
from apps.deployments.dispatchers.drift import both_words
from apps.deployments.dispatchers.kube_api import MANAGER, metadata
from apps.deployments.dispatchers.remote import mapping, plain
from apps.rendering.comparing import compare, words
from apps.rendering.model import Action, FieldChange, Resource, ResourceId

LABEL = f"{MANAGER}/environment"
NEVER_PRUNED = frozenset({"Namespace", "CustomResourceDefinition"})
"""Deleting one of these deletes what others put into it."""
FIRST = ("Namespace", "CustomResourceDefinition")
_ORDER = (
    *FIRST,
    *("PriorityClass", "StorageClass", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
    *(
        "ResourceQuota",
        "LimitRange",
        "NetworkPolicy",
        "Secret",
        "ConfigMap",
        "PersistentVolume",
        "PersistentVolumeClaim",
    ),
    *(
        "Service",
        "PodDisruptionBudget",
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "ReplicaSet",
        "Pod",
        "Job",
        "CronJob",
    ),
)
_LAST = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "APIService")
_SERVER_SET = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
MOST_LINES, MOST_OF_VALUE = 20, 120
"""Fields of one resource that the log of the check names, and characters of their values."""


@dataclass(frozen=True, slots=True)
class Item:
    """One resource to apply; ``namespace`` is what it names, empty for none."""

    body: Mapping[str, Any]

    @property
    def api_version(self) -> str:
        return str(self.body.get("apiVersion"))

    @property
    def kind(self) -> str:
        return str(self.body.get("kind"))

    @property
    def name(self) -> str:
        return str(metadata(self.body).get("name") or "")

    @property
    def namespace(self) -> str:
        return str(metadata(self.body).get("namespace") or "")

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def is_first(self) -> bool:
        return self.kind in FIRST

    @property
    def key(self) -> tuple[str, str, str, str]:
        return (self.group, self.kind, self.namespace, self.name)

    def __str__(self) -> str:
        return plain(f"{self.kind} {f'{self.namespace}/' if self.namespace else ''}{self.name}", 200)


def owner_of(run: Run) -> str:
    """The value of :data:`LABEL`: readable, and only of this environment of this repository."""
    names = [run.environment["PORTAL_REPOSITORY"], run.environment["PORTAL_ENVIRONMENT"]]
    digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()[:10]
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', '-'.join(names)).strip('-')[:50] or 'env'}-{digest}"


def items_of(run: Run) -> list[Item]:
    """In the order of application. :class:`Refused` for what cannot be applied as it was approved."""
    if run.to_apply is None or not run.to_apply.resources:
        raise Refused(
            "nothing_to_apply",
            "The target renders nothing, so there is nothing to apply. An empty rendering deletes nothing.",
        )
    found: dict[tuple[str, str, str, str], Item] = {}
    for body in run.to_apply.resources:
        if "test" in _hooks(body):
            continue
        item = Item(_marked(body, run))
        _require_applicable(item, found)
        found[item.key] = item
    return sorted(found.values(), key=lambda item: (_weight(item.kind), item.key))


def _hooks(body: Mapping[str, Any]) -> list[str]:
    """The events of a chart's hook; its tests are none of a deployment."""
    told = mapping(metadata(body).get("annotations")).get("helm.sh/hook")
    return [one.strip().replace("test-success", "test") for one in str(told).split(",")] if told else []


def _require_applicable(item: Item, others: Mapping[Any, Item]) -> None:
    if _hooks(item.body):
        raise Refused(
            "hook", f"{item} is a hook of a chart, which only Helm runs. `via: kubernetes` cannot deploy this chart."
        )
    if not item.name:
        raise Refused(
            "no_name", f"{item.kind} has no name of its own (generateName), and would be made anew each time."
        )
    if item.key in others:
        raise Refused("twice", f"{item} is rendered twice.")


def _weight(kind: str) -> int:
    if kind in _ORDER:
        return _ORDER.index(kind)
    return len(_ORDER) + (1 + _LAST.index(kind) if kind in _LAST else 0)


def _marked(body: Mapping[str, Any], run: Run) -> dict[str, Any]:
    found = {key: value for key, value in metadata(body).items() if key not in _SERVER_SET}
    found["labels"] = {**mapping(found.get("labels")), LABEL: owner_of(run)}
    return {**{key: value for key, value in body.items() if key != "status"}, "metadata": found}


def defines(items: Iterable[Item]) -> tuple[set[str], set[tuple[str, str]]]:
    """Namespaces, and (group, kind) of custom resources, that come with the set itself."""
    namespaces, kinds = set(), set()
    for item in items:
        if item.kind == "Namespace":
            namespaces.add(item.name)
        elif item.kind == "CustomResourceDefinition":
            spec = mapping(item.body.get("spec"))
            kinds.add((str(spec.get("group")), str(mapping(spec.get("names")).get("kind"))))
    return namespaces, kinds


def to_prune(before: Iterable[Applied], ledger: Iterable[Applied]) -> list[Applied]:
    """What was applied before and not now, in the reverse order of application.

    Compared with what this run has applied, not with what was rendered: only there the namespaces and uids stand as the
    server has them. An object that was applied now is never among them, whatever its kind was called before.
    """
    names, uids = set(), set()
    for one in ledger:
        names.add((one.api_version.rpartition("/")[0], one.kind, one.namespace, one.name))
        uids.add(one.uid)
    gone = [
        one
        for one in before
        if (one.api_version.rpartition("/")[0], one.kind, one.namespace, one.name) not in names and one.uid not in uids
    ]
    return sorted(gone, key=lambda one: (-_weight(one.kind), one.namespace, one.name))


def why_not_ours(live: Mapping[str, Any], old: Applied, owner: str) -> str:
    """Why an object that has the name of one that we applied is not to be deleted; empty: it is ours."""
    if old.kind in NEVER_PRUNED:
        return f"a {old.kind} is never pruned, because others may use it"
    if old.uid and metadata(live).get("uid") != old.uid:
        return "somebody made it anew"
    if mapping(metadata(live).get("labels")).get(LABEL) != owner:
        return "it has no longer the label of this environment"
    fields = metadata(live).get("managedFields")
    managers = {one.get("manager") for one in fields if isinstance(one, dict)} if isinstance(fields, list) else set()
    return "" if MANAGER in managers else "the portal owns none of its fields"


def difference(item: Item, live: Mapping[str, Any] | None, dry: Mapping[str, Any], run: Run) -> list[str]:
    """What applying would change, as lines; secrets are fingerprints."""
    if live is None:
        return [f"{item}: would be created"]
    fields = field_changes(item, live, dry, run)
    if not fields:
        return [f"{item}: unchanged"]
    lines = [
        f"  {plain(words(one.path), 200)}: {' → '.join(both_words(one.before, one.after, MOST_OF_VALUE))}"
        for one in fields[:MOST_LINES]
    ]
    more = [f"  and {len(fields) - MOST_LINES} more"] if len(fields) > MOST_LINES else []
    return [f"{item}: would change", *lines, *more]


def field_changes(item: Item, before: Mapping[str, Any], after: Mapping[str, Any], run: Run) -> list[FieldChange]:
    """What counts of the difference between two states of an object; secrets are fingerprints."""
    hide = run.to_apply.hide if run.to_apply else dict
    identity = ResourceId(item.group, item.kind, item.namespace, item.name)
    sides = [[Resource(identity, hide(_plain_body(one)))] for one in (before, after)]
    changes = [one for one in compare(*sides).changes if one.action in {Action.UPDATE, Action.REPLACE}]
    return [field for one in changes for field in one.fields if not field.rule]


def _plain_body(body: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in metadata(body).items() if key not in _SERVER_SET}
    return {**{key: value for key, value in body.items() if key != "status"}, "metadata": kept}


def secrets_in(items: Iterable[Item]) -> list[str]:
    """The values of all Secrets, which a server may quote when it refuses one."""
    found = []
    for item in items:
        if item.kind == "Secret":
            found += [str(value) for value in mapping(item.body.get("stringData")).values()]
            for value in mapping(item.body.get("data")).values():
                found += [str(value), _decoded(str(value))]
    return [value for value in found if value]


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value).decode()
    except (binascii.Error, ValueError):
        return ""
