import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("audience", "0010_signupform"),
    ]

    operations = [
        migrations.CreateModel(
            name="BulkWork",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("deed", models.CharField(max_length=8)),
                ("state", models.CharField(max_length=10)),
                ("plan_sealed", models.BinaryField()),
                ("wanted", models.BigIntegerField()),
                ("looked", models.BigIntegerField(default=0)),
                ("changed", models.BigIntegerField(default=0)),
                ("undone", models.BigIntegerField(default=0)),
                ("below", models.BigIntegerField(null=True)),
                ("piece", models.PositiveIntegerField(default=0)),
                ("begun", models.DateTimeField()),
                ("finished", models.DateTimeField(null=True)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.organisation"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="BulkPiece",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "work_id", "place", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("place", models.PositiveIntegerField()),
                ("changed", models.BinaryField()),
                ("entered", models.BinaryField(default=b"")),
                (
                    "work",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="pieces", to="audience.bulkwork"
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="bulkwork",
            index=models.Index(fields=["organisation", "-id"], name="bulkwork_newest"),
        ),
        migrations.AddIndex(
            model_name="bulkwork",
            index=models.Index(
                condition=models.Q(("state__in", ("running", "undoing"))), fields=["id"], name="bulkwork_open"
            ),
        ),
    ]
