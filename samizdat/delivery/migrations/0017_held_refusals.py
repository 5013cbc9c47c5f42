"""What each of several senders holds of the same refusal by one mailbox provider."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0021_purpose"), ("delivery", "0016_worker_written")]

    operations = [
        migrations.CreateModel(
            name="HeldRefusals",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.BinaryField(max_length=16)),
                ("group", models.BinaryField(max_length=16)),
                ("count", models.PositiveIntegerField()),
                ("settles", models.BooleanField()),
                ("accepted", models.BooleanField(default=False)),
                (
                    "edition",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="campaigns.edition",
                    ),
                ),
                (
                    "worker",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="delivery.worker"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("edition", "group", "worker"), name="held_refusals_once")
                ],
            },
        ),
    ]
