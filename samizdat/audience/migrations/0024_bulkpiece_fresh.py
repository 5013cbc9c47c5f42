from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audience", "0023_signup")]

    operations = [migrations.AddField("bulkpiece", "fresh", models.BinaryField(db_default=b"", default=b""))]
