"""Charts give what ``helm template`` prints, offline; templates, dependencies and values that fail say where."""

from __future__ import annotations

import gzip
import io
import subprocess
import tarfile

import pytest
import yaml

from apps.rendering.limits import InputLimits, Limits
from apps.rendering.model import Failure, Kind, RenderError, Source
from apps.rendering.protocol import Target
from apps.rendering.registry import RENDERERS
from tests.support.tools import toolbox
from tests.support.trees import MemoryTree, write

CHART = {
    "charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: db, version: '*'}]\n",
    "charts/web/values.yaml": "replicas: 1\nhost: none\ndb: {size: 1}\n",
    "charts/web/templates/_helpers.tpl": '{{- define "web.name" }}{{ .Release.Name }}-web{{ end }}\n',
    "charts/web/templates/deploy.yaml": """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: {{ include "web.name" . }}, labels: {kube: "{{ .Capabilities.KubeVersion }}", api: "{{ .Capabilities.APIVersions.Has "example.org/v1" }}"}}
        spec: {replicas: {{ .Values.replicas }}}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: {{ include "web.name" . }}, namespace: {{ .Release.Namespace }}}
    """,
    "charts/web/templates/notes.yaml": """
        # Source: web/templates/deploy.yaml
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: notes}
        data:
          text: |
            ---
            # Source: web/templates/deploy.yaml
          host: {{ .Values.host | quote }}
          old: 0777
    """,
    "charts/web/templates/hook.yaml": """
        apiVersion: batch/v1
        kind: Job
        metadata: {name: migrate, annotations: {helm.sh/hook: pre-upgrade}}
    """,
    "charts/web/crds/thing.yaml": """
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata: {name: things.example.org}
        spec: {group: example.org, names: {kind: Thing}, scope: Cluster}
    """,
    "charts/web/charts/db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 0.1.0\n",
    "charts/web/charts/db/templates/set.yaml": "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec: {size: {{ .Values.size }}}\n",
    "env/production.yaml": "replicas: 3\ndb: {size: 9}\n",
    "env/late.yaml": "replicas: 4\n",
}  # fmt: skip
OPTIONS = {
    "chart": "charts/web",
    "values": ["env/production.yaml", "env/late.yaml"],
    "release": "shop",
    "namespace": "shop",
}
RENDERER = RENDERERS[Kind.HELM]


def target(**options):
    return Target("web", "production", Kind.HELM, {**OPTIONS, **options})


def render(files, box=None, **options):
    return RENDERER.render(MemoryTree(files), target(**options), box or toolbox("helm"))


def failing(files, box=None, **options):
    with pytest.raises(RenderError) as failed:
        render(files, box, **options)
    assert "/tmp" not in failed.value.message
    assert "/input" not in failed.value.message
    return failed.value


def printed(files, folder, *arguments):
    line = [str(toolbox("helm").find("helm")), "template", "shop", "charts/web", "-n", "shop", *arguments]
    environment = {f"HELM_{name}_HOME": str(folder / name) for name in ("CACHE", "CONFIG", "DATA")}
    done = subprocess.run(line, cwd=write(MemoryTree(files), folder), env=environment, capture_output=True, check=True)
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def ordered(bodies):
    return sorted(bodies, key=lambda body: (body["kind"], body["metadata"]["name"]))


def test_resources_are_those_that_helm_prints(tmp_path):
    found = render(CHART, kubeVersion="1.31", apiVersions=["example.org/v1"])
    theirs = printed(
        CHART, tmp_path / "a", "-f", "env/production.yaml", "-f", "env/late.yaml", "--include-crds", "--kube-version", "1.31",
        "--api-versions", "example.org/v1",
    )  # fmt: skip
    assert ordered(each.body for each in found.resources) == ordered(theirs)
    assert len(theirs) == 6
    kinds = {each.id.kind: each for each in found.resources}
    assert kinds["Deployment"].body["spec"] == {"replicas": 4}
    assert kinds["Deployment"].body["metadata"]["labels"] == {"kube": "v1.31", "api": "true"}
    assert kinds["StatefulSet"].body["spec"] == {"size": 9}
    assert found.warnings == ()


def test_every_resource_names_its_template_and_lands_in_the_namespace():
    found = {each.id.kind: each for each in render(CHART).resources}
    sources = {kind: each.source for kind, each in found.items()}
    assert sources == {
        "Deployment": Source("charts/web/templates/deploy.yaml"),
        "Service": Source("charts/web/templates/deploy.yaml"),
        "ConfigMap": Source("charts/web/templates/notes.yaml"),  # and not what a comment in it says
        "Job": Source("charts/web/templates/hook.yaml"),
        "CustomResourceDefinition": Source("charts/web/crds/thing.yaml"),
        "StatefulSet": Source("charts/web/charts/db/templates/set.yaml"),
    }
    assert {each.id.namespace for kind, each in found.items() if kind != "CustomResourceDefinition"} == {"shop"}
    assert found["CustomResourceDefinition"].id.namespace == ""
    assert found["Job"].body["metadata"]["annotations"] == {"helm.sh/hook": "pre-upgrade"}


