from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0018_replies")]

    operations = [migrations.AddField("campaign", "planned", models.DateField(null=True))]
