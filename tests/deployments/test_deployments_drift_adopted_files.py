"""Where a found value is written: overlays, values of charts, templates of stacks; and where it is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.deployments.jobs.adopted_files import Edits, Ground, edits_of
from apps.policies.config import parse_portal_yaml
from apps.rendering.redaction import keyed
from tests.support.trees import MemoryTree

HEAD = "apiVersion: portal/v1\nenvironments:\n"
RULES = "rules:\n  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}\n"


def environment(name: str, target: str) -> str:
    return f"  {name}:\n    targets: {{web: {target}}}\n    deploy: {{via: local, steps: [{{name: a, run: 'true'}}]}}\n"


def edited(files: dict[str, str], finding: dict[str, Any], *targets: str) -> Edits:
    """``targets``: that of production, which the finding is about, and those of others."""
    names = ("production", "staging")
    text = HEAD + "".join(environment(name, one) for name, one in zip(names, targets, strict=False)) + RULES
    parsed = parse_portal_yaml(text.encode())
    assert parsed.problems == ()
    ground = Ground(MemoryTree(files), parsed.config, "production", keyed(b"k"))
    return edits_of(ground, {"web": [finding]}, lambda: None)


def finding(resource: str, path: str, wanted: Any, found: Any, **more: Any) -> dict[str, Any]:
    words = {"wanted": json.dumps(wanted), "found": json.dumps(found)}
    return {"resource": resource, "kind": "field", "path": path, **words, "is_exact": True, "mark": "", **more}


def why(edits: Edits) -> str:
    assert (edits.files, edits.written) == ({}, [])
    (left,) = edits.left
    return left.why


BASE = {
    "base/kustomization.yaml": "resources: [web.yaml]\n",
    "base/web.yaml": (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"
        "spec: {replicas: 1, minReadySeconds: 1, revisionHistoryLimit: 7, template: {spec: {containers: [{name: a, image: 'a:1'}]}}}\n"
    ),
}
PATCH = (
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 3  # as many as there are zones\n"
)
OVERLAY = {
    **BASE,
    "production/kustomization.yaml": "namePrefix: prod-\nnamespace: web\nresources: [../base]\npatches: [{path: replicas.yaml}]\n",
    "production/replicas.yaml": PATCH,
    "staging/kustomization.yaml": "resources: [../base]\n",
}
KUSTOMIZE = "{kind: kustomize, path: production}", "{kind: kustomize, path: staging}"
DEPLOYMENT = "Deployment web/prod-web"


def test_the_patch_of_an_overlay_is_the_place_not_the_base_that_it_covers() -> None:
    edits = edited(OVERLAY, finding(DEPLOYMENT, "spec.replicas", 3, 5), *KUSTOMIZE)
    assert edits.files == {"production/replicas.yaml": PATCH.replace("3", "5").encode()}
    assert edits.written[0][1] == "production/replicas.yaml:5"
    assert edits.left == []


def test_the_base_of_two_overlays_is_left_to_a_person() -> None:
    found = finding(DEPLOYMENT, "spec.minReadySeconds", 1, 2)
    assert why(edited(OVERLAY, found, *KUSTOMIZE)) == "base/web.yaml is also what web of staging is made from"
    alone = edited(OVERLAY, found, KUSTOMIZE[0])
    assert list(alone.files) == ["base/web.yaml"]


def test_a_count_of_the_overlay_is_a_place() -> None:
    files = {
        **BASE,
        "production/kustomization.yaml": "namespace: web\nresources: [../base]\nreplicas: [{name: web, count: 3}]\n",
    }
    edits = edited(files, finding("Deployment web/web", "spec.replicas", 3, 5), KUSTOMIZE[0])
    assert edits.files["production/kustomization.yaml"].endswith(b"count: 5}]\n")


CHART = {
    "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "chart/values.yaml": "replicas: 1\nport: 3\nname: web\n",
    "chart/templates/web.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Values.name }}}\n"
        "data:\n  count: {{ .Values.replicas | quote }}\n  port: {{ .Values.port | quote }}\n"
        "  first: {{ .Values.twice }}\n  second: {{ .Values.twice }}\n"
    ),
    "production.yaml": "replicas: '3' # zones\ntwice: here\n",
}
HELM = "{kind: helm, chart: chart, values: [production.yaml], release: web, namespace: web}"


def test_the_values_of_a_chart_are_the_place_where_the_rendering_says_so() -> None:
    edits = edited(CHART, finding("ConfigMap web/web", "data.count", "3", "5"), HELM)
    assert edits.files == {"production.yaml": b"replicas: '5' # zones\ntwice: here\n"}


def test_a_value_that_something_else_is_made_from_too_is_left_to_a_person() -> None:
    found = finding("ConfigMap web/web", "data.first", "here", "there")
    assert "does not make web what was found, and nothing else" in why(edited(CHART, found, HELM))


def test_a_value_that_is_put_together_is_left_to_a_person() -> None:
    found = finding("ConfigMap web/web", "data.port", "3", "5")  # a number there, text here
    assert "does not make" in why(edited(CHART, found, HELM))


def test_of_two_places_that_would_both_do_it_none_is_taken() -> None:
    template = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {a: "{{ if ne .Values.a .Values.b }}y{{ else }}x{{ end }}"}\n'
    files = {**CHART, "chart/templates/web.yaml": template, "chart/values.yaml": "a: x\nb: x\n", "production.yaml": ""}
    edits = edited(files, finding("ConfigMap web/web", "data.a", "x", "y"), HELM)
    assert why(edits) == "2 places of web would each do it"


def test_a_value_that_stands_in_many_places_is_not_tried() -> None:
    files = {**CHART, "production.yaml": "many: ['3', '3', '3', '3', '3', '3']\n"}
    assert "too many to try" in why(edited(files, finding("ConfigMap web/web", "data.count", "3", "5"), HELM))


TEMPLATE = """\
# the queue of the shop
Parameters: {Wait: {Type: Number, Default: 30}}
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      DelaySeconds: 30   # literal
      VisibilityTimeout: !Ref Wait
      Tags: [{Key: team, Value: shop}]
  Other: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 30}}
