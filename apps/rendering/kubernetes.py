"""Values of YAML documents into resources of Kubernetes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from apps.rendering.model import Failure, Json, RenderError, Resource, ResourceId, Source
from apps.rendering.yaml_reader import DEFAULT_BUDGET, Budget, documents

MAX_RESOURCES = 50_000
_CLUSTER_WIDE = {
    (group, kind): True
    for group, kinds in {
        "": "Namespace Node PersistentVolume ComponentStatus",
        "admissionregistration.k8s.io": "MutatingWebhookConfiguration ValidatingWebhookConfiguration "
        "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding MutatingAdmissionPolicy MutatingAdmissionPolicyBinding",
        "apiextensions.k8s.io": "CustomResourceDefinition",
        "apiregistration.k8s.io": "APIService",
        "certificates.k8s.io": "CertificateSigningRequest ClusterTrustBundle",
        "flowcontrol.apiserver.k8s.io": "FlowSchema PriorityLevelConfiguration",
        "networking.k8s.io": "IngressClass IPAddress ServiceCIDR",
        "node.k8s.io": "RuntimeClass",
        "policy": "PodSecurityPolicy",
        "rbac.authorization.k8s.io": "ClusterRole ClusterRoleBinding",
        "resource.k8s.io": "DeviceClass ResourceSlice",
        "scheduling.k8s.io": "PriorityClass",
        "storage.k8s.io": "StorageClass CSIDriver CSINode VolumeAttachment VolumeAttributesClass",
    }.items()
    for kind in kinds.split()
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A document with the file from which it came."""

    value: Json
    source: Source | None = None


def read(data: bytes, path: str = "", budget: Budget = DEFAULT_BUDGET) -> Iterator[Placed]:
    """The documents of one file, or of a tool's output (no ``path``)."""
    for value, line in documents(data, path, budget):
        yield Placed(value, Source(path, line) if path else None)


def resources(placed: Iterable[Placed], namespace: str = "") -> tuple[Resource, ...]:
    """One resource for each object, those of lists by themselves, in order.

    ``namespace``: where an object lands that names none; what belongs to the whole cluster lands in none. Objects with
    ``generateName``, and hooks of the same name, are numbered in order. Raises ``TEMPLATE`` for what is no object and
    ``REFUSED`` for two objects of the same identity.
    """
    bodies = [(body, each.source) for each in placed for body in _objects(each)]
    scopes = {**_CLUSTER_WIDE, **_defined(body for body, _ in bodies)}
    found: dict[ResourceId, Resource] = {}
    numbers: dict[ResourceId, int] = {}
    for body, source in bodies:
        resource = _resource(body, source, namespace, scopes)
        count = numbers[resource.id] = numbers.get(resource.id, 0) + 1
        if "name" not in body["metadata"] or (count > 1 and _is_hook(body)):
            resource = replace(resource, id=replace(resource.id, name=f"{resource.id.name}#{count}"))
        if resource.id in found:
            raise _bad(source, f"{resource.id} is there twice; only one of them can exist", Failure.REFUSED)
        found[resource.id] = resource
        if len(found) > MAX_RESOURCES:
            raise _bad(source, f"more than {MAX_RESOURCES:,} resources", Failure.TOO_LARGE)
    return tuple(found.values())


def group_of(api_version: str) -> str:
    """``apps`` of ``apps/v1``; the core has none."""
    return api_version.rpartition("/")[0]


def is_object(value: Json) -> bool:
    """Whether it says what it is, as every object of Kubernetes does."""
    return isinstance(value, dict) and isinstance(value.get("kind"), str) and isinstance(value.get("apiVersion"), str)


def _objects(placed: Placed) -> Iterator[dict[str, Json]]:
    left = [placed.value]
    while left:
        value = left.pop(0)
        if not is_object(value):
            raise _bad(
                placed.source, "this is no Kubernetes object: it needs an apiVersion and a kind, both of them text"
            )
        if value["kind"] == "List" or isinstance(value.get("items"), list):
            left[:0] = [_of_list(value, item) for item in value.get("items") or []]
        else:
            yield value


def _of_list(value: dict[str, Json], item: Json) -> Json:
    """Items of a typed list (``ConfigMapList``) may leave out what the list already says."""
    if not isinstance(item, dict) or value["kind"] == "List":
        return item
    return {"apiVersion": value["apiVersion"], "kind": value["kind"].removesuffix("List"), **item}


def _defined(bodies: Iterable[dict[str, Json]]) -> dict[tuple[str, str], bool]:
    """Whether kinds that are defined here belong to the whole cluster."""
    found = {}
    for body in bodies:
        spec = body.get("spec")
        if body["kind"] == "CustomResourceDefinition" and isinstance(spec, dict):
            names = spec.get("names")
            group, kind = spec.get("group"), names.get("kind") if isinstance(names, dict) else None
            if isinstance(group, str) and isinstance(kind, str):
                found[group, kind] = spec.get("scope") == "Cluster"
    return found


def _is_hook(body: dict[str, Json]) -> bool:
    annotations = body["metadata"].get("annotations")
    return isinstance(annotations, dict) and "helm.sh/hook" in annotations


def _resource(
    body: dict[str, Json], source: Source | None, namespace: str, scopes: Mapping[tuple[str, str], bool]
) -> Resource:
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        raise _bad(source, f"{body['kind']} has no metadata")
    name = metadata.get("name", metadata.get("generateName"))
    placed = metadata.get("namespace") or namespace
    if not isinstance(name, str) or not name or not isinstance(placed, str):
        raise _bad(source, f"the name and namespace of {body['kind']} must be text")
    group, kind = group_of(body["apiVersion"]), body["kind"]
    return Resource(ResourceId(group, kind, "" if scopes.get((group, kind)) else placed, name), body, source)


def _bad(source: Source | None, what: str, failure: Failure = Failure.TEMPLATE) -> RenderError:
    path, line = (source.path, source.line) if source else ("", 0)
    place = f"{path}, line {line}: " if line else f"{path}: " if path else ""
    text = f"{place}{what}."
    return RenderError(failure, text[0].upper() + text[1:] if not place else text, path=path, line=line)
