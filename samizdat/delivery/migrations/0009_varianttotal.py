import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("delivery", "0008_route_asked"), ("campaigns", "0011_contest")]

    operations = [
        migrations.CreateModel(
            "VariantTotal",
            [
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "edition_id",
                        "variant",
                        "state",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("variant", models.PositiveSmallIntegerField()),
                ("state", models.PositiveSmallIntegerField()),
                ("count", models.BigIntegerField(default=0)),
                (
                    "edition",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="campaigns.edition",
                    ),
                ),
            ],
        )
    ]