def test_definitions_of_kinds_are_left_out_on_demand():
    assert "CustomResourceDefinition" not in {each.id.kind for each in render(CHART, includeCrds=False).resources}


LIBRARY = {
    **{path: text for path, text in CHART.items() if "/charts/db" not in path},
    "charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: db, version: '*', repository: 'file://../../shared/db'}]\n",
    "shared/db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 0.1.0\ndependencies: [{name: common, version: '*', repository: 'file://../common'}]\n",
    "shared/db/templates/set.yaml": 'apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: {{ include "common.name" . }}}\n',
    "shared/common/Chart.yaml": "apiVersion: v2\nname: common\nversion: 0.1.0\ntype: library\n",
    "shared/common/templates/_names.tpl": '{{- define "common.name" }}from-common{{ end }}',
}  # fmt: skip


def test_dependencies_by_file_are_taken_from_the_repository():
    found = {each.id.kind: each for each in render(LIBRARY).resources}
    assert found["StatefulSet"].id.name == "from-common"
    assert found["StatefulSet"].source == Source("shared/db/templates/set.yaml")
    inputs = RENDERER.inputs(MemoryTree(LIBRARY), target())
    assert inputs == ("charts/web/", "env/late.yaml", "env/production.yaml", "shared/common/", "shared/db/")


def test_dependencies_that_are_not_in_the_repository_are_named():
    files = {
        **CHART,
        "charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: redis, version: 17.0.0, repository: 'https://example.org'}]\n",
    }
    error = failing(files)
    assert error.failure is Failure.MISSING_INPUT
    assert "redis 17.0.0" in error.message
    loop = {**LIBRARY, "shared/common/Chart.yaml": LIBRARY["shared/db/Chart.yaml"].replace("../common", "../db")}
    assert failing(loop).failure is Failure.REFUSED
    out = {**LIBRARY, "shared/db/Chart.yaml": LIBRARY["shared/db/Chart.yaml"].replace("../common", "../../../etc")}
    assert failing(out).failure is Failure.REFUSED


def test_a_failing_template_is_told_with_file_and_line():
    for text, line in (("a: {{ .Values.none.deep }}", 3), ('{{ fail "the owner is missing" }}', 3), ("{{ if }}", 3)):
        error = failing({**CHART, "charts/web/templates/deploy.yaml": f"\n\n{text}\n"})
        assert (error.failure, error.path, error.line) == (
            Failure.TEMPLATE,
            "charts/web/templates/deploy.yaml",
            line,
        ), error.message
    error = failing({**CHART, "charts/web/templates/deploy.yaml": "a: b: c\n"})
    assert (error.failure, error.path) == (Failure.TEMPLATE, "charts/web/templates/deploy.yaml")
    error = failing({**CHART, "charts/web/values.schema.json": '{"properties": {"replicas": {"type": "string"}}}'})
    assert "replicas" in error.message


def test_options_that_are_wrong_are_refused_before_anything_runs():
    for options in (
        {"values": ["https://example.org/a.yaml"]}, {"values": ["../../etc/passwd"]}, {"values": ["env/gone.yaml"]}, {"values": "a"},
        {"values": ["env/late.yaml,/etc/passwd"]}, {"chart": "../other"}, {"chart": "env"}, {"release": "--post-renderer=x"},
        {"namespace": "-x"}, {"kubeVersion": "--help"}, {"apiVersions": ["a,b"]}, {"apiVersions": ["--x"]}, {"includeCrds": "no"},
    ):  # fmt: skip
        assert failing(CHART, **options).failure in {Failure.REFUSED, Failure.MISSING_INPUT}, options


def test_case_13_lookup_asks_no_cluster_and_is_warned_of():
    files = {
        **CHART,
        "charts/web/templates/look.yaml": 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: look}\ndata: {found: "{{ lookup "v1" "Secret" "" "" | len }}"}\n',
    }
    found = render(files)
    assert next(each for each in found.resources if each.id.name == "look").body["data"] == {"found": "0"}
    assert "lookup" in found.warnings[0]


def test_case_13_templates_see_no_variable_no_name_of_a_host_and_no_file_of_this_server(monkeypatch):
    monkeypatch.setenv("PORTAL_SECRET", "value")
    files = {
        **CHART,
        "charts/web/templates/look.yaml": 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: look}\ndata: {a: "{{ getHostByName "localhost" }}", b: "{{ .Files.Get "/etc/passwd" }}{{ .Files.Get "../../env/late.yaml" }}"}\n',
    }
    look = next(each for each in render(files).resources if each.id.name == "look")
    assert look.body["data"] == {"a": "", "b": ""}
    error = failing({**CHART, "charts/web/templates/look.yaml": '{{ env "PORTAL_SECRET" }}'})
    assert error.failure is Failure.TEMPLATE