"""
STACK = "{kind: cloudformation, template: cfn/shop.yaml, stack: shop, region: eu-west-1}"
QUEUE = "AWS::SQS::Queue Queue"


def test_a_property_that_stands_in_the_template_is_the_place() -> None:
    edits = edited({"cfn/shop.yaml": TEMPLATE}, finding(QUEUE, "DelaySeconds", 30, 60), STACK)
    assert edits.files == {"cfn/shop.yaml": TEMPLATE.replace("30   # literal", "60   # literal").encode()}


def test_an_element_of_a_list_of_a_stack_is_found_by_its_index() -> None:
    edits = edited({"cfn/shop.yaml": TEMPLATE}, finding(QUEUE, "Tags[0].Value", "shop", "store"), STACK)
    assert b"Value: store}" in edits.files["cfn/shop.yaml"]


@pytest.mark.parametrize(
    ("path", "wanted", "resource"),
    [("VisibilityTimeout", 30, QUEUE), ("DelaySeconds", 31, QUEUE), ("DelaySeconds", 30, "AWS::SNS::Topic Queue")],
)
def test_what_a_template_does_not_say_literally_is_left_to_a_person(path: str, wanted: int, resource: str) -> None:
    found = finding(resource, path, wanted, 60)
    assert why(edited({"cfn/shop.yaml": TEMPLATE}, found, STACK)) == "its value stands in no file of web"


def test_the_template_of_two_stacks_is_left_to_a_person() -> None:
    found = finding(QUEUE, "DelaySeconds", 30, 60)
    other = STACK.replace("stack: shop", "stack: shop-staging")
    assert "is also what web of staging" in why(edited({"cfn/shop.yaml": TEMPLATE}, found, STACK, other))


MANIFESTS = "{kind: manifests, path: k8s}"
MAP = {"k8s/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: x}\n"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"resource": "Secret a"}, "secrets are never written"),
        ({"found": '"\u2022\u2022\u2022\u20220123456789ab"'}, "secrets are never written"),
        ({"is_exact": False}, "not known whole"),
        ({"kind": "missing"}, "no value of a field"),
        ({"found": "nothing", "is_exact": False}, "not known whole"),
        ({"found": "[1]"}, "no single value"),
        ({"found": "null"}, "no single value"),
    ],
)
def test_what_is_never_written(more: dict[str, Any], words: str) -> None:
    assert words in why(edited(MAP, {**finding("ConfigMap a", "data.a", "x", "y"), **more}, MANIFESTS))


def test_a_terraform_root_is_left_to_a_person() -> None:
    edits = edited({"infra/main.tf": ""}, finding("a.b", "c", "x", "y"), "{kind: terraform, path: infra}")
    assert why(edits) == "the portal writes no files of the kind terraform"
