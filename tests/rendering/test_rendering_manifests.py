"""Plain manifests, read by ourselves: every object with its identity, file and line."""

from __future__ import annotations

import pytest

from apps.rendering.model import Failure, Kind, RenderError, ResourceId, Source
from apps.rendering.protocol import Target
from apps.rendering.registry import RENDERERS
from tests.support.tools import toolbox
from tests.support.trees import MemoryTree

FILES = {
    "raw/a.yaml": """\
        # two
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: one}
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: two, namespace: other}
    """,
    "raw/b.json": '{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}]}',
    "raw/c.yml": """\
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRoleList
        items: [{metadata: {name: r}}]
        ---
        apiVersion: batch/v1
        kind: Job
        metadata: {generateName: run-}
        ---
        apiVersion: batch/v1
        kind: Job
        metadata: {generateName: run-}
    """,
    "raw/README.md": "not: [a manifest\n",
    "raw/deep/d.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: far}\n",
    "other/e.yaml": "a: b\n",
}


def render(files=FILES, path="raw", **options):
    target = Target("raw", "staging", Kind.MANIFESTS, {"path": path, **options})
    return RENDERERS[Kind.MANIFESTS].render(MemoryTree(files), target, toolbox())


def refused(files, **options):
    with pytest.raises(RenderError) as caught:
        render(files, **options)
    return caught.value


def test_every_object_has_its_identity_its_file_and_its_line():
    found = {each.id: each.source for each in render(namespace="web").resources}
    assert found == {
        ResourceId("", "ConfigMap", "web", "one"): Source("raw/a.yaml", 2),
        ResourceId("apps", "Deployment", "other", "two"): Source("raw/a.yaml", 6),
        ResourceId("", "Secret", "web", "s"): Source("raw/b.json", 1),
        ResourceId("rbac.authorization.k8s.io", "ClusterRole", "", "r"): Source("raw/c.yml", 1),
        ResourceId("batch", "Job", "web", "run-#1"): Source("raw/c.yml", 5),
        ResourceId("batch", "Job", "web", "run-#2"): Source("raw/c.yml", 9),
    }


def test_folders_below_are_read_on_demand_and_one_file_by_its_name():
    assert "Namespace" in {each.id.kind for each in render(recurse=True).resources}
    assert [each.id.kind for each in render(path="raw/deep/d.yaml").resources] == ["Namespace"]
    assert render(path="raw/deep/d.yaml").inputs == ("raw/deep/d.yaml",)
    assert render().inputs == ("raw/",)
    assert render(FILES | {"@raw/linked.yaml": "deep/d.yaml", "@raw/folder.yaml": "deep"}).resources[
        -1
    ].source == Source("raw/linked.yaml", 1)


def test_a_kind_that_is_defined_beside_its_objects_tells_where_they_live():
    definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\nspec: {group: e.org, scope: SCOPE, names: {kind: Thing}}\n---\n"
    thing = "apiVersion: e.org/v1\nkind: Thing\nmetadata: {name: a}\n"
    for scope, namespace in (("Cluster", ""), ("Namespaced", "web")):
        found = render({"raw/a.yaml": definition.replace("SCOPE", scope) + thing}, namespace="web").resources
        assert found[1].id.namespace == namespace


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("a: b\n", Failure.TEMPLATE), ("[a]\n", Failure.TEMPLATE), ("apiVersion: v1\nkind: A\n", Failure.TEMPLATE),
        ("apiVersion: v1\nkind: A\nmetadata: {name: 1}\n", Failure.TEMPLATE), ("apiVersion: v1\nkind: A\nmetadata: {}\n", Failure.TEMPLATE),
        ("apiVersion: v1\nkind: List\nitems: [a]\n", Failure.TEMPLATE), ("apiVersion: v1\nkind: A\nmetadata: {name: a, name: b}\n", Failure.REFUSED),
        ("apiVersion: v1\nkind: A\nmetadata: {name: a}\n---\napiVersion: v1\nkind: A\nmetadata: {name: a}\n", Failure.REFUSED),
    ],
)  # fmt: skip
def test_what_is_no_object_or_there_twice_is_told_with_its_file(text, failure):
    error = refused({"raw/a.yaml": text})
    assert (error.failure, error.path) == (failure, "raw/a.yaml")
    assert error.line > 0
    assert error.message.startswith("raw/a.yaml, line ")


def test_e4_a_hundred_thousand_documents_end_with_a_clear_error():
    error = refused({"raw/a.yaml": "---\na: 1\n" * 100_000})
    assert (error.failure, error.path) == (Failure.TOO_LARGE, "raw/a.yaml")


def test_a_kustomization_among_manifests_is_told_with_what_to_do():
    error = refused({**FILES, "raw/kustomization.yaml": "resources: [a.yaml]\n"})
    assert error.failure is Failure.UNSUPPORTED
    assert "kind kustomize" in error.message


def test_folders_without_manifests_and_ways_out_are_said():
    assert refused(FILES, path="none").failure is Failure.MISSING_INPUT
    assert refused(FILES, path="../raw").failure is Failure.REFUSED
    assert refused(FILES, path=7).failure is Failure.MISSING_INPUT
    assert refused(FILES, recurse="yes").failure is Failure.MISSING_INPUT
