"""A target may be all of a repository, or lie in a hidden folder: what a change does there is never "nothing"."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.changes.effects.git_tree import GitTree
from apps.changes.effects.outcomes import Outcome, outcome_of
from apps.changes.effects.targets import Sides
from apps.changes.effects.tools import fingerprint
from apps.rendering.model import Failure, Json, Kind, RenderError
from apps.rendering.protocol import Target
from apps.rendering.stability import asks_for_time
from tests.support.git import GitRepo
from tests.support.tools import toolbox
from tests.support.trees import MemoryTree

pytestmark = pytest.mark.django_db

CHART = "apiVersion: v2\nname: web\nversion: 1.0.0\n"
OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\ndata: {colour: NEW}\n"
FROM_VALUES = OBJECT.replace("NEW", "{{ .Values.colour }}")
PATCHED = """
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec:
  path: ./apps
  sourceRef: {kind: GitRepository, name: flux-system}
  patches: [{patch: '[{"op": "add", "path": "/spec/path", "value": "./apps"}]', target: {kind: Kustomization}}]
"""
KUSTOMIZATION = "resources: [a.yaml]\n"

CASES: dict[str, tuple[Kind, dict[str, Json], dict[str, str]]] = {
    "manifests": (Kind.MANIFESTS, {"path": "."}, {"a.yaml": OBJECT}),
    "kustomize": (Kind.KUSTOMIZE, {"path": "."}, {"kustomization.yaml": KUSTOMIZATION, "a.yaml": OBJECT}),
    "helm": (Kind.HELM, {"chart": "."}, {"Chart.yaml": CHART, "templates/a.yaml": OBJECT}),
    "flux": (Kind.FLUX, {"path": "cluster"}, {"cluster/apps.yaml": PATCHED, "apps/a.yaml": OBJECT}),
    "hidden kustomize": (
        Kind.KUSTOMIZE,
        {"path": ".deploy/web"},
        {".deploy/web/kustomization.yaml": KUSTOMIZATION, ".deploy/web/a.yaml": OBJECT},
    ),
    "hidden helm": (
        Kind.HELM,
        {"chart": ".helm", "values": [".env/values.yaml"]},
        {".helm/Chart.yaml": CHART, ".helm/templates/a.yaml": FROM_VALUES, ".env/values.yaml": "colour: NEW\n"},
    ),
    "hidden flux": (
        Kind.FLUX,
        {"path": ".cluster"},
        {".cluster/apps.yaml": PATCHED.partition("  patches")[0].replace("./apps", "./.apps"), ".apps/a.yaml": OBJECT},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_effect_of_a_change_is_found_wherever_its_target_is(tmp_path: Path, name: str) -> None:
    kind, options, files = CASES[name]
    toolbox("helm", "kubectl")
    texts = [{path: text.replace("NEW", colour) for path, text in files.items()} for colour in ("blue", "green")]
    outcome = compared(tmp_path, kind, options, *texts)
    assert [part for part in outcome.parts if part.failure] == []
    change = next(each for each in outcome.difference.changes if each.id.kind == "ConfigMap")
    assert (change.before["data"], change.after["data"]) == ({"colour": "blue"}, {"colour": "green"})


def compared(tmp_path: Path, kind: Kind, options: dict[str, Json], *commits: dict[str, str]) -> Outcome:
    work = GitRepo.create(tmp_path / "work")
    made = [work.commit(files=files) for files in commits]
    sides = Sides(*(GitTree(work.git_dir, work.tree(commit)) for commit in made))
    return outcome_of(Target("web", "production", kind, options), sides, fingerprint())


@pytest.mark.parametrize(
    ("kind", "options", "place"),
    [
        (Kind.MANIFESTS, {"path": "apps/wbe"}, "apps/wbe/"),
        (Kind.KUSTOMIZE, {"path": "apps/wbe"}, "apps/wbe/"),
        (Kind.FLUX, {"path": "clusters/live"}, "clusters/live/"),
    ],
)
def test_a_target_that_is_nowhere_is_never_said_not_to_change(
    tmp_path: Path, kind: Kind, options: dict[str, Json], place: str
) -> None:
    toolbox("kubectl")
    with pytest.raises(RenderError, match=f"There is nothing at {place}.*, before the change or after it") as wrong:
        compared(tmp_path, kind, options, {"apps/web/a.yaml": OBJECT}, {"apps/web/a.yaml": FROM_VALUES})
    assert wrong.value.failure is Failure.MISSING_INPUT


def test_a_target_that_comes_is_compared_with_nothing(tmp_path: Path) -> None:
    outcome = compared(tmp_path, Kind.MANIFESTS, {"path": "apps/web"}, {"b.yaml": OBJECT}, {"apps/web/a.yaml": OBJECT})
    assert [change.action.value for change in outcome.difference.changes] == ["create"]


def test_a_chart_that_is_all_of_a_repository_may_ask_what_time_it_is() -> None:
    assert asks_for_time(MemoryTree({"templates/a.yaml": "{{ now }}"}), ("./",))
    assert not asks_for_time(MemoryTree({"templates/a.yaml": "{{ .Values.a }}"}), ("./",))


def test_a_folder_of_a_commit_holds_what_is_in_it_and_nothing_beside(tmp_path: Path) -> None:
    work = GitRepo.create(tmp_path / "work")
    names = ["a", "b-c/x", "b.c/x", "b/x", "b/y/z", "b0", "b0/x", "bé/x", "c"]
    commit = work.commit(files=dict.fromkeys([name for name in names if name != "b0"], "text"))
    tree = GitTree(work.git_dir, work.tree(commit))
    assert [entry.path for entry in tree.entries("b")] == ["b/x", "b/y/z"]
    assert [entry.path for entry in tree.entries("b/y")] == ["b/y/z"]
    assert [entry.path for entry in tree.entries("b/x")] == ["b/x"]
    assert [entry.path for entry in tree.entries("bé")] == ["bé/x"]
    assert len(list(tree.entries())) == len(names) - 1
    assert [list(tree.entries(under)) for under in (".", "b/", "B", "b/x/y", "d")] == [[]] * 5
