"""Kustomizations give what ``kubectl kustomize`` prints, with sources; what is remote or runs something is refused."""

from __future__ import annotations

import subprocess

import pytest
import yaml

from apps.rendering.model import Failure, Kind, RenderError, Source
from apps.rendering.protocol import Target
from apps.rendering.registry import RENDERERS
from tests.support.tools import toolbox
from tests.support.trees import MemoryTree, write

BASE = {
    "base/kustomization.yaml": "resources: [deploy.yaml, service.yaml]\nlabels: [{pairs: {app: web}, includeSelectors: true}]\n",
    "base/deploy.yaml": """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web, annotations: {note: "yes"}}
        spec: {replicas: 1, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: web, image: "web:1", envFrom: [{configMapRef: {name: settings}}]}]}}}
    """,
    "base/service.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n",
    "env/production/kustomization.yaml": """
        namespace: web
        namePrefix: prod-
        resources: [../../base]
        components: [../../parts/probe]
        patches: [{path: replicas.yaml}, {target: {kind: Service}, patch: '[{"op": "replace", "path": "/spec/ports/0/port", "value": 8080}]'}]
        configMapGenerator: [{name: settings, literals: [mode=on], files: [app.conf=../production/app.conf]}]
        images: [{name: web, newTag: "2"}]
    """,
    "env/production/replicas.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3}\n",
    "env/production/app.conf": "a: b\n",
    "parts/probe/kustomization.yaml": """
        apiVersion: kustomize.config.k8s.io/v1alpha1
        kind: Component
        patches: [{target: {kind: Deployment}, patch: '[{"op": "add", "path": "/spec/template/spec/containers/0/tty", "value": true}]'}]
    """,
    "elsewhere/unused.yaml": "a: b\n",
}  # fmt: skip
RENDERER = RENDERERS[Kind.KUSTOMIZE]


def target(path="env/production", **options):
    return Target("web", "production", Kind.KUSTOMIZE, {"path": path, **options})


def render(files, path="env/production", **options):
    return RENDERER.render(MemoryTree(files), target(path, **options), toolbox("kubectl"))


def printed(tree, path, folder):
    box = toolbox("kubectl")
    line = [str(box.find("kubectl")), "kustomize", path]
    done = subprocess.run(line, cwd=write(tree, folder), capture_output=True, check=True)
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def ordered(bodies):
    return sorted(bodies, key=lambda body: (body["kind"], body["metadata"]["name"]))


@pytest.mark.parametrize("path", ["env/production", "base"])
def test_resources_are_those_that_kubectl_prints(path, tmp_path):
    found = render(BASE, path)
    assert ordered(each.body for each in found.resources) == ordered(printed(MemoryTree(BASE), path, tmp_path / "a"))
    assert found.warnings == ()
    assert found.tool.name == "kubectl"
    assert len(found.tool.sha256) == 64


def test_every_resource_names_its_file_and_keeps_no_trace_of_the_question():
    found = {each.id.kind: each for each in render(BASE).resources}
    assert found["Deployment"].source == Source("base/deploy.yaml")
    assert found["Service"].source == Source("base/service.yaml")
    assert found["ConfigMap"].source == Source("env/production/kustomization.yaml")
    assert "annotations" not in found["Service"].body["metadata"]
    assert found["Deployment"].body["metadata"]["annotations"] == {"note": "yes"}
    assert (found["Deployment"].id.namespace, found["Deployment"].id.api) == ("web", "apps")


def test_annotations_that_the_author_asked_for_stay(tmp_path):
    files = {**BASE, "base/kustomization.yaml": "resources: [deploy.yaml]\nbuildMetadata: [originAnnotations]\n"}
    (found,) = render(files, "base").resources
    assert "config.kubernetes.io/origin" in found.body["metadata"]["annotations"]
    assert [found.body] == printed(MemoryTree(files), "base", tmp_path / "a")
    flow = {**BASE, "base/kustomization.yaml": "{resources: [deploy.yaml]}\n"}
    assert len(render(flow, "base").resources) == 1


def test_inputs_are_the_bases_components_and_files_that_are_named():
    assert RENDERER.inputs(MemoryTree(BASE), target()) == ("base/", "env/production/", "parts/probe/")
    files = {
        **BASE,
        "base/kustomization.yaml": "resources: [deploy.yaml, ../elsewhere/unused.yaml, gone.yaml, https://example.org/x]\n",
    }
    assert RENDERER.inputs(MemoryTree(files), target("base")) == ("base/", "elsewhere/unused.yaml")
    broken = {"base/kustomization.yaml": "resources: [a\n"}
    assert RENDERER.inputs(MemoryTree(broken), target("base")) == ("base/",)


