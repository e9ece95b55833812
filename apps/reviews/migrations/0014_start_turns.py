"""Somebody may be called because a deployment waits only for who presses Start. The columns stay as they are."""

from __future__ import annotations

from django.db import migrations, models

KINDS = ("write", "triage", "review", "lost", "author", "ready", "handed", "answered", "failed", "start", "quiet")
ORIGINS = ("hand_over", "answer", "failed", "start", "quiet")


class Migration(migrations.Migration):
    dependencies = [("reviews", "0013_verdicts_by_age")]
    operations = [
        migrations.AlterField(
            model_name="attention",
            name="kind",
            field=models.CharField(choices=[(kind, kind) for kind in KINDS], default="review", max_length=8),
        ),
        migrations.AlterField(
            model_name="call",
            name="origin",
            field=models.CharField(choices=[(origin, origin) for origin in ORIGINS], max_length=9),
        ),
    ]
