"""An object whose name only got the hash of its new content is one update; a broken output names its template."""

from __future__ import annotations

import pytest

from apps.rendering.comparing import apply_fields, compare, words
from apps.rendering.model import Action, Kind, RenderError
from apps.rendering.protocol import Target
from apps.rendering.registry import RENDERERS
from tests.support.bodies import resource
from tests.support.tools import toolbox
from tests.support.trees import MemoryTree

DEPLOYMENT = (
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: "
    "[{name: web, image: 'web:1', envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: login}}]}]}}}\n"
)


def built(mode: str, *, more: str = ""):
    generators = (
        f"configMapGenerator: [{{name: settings, literals: [mode={mode}], options: {{immutable: true}}}}{more}]\n"
        f"secretGenerator: [{{name: login, literals: [password={mode}]}}]\n"
    )
    files = {"a/kustomization.yaml": f"resources: [web.yaml]\n{generators}", "a/web.yaml": DEPLOYMENT}
    target = Target("a", "production", Kind.KUSTOMIZE, {"path": "a"})
    return RENDERERS[Kind.KUSTOMIZE].render(MemoryTree(files), target, toolbox("kubectl")).resources


def test_what_a_generator_renames_is_one_update_that_tells_both_names():
    before, after = built("on"), built("off")
    found = compare(before, after, with_generators=True)
    assert {(change.id.kind, change.action) for change in found.changes} == {
        ("ConfigMap", Action.UPDATE),
        ("Secret", Action.UPDATE),
        ("Deployment", Action.UPDATE),
    }
    change = next(each for each in found.changes if each.id.kind == "ConfigMap")
    fields = {words(field.path): (field.before, field.after) for field in change.fields}
    assert fields["data.mode"] == ("on", "off")
    old, new = fields["metadata.name"]
    assert old != new
    assert {old.rpartition("-")[0], new.rpartition("-")[0]} == {"settings"}
    assert change.id.name == new
    assert apply_fields(change.before, change.fields) == change.after
    assert not change.risks, "an object that cannot be changed is not replaced: it gets another name"
    assert found.counts == {"delete": 0, "replace": 0, "update": 3, "create": 0}


def test_without_a_generator_two_names_are_two_objects():
    actions = {change.action for change in compare(built("on"), built("off")).changes if change.id.kind == "ConfigMap"}
    assert actions == {Action.DELETE, Action.CREATE}


def config(name: str, kind: str = "ConfigMap", namespace: str = "shop"):
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "data": {"a": name}}
    return resource(body)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["a-6ct58987ht"], ["b-6ct58987hh"]),
        (["a-6ct58987ht"], ["a-6ct58987h"]),
        (["a-6ct58987ht"], ["a-6ct58987he"]),
        (["a-6ct58987ht"], ["a"]),
        (["a-6ct58987ht", "a-6ct58987hg"], ["a-6ct58987hh"]),
        (["a-6ct58987ht"], ["a-6ct58987hh", "a-6ct58987hg"]),
    ],
)
def test_names_that_are_not_surely_of_one_generator_stay_apart(before, after):
    found = compare(map(config, before), map(config, after), with_generators=True)
    assert {change.action for change in found.changes} == {Action.DELETE, Action.CREATE}


def test_other_kinds_and_other_namespaces_stay_apart():
    for new in (config("a-6ct58987hh", "Secret"), config("a-6ct58987hh", namespace="other")):
        found = compare([config("a-6ct58987ht")], [new], with_generators=True)
        assert {change.action for change in found.changes} == {Action.DELETE, Action.CREATE}
    services = [config(f"a-6ct58987h{end}", "Service") for end in "th"]
    assert len(compare(services[:1], services[1:], with_generators=True).changes) == 2


def test_a_key_that_stands_twice_in_what_a_chart_gives_names_the_template():
    files = {
        "web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
        "web/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n",
        "web/templates/b.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata:\n  twice: 1\n  twice: 2\n",
    }
    target = Target("web", "production", Kind.HELM, {"chart": "web"})
    with pytest.raises(RenderError) as refused:
        RENDERERS[Kind.HELM].render(MemoryTree(files), target, toolbox("helm"))
    assert refused.value.path == "web/templates/b.yaml"
    assert "web/templates/b.yaml" in refused.value.message
    assert "“twice” stands twice" in refused.value.message
