from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gate", "0004_form_details")]

    operations = [migrations.AddField("page", "corrected", models.DateField(null=True))]
