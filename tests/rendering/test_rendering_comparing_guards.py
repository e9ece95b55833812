"""What shields a cluster and is loosened is a risk; the same change the other way is none."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.rendering.comparing import compare
from apps.rendering.comparing.risks import CODES
from apps.rendering.model import Action, Resource
from tests.rendering.test_rendering_comparing_risks import HIGH, INGRESS, MEDIUM, NGINX, POD, ROUTE, risks
from tests.support.bodies import DEPLOYMENT, POLICY, SERVICE, body, changed, mutated, resource

ENFORCE = "pod-security.kubernetes.io/enforce"
NAMESPACE = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: shop, labels: {{{ENFORCE}: restricted}}}}
"""
WEBHOOK = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: guard}
webhooks:
- name: pods.example.org
  failurePolicy: Fail
  rules: [{operations: [CREATE, UPDATE], apiGroups: [""], apiVersions: [v1], resources: [pods, services]}]
- name: all.example.org
  rules: [{operations: ["*"], apiGroups: ["*"], apiVersions: ["*"], resources: ["*"]}]
"""
BINDING = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: guard}
spec: {policyName: limits, validationActions: [Deny, Audit]}
"""
VALIDATION = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: limits}
spec:
  failurePolicy: Fail
  matchConstraints: {resourceRules: [{operations: [CREATE], apiGroups: [apps], apiVersions: [v1], resources: [deployments]}]}
