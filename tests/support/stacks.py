"""Stacks of CloudFormation for tests: a template with its values, planned or on one side only."""

from __future__ import annotations

from pathlib import Path

from apps.rendering.model import Kind
from apps.rendering.planners import PLANNERS
from apps.rendering.protocol import Target
from apps.rendering.redaction import keyed
from tests.support.tools import toolbox
from tests.support.trees import MemoryTree

ROOT = Path(__file__).resolve().parents[2]
PLANNER = PLANNERS[Kind.CLOUDFORMATION]
FINGERPRINT = keyed(b"a key of tests")


def target(**given) -> Target:
    given = {"template": "t.yaml", "stack": "shop", "region": "eu-west-1", **given}
    return Target("shop", "staging", Kind.CLOUDFORMATION, {key: value for key, value in given.items() if value})


def plan(before, after, **given):
    """Of two sets of files, or of two texts of the template."""
    sides = (MemoryTree(each if isinstance(each, dict) else {"t.yaml": each}) for each in (before, after))
    return PLANNER.plan(*sides, target(**given), toolbox(), FINGERPRINT)


def created(files, **given):
    """The bodies of all resources of a side, by logical id."""
    return {change.id.name: change.after for change in plan({}, files, **given).difference.changes}


def changes(before, after, **given):
    return {change.id.name: change for change in plan(before, after, **given).difference.changes}
