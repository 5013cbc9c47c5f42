import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0013_again")]

    operations = [
        migrations.AddField("campaign", "test_link_sealed", models.BinaryField(default=b"", db_default=b"")),
        migrations.AddField("variant", "presses", models.PositiveBigIntegerField(default=0, db_default=0)),
        migrations.CreateModel(
            "Folded",
            [("name", models.BinaryField(max_length=32, primary_key=True, serialize=False))],
        ),
        migrations.CreateModel(
            "LinkTotal",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("place", models.PositiveSmallIntegerField()),
                ("link", models.PositiveSmallIntegerField()),
                ("day", models.DateField()),
                ("count", models.PositiveBigIntegerField(default=0)),
                (
                    "edition",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="link_totals",
                        to="campaigns.edition",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("edition", "place", "link", "day"), name="link_total_once")
                ]
            },
        ),
    ]