"""
BALANCER = SERVICE.replace("spec:\n", "spec:\n  type: LoadBalancer\n  loadBalancerSourceRanges: [10.1.0.0/16]\n")
WHITELIST = "nginx.ingress.kubernetes.io/whitelist-source-range"
ALLOWING = INGRESS.replace(
    "namespace: shop}",
    f"namespace: shop, annotations: {{{WHITELIST}: '10.1.0.0/16, 10.2.0.0/16', nginx.ingress.kubernetes.io/auth-url: x}}}}",
).replace("path: /,", "path: /shop,")
ANNOTATIONS = ("metadata", "annotations")
CONTEXT = (*POD, "securityContext")
UNCONFINED = {f"container.apparmor.security.beta.kubernetes.io/{name}": "unconfined" for name in ("nginx", "other")}
NARROW = {"namespaceSelector": {"matchLabels": {"team": "a"}}}

LOOSENED = [
    (NAMESPACE, ("metadata", "labels", ENFORCE), "baseline", "privilege", HIGH, "baseline instead of restricted"),
    (NAMESPACE, ("metadata", "labels", ENFORCE), "privileged", "privilege", HIGH, "privileged instead of restricted"),
    (NAMESPACE, ("metadata", "labels"), {}, "privilege", HIGH, "nothing instead of restricted"),
    (WEBHOOK, ("webhooks", 0, "failurePolicy"), "Ignore", "admission", HIGH, "pods.example.org is passed over"),
    (WEBHOOK, ("webhooks", 1, "failurePolicy"), "Ignore", "admission", HIGH, "all.example.org is passed over"),
    (WEBHOOK, ("webhooks", 1), ..., "admission", HIGH, "all.example.org is taken away"),
    (WEBHOOK, ("webhooks", 0, "rules", 0, "operations"), ["CREATE"], "admission", HIGH, "pods, services"),
    (WEBHOOK, ("webhooks", 0, "rules", 0, "resources"), ["pods"], "admission", HIGH, "no longer asked about"),
    (WEBHOOK, ("webhooks", 1, "rules", 0, "scope"), "Namespaced", "admission", HIGH, "no longer asked about"),
    (WEBHOOK, ("webhooks", 0, "namespaceSelector"), {"matchLabels": {"a": "b"}}, "admission", HIGH, "fewer namespaces"),
    (WEBHOOK, ("webhooks", 0, "matchConditions"), [{"name": "x", "expression": "false"}], "admission", HIGH, "conditions"),
    (BINDING, ("spec", "validationActions"), ["Audit", "Warn"], "admission", HIGH, "no longer denies"),
    (BINDING, ("spec", "matchResources"), NARROW, "admission", HIGH, "fewer namespaces"),
    (VALIDATION, ("spec", "failurePolicy"), "Ignore", "admission", HIGH, "policy limits is passed over"),
    (VALIDATION, ("spec", "matchConstraints", "resourceRules", 0, "operations"), [], "admission", HIGH, "deployments"),
    (ROUTE, ("spec", "hostnames"), ..., "exposure", HIGH, "every host name"),
    (ROUTE, ("spec", "hostnames"), [], "exposure", HIGH, "every host name"),
    (ALLOWING, ("spec", "tls"), ..., "exposure", HIGH, "TLS for shop.example.org"),
    (ALLOWING, ("spec", "rules", 0, "http", "paths", 0, "path"), "/", "exposure", HIGH, "Every path of shop.example.org"),
    (ALLOWING, ("spec", "rules", 0, "http", "paths", 0, "path"), "/admin", "exposure", MEDIUM, "/admin of shop"),
    (ALLOWING, (*ANNOTATIONS, WHITELIST), ..., "exposure", HIGH, "list of allowed ones is gone"),
    (ALLOWING, (*ANNOTATIONS, WHITELIST), "10.0.0.0/8", "exposure", MEDIUM, "10.0.0.0/8, too"),
    (ALLOWING, (*ANNOTATIONS, WHITELIST), "0.0.0.0/0", "exposure", HIGH, "0.0.0.0/0, too"),
    (ALLOWING, (*ANNOTATIONS, "nginx.ingress.kubernetes.io/auth-url"), ..., "exposure", HIGH, "no longer asked for"),
    (BALANCER, ("spec", "loadBalancerSourceRanges"), ..., "exposure", HIGH, "accepts every address"),
    (BALANCER, ("spec", "loadBalancerSourceRanges"), ["10.0.0.0/8"], "exposure", MEDIUM, "accepts 10.0.0.0/8, too"),
    (DEPLOYMENT, (*POD, "shareProcessNamespace"), True, "privilege", MEDIUM, "shareProcessNamespace"),
    (DEPLOYMENT, CONTEXT, {"supplementalGroups": [0]}, "privilege", MEDIUM, "group of root (supplementalGroups)"),
    (DEPLOYMENT, CONTEXT, {"supplementalGroups": [2000, 998]}, "privilege", MEDIUM, "group 998"),
    (DEPLOYMENT, CONTEXT, {"fsGroup": 0}, "privilege", MEDIUM, "group of root (fsGroup)"),
    (DEPLOYMENT, CONTEXT, {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}, "privilege", HIGH, "kernel.msgmax"),
    (DEPLOYMENT, CONTEXT, {"seLinuxOptions": {"type": "spc_t"}}, "privilege", HIGH, "nginx runs as spc_t"),
    (DEPLOYMENT, (*NGINX, "securityContext"), {"seLinuxOptions": {"user": "root"}}, "privilege", HIGH, "runs as root (seL"),
    (DEPLOYMENT, CONTEXT, {"appArmorProfile": {"type": "Unconfined"}}, "privilege", HIGH, "nginx runs without a profile"),
    (DEPLOYMENT, ("spec", "template", "metadata", "annotations"), UNCONFINED, "privilege", HIGH, "AppArmor unconfined"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "steps", "to", "code", "weight", "words"), LOOSENED)
def test_what_is_loosened_is_a_risk_and_what_is_tightened_is_none(text, steps, to, code, weight, words):
    before, after = body(text), changed(text, *steps, to=to)
    found = [risk for risk in risks(before, after) if words in risk.text]
    assert [(risk.code, risk.weight) for risk in found] == [(code, weight)]
    assert not [risk for risk in risks(after, before) if risk in found]


HARMLESS = [
    (WEBHOOK, ("webhooks", 0, "rules", 0, "resources"), ["*"]),
    (WEBHOOK, ("webhooks", 0, "rules"), [{"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["*"]}]),
    (WEBHOOK, ("webhooks", 0, "failurePolicy"), ...),
    (WEBHOOK, ("webhooks", 0, "timeoutSeconds"), 3),
    (BINDING, ("spec", "validationActions"), ["Deny"]),
    (ALLOWING, ("spec", "rules", 0, "http", "paths", 0, "path"), "/shop/cart"),
    (ALLOWING, (*ANNOTATIONS, WHITELIST), "10.1.3.0/24"),
    (BALANCER, ("spec", "loadBalancerSourceRanges"), ["10.1.3.0/24"]),
    (DEPLOYMENT, CONTEXT, {"supplementalGroups": [2000], "sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]}),
    (DEPLOYMENT, CONTEXT, {"seLinuxOptions": {"type": "container_t", "level": "s0:c1"}}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "steps", "to"), HARMLESS)
def test_what_holds_no_less_than_before_is_no_risk(text, steps, to):
    assert risks(body(text), changed(text, *steps, to=to)) == []


def test_the_list_of_allowed_addresses_may_move_to_another_annotation():
    after = changed(ALLOWING, *ANNOTATIONS, WHITELIST, to=...)
    after["metadata"]["annotations"]["nginx.ingress.kubernetes.io/allowlist-source-range"] = "10.1.0.0/16"
    assert risks(body(ALLOWING), after) == []


def test_tls_without_hosts_that_goes_is_told():
    before = changed(INGRESS, "spec", "tls", to=[{"secretName": "x"}])
    assert [risk.text for risk in risks(before, changed(INGRESS, "spec", "tls", to=[]))] == [
        "TLS for the hosts of the rules is taken away."
    ]


PROXY = {"podSelector": {"matchLabels": {"app": "proxy"}}}
STRICT = {"podSelector": {"matchLabels": {"app": "proxy", "tier": "web"}}}
WIDE, SMALL = {"ipBlock": {"cidr": "10.0.0.0/8"}}, {"ipBlock": {"cidr": "10.1.0.0/16"}}
SPARED = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.9.0.0/16"]}}
SPACES, SPACE = {"namespaceSelector": {}}, {"namespaceSelector": {"matchLabels": {"a": "b"}}}
RANGE = {"port": 8000, "endPort": 8999}

NARROWED = [
    ([{"from": [PROXY]}], [{"from": [STRICT]}]),
    ([{"from": [PROXY]}], [{"from": [PROXY], "ports": [{"port": 80}]}]),
    ([{"from": [WIDE]}], [{"from": [SMALL]}]),
    ([{"from": [WIDE]}], [{"from": [SPARED]}]),
    ([{"from": [SPACES]}], [{"from": [SPACE]}]),
    ([{"from": [SPACES]}], [{"from": [PROXY]}]),
    ([{}], [{"from": [WIDE]}]),
    ([{}], []),
    ([{"ports": [RANGE]}], [{"ports": [{"port": 8080}]}]),
    ([{"ports": [RANGE]}], [{"ports": [{"port": 8100, "endPort": 8200}]}]),
    ([{"from": [PROXY, WIDE]}], [{"from": [SMALL]}, {"from": [STRICT]}]),
]


@pytest.mark.parametrize(("wide", "narrow"), NARROWED)
@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_a_narrower_network_policy_is_no_risk_and_the_wider_one_is(wide, narrow, direction):
    peers = "from" if direction == "ingress" else "to"
    sides = []
    for rules in (wide, narrow):
        renamed = [{(peers if key == "from" else key): value for key, value in rule.items()} for rule in rules]
        sides.append(changed(POLICY, "spec", direction, to=renamed))
    assert risks(*sides) == []
    found = risks(*reversed(sides))
    assert found
    assert {risk.code for risk in found} == {"exposure"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"from": [SPARED]}, {"from": [{"ipBlock": {"cidr": "10.9.0.0/24"}}]}),
        ({"from": [SPACE]}, {"from": [PROXY]}),
        ({"from": [PROXY], "ports": [{"port": 80}]}, {"from": [PROXY], "ports": [{"port": 80, "protocol": "UDP"}]}),
        ({"from": [PROXY], "ports": [{"port": 80}]}, {"from": [PROXY], "ports": [{"port": 80, "endPort": 90}]}),
        ({"from": [PROXY], "ports": [{"port": "http"}]}, {"from": [PROXY], "ports": [{"port": 80}]}),
        ({"from": [WIDE]}, {"from": [{"ipBlock": {"cidr": "fd00::/8"}}]}),
    ],
)
def test_what_no_rule_let_in_before_is_a_risk(old, new):
    sides = [changed(POLICY, "spec", "ingress", to=[rule]) for rule in (old, new)]
    assert [risk.code for risk in risks(*sides)] == ["exposure"]


def test_a_policy_that_begins_to_restrict_what_was_free_is_no_risk():
    free = changed(POLICY, "spec", "policyTypes", to=["Ingress"])
    held = changed(POLICY, "spec", "egress", to=[{"to": [WIDE]}])
    assert risks(free, held) == []


def test_a_policy_that_shields_more_pods_is_no_risk_and_one_that_shields_fewer_is():
    wide = changed(POLICY, "spec", "podSelector", to={})
    assert risks(body(POLICY), wide) == []
    assert [risk.text for risk in risks(wide, body(POLICY))] == ["The network policy shields other pods than before."]


CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: shop}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 5Gi}}}
"""
DUAL = SERVICE.replace("spec:\n", "spec:\n  ipFamilyPolicy: PreferDualStack\n  ipFamilies: [IPv4, IPv6]\n")


