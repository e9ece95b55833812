"""What a repository could have as targets is found in its files, and only once."""

from __future__ import annotations

import pytest

from apps.rendering.detection import Detected, detect, environment_of
from apps.rendering.model import Kind
from tests.support.trees import MemoryTree

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
        ("cloudformation", "old", {"template": "cfn/old.json", "stack": "old"}, ""),
        ("cloudformation", "vpc", {"template": "cfn/vpc.yaml", "stack": "vpc"}, ""),
        ("manifests", "manifests", {"path": "manifests/staging", "recurse": True}, "staging"),
    ]


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
    ],
)  # fmt: skip
def test_environments_are_whole_words_of_a_path(path, environment):
    assert environment_of(path) == environment
