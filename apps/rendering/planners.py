"""The planners there are."""

from __future__ import annotations

from collections.abc import Mapping

from apps.rendering.cloudformation.planner import CloudFormation
from apps.rendering.model import Kind
from apps.rendering.planning import Planner
from apps.rendering.terraform.planner import Terraform

_ALL: tuple[Planner, ...] = (Terraform(), CloudFormation())
PLANNERS: Mapping[Kind, Planner] = {planner.kind: planner for planner in _ALL}
