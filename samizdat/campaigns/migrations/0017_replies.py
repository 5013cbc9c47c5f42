from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0016_answer_totals")]

    operations = [migrations.AddField("campaign", "replies", models.PositiveBigIntegerField(null=True))]
