import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def number() -> models.BigAutoField:
    return models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0008_checks"),
        ("accounts", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            "SeedList",
            [
                (
                    "organisation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="accounts.organisation",
                    ),
                ),
                ("sealed", models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            "ShareLink",
            [
                ("id", number()),
                ("token_hash", models.BinaryField(max_length=32, unique=True)),
                ("note_sealed", models.BinaryField()),
                ("until", models.DateTimeField()),
                ("ended", models.BooleanField(default=False)),
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
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="shares", to="campaigns.campaign"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            "ShareAnswer",
            [
                ("id", number()),
                ("sealed", models.BinaryField()),
                ("at", models.DateTimeField()),
                (
                    "link",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="answers", to="campaigns.sharelink"
                    ),
                ),
            ],
        ),
    ]
