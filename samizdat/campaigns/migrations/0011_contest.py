import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0010_writing_together")]

    operations = [
        migrations.AddField("campaign", "test_share", models.PositiveSmallIntegerField(default=0, db_default=0)),
        migrations.AddField(
            "campaign", "test_by", models.CharField(blank=True, max_length=12, default="", db_default="")
        ),
        migrations.AddField("campaign", "test_at", models.DateTimeField(null=True)),
        migrations.AddField(
            "campaign", "test_state", models.CharField(blank=True, max_length=10, default="", db_default="")
        ),
        migrations.AddField("campaign", "test_winner", models.PositiveSmallIntegerField(null=True)),
        migrations.AddField(
            "campaign", "test_plan", models.CharField(blank=True, max_length=16, default="", db_default="")
        ),
        migrations.AddField("edition", "marks", models.CharField(blank=True, max_length=80, default="", db_default="")),
        migrations.CreateModel(
            "Variant",
            [
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("place", models.PositiveSmallIntegerField()),
                ("sealed", models.BinaryField(default=b"")),
                ("left", models.PositiveBigIntegerField(default=0)),
                ("replies", models.PositiveBigIntegerField(default=0)),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="variants", to="campaigns.campaign"
                    ),
                ),
                (
                    "letter",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="campaigns.campaign",
                    ),
                ),
            ],
            options={"constraints": [models.UniqueConstraint(fields=["campaign", "place"], name="variant_place_once")]},
        ),
        migrations.CreateModel(
            "EditionVariant",
            [
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("place", models.PositiveSmallIntegerField()),
                ("compiled_sealed", models.BinaryField()),
                ("details_sealed", models.BinaryField()),
                (
                    "edition",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="variants", to="campaigns.edition"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=["edition", "place"], name="edition_variant_once")]
            },
        ),
    ]
