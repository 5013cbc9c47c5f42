import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audience", "0011_bulk_work")]

    operations = [
        migrations.CreateModel(
            name="Growth",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "list_id", "day", "what", "way", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("day", models.DateField()),
                ("what", models.PositiveSmallIntegerField()),
                ("way", models.PositiveSmallIntegerField()),
                ("count", models.BigIntegerField(default=0)),
                (
                    "list",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to="audience.list"
                    ),
                ),
            ],
        ),
    ]
