"""A secret is used to deploy, as all were until now, or to plan."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("deployments", "0003_list_indexes")]

    operations = [
        migrations.RemoveConstraint(model_name="environmentsecret", name="secret_names_are_unique"),
        migrations.AddField(
            model_name="environmentsecret",
            name="used_for",
            field=models.CharField(choices=[("deploy", "Deploy"), ("plan", "Plan")], default="deploy", max_length=6),
        ),
        migrations.AddConstraint(
            model_name="environmentsecret",
            constraint=models.UniqueConstraint(
                fields=("environment", "name", "used_for"), name="secret_names_are_unique"
            ),
        ),
    ]
