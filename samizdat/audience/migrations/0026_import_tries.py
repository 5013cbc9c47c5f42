from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audience", "0025_unmailed")]

    operations = [
        migrations.AddField(
            model_name="import",
            name="tries",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
    ]
