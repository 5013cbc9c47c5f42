from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gate", "0010_lettername_appeal")]

    operations = [
        migrations.CreateModel(
            "Uptake",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("through", models.BigIntegerField()),
            ],
        ),
    ]
