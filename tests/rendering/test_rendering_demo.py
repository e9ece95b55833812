"""The demo organisation shows every system there is, and each of its targets can be rendered."""

from __future__ import annotations

import pytest
import yaml

from apps.demo.story import fleet
from apps.demo.story.setting import CONTENT
from apps.rendering.comparing import compare
from apps.rendering.model import Action, Kind
from apps.rendering.planners import PLANNERS
from apps.rendering.protocol import Target
from apps.rendering.redaction import keyed
from apps.rendering.registry import RENDERERS
from tests.support.tools import toolbox
from tests.support.trees import MemoryTree

NEEDED = {
    Kind.KUSTOMIZE: ("kubectl",),
    Kind.HELM: ("helm",),
    Kind.FLUX: ("kubectl", "helm"),
    Kind.TERRAFORM: ("terraform",),
}


def content():
    return MemoryTree(
        {str(path.relative_to(CONTENT)): path.read_bytes() for path in CONTENT.rglob("*") if path.is_file()}
    )


def targets():
    policy = yaml.safe_load((CONTENT / ".gitops/portal.yaml").read_text())
    for environment, facts in policy["environments"].items():
        for name, options in facts["targets"].items():
            assert options.pop("optional"), "a demo is shown where tools are missing, too"
            yield Target(name, environment, Kind(options.pop("kind")), options)


ALL = {f"{target.environment}-{target.name}": target for target in targets()}


def resources_of(name, tree):
    target = ALL[name]
    return RENDERERS[target.kind].render(tree, target, toolbox(*NEEDED.get(target.kind, ())))


def test_every_kind_of_target_is_in_both_environments():
    for environment in ("staging", "production"):
        assert {target.kind for target in ALL.values() if target.environment == environment} == set(Kind)


@pytest.mark.parametrize("name", ALL)
def test_a_target_of_the_demo_is_rendered_whole_and_reads_what_is_there(name):
    target, tree = ALL[name], content()
    box = toolbox(*NEEDED.get(target.kind, ()))
    if target.kind in PLANNERS:
        done = PLANNERS[target.kind].plan(tree, tree, target, box, keyed(b"demo" * 8))
        assert done.difference.changes == ()
        assert done.difference.unchanged
    else:
        done = RENDERERS[target.kind].render(tree, target, box)
        assert done.resources
        assert not [part for part in done.parts if part.failure]
        assert done.warnings == ()
    for path in done.inputs:
        assert list(tree.entries(path.rstrip("/"))), path


def test_one_variable_of_flux_reaches_what_it_is_put_into():
    tree = content()
    path = "fleet/production/metrics.yaml"
    changed = tree.changed({path: fleet.every_15_seconds(tree.read(path).decode())})
    before, after = (resources_of("production-fleet", side).resources for side in (tree, changed))
    found = compare(before, after).changes
    assert [str(change.id) for change in found] == [
        "ConfigMap metrics/agent", "Deployment metrics/agent", "Kustomization flux-system/metrics",
    ]  # fmt: skip
    assert found[1].source is not None
    assert found[1].source.path == "fleet/metrics/agent.yaml"


def test_the_rehearsal_of_a_restore_brings_a_right_that_is_named():
    tree = content()
    changed = tree.changed({"jobs/production/rehearsal.yaml": fleet.REHEARSAL})
    before, after = (resources_of("production-jobs", side).resources for side in (tree, changed))
    found = {change.id.kind: change for change in compare(before, after).changes}
    assert {change.action for change in found.values()} == {Action.CREATE}
    assert any(risk.code == "rbac" for risk in found["Role"].risks)
