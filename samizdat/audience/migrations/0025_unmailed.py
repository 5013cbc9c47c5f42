import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_second_person"),
        ("audience", "0024_bulkpiece_fresh"),
    ]

    operations = [
        migrations.CreateModel(
            name="Unmailed",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "organisation_id", "why", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("why", models.CharField(max_length=10)),
                ("count", models.PositiveIntegerField()),
                (
                    "organisation",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.organisation",
                    ),
                ),
            ],
        ),
    ]
