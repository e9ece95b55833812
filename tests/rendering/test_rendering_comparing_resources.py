"""Resources: who is who on both sides, what happens to each, and how long it takes."""

from __future__ import annotations

import copy
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.rendering.comparing import compare, words
from apps.rendering.comparing.equality import MAX_DEPTH
from apps.rendering.model import Action, Failure, RenderError, Resource, ResourceId
from tests.support.bodies import (
    BODIES,
    DEPLOYMENT,
    ROLE,
    SERVICE,
    STATEFUL,
    body,
    changed,
    resource,
)

CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: shop}
spec: {accessModes: [ReadWriteOnce], storageClassName: fast, resources: {requests: {storage: 10Gi}}}
"""
BINDING = """
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: web, namespace: shop}
subjects: [{kind: ServiceAccount, name: web, namespace: shop}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: web}
"""
JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: shop}
spec: {parallelism: 1, template: {spec: {restartPolicy: Never, containers: [{name: once, image: "shop/web:1"}]}}}
"""
CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: web, namespace: shop}
immutable: true
data: {a: "1"}
"""
CLASS = """
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: example.org/csi
parameters: {type: ssd}
"""
DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec: {group: example.org, scope: Namespaced, names: {kind: Thing, plural: things}, versions: [{name: v1, served: true}]}
"""

REPLACED = [
    (DEPLOYMENT, ("spec", "selector", "matchLabels", "app"), "other", "spec.selector.matchLabels.app"),
    (STATEFUL, ("spec", "serviceName"), "other", "spec.serviceName"),
    (STATEFUL, ("spec", "podManagementPolicy"), "Parallel", "spec.podManagementPolicy"),
    (STATEFUL, ("spec", "volumeClaimTemplates", 0, "spec", "resources", "requests", "storage"), "20Gi",
     "spec.volumeClaimTemplates[0].spec.resources.requests.storage"),
    (JOB, ("spec", "template", "spec", "containers", 0, "image"), "shop/web:2",
     "spec.template.spec.containers[once].image"),
    (JOB, ("spec", "completionMode"), "Indexed", "spec.completionMode"),
    (CLAIM, ("spec", "storageClassName"), "slow", "spec.storageClassName"),
    (CLAIM, ("spec", "resources", "requests", "storage"), "5Gi", "spec.resources.requests.storage"),
    (SERVICE, ("spec", "clusterIP"), "None", "spec.clusterIP"),
    (BINDING, ("roleRef", "name"), "admin", "roleRef.name"),
    (CONFIG, ("data", "a"), "2", "data.a"),
    (CONFIG, ("immutable",), ..., "immutable"),
    (CLASS, ("parameters", "type"), "hdd", "parameters.type"),
    (CLASS, ("reclaimPolicy",), "Retain", "reclaimPolicy"),
    (DEFINITION, ("spec", "scope"), "Cluster", "spec.scope"),
    (DEPLOYMENT, ("spec",), {}, "spec.selector"),
]  # fmt: skip
UPDATED = [
    (DEPLOYMENT, ("spec", "replicas"), 3),
    (DEPLOYMENT, ("metadata", "labels", "x"), "y"),
    (STATEFUL, ("spec", "replicas"), 4),
    (STATEFUL, ("spec", "template", "spec", "containers", 0, "image"), "postgres:17"),
    (STATEFUL, ("spec", "updateStrategy"), {"type": "OnDelete"}),
    (JOB, ("spec", "parallelism"), 2),
    (CLAIM, ("spec", "resources", "requests", "storage"), "20Gi"),
    (CLAIM, ("spec", "volumeAttributesClassName"), "gold"),
    (SERVICE, ("spec", "type"), "NodePort"),
    (BINDING, ("subjects", 0, "name"), "other"),
    (CONFIG, ("metadata", "labels"), {"a": "b"}),
    (CLASS, ("allowVolumeExpansion",), True),
    (DEFINITION, ("spec", "versions", 0, "served"), False),
    (ROLE, ("rules", 0, "verbs"), ["get"]),
]


@pytest.mark.parametrize(("text", "steps", "to", "path"), REPLACED)
def test_a_field_that_cannot_change_in_place_forces_a_replacement(text, steps, to, path):
    [change] = compare([resource(body(text))], [resource(changed(text, *steps, to=to))]).changes
    assert (change.action, path in map(words, change.replace_paths)) == (Action.REPLACE, True)
    assert "replace" in {risk.code for risk in change.risks}


@pytest.mark.parametrize(("text", "steps", "to"), UPDATED)
def test_a_field_that_can_change_in_place_does(text, steps, to):
    [change] = compare([resource(body(text))], [resource(changed(text, *steps, to=to))]).changes
    assert (change.action, change.replace_paths) == (Action.UPDATE, ())


