"""An export of our own format brings its lists along: until it begins it belongs to none."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audience", "0014_oddity_mark")]

    operations = [
        migrations.AlterField(
            "import",
            "list",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="audience.list"
            ),
        ),
    ]
