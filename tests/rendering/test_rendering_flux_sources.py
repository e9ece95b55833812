"""What Flux leaves out of a repository is not rendered, and values files of a chart take the place of its own values."""

from __future__ import annotations

import gzip
import io
import json
import tarfile

import pytest

from apps.rendering.flux_ignoring import Ignoring
from apps.rendering.model import Source
from tests.rendering.test_rendering_flux import (
    CHART,
    CLUSTER,
    CONFIG,
    failure_of,
    kustomization,
    named,
    release,
    render,
)
from tests.support.tools import toolbox
from tests.support.trees import MemoryTree

SYNC = CLUSTER["clusters/prod/flux-system/sync.yaml"]


def left(files: dict[str, str], ignore: str = "") -> set[str]:
    return {entry.path for entry in Ignoring(MemoryTree(files)).view(ignore).entries()}


def values_of(found) -> dict[str, object]:
    data = named(found, "shop-cm").body["data"]
    return {"a": data["a"], "deep": json.loads(data["deep"])}


def with_release(chart: str, more: str = "", files: dict[str, str] | None = None):
    return render({**CLUSTER, **CHART, **(files or {}), "clusters/prod/shop.yaml": release(chart, more)})


def test_values_files_replace_the_values_of_the_chart():
    found = with_release("chart: ./charts/web, valuesFiles: [charts/web/values-prod.yaml]")
    assert values_of(found) == {"a": "2", "deep": None}, "values.yaml is not listed, so nothing of it counts"
    listed = with_release("chart: ./charts/web, valuesFiles: [charts/web/values.yaml, charts/web/values-prod.yaml]")
    assert values_of(listed) == {"a": "2", "deep": {"k": 1, "l": 1}}


def test_the_last_of_several_values_files_wins_and_mappings_are_merged():
    more = {"env/one.yaml": "a: one\ndeep: {k: 1, x: 1}\n", "env/two.yaml": "deep: {k: 2}\n"}
    found = with_release("chart: ./charts/web, valuesFiles: [env/one.yaml, env/two.yaml]", files=more)
    assert values_of(found) == {"a": "one", "deep": {"k": 2, "x": 1}}
    assert {"env/one.yaml", "env/two.yaml"} <= set(found.inputs)


def test_a_values_file_that_is_missing_is_an_error_unless_the_chart_ignores_it():
    wanted = "chart: ./charts/web, valuesFiles: [charts/web/values-prod.yaml, gone.yaml]"
    assert "gone.yaml" in failure_of(with_release(wanted), "shop/shop")
    ignoring = with_release(f"{wanted}, ignoreMissingValuesFiles: true")
    assert failure_of(ignoring, "shop/shop") == ""
    assert values_of(ignoring)["a"] == "2"


def test_a_chart_without_values_cannot_get_others_from_flux():
    files = {name: text for name, text in {**CLUSTER, **CHART}.items() if name != "charts/web/values.yaml"}
    shop = release("chart: ./charts/web, valuesFiles: [charts/web/values-prod.yaml]")
    found = render({**files, "clusters/prod/shop.yaml": shop})
    assert "has no values.yaml" in failure_of(found, "shop/shop")


def packed_chart() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for path, text in CHART.items():
            if path.startswith("charts/web/"):
                member = tarfile.TarInfo(path.removeprefix("charts/"))
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(data.getvalue())


def test_values_files_count_in_packed_charts_too(tmp_path):
    (tmp_path / "web-1.0.0.tgz").write_bytes(packed_chart())
    box = toolbox("kubectl", "helm", chart_cache=tmp_path)
    wanted = "chart: web, version: 1.0.0, valuesFiles: [values-prod.yaml]"
    remote = release(wanted, source="sourceRef: {kind: HelmRepository, name: hub}")
    found = render({**CLUSTER, "clusters/prod/shop.yaml": remote}, box)
    assert values_of(found) == {"a": "2", "deep": None}
    vendored = {"packed/web.tgz": packed_chart(), "env.yaml": "a: env\n"}
    here = with_release("chart: packed/web.tgz, valuesFiles: [env.yaml]", files=vendored)
    assert values_of(here) == {"a": "env", "deep": None}
    assert named(here, "shop-cm").source == Source("packed/web.tgz")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("", "a/x.yaml a/b/y.yaml c.yaml"),
        ("a/\n", "c.yaml"),
        ("*.yaml\n!c.yaml\n", "c.yaml"),
        ("/*\n!/a/\n", "a/x.yaml a/b/y.yaml"),
        ("a/*\n", "c.yaml"),
        ("# a comment\n\n/a/b  \n", "a/x.yaml c.yaml"),
        ("a/\n!a/b/y.yaml\n", "a/b/y.yaml c.yaml"),
    ],
)
def test_the_last_rule_that_matches_a_path_decides(rules: str, expected: str):
    files = {"a/x.yaml": "", "a/b/y.yaml": "", "c.yaml": ""}
    assert left(files, rules) == set(expected.split())
    assert left({**files, ".sourceignore": rules}) - {".sourceignore"} == set(expected.split())