def test_a_service_that_becomes_a_name_gives_its_address_back():
    before = changed(SERVICE, "spec", "clusterIP", to="10.0.0.7")
    after = changed(SERVICE, "spec", "type", to="ExternalName")
    [change] = compare([resource(before)], [resource(after)]).changes
    assert change.action is Action.UPDATE


def test_the_heaviest_actions_come_first():
    def named(text, name):
        return resource(changed(text, "metadata", "name", to=name))

    before = [named(DEPLOYMENT, "b"), named(SERVICE, "gone"), resource(body(JOB)), named(ROLE, "same")]
    updated = changed(DEPLOYMENT, "spec", "replicas", to=9)
    updated["metadata"]["name"] = "b"
    replaced = changed(JOB, "spec", "completionMode", to="Indexed")
    after = [named(SERVICE, "new"), resource(updated), resource(replaced), named(ROLE, "same")]
    difference = compare(before, reversed(after))
    assert [change.action for change in difference.changes] == list(Action)
    assert difference.counts == {"delete": 1, "replace": 1, "update": 1, "create": 1}
    assert (difference.unchanged, difference.silent) == (1, ())
    assert difference.changes[0].before is before[1].body
    assert difference.changes[-1].after is after[0].body


def test_an_object_whose_version_moves_stays_itself():
    [change] = compare(
        [resource(changed(DEPLOYMENT, "apiVersion", to="apps/v1beta2"))], [resource(body(DEPLOYMENT))]
    ).changes
    assert [words(field.path) for field in change.fields] == ["apiVersion"]


def test_two_resources_with_one_name_are_refused_with_both_places():
    twins = [resource(body(SERVICE), "a/web.yaml", 3), resource(body(SERVICE), "b/web.yaml")]
    for sides in ((twins, []), ([], twins)):
        with pytest.raises(
            RenderError, match=r"Service shop/web is rendered twice, from a/web.yaml:3 and b/web.yaml;"
        ) as found:
            compare(*sides)
        assert (found.value.failure, found.value.path, found.value.line) == (Failure.REFUSED, "b/web.yaml", 0)
    nowhere = [Resource(one.id, one.body) for one in twins]
    with pytest.raises(RenderError, match="a place that is not known"):
        compare(nowhere, [])


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 900, 100_000])
@pytest.mark.parametrize("both", [True, False])
def test_a_body_that_is_too_deep_is_refused_and_nothing_overflows(levels, both):
    def deep(end):
        value = end
        for _ in range(levels):
            value = {"a": [value]}
        return Resource(ResourceId("", "ConfigMap", "", "deep"), {"data": value})

    with pytest.raises(RenderError) as found:
        compare([deep(1)] if both else [], [deep(2)])
    assert found.value.failure is Failure.TOO_LARGE


def test_a_body_with_all_levels_that_are_allowed_is_compared():
    def deep(end):
        value = end
        for _ in range(MAX_DEPTH - 2):
            value = {"a": value}
        return Resource(ResourceId("", "ConfigMap", "", "deep"), {"data": {"b": value}})

    assert len(compare([deep(1)], [deep(2)]).changes[0].fields) == 1


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), st.tuples(BODIES, BODIES), max_size=5), st.randoms())
def test_the_order_of_resources_is_none_and_both_directions_mirror_each_other(bodies, random):
    def side(at):
        return [Resource(ResourceId("", "Thing", "", name), pair[at]) for name, pair in bodies.items()]

    before, after = side(0)[1:], side(1)[:-1]
    mixed = [random.sample(one, len(one)) for one in (before, after)]
    there, back = compare(before, after), compare(after, before)
    assert compare(*mixed) == there
    assert {change.id for change in there.changes} == {change.id for change in back.changes}
    assert (there.counts["create"], there.counts["update"]) == (back.counts["delete"], back.counts["update"])
    assert compare(before, before).changes == ()


def many(count):
    whole = body(DEPLOYMENT)
    for at in range(count):
        one = copy.deepcopy(whole)
        one["metadata"]["name"] = f"web-{at}"
        yield resource(one)


def test_ten_thousand_resources_of_which_one_in_a_hundred_changes_take_about_a_second():
    before, after = list(many(10_000)), list(many(10_000))
    for one in after[::100]:
        one.body["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:1.28"
    started = time.process_time()
    difference = compare(before, after)
    took = time.process_time() - started
    assert (difference.counts["update"], difference.unchanged) == (100, 9_900)
    assert took < 3, f"{took:.2f} s"
    started = time.process_time()
    assert compare(before, before).unchanged == 10_000
    assert time.process_time() - started < 0.3


def test_a_number_that_nobody_can_read_is_refused():
    huge = Resource(ResourceId("", "ConfigMap", "", "huge"), {"data": [{"a": 1 << 20_000}]})
    for sides in (([], [huge]), ([huge], []), ([huge], [Resource(huge.id, {})])):
        with pytest.raises(RenderError, match="more than a thousand digits"):
            compare(*sides)
