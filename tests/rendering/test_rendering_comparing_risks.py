"""Risks: each one that a change brings, none that was there before."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.rendering.comparing import compare
from apps.rendering.comparing.risks import CODES
from apps.rendering.model import RenderError, Resource, ResourceId, Weight
from tests.support.bodies import (
    BODIES,
    DEPLOYMENT,
    MANIFESTS,
    POLICY,
    ROLE,
    SERVICE,
    STATEFUL,
    body,
    changed,
    mutated,
    resource,
)

POD = ("spec", "template", "spec")
NGINX = (*POD, "containers", 0)
SECURITY = (*NGINX, "securityContext")
PINNED = f"nginx:1.28@sha256:{'0' * 64}"
INGRESS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  rules: [{host: shop.example.org, http: {paths: [{path: /, pathType: Prefix}]}}]
  tls: [{hosts: [shop.example.org], secretName: shop}]
"""
BINDING = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: web}
subjects: [{kind: ServiceAccount, name: web, namespace: shop}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
"""
ACCOUNT = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop, annotations: {}}
automountServiceAccountToken: false
"""
VOLUME = """
apiVersion: v1
kind: PersistentVolume
metadata: {name: web}
spec: {nfs: {server: files.example.org, path: /}}
"""
BUDGET = """
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: shop, annotations: {helm.sh/resource-policy: keep}}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
"""
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec: {hostnames: [shop.example.org]}
"""
HIGH, MEDIUM = Weight.HIGH, Weight.MEDIUM
BOB = {"kind": "User", "name": "bob"}
EVERYBODY = {"kind": "Group", "name": "system:authenticated"}

BROUGHT = [
    (DEPLOYMENT, (*SECURITY, "privileged"), True, "privilege", HIGH, "Container nginx is privileged."),
    (DEPLOYMENT, (*SECURITY, "allowPrivilegeEscalation"), True, "privilege", MEDIUM, "may gain privileges"),
    (DEPLOYMENT, (*SECURITY, "capabilities"), {"add": ["SYS_ADMIN"]}, "privilege", HIGH, "capability SYS_ADMIN"),
    (DEPLOYMENT, (*SECURITY, "capabilities"), {"add": ["NET_BIND_SERVICE"]}, "privilege", MEDIUM, "NET_BIND_SERVICE"),
    (DEPLOYMENT, (*SECURITY, "runAsUser"), 0, "privilege", MEDIUM, "runs as root"),
    (DEPLOYMENT, (*SECURITY, "procMount"), "Unmasked", "privilege", HIGH, "/proc"),
    (DEPLOYMENT, (*SECURITY, "windowsOptions"), {"hostProcess": True}, "privilege", HIGH, "hostProcess"),
    (DEPLOYMENT, (*POD, "securityContext"), {"seccompProfile": {"type": "Unconfined"}}, "privilege", HIGH, "nginx runs without a profile"),
    (DEPLOYMENT, (*POD, "hostNetwork"), True, "privilege", HIGH, "network of their node"),
    (DEPLOYMENT, (*POD, "hostPID"), True, "privilege", HIGH, "processes of their node"),
    (DEPLOYMENT, (*POD, "hostIPC"), True, "privilege", HIGH, "memory with their node"),
    (DEPLOYMENT, (*POD, "volumes", 0), {"name": "cache", "hostPath": {"path": "/var/run"}}, "privilege", HIGH, "/var/run"),
    (DEPLOYMENT, (*NGINX, "ports", 0, "hostPort"), 8080, "exposure", MEDIUM, "port 8080 of its node"),
    (DEPLOYMENT, (*POD, "serviceAccountName"), "admin", "rbac", MEDIUM, "service account admin"),
    (STATEFUL, (*POD, "serviceAccount"), "admin", "rbac", MEDIUM, "service account admin"),
    (VOLUME, ("spec",), {"hostPath": {"path": "/"}}, "privilege", HIGH, "see / of their node"),
    (DEPLOYMENT, (*POD, "automountServiceAccountToken"), True, "rbac", MEDIUM, "token"),
    (DEPLOYMENT, (*NGINX, "image"), "nginx", "image", MEDIUM, "neither tag nor digest"),
    (DEPLOYMENT, (*NGINX, "image"), "nginx:latest", "image", MEDIUM, "tag latest"),
    (DEPLOYMENT, (*NGINX, "image"), "nginx:1.28", "image", MEDIUM, "no digest"),
    (DEPLOYMENT, ("spec", "replicas"), 0, "scale", HIGH, "scaled to zero"),
    (DEPLOYMENT, ("metadata", "annotations", "helm.sh/hook"), "pre-delete", "hook", MEDIUM, "pre-delete"),
    (DEPLOYMENT, ("metadata", "annotations", "helm.sh/hook-delete-policy"), "hook-failed", "hook", MEDIUM, "hook-failed"),
    (DEPLOYMENT, ("metadata", "annotations", "argocd.argoproj.io/hook"), "PreSync", "hook", MEDIUM, "PreSync"),
    (DEPLOYMENT, ("metadata", "annotations", "argocd.argoproj.io/sync-options"), "Replace=true", "hook", HIGH, "again"),
    (STATEFUL, ("spec", "persistentVolumeClaimRetentionPolicy"), {"whenScaled": "Delete"}, "destroy", HIGH, "whenScaled"),
    (SERVICE, ("spec", "type"), "LoadBalancer", "exposure", HIGH, "load balancer"),
    (SERVICE, ("spec", "type"), "NodePort", "exposure", MEDIUM, "NodePort"),
    (SERVICE, ("spec", "externalIPs"), ["192.0.2.7"], "exposure", HIGH, "192.0.2.7"),
    (INGRESS, ("spec", "rules", 0, "host"), "other.example.org", "exposure", MEDIUM, "other.example.org"),
    (INGRESS, ("spec", "rules", 0, "host"), ..., "exposure", HIGH, "every host name"),
    (INGRESS, ("spec", "defaultBackend"), {"service": {"name": "x"}}, "exposure", HIGH, "match no rule"),
    (INGRESS, ("spec", "tls"), [], "exposure", HIGH, "TLS for shop.example.org"),
    (ROUTE, ("spec", "hostnames"), ["shop.example.org", "b.example.org"], "exposure", MEDIUM, "b.example.org"),
    (POLICY, ("spec", "ingress", 0), {}, "exposure", HIGH, "lets in all traffic"),
    (POLICY, ("spec", "egress"), [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}], "exposure", HIGH, "0.0.0.0/0"),
    (POLICY, ("spec", "policyTypes"), ["Ingress"], "exposure", HIGH, "no longer restricts egress"),
    (ROLE, ("rules", 0, "verbs"), ["get", "list", "delete"], "rbac", MEDIUM, "Grants delete on pods, configmaps."),
    (ROLE, ("rules", 0, "verbs"), ["*"], "rbac", HIGH, "Grants * on pods, configmaps."),
    (ROLE, ("rules", 0, "resources"), ["secrets"], "rbac", HIGH, "Grants get, list on secrets."),
    (ROLE, ("rules", 0, "apiGroups"), ["*"], "rbac", HIGH, "pods.*"),
    (ROLE, ("rules", 1), {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}, "rbac", HIGH, "pods/exec"),
    (ROLE, ("rules", 1), {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["bind"]}, "rbac", HIGH, "bind"),
    (ROLE, ("rules", 1), {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]}, "rbac", HIGH, "impersonate"),
    (BINDING, ("roleRef", "name"), "cluster-admin", "rbac", HIGH, "ClusterRole cluster-admin to ServiceAccount shop/web in the whole"),
    (BINDING, ("subjects", 0), BOB, "rbac", MEDIUM, "to User bob"),
    (BINDING, ("subjects", 0), EVERYBODY, "rbac", HIGH, "system:authenticated"),
    (ACCOUNT, ("automountServiceAccountToken",), True, "rbac", MEDIUM, "get its token"),
    (ACCOUNT, ("automountServiceAccountToken",), ..., "rbac", MEDIUM, "token again"),
    (ACCOUNT, ("metadata", "annotations", "eks.amazonaws.com/role-arn"), "arn:aws:iam::1:role/x", "iam", HIGH, "role/x"),
    (BUDGET, ("spec", "minAvailable"), 0, "disruption", MEDIUM, "at the same time"),
    (BUDGET, ("spec", "minAvailable"), "100%", "disruption", MEDIUM, "cannot be drained"),
    (BUDGET, ("metadata", "annotations"), {}, "destroy", HIGH, "no longer keeps"),
]  # fmt: skip


def risks(before, after):
    difference = compare(*([resource(one)] if one else [] for one in (before, after)))
    return [risk for change in (*difference.changes, *difference.silent) for risk in change.risks]


@pytest.mark.parametrize(("text", "steps", "to", "code", "weight", "words"), BROUGHT)
def test_a_change_says_what_it_brings_and_its_undoing_does_not(text, steps, to, code, weight, words):
    before, after = body(text), changed(text, *steps, to=to)
    found = [risk for risk in risks(before, after) if words in risk.text]
    assert [(risk.code, risk.weight) for risk in found] == [(code, weight)]
    assert not [risk for risk in risks(after, before) if risk in found]


@pytest.mark.parametrize("text", MANIFESTS)
def test_what_was_there_before_is_no_risk_of_a_change(text):
    after = changed(text, "metadata", "labels", "new", to="label")
    assert risks(body(text), after) == []


def test_a_network_policy_that_moves_to_other_pods_is_a_risk_both_ways():
    other = changed(POLICY, "spec", "podSelector", "matchLabels", "app", to="x")
    for sides in ((body(POLICY), other), (other, body(POLICY))):
        assert [risk.text for risk in risks(*sides)] == ["The network policy shields other pods than before."]
    assert risks(changed(POLICY, "spec", "podSelector", to={}), changed(POLICY, "spec", "podSelector", to=None)) == []


def test_everything_is_new_in_what_is_created():
    after = changed(DEPLOYMENT, *SECURITY, "privileged", to=True)
    texts = [risk.text for risk in risks(None, after)]
    assert texts[0] == "Container nginx is privileged."
    assert "Image busybox:1.36 of container wait has no digest: its tag can be moved to another image." in texts


def test_an_image_that_is_pinned_is_no_risk():
    assert risks(body(DEPLOYMENT), changed(DEPLOYMENT, *NGINX, "image", to=PINNED)) == []


@pytest.mark.parametrize(
    ("guard", "words"),
    [
        ({"runAsNonRoot": True}, "runAsNonRoot"),
        ({"readOnlyRootFilesystem": True}, "readOnlyRootFilesystem"),
        ({"allowPrivilegeEscalation": False}, "allowPrivilegeEscalation"),
        ({"capabilities": {"drop": ["ALL"]}}, "capabilities"),
        ({"seccompProfile": {"type": "RuntimeDefault"}}, "seccomp"),
    ],
)
def test_a_guard_that_goes_is_a_risk_and_one_that_comes_is_none(guard, words):
    held = changed(DEPLOYMENT, *SECURITY, to=guard)
    [lost] = risks(held, body(DEPLOYMENT))
    assert (lost.code, words in lost.text) == ("privilege", True)
    assert risks(body(DEPLOYMENT), held) == []
    without = changed(DEPLOYMENT, *SECURITY, to=guard)
    del without["spec"]["template"]["spec"]["containers"][0]
    assert risks(held, without) == []


def test_what_a_wildcard_covers_is_not_gained():
    def role(*rules):
        return changed(ROLE, "rules", to=list(rules))

    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    assert (
        risks(role(everything), role(everything, {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]})) == []
    )
    named = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"], "verbs": ["get"]}
    widened = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    assert risks(role(widened), role(named)) == []
    assert [risk.text for risk in risks(role(named), role(widened))] == ["Grants get on secrets."]
    urls = {"nonResourceURLs": ["/metrics*"], "verbs": ["get"]}
    assert risks(role(urls), role({"nonResourceURLs": ["/metrics/cadvisor"], "verbs": ["get"]})) == []
    assert [risk.code for risk in risks(role({"nonResourceURLs": ["/metrics/x"], "verbs": ["get"]}), role(urls))] == [
        "rbac"
    ]


def test_rules_that_grant_too_much_to_be_written_out_are_said_to_be_read():
    names = [f"r{at}" for at in range(1000)]
    after = changed(ROLE, "rules", 0, to={"apiGroups": names, "resources": names, "verbs": names})
    assert [(risk.code, risk.weight) for risk in risks(body(ROLE), after)] == [("rbac", HIGH)]


def test_a_role_that_becomes_part_of_another_one_is_said():
    after = changed(ROLE, "metadata", "labels", "rbac.authorization.k8s.io/aggregate-to-admin", to="true")
    assert [risk.text for risk in risks(body(ROLE), after)] == [
        "All who have the cluster role admin get these rules, too."
    ]


@pytest.mark.parametrize(
    ("api", "kind", "weight"),
    [
        ("", "PersistentVolumeClaim", HIGH),
        ("", "PersistentVolume", HIGH),
        ("", "Namespace", HIGH),
        ("", "Secret", HIGH),
        ("apps", "StatefulSet", HIGH),
        ("apiextensions.k8s.io", "CustomResourceDefinition", HIGH),
        ("networking.k8s.io", "NetworkPolicy", HIGH),
        ("postgresql.cnpg.io", "Cluster", HIGH),
        ("acid.zalan.do", "postgresql", HIGH),
        ("rds.aws.upbound.io", "Instance", MEDIUM),
        ("apps", "Deployment", MEDIUM),
        ("", "ConfigMap", MEDIUM),
    ],
)
def test_a_deletion_is_said_and_weighs_more_where_data_can_be_lost(api, kind, weight):
    gone = Resource(ResourceId(api, kind, "shop", "x"), {"kind": kind})
    [change] = compare([gone], []).changes
    risk = change.risks[0]
    assert (risk.code, risk.weight, risk.text.startswith(f"{kind} shop/x is deleted.")) == ("destroy", weight, True)


def test_a_replacement_says_why_and_what_is_lost_on_the_way():
    found = risks(body(STATEFUL), changed(STATEFUL, "spec", "serviceName", to="other"))
    assert [(risk.code, risk.weight) for risk in found] == [("replace", HIGH), ("destroy", HIGH)]
    assert "because spec.serviceName cannot be changed in place" in found[0].text
    selector = changed(DEPLOYMENT, "spec", "selector", "matchLabels", "app", to="other")
    assert [(risk.code, risk.weight) for risk in risks(body(DEPLOYMENT), selector)] == [("replace", MEDIUM)]


def test_a_budget_that_is_deleted_and_a_version_that_is_served_no_longer_are_said():
    assert {risk.code for risk in risks(body(BUDGET), None)} == {"destroy", "disruption"}
    served = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "x"}}
    before = {**served, "spec": {"versions": [{"name": "v1", "served": True}, {"name": "v2", "served": True}]}}
    after = {**served, "spec": {"versions": [{"name": "v2", "served": True}]}}
    assert [risk.text for risk in risks(before, after)] == ["Version v1 is served no longer; what uses it fails."]


PROFILE = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@PROFILE
@given(st.data())
def test_no_body_is_too_strange_for_risks_and_each_has_a_known_code(data):
    before = body(data.draw(st.sampled_from((*MANIFESTS, INGRESS, BINDING, ACCOUNT, BUDGET, ROUTE))))
    after = data.draw(mutated(before))
    identity = resource(before).id
    for sides in ((before, after), (after, before), (None, after), (after, None)):
        difference = compare(*([Resource(identity, one)] if one is not None else [] for one in sides))
        for change in (*difference.changes, *difference.silent):
            assert {risk.code for risk in change.risks} <= set(CODES)
            assert len(set(change.risks)) == len(change.risks)


@PROFILE
@given(BODIES, st.sampled_from(["Role", "Ingress", "NetworkPolicy", "Service", "Gateway", "RoleBinding"]))
def test_anything_may_stand_where_a_kind_is_expected(whole, kind):
    try:
        compare([], [Resource(ResourceId("", kind, "", "x"), {**whole, "kind": kind})])
    except RenderError:
        pytest.fail("such bodies are not deep")


def test_a_policy_says_in_words_whom_it_lets_in() -> None:
    after = body(POLICY)
    after["spec"]["ingress"] = [
        {
            "from": [
                {"namespaceSelector": {"matchLabels": {"team": "pay"}}, "podSelector": {}},
                {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
            ],
            "ports": [{"port": 8080}, {"protocol": "UDP", "port": 53, "endPort": 55}],
        }
    ]
    (change,) = compare([resource(body(POLICY))], [resource(after)]).changes
    texts = [risk.text for risk in change.risks]
    assert "The network policy lets in traffic of all pods in namespaces with team=pay on TCP 8080, UDP 53-55." in texts
    assert any("the addresses 10.0.0.0/8 except 10.1.0.0/16 on TCP 8080" in text for text in texts)


@pytest.mark.parametrize(
    ("api", "kind", "way"),
    [("v1", "Pod", ()), ("batch/v1", "CronJob", ("jobTemplate", "spec", "template", "spec")), ("x.org/v1", "Job", ())],
)
@pytest.mark.parametrize("where", [("template", "spec"), ("jobTemplate", "spec", "template", "spec")])
def test_containers_where_the_kind_has_none_hide_no_risk(api, kind, way, where):
    """The server throws them away, and starts those that it knows."""
    spec = {"hostPID": True, "containers": [{"name": "a", "securityContext": {"privileged": True}}]}
    decoy = {"containers": []}
    if where == way:
        return
    for step in reversed(way):
        spec = {step: spec}
    for step in reversed(where):
        decoy = {step: decoy}
    body = {"apiVersion": api, "kind": kind, "metadata": {"name": "a"}, "spec": {**decoy, **spec}}
    (change,) = compare([], [Resource(ResourceId("", kind, "", "a"), body)]).changes
    assert {risk.text for risk in change.risks} >= {"Container a is privileged."}


def test_a_long_name_stands_for_no_other_one_that_begins_alike():
    """Risks are known by their words, and those of the old body are none."""
    places = [{"name": "a", "hostPath": {"path": "/." * 100 + end}} for end in ("/cache", "/etc")]
    before = changed(DEPLOYMENT, *POD, "volumes", to=places[:1])
    assert [risk.code for risk in risks(before, changed(DEPLOYMENT, *POD, "volumes", to=places[1:]))] == ["privilege"]