@pytest.mark.parametrize(
    "name",
    [
        "https://example.org/base", "github.com/org/repo//base?ref=main", "git@example.org:org/repo", "git::https://example.org/a",
        "ssh://git@example.org/a.git", "../base?ref=main", "file:///etc", "gitlab.com/a/b.git", "HTTPS://example.org/deploy.yaml",
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["resources", "bases", "components", "patchesStrategicMerge", "crds", "transformers"])
def test_case_13_and_e2_remote_references_are_refused_before_anything_runs(name, field):
    files = {"a/kustomization.yaml": f"# first\nnamespace: b\n{field}:\n  - {name}\n"}
    with pytest.raises(RenderError) as refused:
        render(files, "a")
    assert refused.value.failure is Failure.REFUSED
    assert (refused.value.path, refused.value.line) == ("a/kustomization.yaml", 4)
    assert "another server" in refused.value.message


def test_e2_charts_inside_of_a_kustomization_are_refused_in_plain_words():
    files = {
        "a/kustomization.yaml": "namespace: b\nhelmCharts:\n  - {name: redis, repo: 'https://example.org'}\nhelmGlobals: {configHome: /etc}\n"
    }
    with pytest.raises(RenderError) as refused:
        render(files, "a")
    assert (refused.value.failure, refused.value.line) == (Failure.UNSUPPORTED, 2)
    assert "kind helm" in refused.value.message


EXECUTED = "apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: a, annotations: {config.kubernetes.io/function: '{exec: {path: ./run}}'}}\n"


@pytest.mark.parametrize("field", ["generators", "transformers", "validators"])
@pytest.mark.parametrize(
    "plugin",
    [
        EXECUTED, EXECUTED.replace("exec: {path: ./run}", "container: {image: a}"),
        "apiVersion: someteam.example.com/v1\nkind: Run\nmetadata: {name: a}\nargsOneLiner: x\n",
        "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: a}\nname: chart\nrepo: https://example.org\n",
    ],
)  # fmt: skip
def test_case_13_and_e2_plugins_never_run(field, plugin):
    files = {"a/kustomization.yaml": f"resources: [cm.yaml]\n{field}: [plugin.yaml]\n", "a/plugin.yaml": plugin}
    files |= {
        "a/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
        "+a/run": "#!/bin/sh\necho kind: Ran\n",
    }
    with pytest.raises(RenderError) as refused:
        render(files, "a")
    assert refused.value.failure is Failure.TEMPLATE


def test_e2_files_outside_of_the_root_and_the_repository_are_not_read():
    for name in ("../secret.txt", "../../../../../etc/passwd", "/etc/passwd"):
        files = {"a/kustomization.yaml": f"configMapGenerator: [{{name: a, files: [x={name}]}}]\n", "secret.txt": "s"}
        with pytest.raises(RenderError) as refused:
            render(files, "a")
        assert refused.value.failure in {Failure.REFUSED, Failure.TEMPLATE}
        assert "root:" not in refused.value.message


def test_what_is_missing_is_named_with_file_and_line():
    with pytest.raises(RenderError) as missing:
        render({"a/kustomization.yaml": "resources:\n- ../gone\n"}, "a")
    assert (missing.value.failure, missing.value.path, missing.value.line) == (
        Failure.MISSING_INPUT,
        "a/kustomization.yaml",
        2,
    )
    with pytest.raises(RenderError) as missing:
        render(BASE, "elsewhere")
    assert missing.value.failure is Failure.MISSING_INPUT


def test_the_tools_own_message_is_shown_without_paths_of_this_server():
    files = {
        "a/kustomization.yaml": "resources: [b.yaml]\n",
        "a/b.yaml": "kind: A\nmetadata: {name: x}\napiVersion: [v1\n",
    }
    with pytest.raises(RenderError) as failed:
        render(files, "a")
    assert failed.value.failure is Failure.TEMPLATE
    assert "b.yaml" in failed.value.message
    assert "/tmp" not in failed.value.message
    assert "/input" not in failed.value.message


def test_warnings_of_the_tool_are_kept():
    files = {**BASE, "base/kustomization.yaml": "resources: [deploy.yaml]\ncommonLabels: {a: b}\n"}
    assert any("commonLabels" in warning for warning in render(files, "base").warnings)


def test_a_missing_tool_is_said_by_name(tmp_path):
    box = toolbox(folders=(), search_path=str(tmp_path))
    with pytest.raises(RenderError) as missing:
        RENDERER.render(MemoryTree(BASE), target(), box)
    assert missing.value.failure is Failure.MISSING_TOOL
    assert "kubectl" in missing.value.message
