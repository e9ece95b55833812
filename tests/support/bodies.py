"""Bodies of Kubernetes for comparisons: real ones, mutations of them, and anything at all."""

from __future__ import annotations

import copy
from typing import Any

import yaml
from hypothesis import strategies as st

from apps.rendering.comparing.shapes import Ordering, Shape
from apps.rendering.model import Resource, ResourceId, Source

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels: {app.kubernetes.io/name: web}
  annotations: {example.org/owner: "team a"}
  finalizers: [example.org/a, example.org/b]
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: web
      initContainers:
      - {name: wait, image: "busybox:1.36", command: [sh, -c, "true"]}
      - {name: migrate, image: "shop/web:1.4", args: [migrate, --yes]}
      containers:
      - name: nginx
        image: nginx:1.27
        ports:
        - {name: http, containerPort: 8080}
        - {name: dns, containerPort: 8080, protocol: UDP}
        env:
        - {name: MODE, value: production}
        - {name: LEVEL, value: info}
        resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 1Gi}}
        volumeMounts:
        - {name: cache, mountPath: /cache}
        - {name: config, mountPath: /etc/web, readOnly: true}
        readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 5}
      - {name: log, image: "fluent/fluent-bit:3.1", args: [-c, /etc/fluent.conf]}
      volumes:
      - {name: cache, emptyDir: {}}
      - {name: config, configMap: {name: web}}
      tolerations:
      - {key: spot, operator: Exists, effect: NoSchedule}
      - {key: gpu, operator: Equal, value: "true", effect: NoSchedule}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports:
  - {name: http, port: 80, targetPort: http}
  - {name: https, port: 443, targetPort: 8443}
"""
ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: web, namespace: shop}
rules:
- {apiGroups: [""], resources: [pods, configmaps], verbs: [get, list]}
- {apiGroups: [apps], resources: [deployments], verbs: [get, patch]}
"""
POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress, Egress]
  ingress:
  - {from: [{podSelector: {matchLabels: {app: proxy}}}], ports: [{port: 8080}]}
  egress: []
"""
STATEFUL = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  serviceName: db
  replicas: 3
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
      - {name: postgres, image: "postgres:16", volumeMounts: [{name: data, mountPath: /data}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}
"""
ROLLOUT = """
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web, namespace: shop}
spec:
  strategy: {canary: {steps: [{setWeight: 20}, {pause: {}}, {setWeight: 60}]}}
  template:
    spec:
      containers: [{name: web, image: "shop/web:1.4"}, {name: log, image: "fluent/fluent-bit:3.1"}]
"""
MANIFESTS = (DEPLOYMENT, SERVICE, ROLE, POLICY, STATEFUL, ROLLOUT)


def body(text: str) -> dict[str, Any]:
    return yaml.safe_load(text)


def changed(text: Any, *steps: Any, to: Any) -> dict[str, Any]:
    """The manifest with another value at a place; ``...`` takes the place away."""
    whole = body(text) if isinstance(text, str) else copy.deepcopy(text)
    place: Any = whole
    for step in steps[:-1]:
        place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
    if to is ...:
        del place[steps[-1]]
    else:
        place[steps[-1]] = to
    return whole


def resource(body: dict[str, Any], path: str = "web.yaml", line: int = 0) -> Resource:
    group = body["apiVersion"].rpartition("/")[0]
    names = body["metadata"]
    return Resource(
        ResourceId(group, body["kind"], names.get("namespace", ""), names["name"]), body, Source(path, line)
    )


NAMES = st.sampled_from(["a", "b", "name", "protocol", "spec", "ключ", "a.b/c", "\u202e", "0", "$", "\0"])
NUMBERS = st.one_of(st.integers(-2, 2), st.sampled_from([0.0, -0.0, 1.0, 0.5, 1e300, float("inf"), float("nan")]))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, NAMES, st.text(max_size=4))
ELEMENTS = st.fixed_dictionaries(
    {}, optional={"name": SCALARS, "protocol": st.sampled_from(["TCP", "UDP", None]), "port": NUMBERS, "value": SCALARS}
)
VALUES = st.recursive(
    st.one_of(SCALARS, st.lists(ELEMENTS, max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)
AMOUNTS = st.sampled_from(["1", "1000m", 1, 1.0, "1Gi", "1024Mi", "1e3", "x", None])
BODIES = st.dictionaries(NAMES, VALUES, max_size=4)


@st.composite
def mutated(draw: st.DrawFn, whole: Any) -> Any:
    """A body with some places changed, removed, doubled, moved or taken from anywhere."""
    whole = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 4))):
        places = [place for place in _places(whole) if place]
        if not places:
            break
        _mutate(draw, draw(st.sampled_from(places)))
    return whole


@st.composite
def shaped(draw: st.DrawFn, shape: Shape, depth: int = 9) -> Any:
    """Values as a type has them, and sometimes anything else: fields that its rules know, with their defaults and others."""
    if depth == 0 or draw(st.integers(0, 9)) == 0:
        return draw(st.one_of(SCALARS, st.lists(SCALARS, max_size=2), st.just({}), AMOUNTS))
    if shape.record:
        return draw(_record(shape, depth))
    if shape.keys or (shape.each and shape.order is not Ordering.COUNTS):
        elements = [draw(shaped(shape.element(), depth - 1)) for _ in range(draw(st.integers(0, 3)))]
        for element in elements:
            if isinstance(element, dict):
                element |= {
                    key: draw(st.sampled_from(["a", "b", "c", 1])) for key in shape.keys if draw(st.integers(0, 9))
                }
        return elements
    if shape.each:
        return draw(st.dictionaries(NAMES, shaped(shape.each, depth - 1), max_size=2))
    return draw(AMOUNTS if shape.amount else SCALARS)


@st.composite
def _record(draw: st.DrawFn, shape: Shape, depth: int) -> dict[str, Any]:
    names = sorted({*shape.fields, *shape.defaults})
    found = {}
    for name in draw(st.lists(st.sampled_from(names), max_size=4, unique=True)):
        default = shape.defaults.get(name)
        if default is None or callable(default) or draw(st.booleans()):
            found[name] = draw(shaped(shape.of(name), depth - 1))
        else:
            found[name] = copy.deepcopy(default)
    return found


def _places(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    here = [value] if isinstance(value, dict | list) else []
    return here + [place for child in inner for place in _places(child)]


def _mutate(draw: st.DrawFn, place: Any) -> None:
    key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
    action = draw(st.sampled_from(["set", "remove", "more", "order", "double"]))
    if action == "set":
        place[key] = draw(st.one_of(VALUES, st.just(place[key])))
    elif action == "remove":
        del place[key]
    elif isinstance(place, dict):
        place[draw(NAMES)] = draw(VALUES)
    elif action == "order":
        place[:] = draw(st.permutations(place))
    else:
        place.insert(
            draw(st.integers(0, len(place))), copy.deepcopy(place[key]) if action == "double" else draw(VALUES)
        )
