"""Which changes Kubernetes does not make to an object that is there: it must be deleted and created again.

The table names the fields that the API server refuses to change, by group and kind, as beginnings of paths; ``*`` is one
element of a list. Exceptions are longer paths inside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from apps.rendering.comparing.quantities import quantity
from apps.rendering.model import FieldChange, Json, ResourceId, Step

Path = tuple[Step, ...]

_VOLUME_SOURCES = (
    "awsElasticBlockStore azureDisk azureFile cephfs cinder csi fc flexVolume flocker gcePersistentDisk glusterfs hostPath "
    "iscsi local nfs photonPersistentDisk portworxVolume quobyte rbd scaleIO storageos vsphereVolume"
)
_RBAC = "rbac.authorization.k8s.io"

_FIXED: Mapping[tuple[str, str], str] = {
    ("", "Pod"): "spec",
    ("", "PersistentVolumeClaim"): "spec",
    ("", "PersistentVolume"): f"spec.volumeMode {' '.join(f'spec.{name}' for name in _VOLUME_SOURCES.split())}",
    ("", "Service"): "spec.clusterIP spec.clusterIPs spec.loadBalancerClass",
    ("", "ResourceQuota"): "spec.scopes",
    ("", "Secret"): "type",
    ("apps", "Deployment"): "spec.selector",
    ("apps", "DaemonSet"): "spec.selector",
    ("apps", "ReplicaSet"): "spec.selector",
    ("apps", "StatefulSet"): "spec",
    ("batch", "Job"): "spec.template spec.selector spec.completionMode spec.completions spec.podFailurePolicy "
    "spec.successPolicy spec.backoffLimitPerIndex spec.managedBy",
    (_RBAC, "RoleBinding"): "roleRef",
    (_RBAC, "ClusterRoleBinding"): "roleRef",
    ("storage.k8s.io", "StorageClass"): "provisioner parameters reclaimPolicy volumeBindingMode",
    ("storage.k8s.io", "CSIDriver"): "spec.attachRequired spec.volumeLifecycleModes",
    ("storage.k8s.io", "VolumeAttributesClass"): "driverName parameters",
    ("scheduling.k8s.io", "PriorityClass"): "value preemptionPolicy",
    ("networking.k8s.io", "IngressClass"): "spec.controller",
    ("node.k8s.io", "RuntimeClass"): "handler",
    ("gateway.networking.k8s.io", "GatewayClass"): "spec.controllerName",
    ("resource.k8s.io", "ResourceClaim"): "spec",
    ("storage.k8s.io", "VolumeAttachment"): "spec",
    ("certificates.k8s.io", "CertificateSigningRequest"): "spec",
    ("apps", "ControllerRevision"): "data",
    ("discovery.k8s.io", "EndpointSlice"): "addressType",
    ("apiextensions.k8s.io", "CustomResourceDefinition"): "spec.scope spec.group spec.names.kind spec.names.plural",
}
_EXCEPT: Mapping[tuple[str, str], str] = {
    ("", "Pod"): "spec.containers.*.image spec.initContainers.*.image spec.activeDeadlineSeconds "
    "spec.terminationGracePeriodSeconds spec.tolerations",
    ("", "PersistentVolumeClaim"): "spec.resources.requests spec.volumeAttributesClassName",
    ("apps", "StatefulSet"): "spec.replicas spec.ordinals spec.template spec.updateStrategy spec.revisionHistoryLimit "
    "spec.persistentVolumeClaimRetentionPolicy spec.minReadySeconds",
}
_ASKED = ("spec", "resources", "requests", "storage")
_SEALED = "data binaryData stringData immutable"


def replacing_paths(
    identity: ResourceId, before: Mapping[str, Json], after: Mapping[str, Json], fields: Iterable[FieldChange]
) -> tuple[Path, ...]:
    """The paths of ``fields`` that count and cannot be changed in place."""
    kind = (identity.api, identity.kind)
    fixed, free = _patterns(_FIXED.get(kind, "")), _patterns(_EXCEPT.get(kind, ""))
    if kind in {("", "Secret"), ("", "ConfigMap")} and before.get("immutable") is True:
        fixed = [*fixed, *_patterns(_SEALED)]
    if kind == ("", "Service") and "ExternalName" in {_at(side, "spec", "type") for side in (before, after)}:
        return ()
    if kind == ("batch", "Job") and _at(before, "spec", "completionMode") == "Indexed":
        free = [*free, ["spec", "completions"]]
    return tuple(
        change.path
        for change in fields
        if not change.rule
        and (
            (_within(change.path, fixed) and not _inside(change.path, free))
            or _shrinks(identity, change)
            or _moves_family(kind, before, after, change)
        )
    )


def _patterns(text: str) -> list[list[str]]:
    return [pattern.split(".") for pattern in text.split()]


def _within(path: Path, patterns: list[list[str]]) -> bool:
    """Whether the change is inside one of the places, or around it."""
    return any(_agree(path, pattern) for pattern in patterns)


def _inside(path: Path, patterns: list[list[str]]) -> bool:
    return any(len(path) >= len(pattern) and _agree(path, pattern) for pattern in patterns)


def _agree(path: Path, pattern: list[str]) -> bool:
    return all(wanted in {"*", step} for step, wanted in zip(path, pattern, strict=False))


def _shrinks(identity: ResourceId, change: FieldChange) -> bool:
    """Whether a claim would ask for less than it has, or for nothing: volumes grow only."""
    if (identity.api, identity.kind) != ("", "PersistentVolumeClaim") or change.path != _ASKED[: len(change.path)]:
        return False
    inside = _ASKED[len(change.path) :]
    old, new = quantity(_value_at(change.before, *inside)), quantity(_value_at(change.after, *inside))
    return old is not None and (new is None or new < old)


def _moves_family(
    kind: tuple[str, str], before: Mapping[str, Json], after: Mapping[str, Json], change: FieldChange
) -> bool:
    """Whether a service would have another first family of addresses; the second one may come and go."""
    if kind != ("", "Service") or change.path[:2] != ("spec", "ipFamilies"):
        return False
    was, now = (_value_at(side, "spec", "ipFamilies") for side in (before, after))
    return isinstance(was, list) and isinstance(now, list) and was[:1] != now[:1] and bool(was and now)


def _value_at(value: Json, *keys: Step) -> Json:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _at(body: Mapping[str, Json], *keys: str) -> Json:
    value = _value_at(body, *keys)
    return value if isinstance(value, str) else None
