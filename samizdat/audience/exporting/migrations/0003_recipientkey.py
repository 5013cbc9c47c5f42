import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    # Keys of earlier exports are sealed and are not carried over: each is approved once.

    dependencies = [
        ("accounts", "0006_pendingchange"),
        ("exporting", "0002_held"),
    ]

    operations = [
        migrations.CreateModel(
            name="RecipientKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("mark", models.BinaryField(max_length=16)),
                ("key_sealed", models.BinaryField()),
                ("since", models.DateField()),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.organisation"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("organisation", "mark"), name="recipient_key_once")
                ],
            },
        ),
    ]
