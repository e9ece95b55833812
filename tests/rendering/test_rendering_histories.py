"""Two real histories: at every commit each target renders, or says in a known way why it can not."""

from __future__ import annotations

import os
import subprocess
import warnings
from pathlib import Path

import pytest

from apps.rendering.model import Failure, Kind, RenderError
from apps.rendering.protocol import Target
from apps.rendering.registry import RENDERERS
from tests.support.tools import toolbox
from tests.support.trees import CommitTree, write

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("PORTAL_SHARED_DATA", ROOT.parent / "shared" / "data"))
FLUX, ARGO = "flux2-kustomize-helm-example", "argocd-example-apps"
KINDS = {"kustomization.yaml": Kind.KUSTOMIZE, "Chart.yaml": Kind.HELM}
EXPLAINED = {
    Failure.MISSING_INPUT: ("is not in", "are not fetched"),
    Failure.UNSUPPORTED: ("charts inside of a kustomization", "is not this repository", "another server"),
    Failure.REFUSED: ("on another server",),
    Failure.TEMPLATE: ("ksonnet.io/app has no metadata",),  # a description of another tool among the manifests
}


def history(name, folder):
    bundle = DATA / "repos" / f"{name}.bundle"
    if not bundle.exists():
        warnings.warn(f"{bundle} is not there: rendering real histories DID NOT RUN", stacklevel=1)
        pytest.skip(f"NOT RUN: {bundle} is not there (PORTAL_SHARED_DATA)")
    subprocess.run(["git", "clone", "-q", "--bare", str(bundle), str(folder)], check=True, capture_output=True)
    log = ["git", "-C", str(folder), "log", "--first-parent", "--reverse", "--format=%H"]
    return subprocess.run(log, check=True, capture_output=True, text=True).stdout.split()


def targets(tree):
    """What a person would name as targets: every cluster, chart, kustomization and folder of plain manifests."""
    found = {}
    paths = {entry.path for entry in tree.entries()}
    for path in sorted(paths):
        folder, _, name = path.rpartition("/")
        if path.startswith("clusters/"):
            found["/".join(path.split("/")[:2])] = Kind.FLUX
        elif name in KINDS and "/charts/" not in path:
            found[folder] = KINDS[name]
        elif name.endswith(".yaml") and folder in {"guestbook", "helm-hooks", "sync-waves"}:
            found.setdefault(folder, Kind.MANIFESTS)
    return found


def fails_by_itself(tree, path, kind, box, folder):
    """Whether the tool says no to the plain files as well."""
    lines = {Kind.KUSTOMIZE: ["kubectl", "kustomize", path], Kind.HELM: ["helm", "template", "t", path]}
    if kind not in lines:
        return False
    program, *arguments = lines[kind]
    line = [str(box.find(program)), *arguments]
    return subprocess.run(line, cwd=write(tree, folder), capture_output=True, check=False).returncode != 0


def part_is_explained(part, rendered, tree, box, folder):
    """By known words, or because the tool says no to the plain folder of the part, too."""
    if any(words in part.failure for known in EXPLAINED.values() for words in known):
        return True
    body = next(each.body for each in rendered.resources if str(each.id) == part.name)
    return fails_by_itself(tree, body["spec"]["path"], Kind.KUSTOMIZE, box, folder)


def render_all(name, folder, stride):
    commits = history(name, folder)
    box = toolbox("kubectl", "helm")
    seen = {"rendered": 0, "explained": 0, "parts": 0, "resources": 0}
    unexplained = []
    for commit in commits[::-1][::stride]:
        tree = CommitTree(folder, commit)
        for path, kind in targets(tree).items():
            target = Target("t", "e", kind, {"path": path, "chart": path})
            try:
                found = RENDERERS[kind].render(tree, target, box)
            except RenderError as error:
                seen["explained"] += 1
                known = any(words in error.message for words in EXPLAINED.get(error.failure, ()))
                if not known and not fails_by_itself(
                    tree, path, kind, box, folder.parent / f"{commit}-{seen['explained']}"
                ):
                    unexplained.append((commit[:8], path, error.failure, error.message))
                continue
            seen["rendered"] += 1
            seen["resources"] += len(found.resources)
            assert found.resources
            for part in found.parts:
                seen["parts"] += 1
                if part.failure and not part_is_explained(
                    part, found, tree, box, folder.parent / f"{commit}-{seen['parts']}"
                ):
                    unexplained.append((commit[:8], path, part.name, part.failure))
    return seen, unexplained


@pytest.mark.slow
@pytest.mark.parametrize(("name", "stride"), [(FLUX, 12), (ARGO, 18)])
def test_commits_of_real_histories_render_or_say_why_not(name, stride, tmp_path):
    seen, unexplained = render_all(name, tmp_path / "repo.git", stride)
    assert unexplained == []
    assert seen["rendered"] > seen["explained"]
    assert seen["resources"] > 50


@pytest.mark.soak
@pytest.mark.parametrize("name", [FLUX, ARGO])
def test_every_commit_of_real_histories_renders_or_says_why_not(name, tmp_path):
    seen, unexplained = render_all(name, tmp_path / "repo.git", 1)
    assert unexplained == []
    assert seen["rendered"] > seen["explained"]
