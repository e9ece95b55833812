"""A Flux cluster is built part by part from this repository alone; what can not be built says why."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml

from apps.rendering.model import Failure, Kind, Part, RenderError, Source
from apps.rendering.protocol import Target
from apps.rendering.registry import RENDERERS
from tests.rendering.test_rendering_helm import GOOD
from tests.support.tools import toolbox
from tests.support.trees import MemoryTree, write

GIT = "sourceRef: {kind: GitRepository, name: flux-system}"


def kustomization(name, path, more="", source=GIT):
    head = f"apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}, namespace: flux-system}}\n"
    return f"{head}spec:\n  path: {path}\n  {source}\n{more}"


def release(chart, more="", source=GIT):
    head = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: shop, namespace: shop}\n"
    return f"{head}spec:\n  chart: {{spec: {{{chart}, {source}}}}}\n{more}"


CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\ndata: {host: '${host}', port: \"${port:=80}\"}\n"
CLUSTER = {
    "clusters/prod/flux-system/kustomization.yaml": "resources: [sync.yaml]\n",
    "clusters/prod/flux-system/sync.yaml": "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: flux-system, namespace: flux-system}\nspec: {url: 'ssh://git@example.org/a'}\n---\n"
    + kustomization("flux-system", "./clusters/prod"),
    "clusters/prod/apps.yaml": kustomization("apps", "./apps", "  dependsOn: [{name: base}]\n"),
    "clusters/prod/base.yaml": kustomization("base", "base"),
    "apps/deploy/app.yaml": CONFIG.replace("NAME", "app"),
    "apps/inner/kustomization.yaml": "resources: [x.txt]\nnamePrefix: in-\n",
    "apps/inner/x.txt": CONFIG.replace("NAME", "inner"),
    "base/ns.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
    "unused/x.yaml": "a: b\n",
}
RENDERER = RENDERERS[Kind.FLUX]


def render(files, box=None, **options):
    target = Target("cluster", "production", Kind.FLUX, {"path": "clusters/prod", **options})
    return RENDERER.render(MemoryTree(files), target, box or toolbox("kubectl", "helm"))


def named(rendered, name):
    return next(each for each in rendered.resources if each.id.name == name)


def failure_of(rendered, name):
    return next(part.failure for part in rendered.parts if part.name.endswith(name))


def test_folders_are_built_in_the_order_of_their_dependencies():
    found = render(CLUSTER)
    assert found.parts == (
        Part("clusters/prod/"),
        Part("Kustomization flux-system/base"),
        Part("Kustomization flux-system/apps"),
    )
    assert {each.id.name for each in found.resources} == {"flux-system", "apps", "base", "app", "in-inner", "shop"}
    assert named(found, "app").source == Source("apps/deploy/app.yaml")
    assert named(found, "in-inner").body["data"]["host"] == "${host}", "without postBuild nothing is put in"
    assert found.inputs == ("apps/", "base/", "clusters/prod/")
    assert found.warnings == ()
    assert found.tool.name == "kubectl+helm"


def test_a_folder_without_a_kustomization_gives_what_the_same_one_written_by_hand_gives(tmp_path):
    files = {**CLUSTER, "apps/kustomization.yaml": "resources: [deploy/app.yaml, inner]\n"}
    box = toolbox("kubectl")
    line = [str(box.find("kubectl")), "kustomize", "apps"]
    done = subprocess.run(line, cwd=write(MemoryTree(files), tmp_path / "a"), capture_output=True, check=True)
    theirs = {each["metadata"]["name"]: each for each in yaml.safe_load_all(done.stdout)}
    for files_ in (CLUSTER, files):
        found = {each.id.name: each.body for each in render(files_).resources}
        assert {name: found[name] for name in theirs} == theirs


def test_variables_come_from_the_object_and_from_config_maps_of_the_cluster():
    more = "  dependsOn: [{name: base}]\n  postBuild:\n    substitute: {port: '8080'}\n    substituteFrom: [{kind: ConfigMap, name: vars}]\n"
    files = {
        **CLUSTER,
        "clusters/prod/apps.yaml": kustomization("apps", "./apps", more),
        "base/vars.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: vars, namespace: flux-system}\ndata: {host: \"exa\\nmple\", port: '1'}\n",
        "apps/deploy/off.yaml": CONFIG.replace(
            "NAME", "off, annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}"
        ),
        "apps/deploy/typed.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: typed}\nspec:\n  replicas: ${port}\n  paused: ${gone:=true}\n  text: $${host}\n",
    }
    found = render(files)
    assert named(found, "app").body["data"] == {"host": "example", "port": 8080}
    assert named(found, "off").body["data"] == {"host": "${host}", "port": "${port:=80}"}
    assert named(found, "typed").body["spec"] == {"replicas": 8080, "paused": True, "text": "${host}"}
    assert found.warnings == ()


def test_variables_that_only_the_cluster_knows_are_named_and_left_as_written():
    more = "  postBuild:\n    substitute: {port: '8080'}\n    substituteFrom: [{kind: Secret, name: hidden}, {kind: ConfigMap, name: elsewhere, optional: true}]\n"
    found = render({**CLUSTER, "clusters/prod/apps.yaml": kustomization("apps", "./apps", more)})
    assert named(found, "app").body["data"] == {"host": "${host}", "port": 8080}
    assert found.warnings == (
        "Kustomization flux-system/apps: host may come from Secret hidden, ConfigMap elsewhere, not known here; they are left as written.",
    )


def test_a_broken_expression_fails_its_part_only():
    more = "  postBuild: {substitute: {a: b}}\n"
    files = {
        **CLUSTER,
        "clusters/prod/apps.yaml": kustomization("apps", "./apps", more),
        "apps/bad.yaml": CONFIG.replace("NAME", "bad").replace("${host}", "${host-x}"),
    }
    found = render(files)
    assert "ConfigMap bad" in failure_of(found, "flux-system/apps")
    assert failure_of(found, "flux-system/base") == ""
    assert named(found, "shop")
    wrong = kustomization("apps", "./apps", "  postBuild: {substitute: {a: 1}}\n")
    assert "must be a name with a text" in failure_of(render({**CLUSTER, "clusters/prod/apps.yaml": wrong}), "/apps")


def test_patches_images_components_and_the_namespace_of_the_object_are_applied():
    more = """  targetNamespace: other
  namePrefix: pre-
  commonMetadata: {labels: {team: a}}
  patches: [{target: {kind: Deployment}, patch: '[{"op": "replace", "path": "/spec/replicas", "value": 9}]'}]
  images: [{name: web, newTag: "2"}]
  components: [../parts]
