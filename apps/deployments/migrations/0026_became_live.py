"""Which deployments were what an environment runs."""

from django.db import migrations, models


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
    ]
