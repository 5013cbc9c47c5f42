"""Where the installation last ran."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("delivery", "0011_not_accepted")]

    operations = [
        migrations.CreateModel(
            "Location",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("folder", models.BinaryField(max_length=16)),
                ("part", models.CharField(max_length=10)),
                ("digest", models.BinaryField(max_length=16)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("folder", "part"), name="location_once")],
            },
        ),
    ]