"""
    deploy = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 1, template: {spec: {containers: [{name: web, image: 'web:1'}]}}}\n"
    component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncommonAnnotations: {part: 'yes'}\n"
    for kustomized in (
        {},
        {
            "apps/kustomization.yaml": "resources: [deploy/web.yaml]\nimages: [{name: web, newTag: '7'}, {name: other, newTag: '3'}]\n"
        },
    ):
        files = {
            **CLUSTER,
            "clusters/prod/apps.yaml": kustomization("apps", "./apps", more),
            "apps/deploy/web.yaml": deploy,
            "parts/kustomization.yaml": component,
            **kustomized,
        }
        web = named(render(files), "pre-web")
        assert web.id.namespace == "other"
        assert web.body["spec"]["replicas"] == 9
        assert web.body["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"
        assert web.body["metadata"]["labels"] == {"team": "a"}
        assert web.body["metadata"]["annotations"] == {"part": "yes"}


def test_sources_that_are_not_this_repository_are_named():
    other = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: NAME, namespace: flux-system}\nspec: {url: 'URL'}\n"
    files = {
        **CLUSTER,
        "clusters/prod/apps.yaml": kustomization(
            "apps", "./apps", source="sourceRef: {kind: GitRepository, name: other}"
        ),
        "clusters/prod/same.yaml": kustomization(
            "same", "./base2", source="sourceRef: {kind: GitRepository, name: same}"
        ),
        "clusters/prod/oci.yaml": kustomization("oci", "./", source="sourceRef: {kind: OCIRepository, name: oci}"),
        "clusters/prod/out.yaml": kustomization("out", "../x"),
        "clusters/prod/gone.yaml": kustomization("gone", "./gone"),
        "clusters/prod/repos.yaml": other.replace("NAME", "other").replace("URL", "https://example.org/b")
        + "---\n"
        + other.replace("NAME", "same").replace("URL", "ssh://git@example.org/a"),
        "base2/x.yaml": CONFIG.replace("NAME", "same"),
    }
    found = render(files)
    assert "GitRepository flux-system/other" in failure_of(found, "/apps")
    assert failure_of(found, "/same") == ""
    assert "OCIRepository" in failure_of(found, "/oci")
    assert "leads out" in failure_of(found, "/out")
    assert "gone/" in failure_of(found, "/gone")


def test_parts_of_the_repository_under_other_names_are_followed():
    generator = """apiVersion: source.extensions.fluxcd.io/v1beta1
