"""Links to letters get a MAC. A migration has no keys, so those of before, of seven days at the most, end with it: what
stands in their rows cannot be told from what somebody wrote there."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0022_counted_places")]

    operations = [
        migrations.AddField("sharelink", "mac", models.BinaryField(max_length=32, default=b"", db_default=b"")),
    ]
