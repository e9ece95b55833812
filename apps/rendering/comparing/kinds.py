"""The kinds of Kubernetes whose types are known, by ``apiVersion`` and ``kind`` (Kubernetes 1.37).

Everything else, custom resources above all, has the shape :data:`~apps.rendering.comparing.shapes.UNKNOWN`. Of admission
webhooks and definitions of custom resources only the keys of lists are known, and no rule applies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from apps.rendering.comparing.pod_types import CLAIM, CLAIM_SPEC, METADATA, POD_SPEC, POD_TEMPLATE, SELECTOR
from apps.rendering.comparing.shapes import (
    AMOUNT,
    AMOUNTS,
    MAP,
    SEQUENCE,
    SET,
    UNKNOWN,
    VALUE,
    Default,
    Ordering,
    Shape,
    listed,
    optional,
    record,
)
from apps.rendering.model import ABSENT, Json

_FREE = Ordering.FREE


def _kind(defaults: Mapping[str, Default] | None = None, **fields: Shape) -> Shape:
    return record(defaults, metadata=METADATA, **fields)


def _rolling(**amounts: Json) -> Shape:
    """How a workload is rolled out. With another type than the default one, the server refuses the amounts."""

    def filled_in(strategy: Mapping[str, Json]) -> Json:
        return amounts if strategy.get("type") in (None, "RollingUpdate") else ABSENT

    return optional(record({"type": "RollingUpdate", "rollingUpdate": filled_in}, rollingUpdate=record(amounts)))


_HISTORY = {"revisionHistoryLimit": 10, "minReadySeconds": 0}
_WORKLOAD = {"selector": SELECTOR, "template": POD_TEMPLATE}
_RETENTION = record({"whenDeleted": "Retain", "whenScaled": "Retain"})

_JOB_SPEC = record(
    {"parallelism": 1, "completionMode": "NonIndexed"},
    selector=SELECTOR,
    template=POD_TEMPLATE,
    podFailurePolicy=record(rules=listed(record(onExitCodes=record(values=SET)))),
)


def _back_off(spec: Mapping[str, Json]) -> Json:
    return 6 if spec.get("backoffLimitPerIndex") is None else ABSENT


_JOB_SPEC = replace(_JOB_SPEC, defaults={**_JOB_SPEC.defaults, "backoffLimit": _back_off})


def _kind_of_service(spec: Mapping[str, Json]) -> Json:
    return str(spec.get("type") or "ClusterIP")


def _internal_policy(spec: Mapping[str, Json]) -> Json:
    return "Cluster" if _kind_of_service(spec) in {"ClusterIP", "NodePort", "LoadBalancer"} else ABSENT


def _external_policy(spec: Mapping[str, Json]) -> Json:
    reachable = _kind_of_service(spec) in {"NodePort", "LoadBalancer"} or bool(spec.get("externalIPs"))
    return "Cluster" if reachable else ABSENT


def _node_ports(spec: Mapping[str, Json]) -> Json:
    return True if _kind_of_service(spec) == "LoadBalancer" else ABSENT


_SERVICE_SPEC = record(
    {
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "clusterIP": "",
        "externalName": "",
        "loadBalancerIP": "",
        "publishNotReadyAddresses": False,
        "internalTrafficPolicy": _internal_policy,
        "externalTrafficPolicy": _external_policy,
        "allocateLoadBalancerNodePorts": _node_ports,
    },
    selector=MAP,
    ports=listed(
        record({"protocol": "TCP", "name": "", "targetPort": lambda port: port.get("port", ABSENT)}),
        "port",
        "protocol",
        order=Ordering.FIRST,  # the first port is the one in the variable NAME_SERVICE_PORT
    ),
    externalIPs=SET,
    loadBalancerSourceRanges=SET,
    ipFamilies=SEQUENCE,
    clusterIPs=SEQUENCE,
)

_PEERS = listed(record(podSelector=SELECTOR, namespaceSelector=SELECTOR), order=_FREE, empty=False)
_POLICY_PORTS = listed(record({"protocol": "TCP"}), order=_FREE, empty=False)


def _policy_types(spec: Mapping[str, Json]) -> Json:
    return ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


_NETWORK_POLICY_SPEC = record(
    {"policyTypes": _policy_types},
    policyTypes=SET,
    podSelector=SELECTOR,
    ingress=listed(record(None, **{"from": _PEERS, "ports": _POLICY_PORTS}), order=_FREE, empty=False),
    egress=listed(record(to=_PEERS, ports=_POLICY_PORTS), order=_FREE, empty=False),
)
_INGRESS_SPEC = record(
    rules=listed(record(http=record(paths=listed(VALUE, "path", "pathType"))), "host"),
    tls=listed(record(hosts=SET), "secretName"),
)


def _subject_group(subject: Mapping[str, Json]) -> Json:
    return {"ServiceAccount": "", "User": _RBAC, "Group": _RBAC}.get(str(subject.get("kind")), ABSENT)


_RBAC = "rbac.authorization.k8s.io"
_RULE = record(verbs=SET, apiGroups=SET, resources=SET, resourceNames=SET, nonResourceURLs=SET)
_RULES = listed(_RULE, order=_FREE)
_SELECTION = record(clusterRoleSelectors=listed(SELECTOR, order=_FREE))
_BINDING = _kind(
    subjects=listed(record({"apiGroup": _subject_group}), "kind", "namespace", "name", order=_FREE),
    roleRef=record({"apiGroup": _RBAC}),
)

_METRIC = record(
    resource=record(target=record(value=AMOUNT, averageValue=AMOUNT)),
    containerResource=record(target=record(value=AMOUNT, averageValue=AMOUNT)),
    pods=record(target=record(averageValue=AMOUNT), metric=record(selector=SELECTOR)),
    object=record(target=record(value=AMOUNT, averageValue=AMOUNT), metric=record(selector=SELECTOR)),
    external=record(target=record(value=AMOUNT, averageValue=AMOUNT), metric=record(selector=SELECTOR)),
)
_SCALING = record(policies=listed(VALUE, order=_FREE), tolerance=AMOUNT)
_LIMITS = record(default=AMOUNTS, defaultRequest=AMOUNTS, max=AMOUNTS, min=AMOUNTS, maxLimitRequestRatio=AMOUNTS)

_CORE = {
    "Pod": _kind(spec=replace(POD_SPEC, defaults={**POD_SPEC.defaults, "enableServiceLinks": True})),
    "PodTemplate": _kind(template=POD_TEMPLATE),
    "ReplicationController": _kind(spec=record({"minReadySeconds": 0}, template=POD_TEMPLATE, selector=MAP)),
    "Service": _kind(spec=_SERVICE_SPEC),
    "ServiceAccount": _kind(secrets=listed(VALUE, "name", order=_FREE), imagePullSecrets=listed(VALUE, "name")),
    "ConfigMap": _kind(data=MAP, binaryData=MAP),
    "Secret": _kind({"type": "Opaque"}, data=MAP, stringData=MAP),
    "Namespace": _kind(spec=record(finalizers=SET)),
    "PersistentVolumeClaim": CLAIM,
    "PersistentVolume": _kind(
        spec=record(
            {"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem", "storageClassName": ""},
            capacity=AMOUNTS,
            accessModes=SET,
            mountOptions=SEQUENCE,
            hostPath=record({"type": ""}),
        )
    ),
    "LimitRange": _kind(spec=record(limits=listed(_LIMITS, "type", order=_FREE))),
    "ResourceQuota": _kind(spec=record(hard=AMOUNTS, scopes=SET)),
}
_APPS = {
    "Deployment": _kind(
        spec=record(
            {**_HISTORY, "progressDeadlineSeconds": 600},
            strategy=_rolling(maxUnavailable="25%", maxSurge="25%"),
            **_WORKLOAD,
        )
    ),
    "DaemonSet": _kind(spec=record(_HISTORY, updateStrategy=_rolling(maxUnavailable=1, maxSurge=0), **_WORKLOAD)),
    "ReplicaSet": _kind(spec=record({"minReadySeconds": 0}, **_WORKLOAD)),
    "StatefulSet": _kind(
        spec=record(
            {**_HISTORY, "podManagementPolicy": "OrderedReady", "serviceName": ""},
            updateStrategy=_rolling(partition=0),
            persistentVolumeClaimRetentionPolicy=optional(_RETENTION),
            volumeClaimTemplates=listed(record(metadata=METADATA, spec=CLAIM_SPEC)),
            **_WORKLOAD,
        )
    ),
}
_BATCH = {
    "Job": _kind(spec=_JOB_SPEC),
    "CronJob": _kind(
        spec=record(
            {"concurrencyPolicy": "Allow", "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1},
            jobTemplate=record(metadata=METADATA, spec=_JOB_SPEC),
        )
    ),
}
_STORAGE = {
    "StorageClass": _kind(
        {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}, parameters=MAP, mountOptions=SEQUENCE
    ),
    "CSIDriver": _kind(
        spec=record(
            {
                "attachRequired": True,
                "podInfoOnMount": False,
                "storageCapacity": False,
                "requiresRepublish": False,
                "fsGroupPolicy": "ReadWriteOnceWithFSType",
                "volumeLifecycleModes": ["Persistent"],
            },
            volumeLifecycleModes=SET,
        )
    ),
    "CSIStorageCapacity": _kind(capacity=AMOUNT, maximumVolumeSize=AMOUNT, nodeTopology=SELECTOR),
}


def _keyed(*keys: str, **fields: Shape) -> Shape:
    """A list of which the keys are known, but none of the rules."""
    return Shape(each=Shape(fields=fields), keys=keys)


_WEBHOOKS = Shape(fields={"webhooks": _keyed("name", matchConditions=_keyed("name"))})
_ADMISSION_POLICY = Shape(
    fields={"spec": Shape(fields={"matchConditions": _keyed("name"), "variables": _keyed("name")})}
)

KINDS: Mapping[tuple[str, str], Shape] = {
    **{("v1", kind): shape for kind, shape in _CORE.items()},
    **{("apps/v1", kind): shape for kind, shape in _APPS.items()},
    **{("batch/v1", kind): shape for kind, shape in _BATCH.items()},
    **{("storage.k8s.io/v1", kind): shape for kind, shape in _STORAGE.items()},
    ("networking.k8s.io/v1", "NetworkPolicy"): _kind(spec=_NETWORK_POLICY_SPEC),
    ("networking.k8s.io/v1", "Ingress"): _kind(spec=_INGRESS_SPEC),
    ("networking.k8s.io/v1", "IngressClass"): _kind(spec=VALUE),
    ("rbac.authorization.k8s.io/v1", "Role"): _kind(rules=_RULES),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"): _kind(rules=_RULES, aggregationRule=_SELECTION),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): _BINDING,
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): _BINDING,
    ("autoscaling/v1", "HorizontalPodAutoscaler"): _kind(spec=record({"minReplicas": 1})),
    ("autoscaling/v2", "HorizontalPodAutoscaler"): _kind(
        spec=record(
            {"minReplicas": 1},
            metrics=listed(_METRIC, order=_FREE),
            behavior=record(scaleUp=_SCALING, scaleDown=_SCALING),
        )
    ),
    ("policy/v1", "PodDisruptionBudget"): _kind(spec=record(selector=SELECTOR)),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"): _WEBHOOKS,
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"): _WEBHOOKS,
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"): _ADMISSION_POLICY,
    ("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy"): _ADMISSION_POLICY,
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): Shape(
        fields={"spec": Shape(fields={"versions": _keyed("name")})}
    ),
}


def shape_of(before: Mapping[str, Json], after: Mapping[str, Json]) -> Shape:
    """The shape of two bodies of one kind; unknown where their versions differ, for rules are those of one version."""
    names = (before.get("apiVersion"), before.get("kind"))
    if names != (after.get("apiVersion"), after.get("kind")) or not all(isinstance(name, str) for name in names):
        return UNKNOWN
    return KINDS.get((str(names[0]), str(names[1])), UNKNOWN)
