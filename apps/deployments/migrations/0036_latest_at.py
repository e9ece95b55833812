"""When each deployment last began, or was asked for since."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models
from django.db.models.functions import Coalesce, Greatest, Now

import apps.core.clock


def fill(apps: Any, schema_editor: Any) -> None:
    """What has begun, and was asked for again since, waits for a new attempt."""
    rows = apps.get_model("deployments", "Deployment").objects
    rows.update(latest_at=Greatest(Coalesce("started_at", "queued_at"), "queued_at"))


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0035_adopted_marks"),
    ]

    operations = [
        migrations.AddField(
            model_name="deployment",
            name="latest_at",
            field=models.DateTimeField(db_default=Now(), default=apps.core.clock.now),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
