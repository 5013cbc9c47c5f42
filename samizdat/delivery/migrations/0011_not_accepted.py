from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("delivery", "0010_setaside"), ("campaigns", "0016_answer_totals")]

    operations = [
        migrations.AlterField(
            "setaside",
            "id",
            models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
        ),
        migrations.AddIndex(
            "delivery",
            models.Index(
                fields=["edition", "state", "number", "answer"],
                condition=models.Q(state__in=[3, 4, 6]),
                name="delivery_not_accepted",
            ),
        ),
    ]