SMALL = Limits(wall=3, output=1 << 20)


@pytest.mark.parametrize(
    "template",
    [
        "{{ range $i := until 1000000 }}{{ range $j := until 1000000 }}{{ end }}{{ end }}",
        "{{ range until 1000000 }}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{{ end }}",
        '{{ define "a" }}{{ include "a" . }}{{ include "a" . }}{{ end }}{{ include "a" . }}',
        "{{ repeat 2000000000 \"x\" }}",
        "a: &a [x]\n{{ range until 9 }}b{{ . }}: &b{{ . }} [*a, *a]\n{{ end }}",
    ],
)  # fmt: skip
def test_e4_endless_and_huge_templates_end_with_a_clear_error(template):
    error = failing({**CHART, "charts/web/templates/deploy.yaml": template}, toolbox("helm", limits=SMALL))
    assert error.failure in {Failure.TIMEOUT, Failure.TOO_LARGE, Failure.TEMPLATE}
    assert error.message


def packed(*members, name="redis-1.0.0"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, content in (("redis/Chart.yaml", b"apiVersion: v2\nname: redis\nversion: 1.0.0\n"), *members):
            if isinstance(content, bytes):
                member = tarfile.TarInfo(path)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                member = tarfile.TarInfo(path)
                member.type, member.linkname = content
                archive.addfile(member)
    return buffer.getvalue()


def with_packed(data):
    files = {path: text for path, text in CHART.items() if "/charts/db" not in path}
    files["charts/web/Chart.yaml"] = (
        "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: redis, version: 1.0.0, repository: 'https://example.org'}]\n"
    )
    return {**files, "charts/web/charts/redis-1.0.0.tgz": data}


GOOD = packed(("redis/templates/cm.yaml", b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: redis}\n"))


def test_packed_dependencies_are_rendered_and_named_as_the_source():
    found = {each.id.name: each for each in render(with_packed(GOOD)).resources}
    assert found["redis"].source == Source("charts/web/charts/redis-1.0.0.tgz")


@pytest.mark.parametrize(
    ("member", "failure"),
    [
        (("redis/templates/a.yaml", (tarfile.SYMTYPE, "/etc/passwd")), Failure.REFUSED),
        (("redis/templates/a.yaml", (tarfile.LNKTYPE, "redis/Chart.yaml")), Failure.REFUSED),
        (("redis/a", (tarfile.CHRTYPE, "")), Failure.REFUSED),
        (("../../evil.yaml", b"x"), Failure.REFUSED),
        (("/etc/evil.yaml", b"x"), Failure.REFUSED),
        (("redis/../../evil", b"x"), Failure.REFUSED),
        (("redis\\..\\evil", b"x"), Failure.REFUSED),
        (("redis/zeros", b"\0" * 20_000_000), Failure.TOO_LARGE),
    ],
)
def test_case_39_packed_charts_with_ways_out_links_or_bombs_never_reach_helm(member, failure):
    error = failing(with_packed(packed(member)))
    assert (error.failure, error.path) == (failure, "charts/web/charts/redis-1.0.0.tgz")


def test_case_39_many_members_and_broken_archives_are_refused():
    many = packed(*((f"redis/{number}", b"") for number in range(50)))
    error = failing(with_packed(many), toolbox("helm", input_limits=InputLimits(files=40)))
    assert error.failure is Failure.TOO_LARGE
    for data in (b"", b"no archive", GOOD[:-20], gzip.compress(b"x" * 2_000), gzip.compress(b"\0" * 3_000_000)):
        assert failing(with_packed(data)).failure in {Failure.TEMPLATE, Failure.TOO_LARGE, Failure.MISSING_INPUT}


def test_the_cache_of_charts_is_used_for_exact_versions_only(tmp_path):
    (tmp_path / "redis-1.0.0.tgz").write_bytes(GOOD)
    box = toolbox("helm", chart_cache=tmp_path)
    files = {path: data for path, data in with_packed(b"").items() if not path.endswith(".tgz")}
    assert "redis" in {each.id.name for each in render(files, box).resources}
    ranged = {**files, "charts/web/Chart.yaml": files["charts/web/Chart.yaml"].replace("1.0.0, repo", "^1.0.0, repo")}
    assert failing(ranged, box).failure is Failure.MISSING_INPUT
    (tmp_path / "redis-1.0.0.tgz").write_bytes(packed(("../a", b"")))
    assert failing(files, box).failure is Failure.REFUSED
