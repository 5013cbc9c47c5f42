import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

PERSON = settings.AUTH_USER_MODEL


def by(related: str = "+", on_delete: object = django.db.models.deletion.SET_NULL) -> models.ForeignKey:
    return models.ForeignKey(null=True, on_delete=on_delete, related_name=related, to=PERSON)


def campaign(related: str) -> models.ForeignKey:
    return models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name=related, to="campaigns.campaign")


def number() -> models.BigAutoField:
    return models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    dependencies = [migrations.swappable_dependency(PERSON), ("campaigns", "0009_seen_outside")]

    operations = [
        migrations.CreateModel(
            name="DraftVersion",
            fields=[
                ("id", number()),
                ("number", models.PositiveIntegerField()),
                ("at", models.DateTimeField()),
                ("page", models.CharField(blank=True, max_length=32)),
                ("sealed", models.BinaryField()),
                ("by", by()),
                ("campaign", campaign("versions")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=["campaign", "number"], name="one_version_of_a_number")]
            },
        ),
        migrations.CreateModel(
            name="Writer",
            fields=[
                ("id", number()),
                ("until", models.DateTimeField(db_index=True)),
                ("campaign", campaign("writers")),
                (
                    "person",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to=PERSON),
                ),
            ],
            options={"constraints": [models.UniqueConstraint(fields=["campaign", "person"], name="one_writer_once")]},
        ),
        migrations.CreateModel(
            name="Comment",
            fields=[
                ("id", number()),
                ("at", models.DateTimeField()),
                ("resolved", models.DateTimeField(null=True)),
                ("sealed", models.BinaryField()),
                ("by", by()),
                ("campaign", campaign("comments")),
                ("resolved_by", by()),
            ],
        ),
    ]
