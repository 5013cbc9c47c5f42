from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("delivery", "0013_provider_refusal")]

    operations = [
        migrations.CreateModel(
            "Clock",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("boot", models.BinaryField(max_length=16)),
                ("ticks", models.FloatField()),
                ("seen", models.DateTimeField()),
                ("jumped", models.DateTimeField(null=True)),
                ("seconds", models.FloatField(default=0)),
                ("patient", models.DateTimeField(null=True)),
            ],
        ),
    ]
