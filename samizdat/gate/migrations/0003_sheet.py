import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gate", "0002_place_leave_mailbox")]

    operations = [
        migrations.CreateModel(
            name="Sheet",
            fields=[
                ("name", models.BinaryField(max_length=32, primary_key=True, serialize=False)),
                ("box", models.BinaryField()),
                ("until", models.DateTimeField(db_index=True)),
                ("place", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="gate.place")),
            ],
        ),
    ]
