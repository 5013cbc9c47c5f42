import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audience", "0007_segment"), ("campaigns", "0003_left_by_letter")]

    operations = [
        migrations.AddField(
            "campaign",
            "segment",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="audience.segment"
            ),
        ),
    ]
