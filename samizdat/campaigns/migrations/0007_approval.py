import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

PERSON = settings.AUTH_USER_MODEL


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0006_digest"), migrations.swappable_dependency(PERSON)]

    operations = [
        migrations.CreateModel(
            "Approval",
            [
                (
                    "campaign",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="approval",
                        serialize=False,
                        to="campaigns.campaign",
                    ),
                ),
                ("asked", models.DateTimeField(null=True)),
                ("given", models.DateTimeField(null=True)),
                ("bond_sealed", models.BinaryField(default=b"")),
                (
                    "asked_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=PERSON,
                    ),
                ),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=PERSON,
                    ),
                ),
            ],
        )
    ]
