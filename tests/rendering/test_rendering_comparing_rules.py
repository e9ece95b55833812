"""What has no effect, by which rule, and what looks alike and counts."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.rendering.comparing import RULES, apply_fields, compare, words
from apps.rendering.comparing.quantities import quantity
from apps.rendering.model import Action
from apps.rendering.redaction import MARK
from tests.support.bodies import DEPLOYMENT, POLICY, ROLE, ROLLOUT, SERVICE, STATEFUL, body, changed, resource

POD = ("spec", "template", "spec")
NGINX = (*POD, "containers", 0)
TOLERATIONS = [
    {"key": "gpu", "operator": "Equal", "value": "true", "effect": "NoSchedule"},
    {"key": "spot", "operator": "Exists", "effect": "NoSchedule"},
]
VOLUMES = [{"name": "config", "configMap": {"name": "web"}}, {"name": "cache", "emptyDir": {}}]
ENV = [{"name": "LEVEL", "value": "info"}, {"name": "MODE", "value": "production"}]
RULES_OF_ROLE = [
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]},
    {"apiGroups": [""], "resources": ["pods", "configmaps"], "verbs": ["get", "list"]},
]

SILENT = [
    (DEPLOYMENT, (*NGINX, "resources", "requests", "cpu"), "0.5", "quantity"),
    (DEPLOYMENT, (*NGINX, "resources", "requests", "cpu"), 0.5, "quantity"),
    (DEPLOYMENT, (*NGINX, "resources", "requests", "memory"), "1024Mi", "quantity"),
    (DEPLOYMENT, (*NGINX, "resources", "limits", "memory"), 1073741824, "quantity"),
    (DEPLOYMENT, ("spec", "replicas"), 2.0, "whole number"),
    (DEPLOYMENT, (*NGINX, "imagePullPolicy"), "IfNotPresent", "default"),
    (DEPLOYMENT, (*NGINX, "terminationMessagePath"), "/dev/termination-log", "default"),
    (DEPLOYMENT, (*NGINX, "readinessProbe", "failureThreshold"), 3, "default"),
    (DEPLOYMENT, (*NGINX, "readinessProbe", "httpGet", "scheme"), "HTTP", "default"),
    (DEPLOYMENT, (*POD, "terminationGracePeriodSeconds"), 30, "default"),
    (DEPLOYMENT, (*POD, "terminationGracePeriodSeconds"), 30.0, "default"),
    (DEPLOYMENT, (*POD, "dnsPolicy"), "ClusterFirst", "default"),
    (DEPLOYMENT, (*POD, "restartPolicy"), "Always", "default"),
    (DEPLOYMENT, (*POD, "hostNetwork"), False, "default"),
    (DEPLOYMENT, (*POD, "volumes", 1, "configMap", "defaultMode"), 420, "default"),
    (DEPLOYMENT, ("spec", "strategy"), {"type": "RollingUpdate"}, "default"),
    (DEPLOYMENT, ("spec", "strategy"), {"rollingUpdate": {"maxSurge": "25%"}}, "default"),
    (DEPLOYMENT, ("spec", "strategy"), {}, "empty"),
    (DEPLOYMENT, ("spec", "revisionHistoryLimit"), 10, "default"),
    (DEPLOYMENT, ("metadata", "creationTimestamp"), None, "empty"),
    (DEPLOYMENT, (*POD, "nodeSelector"), {}, "empty"),
    (DEPLOYMENT, (*POD, "imagePullSecrets"), [], "empty"),
    (DEPLOYMENT, (*POD, "securityContext"), {}, "empty"),
    (DEPLOYMENT, (*POD, "affinity"), None, "empty"),
    (DEPLOYMENT, (*POD, "tolerations"), TOLERATIONS, "order"),
    (DEPLOYMENT, (*POD, "volumes"), VOLUMES, "order"),
    (DEPLOYMENT, (*NGINX, "env"), ENV, "order"),
    (DEPLOYMENT, ("metadata", "finalizers"), ["example.org/b", "example.org/a"], "order"),
    (SERVICE, ("spec", "type"), "ClusterIP", "default"),
    (SERVICE, ("spec", "sessionAffinity"), "None", "default"),
    (SERVICE, ("spec", "internalTrafficPolicy"), "Cluster", "default"),
    (SERVICE, ("spec", "ports", 0, "protocol"), "TCP", "default"),
    (STATEFUL, ("spec", "podManagementPolicy"), "OrderedReady", "default"),
    (STATEFUL, ("spec", "volumeClaimTemplates", 0, "spec", "resources", "requests", "storage"), "10240Mi", "quantity"),
    (STATEFUL, ("spec", "volumeClaimTemplates", 0, "spec", "volumeMode"), "Filesystem", "default"),
    (ROLE, ("rules",), RULES_OF_ROLE, "order"),
    (ROLE, ("rules", 0, "verbs"), ["list", "get"], "order"),
    (POLICY, ("spec", "policyTypes"), ["Egress", "Ingress"], "order"),
    (POLICY, ("spec", "ingress", 0, "ports", 0, "protocol"), "TCP", "default"),
]
COUNTED = [
    (DEPLOYMENT, ("spec", "replicas"), ...),
    (DEPLOYMENT, ("spec", "replicas"), None),
    (DEPLOYMENT, ("spec", "paused"), False),
    (DEPLOYMENT, (*NGINX, "resources", "requests", "cpu"), "501m"),
    (DEPLOYMENT, (*NGINX, "resources", "requests", "memory"), "1G"),
    (DEPLOYMENT, (*NGINX, "resources", "requests", "memory"), "one"),
    (DEPLOYMENT, (*NGINX, "imagePullPolicy"), "Always"),
    (DEPLOYMENT, (*NGINX, "readinessProbe", "httpGet", "port"), "80"),
    (DEPLOYMENT, (*NGINX, "securityContext"), {}),
    (DEPLOYMENT, (*NGINX, "securityContext"), {"privileged": False}),
    (DEPLOYMENT, (*POD, "affinity"), {}),
    (DEPLOYMENT, (*POD, "hostNetwork"), True),
    (DEPLOYMENT, (*POD, "enableServiceLinks"), True),
    (DEPLOYMENT, (*POD, "automountServiceAccountToken"), True),
    (DEPLOYMENT, (*POD, "volumes", 0, "emptyDir"), ...),
    (DEPLOYMENT, (*POD, "initContainers"), list(reversed(body(DEPLOYMENT)["spec"]["template"]["spec"]["initContainers"]))),
    (DEPLOYMENT, (*POD, "containers"), list(reversed(body(DEPLOYMENT)["spec"]["template"]["spec"]["containers"]))),
    (DEPLOYMENT, (*POD, "containers", 1, "args"), ["/etc/fluent.conf", "-c"]),
    (DEPLOYMENT, ("metadata", "labels", "empty"), None),
    (DEPLOYMENT, ("spec", "strategy"), {"type": "Recreate"}),
    (DEPLOYMENT, ("spec", "strategy"), {"rollingUpdate": {"maxSurge": 1}}),
    (SERVICE, ("spec", "ports", 1, "targetPort"), "8443"),
    (SERVICE, ("spec", "ports"), list(reversed(body(SERVICE)["spec"]["ports"]))),
    (SERVICE, ("spec", "externalTrafficPolicy"), "Cluster"),
    (POLICY, ("spec", "egress"), ...),
    (POLICY, ("spec", "egress"), [{}]),
    (POLICY, ("spec", "ingress", 0, "from"), []),
    (POLICY, ("spec", "podSelector"), {}),
    (ROLE, ("rules", 0, "verbs"), ["get", "list", "watch"]),
    (ROLLOUT, ("spec", "replicas"), None),
    (ROLLOUT, ("metadata", "creationTimestamp"), None),
    (ROLLOUT, ("spec", "strategy", "canary", "steps", 0, "setWeight"), 20.0),
]  # fmt: skip


def both_ways(text, after):
    sides = ([resource(body(text))], [resource(after)])
    return compare(*sides), compare(*reversed(sides))


@pytest.mark.parametrize(("text", "steps", "to", "rule"), SILENT)
def test_a_difference_without_effect_is_one_field_with_its_rule(text, steps, to, rule):
    after = changed(text, *steps, to=to)
    for difference in both_ways(text, after):
        assert (difference.changes, difference.unchanged) == ((), 0)
        [silent] = difference.silent
        assert [field.rule for field in silent.fields] == [rule]
        assert apply_fields(silent.before, silent.fields) == silent.after


@pytest.mark.parametrize(("text", "steps", "to"), COUNTED)
def test_what_looks_alike_and_has_an_effect_counts(text, steps, to):
    for difference in both_ways(text, changed(text, *steps, to=to)):
        assert difference.silent == ()
        [change] = difference.changes
        assert [field.rule for field in change.fields if not field.rule]


def together(text, picks):
    """The manifest with several of those values, none of them inside another one."""
    after = body(text)
    for steps, to in picks:
        place = after
        for step in steps[:-1]:
            place = place[step]
        place[steps[-1]] = to
    return after


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_differences_without_effect_have_none_together_and_hide_no_other(data):
    text = data.draw(st.sampled_from([DEPLOYMENT, SERVICE, STATEFUL, ROLE, POLICY]))
    chosen = data.draw(st.lists(st.sampled_from([entry for entry in SILENT if entry[0] == text]), min_size=1))
    picks = [
        (steps, to)
        for _, steps, to, _ in chosen
        if not any(steps[: len(one[1])] == one[1] for one in chosen if one[1] != steps)
    ]
    after = together(text, picks)
    difference = compare([resource(body(text))], [resource(after)])
    assert (difference.changes, len(difference.silent)) == ((), bool(picks))
    after["metadata"]["labels"] = {"really": "other"}
    [change] = compare([resource(body(text))], [resource(after)]).changes
    assert {words(field.path).partition(".labels")[0] for field in change.fields if not field.rule} == {"metadata"}


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet", "StatefulSet"])
def test_amounts_of_a_rollout_are_filled_in_for_the_type_that_has_them_only(kind):
    field, amounts, other = {
        "Deployment": ("strategy", {"maxSurge": "25%"}, "Recreate"),
        "DaemonSet": ("updateStrategy", {"maxUnavailable": 1}, "OnDelete"),
        "StatefulSet": ("updateStrategy", {"partition": 0}, "OnDelete"),
    }[kind]

    def workload(**strategy):
        return resource({**body(DEPLOYMENT), "kind": kind, "spec": {field: strategy}})

    for there, filled in (("RollingUpdate", True), (other, False)):
        for value in ({}, amounts):
            difference = compare([workload(type=there)], [workload(type=there, rollingUpdate=value)])
            assert bool(difference.silent) is filled
    assert compare([workload()], [workload(type="RollingUpdate", rollingUpdate=amounts)]).silent
    assert compare([workload()], [workload(rollingUpdate={"maxSurge": 2})]).changes


def test_the_order_of_variables_counts_where_one_refers_to_another():
    before = changed(DEPLOYMENT, *NGINX, "env", 1, "value", to="$(MODE)-info")
    after = changed(
        DEPLOYMENT, *NGINX, "env", to=[before["spec"]["template"]["spec"]["containers"][0]["env"][1], ENV[1]]
    )
    [change] = compare([resource(before)], [resource(after)]).changes
    assert [(words(field.path), field.before, field.after) for field in change.fields] == [
        ("spec.template.spec.containers[nginx].env (order)", ["MODE", "LEVEL"], ["LEVEL", "MODE"])
    ]


def test_the_order_of_variables_counts_where_a_secret_one_may_refer_to_another():
    before = changed(
        DEPLOYMENT, *NGINX, "env", to=[{"name": "USER", "value": "a"}, {"name": "DSN", "value": f"{MARK}12"}]
    )
    after = changed(
        before, *NGINX, "env", to=list(reversed(before["spec"]["template"]["spec"]["containers"][0]["env"]))
    )
    assert len(compare([resource(before)], [resource(after)]).changes) == 1


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("registry:5000/nginx", "Always"),
        ("registry:5000/nginx:1", "IfNotPresent"),
        (f"nginx@sha256:{'0' * 64}", "IfNotPresent"),
        (f"nginx:latest@sha256:{'0' * 64}", "Always"),
    ],
)
def test_the_default_of_the_pull_policy_depends_on_the_tag(image, policy):
    before = changed(DEPLOYMENT, *NGINX, "image", to=image)
    for value in ("Always", "IfNotPresent"):
        after = changed(DEPLOYMENT, *NGINX, "image", to=image)
        after["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = value
        difference = compare([resource(before)], [resource(after)])
        assert bool(difference.silent) is (value == policy)


def test_a_pod_template_in_another_order_is_silent_and_its_restart_is_said():
    [silent] = compare(
        [resource(body(DEPLOYMENT))], [resource(changed(DEPLOYMENT, *POD, "volumes", to=VOLUMES))]
    ).silent
    assert [risk.code for risk in silent.risks] == ["restart"]


def test_rules_are_those_of_one_version_only():
    old = changed(DEPLOYMENT, "apiVersion", to="apps/v1beta1")
    after = changed(DEPLOYMENT, "spec", "revisionHistoryLimit", to=10)
    difference = compare([resource(old)], [resource(after)])
    assert [field.rule for field in difference.changes[0].fields] == ["", ""]


def test_a_silent_difference_beside_one_that_counts_stays_in_its_place():
    after = changed(DEPLOYMENT, *NGINX, "image", to="nginx:1.28")
    after["spec"]["revisionHistoryLimit"] = 10
    [change] = compare([resource(body(DEPLOYMENT))], [resource(after)]).changes
    assert change.action is Action.UPDATE
    assert [field.rule for field in change.fields] == ["", "default"]


def test_every_rule_has_its_sentence_and_is_used():
    assert {rule for *_, rule in SILENT} | {"text"} == set(RULES), "that of texts is CloudFormation's own"


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1", 1), ("1000m", 1), ("1Gi", 2**30), ("1024Mi", 2**30), ("1e3", 1000), ("1E3", 1000), ("1E", 10**18),
        (".5", Fraction(1, 2)), ("5.", 5), ("-1k", -1000), ("+1", 1), ("0.1", Fraction(1, 10)), ("100n", Fraction(1, 10**7)),
        (0.1, Fraction(1, 10)), (2, 2), (1e-7, Fraction(1, 10**7)), ("1e-3", Fraction(1, 1000)),
        ("1e999999999", None), ("", None), ("1 Gi", None), ("1gi", None), ("1Zi", None), ("٣", None), (True, None),
        (None, None), ("1" * 41, None), ("e3", None), (".", None), (float("nan"), None), ([], None),
    ],
)  # fmt: skip
def test_amounts_are_read_as_kubernetes_reads_them(text, amount):
    assert quantity(text) == amount


@given(st.integers(0, 10**12))
def test_amounts_are_exact(number):
    assert quantity(f"{number}m") == Fraction(number, 1000)
    assert (quantity(f"{number + 1}n") == quantity(f"{number}n")) is False
    assert quantity(f"{number}Ki") == quantity(str(number * 1024)) == 1024 * number
