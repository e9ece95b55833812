"""The plan that the pipeline of the demo organisation hands in where this machine has no Terraform of its own."""

from __future__ import annotations

import json

from apps.changes import services as changes
from apps.changes.models import ChangeRequest, Rendering
from apps.demo.story.world import World

_ADDRESS = "terraform_data.orders_database"


def plans_of_the_pipeline(world: World) -> None:
    """What ``terraform show -json`` says of the smaller database, where it was not planned here."""
    fresh = world.again(ChangeRequest.objects.get(source_branch="change/smaller-database"))
    rows = Rendering.objects.filter(revision=fresh.revision, kind="terraform").exclude(state=Rendering.State.RENDERED)
    for row in rows:
        changes.hand_in_plan(
            world.person("carol"),
            change=fresh,
            revision=row.revision.number,
            environment=row.environment,
            target=row.target,
            plan=json.dumps(_plan()).encode(),
        )


def _plan() -> dict[str, object]:
    before = {"name": "orders-production", "engine": "postgres-16", "storage_gb": 400, "backup_days": 30}
    update = {
        "actions": ["update"],
        "before": {"input": before, "output": before},
        "after": {"input": {**before, "storage_gb": 200}},
        "after_unknown": {"output": True},
        "before_sensitive": {},
        "after_sensitive": {},
    }
    return {
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "planned_values": {},
        "resource_changes": [
            {
                "address": _ADDRESS,
                "mode": "managed",
                "type": "terraform_data",
                "name": "orders_database",
                "provider_name": "terraform.io/builtin/terraform",
                "change": update,
            }
        ],
    }
