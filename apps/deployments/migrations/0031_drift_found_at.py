"""When drift was found that is not known to be gone: of what had drifted before, since when each look told so."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models


def keep_what_is_known(apps: Any, schema_editor: Any) -> None:
    """Each drift that the latest look told of is in the log already, so it is not told again."""
    check, watch = (apps.get_model("deployments", name) for name in ("DriftCheck", "DriftWatch"))
    for row in check.objects.filter(is_latest=True, state="drifted").order_by("since", "pk"):
        rows = watch.objects.filter(environment=row.environment_id, found_at=None)
        rows.update(found_at=row.since or row.checked_at)


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0030_seen_health"),
    ]

    operations = [
        migrations.AddField(
            model_name="driftwatch",
            name="found_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.RunPython(keep_what_is_known, migrations.RunPython.noop),
    ]
