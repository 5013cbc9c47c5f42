from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gate", "0009_page_listed")]

    operations = [
        migrations.AddField("lettername", "appeal", models.BooleanField(default=False, db_default=False)),
    ]
