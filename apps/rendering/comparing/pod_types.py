"""The types of pods and their templates (core/v1 of Kubernetes 1.37).

A default stands here only where the API server writes it into the object, or where its type cannot tell absent from
zero: to say it has then no effect, not even a rollout. Other fields with a documented behaviour (``privileged: false``)
count. Orders are free only where nothing reads them: containers start in order, the first of two secrets for a registry
is tried first.
"""

from __future__ import annotations

from collections.abc import Mapping

from apps.rendering.comparing.images import tag_of
from apps.rendering.comparing.shapes import (
    AMOUNT,
    AMOUNTS,
    MAP,
    SEQUENCE,
    SET,
    VALUE,
    Ordering,
    listed,
    optional,
    record,
)
from apps.rendering.model import ABSENT, Json

_FREE = Ordering.FREE


def _pull_policy(container: Mapping[str, Json]) -> Json:
    image = container.get("image")
    if not isinstance(image, str) or not image:
        return ABSENT
    return "Always" if tag_of(image) == "latest" else "IfNotPresent"


METADATA = optional(
    record(
        labels=MAP,
        annotations=MAP,
        finalizers=SET,
        ownerReferences=listed(VALUE, "uid", order=_FREE),
    )
)

_REQUIREMENT = record(values=SET)
SELECTOR = record(matchLabels=MAP, matchExpressions=listed(_REQUIREMENT, order=_FREE))

_NODE_TERM = record(
    matchExpressions=listed(_REQUIREMENT, order=_FREE),
    matchFields=listed(_REQUIREMENT, order=_FREE),
)
_POD_TERM = record(
    labelSelector=SELECTOR,
    namespaceSelector=SELECTOR,
    namespaces=SET,
    matchLabelKeys=SET,
    mismatchLabelKeys=SET,
)
_WEIGHTED = record(podAffinityTerm=_POD_TERM)
_POD_AFFINITY = record(
    requiredDuringSchedulingIgnoredDuringExecution=listed(_POD_TERM, order=_FREE),
    preferredDuringSchedulingIgnoredDuringExecution=listed(_WEIGHTED, order=_FREE),
)
_AFFINITY = record(
    nodeAffinity=record(
        requiredDuringSchedulingIgnoredDuringExecution=record(nodeSelectorTerms=listed(_NODE_TERM, order=_FREE)),
        preferredDuringSchedulingIgnoredDuringExecution=listed(record(preference=_NODE_TERM), order=_FREE),
    ),
    podAffinity=_POD_AFFINITY,
    podAntiAffinity=_POD_AFFINITY,
)

_HTTP_GET = record({"path": "/", "scheme": "HTTP"}, httpHeaders=listed(VALUE))
_HOOK = record(httpGet=_HTTP_GET, exec=record(command=SEQUENCE))
_PROBE = record(
    {
        "initialDelaySeconds": 0,
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    },
    httpGet=_HTTP_GET,
    exec=record(command=SEQUENCE),
    grpc=record({"service": ""}),
)
_FIELD_REF = record({"apiVersion": "v1"})
_RESOURCE_FIELD_REF = record({"divisor": "0"}, divisor=AMOUNT)
_ENV = record(
    {"value": ""},
    valueFrom=record(fieldRef=_FIELD_REF, resourceFieldRef=_RESOURCE_FIELD_REF),
)
_RESOURCES = record(limits=AMOUNTS, requests=AMOUNTS, claims=listed(VALUE, "name", order=_FREE))
_CONTAINER = record(
    {
        "imagePullPolicy": _pull_policy,
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "workingDir": "",
        "stdin": False,
        "stdinOnce": False,
        "tty": False,
    },
    command=SEQUENCE,
    args=SEQUENCE,
    ports=listed(record({"protocol": "TCP", "hostIP": "", "name": ""}), "containerPort", "protocol", order=_FREE),
    env=listed(_ENV, "name", order=Ordering.REFERENCES),
    envFrom=listed(record({"prefix": ""})),
    resources=optional(_RESOURCES),
    resizePolicy=listed(VALUE, "resourceName", order=_FREE),
    volumeMounts=listed(record({"readOnly": False, "subPath": "", "subPathExpr": ""}), "mountPath", order=_FREE),
    volumeDevices=listed(VALUE, "devicePath", order=_FREE),
    livenessProbe=_PROBE,
    readinessProbe=_PROBE,
    startupProbe=_PROBE,
    lifecycle=record(postStart=_HOOK, preStop=_HOOK),
    securityContext=record(capabilities=record(add=SET, drop=SET)),
)

