from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0036_latest_at"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="deployment",
            index=models.Index(fields=["latest_at", "number"], name="deployments_latest"),
        ),
        migrations.AddIndex(
            model_name="deployment",
            index=models.Index(fields=["environment", "latest_at", "number"], name="deployments_latest_here"),
        ),
        migrations.RemoveIndex(
            model_name="deployment",
            name="ended_deployments",
        ),
    ]
