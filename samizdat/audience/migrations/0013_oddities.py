import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial"), ("audience", "0012_growth")]

    operations = [
        migrations.CreateModel(
            name="Oddity",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "subscriber_id", "kind", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("kind", models.PositiveSmallIntegerField()),
                ("mark", models.BinaryField(default=b"", max_length=16)),
                ("other", models.BigIntegerField(null=True)),
                ("settled", models.BooleanField(default=False)),
                (
                    "organisation",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.organisation",
                    ),
                ),
                (
                    "subscriber",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="audience.subscriber",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="OddityScan",
            fields=[
                (
                    "organisation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="accounts.organisation",
                    ),
                ),
                ("looked", models.BigIntegerField(default=0)),
                ("day", models.DateField(null=True)),
            ],
        ),
        migrations.AddIndex(
            "oddity", models.Index(fields=["organisation", "kind", "subscriber"], name="oddity_by_kind")
        ),
        migrations.AddIndex(
            "oddity",
            models.Index(condition=models.Q(("kind", 1)), fields=["organisation", "mark"], name="oddity_by_mark"),
        ),
        migrations.AddIndex(
            "oddity",
            models.Index(condition=models.Q(("other__isnull", False)), fields=["other"], name="oddity_by_other"),
        ),
    ]
