"""The planners there are."""

from __future__ import annotations

from collections.abc import Mapping

from apps.rendering.cloudformation.planner import CloudFormation
from apps.rendering.model import Kind
from apps.rendering.planning import Planner

_ALL: tuple[Planner, ...] = (CloudFormation(),)
PLANNERS: Mapping[Kind, Planner] = {planner.kind: planner for planner in _ALL}
