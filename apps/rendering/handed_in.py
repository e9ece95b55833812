"""Plans that a pipeline hands in, for systems whose state and credentials stay with the environment's own runner."""

from apps.rendering.terraform.plan_json import read_plan

__all__ = ["read_plan"]
