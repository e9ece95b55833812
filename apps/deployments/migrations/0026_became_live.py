"""Which deployments were what an environment runs; of before, all that succeeded but those that say that they ran nothing."""

from django.db import migrations, models
from django.db.models import Exists, OuterRef


def mark_what_was_live(apps, schema_editor):
    """One that ended because something newer was live said so, in these words, since there are deployments."""
    events = apps.get_model("deployments", "DeploymentEvent").objects.filter(
        deployment=OuterRef("pk"),
        kind="state",
        text__startswith="Nothing to run: ",
        text__endswith=", which contains this change.",
    )
    rows = apps.get_model("deployments", "Deployment").objects.filter(status="succeeded")
    rows.exclude(Exists(events)).update(became_live=True)


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0025_starts_by_environment"),
    ]

    operations = [
        migrations.AddField(
            model_name="deployment",
            name="became_live",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddIndex(
            model_name="deployment",
            index=models.Index(
                condition=models.Q(("became_live", True)),
                fields=["environment", "ended_at"],
                name="once_live_deployments",
            ),
        ),
        migrations.RunPython(mark_what_was_live, migrations.RunPython.noop),
    ]