_FILES = listed(VALUE, "path")
_FIELD_FILES = listed(record(fieldRef=_FIELD_REF, resourceFieldRef=_RESOURCE_FIELD_REF), "path")
_FILE_MODE = {"defaultMode": 420}
_PROJECTION = record(
    secret=record(items=_FILES),
    configMap=record(items=_FILES),
    downwardAPI=record(items=_FIELD_FILES),
    serviceAccountToken=record({"expirationSeconds": 3600, "audience": ""}),
)
CLAIM_SPEC = record(
    {"volumeMode": "Filesystem", "volumeName": ""},
    accessModes=SET,
    selector=SELECTOR,
    resources=optional(record(limits=AMOUNTS, requests=AMOUNTS)),
)
_CLAIM_TEMPLATE = record(metadata=METADATA, spec=CLAIM_SPEC)
_VOLUME = record(
    emptyDir=record({"medium": ""}, sizeLimit=AMOUNT),
    secret=record(_FILE_MODE, items=_FILES),
    configMap=record(_FILE_MODE, items=_FILES),
    downwardAPI=record(_FILE_MODE, items=_FIELD_FILES),
    projected=record(_FILE_MODE, sources=listed(_PROJECTION)),
    hostPath=record({"type": ""}),
    nfs=record({"readOnly": False}),
    persistentVolumeClaim=record({"readOnly": False}),
    ephemeral=record(volumeClaimTemplate=_CLAIM_TEMPLATE),
)

POD_SPEC = record(
    {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30,
        "hostNetwork": False,
        "hostPID": False,
        "hostIPC": False,
        "hostname": "",
        "subdomain": "",
        "nodeName": "",
        "priorityClassName": "",
    },
    containers=listed(_CONTAINER, "name"),
    initContainers=listed(_CONTAINER, "name"),
    ephemeralContainers=listed(_CONTAINER, "name", order=_FREE),
    volumes=listed(_VOLUME, "name", order=_FREE),
    imagePullSecrets=listed(VALUE, "name"),
    hostAliases=listed(record(hostnames=SET), "ip"),
    tolerations=listed(record({"key": "", "operator": "", "value": "", "effect": ""}), order=_FREE),
    topologySpreadConstraints=listed(
        record(labelSelector=SELECTOR, matchLabelKeys=SET), "topologyKey", "whenUnsatisfiable", order=_FREE
    ),
    readinessGates=listed(VALUE, "conditionType", order=_FREE),
    schedulingGates=listed(VALUE, "name", order=_FREE),
    resourceClaims=listed(VALUE, "name", order=_FREE),
    evictionResponders=listed(VALUE, "name"),
    nodeSelector=MAP,
    overhead=AMOUNTS,
    affinity=_AFFINITY,
    dnsConfig=record(nameservers=SEQUENCE, searches=SEQUENCE, options=listed(VALUE)),
    securityContext=optional(
        record(supplementalGroups=SET, sysctls=listed(VALUE, "name", order=_FREE)),
    ),
)
POD_TEMPLATE = record(metadata=METADATA, spec=POD_SPEC)
CLAIM = record(metadata=METADATA, spec=CLAIM_SPEC, status=VALUE)