def test_lists_of_inner_folders_count_from_there_and_not_in_what_is_left_out():
    files = {"a/.sourceignore": "/x.yaml\n", "a/x.yaml": "", "a/b/x.yaml": "", "x.yaml": ""}
    assert left(files) == {"a/.sourceignore", "a/b/x.yaml", "x.yaml"}
    shadowed = {".sourceignore": "/a/\n", "a/.sourceignore": "!x.yaml\n", "a/x.yaml": "", "b/x.yaml": ""}
    assert left(shadowed) == {".sourceignore", "b/x.yaml"}


def test_what_flux_itself_leaves_out_can_be_taken_back_in():
    files = {".github/w.yaml": "", "logo.png": "", "x/.sops.yaml": "", "app.yaml": ""}
    assert left(files) == {"app.yaml"}
    assert left(files, "!.github/\n!*.png\n") == {"app.yaml", ".github/w.yaml", "logo.png"}


def test_a_kustomization_does_not_see_what_the_repository_leaves_out():
    files = {**CLUSTER, ".sourceignore": "/apps/deploy/\n", "unused/.sourceignore": "x.yaml\n"}
    found = render(files)
    names = {each.id.name for each in found.resources}
    assert "app" not in names
    assert "in-inner" in names
    assert {".sourceignore", "unused/.sourceignore"} <= set(found.inputs)
    assert found.warnings == ()


def test_what_the_source_of_the_cluster_ignores_is_not_there_for_its_own_folder_either():
    source = SYNC.replace("spec: {url", 'spec: {ignore: "extra.yaml\\n/base/ns.yaml\\n", url')
    assert source != SYNC
    extra = CONFIG.replace("NAME", "extra")
    files = {**CLUSTER, "clusters/prod/extra.yaml": extra, "base/b.yaml": CONFIG.replace("NAME", "b")}
    assert {"extra", "shop"} <= {each.id.name for each in render(files).resources}
    ignoring = render({**files, "clusters/prod/flux-system/sync.yaml": source})
    assert {"extra", "shop"} & {each.id.name for each in ignoring.resources} == set()
    assert named(ignoring, "b")


def test_another_source_of_this_repository_ignores_for_itself():
    other = (
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: same, namespace: flux-system}\n"
        "spec: {url: 'ssh://git@example.org/a', ignore: '/apps/deploy/'}\n"
    )
    apps = kustomization("apps", "./apps", source="sourceRef: {kind: GitRepository, name: same}")
    found = render({**CLUSTER, "clusters/prod/apps.yaml": apps, "clusters/prod/same.yaml": other})
    names = {each.id.name for each in found.resources}
    assert "app" not in names
    assert {"in-inner", "shop"} <= names


@pytest.mark.parametrize(
    ("place", "spec"),
    [
        ("name: same, namespace: flux-system", "url: 'ssh://git@example.org/a', ref: {branch: theirs}"),
        ("name: same, namespace: flux-system", "url: 'ssh://git@example.org/a', include: [{repository: {name: x}}]"),
        ("name: flux-system, namespace: aaa", "url: 'https://example.org/theirs'"),
    ],
)
def test_files_of_another_place_are_not_taken_for_those_that_are_reviewed(place: str, spec: str):
    """Another branch of this repository, or another repository by the name of the cluster's own, is applied unseen."""
    other = f"apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{{place}}}\nspec: {{{spec}}}\n"
    apps = kustomization("apps", "./apps", source=f"sourceRef: {{kind: GitRepository, {place}}}")
    found = render({**CLUSTER, "clusters/prod/a.yaml": other, "clusters/prod/apps.yaml": apps})
    assert "is not this repository" in failure_of(found, "/apps")
    assert "app" not in {each.id.name for each in found.resources}
    assert failure_of(found, "/base") == "", "what the cluster's own source gives stays"


def test_what_is_missing_because_it_is_left_out_is_said_so():
    files = {**CLUSTER, ".sourceignore": "/apps/inner/x.txt\n"}
    failure = failure_of(render(files), "/apps")
    assert "x.txt" in failure
    assert "Flux leaves out apps/inner/x.txt (.sourceignore" in failure
    assert failure_of(render({**CLUSTER, "apps/inner/x.txt": "no: object\n"}), "/apps").count("leaves out") == 0


def test_a_rule_that_is_not_understood_is_a_visible_warning():
    found = render({**CLUSTER, ".sourceignore": "[[:alpha:]].yaml\n"})
    assert any("Line 1 of .sourceignore is not followed" in warning for warning in found.warnings)
