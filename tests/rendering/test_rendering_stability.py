"""Rendered twice: what a chart makes up anew each time is named, and nothing else is."""

from __future__ import annotations

from apps.rendering.model import Kind, Rendered, Resource, ResourceId, ToolIdentity
from apps.rendering.protocol import Target
from apps.rendering.registry import RENDERERS
from apps.rendering.stability import differing, render_twice
from tests.support.tools import toolbox
from tests.support.trees import MemoryTree

CHART = {
    "web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "web/templates/a.yaml": """
        apiVersion: v1
        kind: Secret
        metadata: {name: a, annotations: {fixed: "1"}}
        stringData:
          random: {{ randAlphaNum 20 }}
          made: {{ (genCA "a" 1).Cert | b64enc | quote }}
          fixed: "2"
        list: [a, {b: {{ uuidv4 }}}]
    """,
    "web/templates/b.yaml": """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: b}
        data: {second: "{{ now | unixEpoch }}", zone: "{{ now | date "MST" }}", fixed: "3", release: "{{ .Release.Name }}"}
    """,
    "web/templates/c.yaml": "apiVersion: batch/v1\nkind: Job\nmetadata: {name: run-{{ randAlphaNum 8 | lower }}}\n",
}


def test_e5_what_differs_between_two_renders_is_named_field_by_field():
    target = Target("web", "e", Kind.HELM, {"chart": "web"})
    twice = render_twice(RENDERERS[Kind.HELM], MemoryTree(CHART), target, toolbox("helm"))
    named = {(each.name if each.kind != "Job" else "job", path) for each, path in twice.unstable}
    assert named >= {
        ("a", ("stringData", "random")), ("a", ("stringData", "made")), ("a", ("list", 1, "b")), ("b", ("data", "second")), ("job", ()),
    }  # fmt: skip
    assert not {path for _, path in named if "fixed" in path or "release" in path}
    assert len([each for each, path in twice.unstable if each.kind == "Job"]) == 2
    assert len(twice.rendered.resources) == 3


def test_a_stable_chart_has_no_unstable_place():
    files = {**CHART, "web/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"}
    del files["web/templates/b.yaml"], files["web/templates/c.yaml"]
    target = Target("web", "e", Kind.HELM, {"chart": "web"})
    assert render_twice(RENDERERS[Kind.HELM], MemoryTree(files), target, toolbox("helm")).unstable == ()


def test_both_runs_at_once_name_the_same_places():
    files = {name: text for name, text in CHART.items() if name != "web/templates/b.yaml"}
    target, box = Target("web", "e", Kind.HELM, {"chart": "web"}), toolbox("helm")
    found = [
        render_twice(RENDERERS[Kind.HELM], MemoryTree(files), target, box, in_another_second=False, at_once=at_once)
        for at_once in (False, True)
    ]
    one_after_the_other, together = [{(each.kind, path) for each, path in twice.unstable} for twice in found]
    assert together == one_after_the_other
    assert ("Secret", ("stringData", "random")) in together


def test_every_kind_of_difference_is_a_place():
    def rendered(body):
        return Rendered((Resource(ResourceId("", "A", "", "a"), body),), ToolIdentity("t", "1"))

    one = {"a": 1, "b": [1, {"c": 2}], "d": True, "e": [1], "gone": 1, "t": None}
    other = {"a": 1.0, "b": [1, {"c": 3}], "d": 1, "e": [1, 2], "new": 1, "t": 0}
    found = {path for _, path in differing(rendered(one), rendered(other))}
    assert found == {("b", 1, "c"), ("d",), ("e",), ("gone",), ("new",), ("t",)}
    assert list(differing(rendered(one), rendered(one))) == []