@pytest.mark.parametrize(
    ("text", "steps", "to", "action"),
    [
        (CLAIM, ("spec", "resources", "requests", "storage"), ..., Action.REPLACE),
        (CLAIM, ("spec", "resources", "requests"), ..., Action.REPLACE),
        (CLAIM, ("spec", "resources"), ..., Action.REPLACE),
        (CLAIM, ("spec", "resources", "requests", "storage"), "6Gi", Action.UPDATE),
        (DUAL, ("spec", "ipFamilies"), ["IPv6", "IPv4"], Action.REPLACE),
        (DUAL, ("spec", "ipFamilies"), ["IPv6"], Action.REPLACE),
        (DUAL, ("spec", "ipFamilies"), ["IPv4"], Action.UPDATE),
        (DUAL, ("spec", "ipFamilyPolicy"), "SingleStack", Action.UPDATE),
        (SERVICE, ("spec", "clusterIP"), "None", Action.REPLACE),
    ],
)
def test_what_cannot_be_changed_in_place_is_a_replacement(text, steps, to, action):
    (change,) = compare([resource(body(text))], [resource(changed(text, *steps, to=to))]).changes
    assert change.action is action


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_no_guard_is_too_strange_to_be_read(data):
    before = body(
        data.draw(st.sampled_from((NAMESPACE, WEBHOOK, BINDING, VALIDATION, ALLOWING, BALANCER, CLAIM, DUAL)))
    )
    identity = resource(before).id
    after = data.draw(mutated(before))
    for sides in ((before, after), (after, before)):
        found = compare(*([Resource(identity, side)] for side in sides))
        assert {risk.code for change in found.changes for risk in change.risks} <= set(CODES)
