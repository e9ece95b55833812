import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0031_drift_found_at"),
    ]

    operations = [
        migrations.AddField(
            model_name="mergeschedule",
            name="intent",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="schedules",
                to="deployments.mergeintent",
            ),
        ),
    ]
