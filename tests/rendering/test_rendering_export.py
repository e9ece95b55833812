"""What a commit writes for a tool: plain files, links that stay inside, nothing else, nowhere else."""

from __future__ import annotations

import contextlib
import os

import pytest

from apps.rendering.export import export
from apps.rendering.limits import InputLimits
from apps.rendering.model import Failure, Kind, RenderError
from apps.rendering.protocol import GITLINK, Entry, Target
from apps.rendering.registry import RENDERERS
from apps.rendering.workspace import private_workspace
from tests.support.tools import toolbox
from tests.support.trees import MemoryTree


def written(files, folders=("",), limits=None):
    tree = files if isinstance(files, MemoryTree) else MemoryTree(files)
    with private_workspace(toolbox()) as workspace:
        warnings = export(tree, folders, workspace, limits or InputLimits())
        found = {}
        for path in sorted(workspace.input.rglob("*")):
            name = str(path.relative_to(workspace.input))
            if path.is_symlink():
                found[name] = f"-> {path.readlink()}"
            elif path.is_file():
                found[name] = path.read_text()
        return found, warnings


def refused(files, **facts):
    with pytest.raises(RenderError) as caught:
        written(files, **facts)
    return caught.value


def test_only_what_is_asked_for_is_written_with_its_modes():
    tree = MemoryTree({"a/b.txt": "1", "+a/run": "2", "b/c": "3", "ab/d": "4"})
    assert written(tree, ["a/"])[0] == {"a/b.txt": "1", "a/run": "2"}
    assert written(tree, ["b/c", "ab"])[0] == {"b/c": "3", "ab/d": "4"}
    assert len(written(tree, ["./"])[0]) == 4
    previous = os.umask(0o077)
    try:
        with private_workspace(toolbox()) as workspace:
            export(tree, ["a"], workspace, InputLimits())
            modes = [(workspace.input / name).stat().st_mode & 0o777 for name in ("a", "a/b.txt", "a/run")]
    finally:
        os.umask(previous)
    assert modes == [0o755, 0o644, 0o755]


def test_links_inside_are_kept_with_what_they_lead_to():
    files = {
        "@a/link": "../b/file",
        "b/file": "x",
        "@a/folder": "../c",
        "c/d/e": "y",
        "@a/chain": "link2",
        "@a/link2": "folder/d/e",
    }
    found, _ = written(files, ["a"])
    assert found["a/link"] == "-> ../b/file"
    assert (found["b/file"], found["c/d/e"]) == ("x", "y")
    assert "a/link2" in found
    found, _ = written({"@a/link": "../b/folder/x", "@b/folder": "../c", "c/x": "1"}, ["a"])
    assert found == {"a/link": "-> ../b/folder/x", "b/folder": "-> ../c", "c/x": "1"}


@pytest.mark.parametrize(
    "target",
    [
        "/etc/passwd", "../../etc/passwd", "../../../../../../etc/passwd", "b/../../../etc", "gone", ".", "..", "../a", "link", "",
        "/proc/self/root/etc/passwd", "loop1", "out/x", "b\0c",
    ],
)  # fmt: skip
def test_case_12_links_that_leave_the_repository_or_end_nowhere_are_refused_by_name(target):
    files = {"@a/link": target, "@a/loop1": "loop2", "@a/loop2": "loop1", "@a/out": "../..", "a/b/file": "x"}
    del files["@a/loop1" if target != "loop1" else "@a/out"]
    error = refused(files, folders=["a"])
    assert error.failure is Failure.REFUSED
    assert "symbolic link" in error.message
    assert error.path in {"a/link", "a/loop2", "a/out", "a/loop1"}


def test_case_12_a_link_that_leaves_by_another_link_is_refused():
    assert refused({"@a/link": "../b/out/passwd", "@b/out": "../../etc"}, folders=["a"]).path == "a/link"
    assert refused({"@a/link": "../b", "@b/inner": "/etc/passwd", "b/x": "1"}, folders=["a"]).path == "b/inner"


@pytest.mark.parametrize("kind", [Kind.HELM, Kind.KUSTOMIZE, Kind.MANIFESTS])
def test_case_12_and_e2_no_renderer_shows_a_file_of_this_server_through_a_link(kind):
    files = {
        "a/Chart.yaml": "apiVersion: v2\nname: a\nversion: 1.0.0\n", "@a/templates/a.yaml": "/etc/hostname", "@a/b.yaml": "/etc/hostname",
        "a/kustomization.yaml": "resources: [b.yaml]\n",
    }  # fmt: skip
    if kind is Kind.MANIFESTS:
        del files["a/Chart.yaml"], files["a/kustomization.yaml"]
    renderer = RENDERERS[kind]
    with pytest.raises(RenderError) as caught:
        renderer.render(
            MemoryTree(files), Target("t", "e", kind, {"path": "a", "chart": "a"}), toolbox("helm", "kubectl")
        )
    assert caught.value.failure is Failure.REFUSED


