"""Who finds the effect on a target out; until now always the portal itself."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("changes", "0005_checks_and_overrides")]

    operations = [
        migrations.AddField(
            model_name="rendering",
            name="planned_by",
            field=models.CharField(
                choices=[("here", "Here"), ("pipeline", "Pipeline"), ("runner", "Runner")], default="here", max_length=8
            ),
        ),
    ]