kind: ArtifactGenerator
metadata: {name: parts, namespace: flux-system}
spec:
  sources: [{alias: mono, kind: GitRepository, name: flux-system}]
  artifacts: [{name: apps, copy: [{from: "@mono/apps/**", to: "@artifact/moved/"}]}, {name: some, copy: [{from: "@mono/base/*.yaml", to: "@artifact/"}]}]
"""
    files = {
        **CLUSTER,
        "clusters/prod/gen.yaml": generator,
        "clusters/prod/apps.yaml": kustomization(
            "apps", "./moved", source="sourceRef: {kind: ExternalArtifact, name: apps}"
        ),
        "clusters/prod/some.yaml": kustomization(
            "some", "./", source="sourceRef: {kind: ExternalArtifact, name: some}"
        ),
    }
    found = render(files)
    assert named(found, "app").source == Source("apps/deploy/app.yaml")
    assert "ExternalArtifact" in failure_of(found, "/some")
    assert found.inputs == ("apps/", "base/", "clusters/prod/")


CHART = {
    "charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "charts/web/values.yaml": "a: 1\ndeep: {k: 1, l: 1}\n",
    "charts/web/values-prod.yaml": "a: 2\n",
    "charts/web/templates/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-cm}\ndata: {a: {{ .Values.a | quote }}, deep: {{ .Values.deep | toJson | quote }}, space: {{ .Release.Namespace }}}\n",
    "charts/web/templates/hook.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hook, annotations: {helm.sh/hook: test}}\n",
    "clusters/prod/vars.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: vars, namespace: shop}\ndata: {values.yaml: 'deep: {l: 5}', one: '7'}\n",
}


def test_charts_of_the_repository_are_rendered_with_their_values():
    more = """  valuesFrom: [{kind: ConfigMap, name: vars}, {kind: ConfigMap, name: vars, valuesKey: one, targetPath: deep.z}, {kind: Secret, name: hidden}]
  values: {deep: {k: 9}}
  postRenderers: [{kustomize: {patches: [{target: {kind: ConfigMap}, patch: '[{"op": "add", "path": "/data/added", "value": "1"}]'}]}}]
