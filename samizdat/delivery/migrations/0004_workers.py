"""Heartbeats of processes, how far a claimed chunk was fed, and what the clock has done."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("delivery", "0003_pace")]

    operations = [
        migrations.AddField("chunk", "unfed", models.PositiveIntegerField(null=True)),
        migrations.AddField(
            "worker", "role", models.CharField(db_default="sender", default="sender", max_length=10)
        ),
        migrations.AddField(
            "worker", "host", models.CharField(blank=True, db_default="", default="", max_length=253)
        ),
        migrations.AddField("worker", "beat", models.DateTimeField(null=True)),
        migrations.AddField("worker", "engine", models.BigIntegerField(null=True)),
        migrations.AddField("worker", "forgotten", models.BooleanField(db_default=False, default=False)),
        migrations.CreateModel(
            name="Step",
            fields=[
                ("name", models.CharField(max_length=60, primary_key=True, serialize=False)),
                ("done", models.DateTimeField(null=True)),
                ("failed", models.DateTimeField(null=True)),
                ("why", models.CharField(blank=True, max_length=200)),
            ],
        ),
    ]
