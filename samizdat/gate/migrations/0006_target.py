import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gate", "0005_page_corrected")]

    operations = [
        migrations.AddField("place", "zone", models.CharField(max_length=64, default="UTC", db_default="UTC")),
        migrations.CreateModel(
            "Target",
            [
                ("name", models.BinaryField(max_length=32, primary_key=True, serialize=False)),
                ("box", models.BinaryField()),
                ("place", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="gate.place")),
            ],
        ),
    ]