def test_inputs_and_results_follow_links_inside_of_the_repository():
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    files = {
        "app/kustomization.yaml": "resources: [linked, inner/deep/x.yaml]\n", "@app/linked": "../base", "@app/inner": "../far",
        "base/kustomization.yaml": "resources: [../more/b.yaml]\n", "more/b.yaml": manifest, "far/deep/x.yaml": manifest.replace("name: a", "name: x"),
        "chart/Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies: [{name: sub, version: '*'}]\n", "@chart/charts/sub": "../../sub",
        "sub/Chart.yaml": "apiVersion: v2\nname: sub\nversion: 1.0.0\n", "sub/templates/a.yaml": manifest, "@values.yaml": "env/v.yaml", "env/v.yaml": "a: b\n",
        "raw/a.yaml": manifest.replace("name: a", "name: r"), "@raw/b.yaml": "../more/b.yaml",
    }  # fmt: skip
    tree, box = MemoryTree(files), toolbox("helm", "kubectl")
    for kind, options, inputs in (
        (Kind.KUSTOMIZE, {"path": "app"}, ("app/", "base/", "far/", "more/b.yaml")),
        (Kind.HELM, {"chart": "chart", "values": ["values.yaml"]}, ("chart/", "env/v.yaml", "sub/", "values.yaml")),
        (Kind.MANIFESTS, {"path": "raw"}, ("more/b.yaml", "raw/")),
    ):
        target = Target("t", "e", kind, options)
        assert RENDERERS[kind].inputs(tree, target) == inputs
        if kind is not Kind.KUSTOMIZE:
            assert {each.id.name for each in RENDERERS[kind].render(tree, target, box).resources} >= {"a"}


@pytest.mark.parametrize("kind", [Kind.HELM, Kind.KUSTOMIZE, Kind.MANIFESTS, Kind.FLUX])
@pytest.mark.parametrize(
    "name", ["a", "a/Chart.yaml", "a/kustomization.yaml", "a/b.yaml", "a/charts/x-1.0.0.tgz", "a/templates/t.yaml"]
)
def test_submodules_in_any_place_are_an_error_or_left_out(kind, name):
    class Strict(MemoryTree):
        def read(self, path):
            if self.entry_of[path].mode == GITLINK:
                raise KeyError(path)
            return super().read(path)

    tree = Strict(
        {"a/Chart.yaml": "apiVersion: v2\nname: a\nversion: 1.0.0\n"} if "Chart" not in name and name != "a" else {}
    )
    tree.entry_of[name] = Entry(name, GITLINK, "0" * 40, 0)
    target = Target("t", "e", kind, {"path": "a", "chart": "a"})
    RENDERERS[kind].inputs(tree, target)
    with contextlib.suppress(RenderError):  # and nothing else
        RENDERERS[kind].render(tree, target, toolbox("helm", "kubectl"))


def test_links_to_the_files_that_steer_a_tool_are_followed():
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    files = {
        "@k/kustomization.yaml": "../shared/k.yaml",
        "shared/k.yaml": "resources: [b.yaml]\n",
        "k/b.yaml": manifest,
    }
    files |= {
        "@c/Chart.yaml": "../shared/c.yaml",
        "shared/c.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n",
        "c/templates/a.yaml": manifest,
    }
    found = RENDERERS[Kind.HELM].render(MemoryTree(files), Target("t", "e", Kind.HELM, {"chart": "c"}), toolbox("helm"))
    assert [each.id.name for each in found.resources] == ["a"]
    assert found.inputs == ("c/", "shared/c.yaml")
    with pytest.raises(RenderError) as caught:  # the tool itself does not follow such a link out of the folder
        RENDERERS[Kind.KUSTOMIZE].render(
            MemoryTree(files), Target("t", "e", Kind.KUSTOMIZE, {"path": "k"}), toolbox("kubectl")
        )
    assert caught.value.failure is Failure.TEMPLATE


def test_a_submodule_is_left_out_and_told():
    found, warnings = written({"=a/module": "", "a/b": "x"}, ["a"])
    assert found == {"a/b": "x"}
    assert "a/module is another repository" in warnings[0]


@pytest.mark.parametrize(
    "path", ["../evil", "a/../../evil", "/etc/evil", "a//b", "a/./b", ".git/config", "a/.GIT/hooks/x", "", "a/"]
)
def test_no_path_leads_out_of_the_workspace(path):
    tree = MemoryTree({"good": "x"})
    tree.entry_of["x"] = Entry(path, 0o100644, "0" * 40, 1)
    tree.blobs[path] = b"x"
    assert refused(tree).failure is Failure.REFUSED


def test_a_file_behind_a_link_is_not_written():
    tree = MemoryTree({"@a": "b", "b/c": "x"})
    tree.entry_of["a/evil"] = Entry("a/evil", 0o100644, "0" * 40, 1)
    tree.blobs["a/evil"] = b"x"
    assert refused(tree).failure is Failure.REFUSED
    assert refused(MemoryTree({"a": "x", "a/b": "y"})).failure is Failure.REFUSED


def test_limits_on_files_bytes_and_paths_hold():
    files = {f"a/{number}": "x" * 100 for number in range(20)}
    for limits in (
        InputLimits(files=19),
        InputLimits(total=1_999),
        InputLimits(file_size=99),
        InputLimits(path_length=3),
        InputLimits(depth=1),
    ):
        assert refused(files, limits=limits).failure is Failure.TOO_LARGE
    assert len(written(files, limits=InputLimits(files=20, total=2_000, file_size=100))[0]) == 20
