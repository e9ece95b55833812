"""By what a notice that is sent again under another id is known."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("repositories", "0002_claims_required"),
    ]

    operations = [
        migrations.AddField(
            model_name="webhookdelivery",
            name="digest",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(fields=["repository", "digest"], name="delivery_by_body"),
        ),
    ]
