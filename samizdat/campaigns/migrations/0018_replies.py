from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0017_folders")]

    operations = [migrations.AddField("campaign", "replies", models.PositiveBigIntegerField(null=True))]