"""
    files = {
        **CLUSTER,
        **CHART,
        "clusters/prod/shop.yaml": release("chart: ./charts/web, valuesFiles: [charts/web/values-prod.yaml]", more),
    }
    found = render(files)
    assert failure_of(found, "shop/shop") == ""
    assert found.has_charts
    made = named(found, "shop-cm")
    assert made.id.namespace == "shop"
    assert made.source == Source("charts/web/templates/cm.yaml")
    assert made.body["data"] == {
        "a": "2",
        "deep": json.dumps({"k": 9, "l": 5, "z": 7}, separators=(",", ":")),
        "space": "shop",
        "added": "1",
    }
    assert "data" not in named(found, "hook").body
    assert "charts/web/" in found.inputs
    assert any("Secret hidden" in warning for warning in found.warnings)


def test_names_and_namespaces_of_releases_follow_the_controller():
    for more, name, namespace in (
        ("  releaseName: given\n", "given-cm", "shop"), ("  targetNamespace: far\n", "far-shop-cm", "far"),
        (f"  targetNamespace: {'n' * 60}\n", None, "n" * 60),
    ):  # fmt: skip
        found = render({**CLUSTER, **CHART, "clusters/prod/shop.yaml": release("chart: ./charts/web", more)})
        made = next(each for each in found.resources if each.id.name.endswith("-cm"))
        assert made.id.namespace == namespace
        assert name is None or made.id.name == name
        assert len(made.id.name.removesuffix("-cm")) <= 53


def test_charts_that_are_elsewhere_are_a_part_with_a_reason_and_the_object_stays(tmp_path):
    remote = release("chart: redis, version: 1.0.0", source="sourceRef: {kind: HelmRepository, name: bitnami}")
    files = {**CLUSTER, "clusters/prod/shop.yaml": remote}
    found = render(files)
    assert "HelmRepository bitnami, another server" in failure_of(found, "shop/shop")
    assert not found.has_charts
    assert named(found, "shop").id.kind == "HelmRelease" or found.resources
    assert any(each.id.kind == "HelmRelease" for each in found.resources)
    (tmp_path / "redis-1.0.0.tgz").write_bytes(GOOD)
    cached = render(files, toolbox("kubectl", "helm", chart_cache=tmp_path))
    assert failure_of(cached, "shop/shop") == ""
    assert named(cached, "redis").id.kind == "ConfigMap"
    assert cached.has_charts


def test_a_server_without_helm_builds_everything_but_charts():
    box = toolbox("kubectl", programs={"helm": toolbox().find("kubectl").with_name("none")})
    found = render({**CLUSTER, **CHART, "clusters/prod/shop.yaml": release("chart: ./charts/web")}, box)
    assert "helm was not found" in failure_of(found, "shop/shop")
    assert failure_of(found, "/apps") == ""
    assert found.tool.name == "kubectl"


def test_suspended_circular_and_doubled_parts_are_warned_of():
    files = {
        **CLUSTER,
        "clusters/prod/apps.yaml": kustomization("apps", "./apps", "  suspend: true\n  dependsOn: [{name: base}]\n"),
        "clusters/prod/base.yaml": kustomization("base", "base", "  dependsOn: [{name: apps}]\n"),
        "clusters/prod/twice.yaml": kustomization("twice", "base"),
    }
    found = render(files)
    text = "\n".join(found.warnings)
    for word in ("suspended", "depend on each other", "Namespace shop of", "in another part"):
        assert word in text
    assert len([each for each in found.resources if each.id.name == "shop"]) == 1


def test_inputs_are_the_whole_repository_where_files_do_not_tell():
    tree = MemoryTree(CLUSTER)
    target = Target("c", "p", Kind.FLUX, {"path": "clusters/prod"})
    assert RENDERER.inputs(tree, target) == ("apps/", "base/", "clusters/prod/")
    for files in (
        {"clusters/prod/apps.yaml": kustomization("apps", "./${folder}")},
        {
            "clusters/prod/kustomization.yaml": "resources: [apps.yaml]\npatches: [{patch: '[{op: replace, path: /spec/path, value: ./unused}]', target: {kind: Kustomization}}]\n"
        },
    ):
        assert RENDERER.inputs(tree.changed(files), target) == ("./",)


def test_a_cluster_that_can_not_be_built_at_all_is_an_error():
    for files, failure in (
        ({}, Failure.MISSING_INPUT), ({"clusters/prod/a.yaml": "a: [\n"}, Failure.TEMPLATE),
        ({"clusters/prod/kustomization.yaml": "resources: ['https://example.org/a']\n"}, Failure.REFUSED),
    ):  # fmt: skip
        with pytest.raises(RenderError) as caught:
            render(files)
        assert caught.value.failure is failure
