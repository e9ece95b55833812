"""What a repository could have as targets is found in its files, and only once."""

from __future__ import annotations

import pytest

from apps.rendering.detection import Detected, detect, environment_of, propose
from apps.rendering.model import Kind
from tests.support.trees import MemoryTree

KEPT = {"keeps_parameters": True}
OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
CHART = "apiVersion: v2\nname: web\nversion: 1.0.0\n"


def found(files):
    return [(each.kind.value, each.name, dict(each.options), each.environment) for each in detect(MemoryTree(files))]


def test_charts_are_proposed_with_the_values_of_each_environment():
    files = {
        "charts/web/Chart.yaml": CHART,
        "charts/web/values.yaml": "",
        "charts/web/values-prod.yaml": "",
        "charts/web/values-staging.yaml": "",
        "charts/web/values-big.yaml": "",
    }
    files |= {
        "charts/web/templates/a.yaml": OBJECT,
        "charts/web/charts/db/Chart.yaml": CHART,
        "lib/Chart.yaml": CHART + "type: library\n",
        "lib/templates/a.yaml": OBJECT,
    }
    assert found(files) == [
        (
            "helm",
            "web",
            {"chart": "charts/web", "release": "web", "values": ["charts/web/values-prod.yaml"]},
            "production",
        ),
        (
            "helm",
            "web",
            {"chart": "charts/web", "release": "web", "values": ["charts/web/values-staging.yaml"]},
            "staging",
        ),
    ]
    assert found({"web/Chart.yaml": CHART}) == [("helm", "web", {"chart": "web", "release": "web"}, "")]


def test_kustomizations_that_others_include_and_components_are_not_proposed():
    files = {
        "app/base/kustomization.yaml": "resources: [a.yaml]\n", "app/base/a.yaml": OBJECT, "app/overlays/prod/kustomization.yaml": "resources: [../../base, ../../../raw/x.yaml]\ncomponents: [../../part]\n",
        "app/part/kustomization.yaml": "kind: Component\n", "other/part/kustomization.yml": "kind: Component\n", "raw/x.yaml": OBJECT,
    }  # fmt: skip
    assert found(files) == [("kustomize", "overlays", {"path": "app/overlays/prod"}, "production")]


def test_a_cluster_covers_what_it_reads():
    flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\nspec: {path: ./apps, sourceRef: {kind: GitRepository, name: flux-system}}\n"
    files = {
        "clusters/production/apps.yaml": flux,
        "apps/a/kustomization.yaml": "resources: [a.yaml]\n",
        "apps/a/a.yaml": OBJECT,
        "apps/b.yaml": OBJECT,
        "else/c.yaml": OBJECT,
    }
    expected = [
        ("flux", "clusters", {"path": "clusters/production"}, "production"),
        ("manifests", "else", {"path": "else"}, ""),
    ]
    assert found(files) == expected
    assert found({**files, "clusters/production/flux-system/gotk-sync.yaml": OBJECT}) == expected


def test_a_folder_called_like_the_namespace_of_flux_is_no_cluster_and_a_patch_hides_nothing():
    def kustomization(name, path, more=""):
        return f"apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}, namespace: flux-system}}\nspec:\n  path: {path}\n  sourceRef: {{kind: GitRepository, name: flux-system}}\n{more}"

    patched = '  patches: [{patch: \'[{"op": "add", "path": "/spec/path", "value": "./x"}]\', target: {kind: Kustomization}}]\n'
    files = {
        "kubernetes/flux/cluster/ks.yaml": kustomization("apps", "./kubernetes/apps", patched),
        "kubernetes/apps/flux-system/instance/ks.yaml": kustomization("instance", "./kubernetes/apps/flux-system/instance/app"),
        "kubernetes/apps/flux-system/instance/app/a.yaml": OBJECT, "kubernetes/apps/flux-system/namespace.yaml": OBJECT,
        "kubernetes/apps/media/web/ks.yaml": kustomization("web", "./kubernetes/apps/media/web/app"), "kubernetes/apps/media/web/app/a.yaml": OBJECT,
    }  # fmt: skip
    assert found(files) == [("flux", "cluster", {"path": "kubernetes/flux/cluster"}, "")]


def test_root_modules_are_those_with_a_provider_that_nobody_uses_as_a_module():
    files = {
        "infra/prod/main.tf": 'terraform {\n  backend "s3" {}\n}\nmodule "net" {\n  source = "../../modules/net"\n}\n', "modules/net/main.tf": 'provider "aws" {}\n',
        "modules/plain/main.tf": 'resource "null_resource" "a" {}\n',
    }  # fmt: skip
    assert found(files) == [("terraform", "infra", {"path": "infra/prod"}, "production")]


def test_stacks_and_plain_manifests_are_told_apart():
    files = {
        "cfn/vpc.yaml": "AWSTemplateFormatVersion: '2010-09-09'\nResources: {}\n", "cfn/old.json": '{"Resources": {"A": {\n"Type": "AWS::S3::Bucket"}}}\n',
        "manifests/staging/a.yaml": OBJECT, "manifests/staging/deep/b.yaml": OBJECT, "docs/values.yaml": "a: b\n", ".github/workflows/a.yaml": OBJECT, "package.json": "{}",
    }  # fmt: skip
    assert found(files) == [
        ("cloudformation", "old", {"template": "cfn/old.json", "stack": "old", **KEPT}, ""),
        ("cloudformation", "vpc", {"template": "cfn/vpc.yaml", "stack": "vpc", **KEPT}, ""),
        ("manifests", "manifests", {"path": "manifests/staging", "recurse": True}, "staging"),
    ]


