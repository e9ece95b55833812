"""Of the deployments of before, all that succeeded were live but those that say that they ran nothing.

Apart from the column and in pieces: what locks the table of deployments stops everything that reads it.
"""

from django.db import migrations
from django.db.models import Exists, OuterRef

PIECE = 1_000


def mark_what_was_live(apps, schema_editor):
    """One that ended because something newer was live said so, in these words, since there are deployments."""
    events = apps.get_model("deployments", "DeploymentEvent").objects.filter(
        deployment=OuterRef("pk"),
        kind="state",
        text__startswith="Nothing to run: ",
        text__endswith=", which contains this change.",
    )
    model = apps.get_model("deployments", "Deployment")
    rows = model.objects.filter(status="succeeded", became_live=False).exclude(Exists(events)).order_by("pk")
    last = 0
    while found := list(rows.filter(pk__gt=last).values_list("pk", flat=True)[:PIECE]):
        model.objects.filter(pk__in=found).update(became_live=True)
        last = found[-1]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("deployments", "0027_indexes_of_sweeps"),
    ]

    operations = [
        migrations.RunPython(mark_what_was_live, migrations.RunPython.noop),
    ]
