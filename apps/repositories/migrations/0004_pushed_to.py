from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("repositories", "0003_delivery_digests"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="refupdate",
            index=models.Index(
                fields=["repository", "branch"],
                name="repositories_pushed",
                condition=models.Q(pusher__isnull=False),
            ),
        ),
    ]