def test_beside_other_files_each_object_is_proposed_by_itself():
    files = {
        "eks/manifest.yml": OBJECT, "eks/template.yml": "AWSTemplateFormatVersion: 2010-09-09\nResources: {}\n",
        "app/a.yaml": OBJECT, "app/b.json": '{"apiVersion": "v1", "kind": "List", "items": []}', "app/notes.yaml": "---\n# later\n\n", "app/deep/c.yaml": OBJECT,
        "mixed/a.yaml": OBJECT, "mixed/compose.yaml": "services: {}\n", "mixed/deep/b.yaml": OBJECT,
        "outer/a.yaml": OBJECT, "outer/inner/kustomization.yaml": "resources: [b.yaml]\n", "outer/inner/b.yaml": OBJECT,
    }  # fmt: skip
    assert found(files) == [
        ("kustomize", "inner", {"path": "outer/inner"}, ""),
        ("cloudformation", "template", {"template": "eks/template.yml", "stack": "template", **KEPT}, ""),
        ("manifests", "app", {"path": "app", "recurse": True}, ""),
        ("manifests", "manifest", {"path": "eks/manifest.yml"}, ""),
        ("manifests", "a", {"path": "mixed/a.yaml"}, ""),
        ("manifests", "deep", {"path": "mixed/deep"}, ""),
        ("manifests", "outer", {"path": "outer"}, ""),
    ]
    root = {"web.yaml": OBJECT, ".github/workflows/ci.yaml": "on: push\n", "deep/b.yaml": OBJECT}
    assert found(root) == [("manifests", "manifests", {"path": "."}, ""), ("manifests", "deep", {"path": "deep"}, "")]


def names(*sides):
    return [(each.environment, each.name, each.place) for each in propose(MemoryTree(files) for files in sides)]


OVERLAY = {"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": OBJECT}


def folder(path):
    return {f"{path}/{name}": content for name, content in OVERLAY.items()}


def test_every_service_of_a_large_repository_is_a_target_of_its_own():
    files = {}
    for service in ("web", "db", "mail"):
        files |= folder(f"apps/{service}/overlays/prod") | folder(f"apps/{service}/overlays/staging")
    assert names(files) == [
        (environment, f"{service}-overlays", f"apps/{service}/overlays/{word}")
        for environment, word in (("production", "prod"), ("staging", "staging"))
        for service in ("db", "mail", "web")
    ]


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        (["clusters/prod-eu", "clusters/prod-us"], ["clusters-prod-eu", "clusters-prod-us"]),
        (["a/x/web", "b/x/web"], ["a-x-web", "b-x-web"]),
        (["x/web", "web"], ["x-web", "web"]),
        (["a/b-web", "a-b/web", "b/web"], ["b-web", "a-b-web", "b-web-2"]),
        (["ö/web", "ü/web"], ["web", "web-2"]),
        ([f"{'n' * 120}/a/web", f"{'m' * 120}/a/web"], [f"{'n' * 74}-a-web", f"{'m' * 74}-a-web"]),
    ],
)
def test_two_of_one_name_are_told_apart_by_the_folders_above(places, expected):
    files = {}
    for place in places:
        files |= folder(place)
    assert {place: name for _, name, place in names(files)} == dict(zip(places, expected, strict=True))


def test_templates_beside_one_another_are_told_apart_by_the_ends_of_their_files():
    template = "AWSTemplateFormatVersion: 2010-09-09\nResources: {}\n"
    places = ["a/x/date.json", "a/x/date.yaml", "a/y/date.json", "date.yaml"]
    expected = ["x-date-json", "x-date-yaml", "y-date-json", "date-yaml"]
    assert {place: name for _, name, place in names(dict.fromkeys(places, template))} == dict(
        zip(places, expected, strict=True)
    )


def test_a_target_has_one_name_on_both_sides_of_a_change():
    before = folder("apps/web/overlays/prod")
    after = {**before, **folder("apps/db/overlays/prod")}
    expected = [("production", "db-overlays", "apps/db/overlays/prod"), ("production", "web-overlays", "apps/web/overlays/prod")]  # fmt: skip
    assert names(after, before) == names(before, after) == expected


def test_what_has_changed_its_kind_is_one_target_as_it_is_afterwards():
    before, after = {"app/a.yaml": OBJECT}, folder("app")
    assert [one.kind for one in propose([MemoryTree(after), MemoryTree(before)])] == [Kind.KUSTOMIZE]


def test_broken_files_hide_nothing_and_stop_nothing():
    files = {
        "a/Chart.yaml": "name: [\n",
        "b/kustomization.yaml": "resources: [\n",
        "c/x.yaml": OBJECT,
        "@d/Chart.yaml": "/etc/passwd",
    }
    assert [(kind, options) for kind, _, options, _ in found(files)] == [
        ("helm", {"chart": "a", "release": "chart"}), ("kustomize", {"path": "b"}), ("manifests", {"path": "c"}),
    ]  # fmt: skip
    assert detect(MemoryTree({})) == ()
    assert isinstance(detect(MemoryTree({"Chart.yaml": CHART}))[0], Detected)
    assert (
        detect(MemoryTree({"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": OBJECT}))[0].kind is Kind.KUSTOMIZE
    )


@pytest.mark.parametrize(
    ("path", "environment"),
    [
        ("env/prod/a", "production"), ("a-staging", "staging"), ("reproduction", ""), ("clusters/dev", "development"), ("prod/staging", "staging"), ("values_qa", "qa"), ("", ""),
        ("pre-prod", "preproduction"), ("env/preprod-eu", "preproduction"), ("values-integration", "integration"), ("sandbox/a", "sandbox"), ("integrations", ""),
    ],
)  # fmt: skip
def test_environments_are_whole_words_of_a_path(path, environment):
    assert environment_of(path) == environment
