"""What earlier releases counted of letters is thrown away: how many of their recipients were settled is not known."""

from django.db import migrations, models


def forget(apps, _schema):
    for name in ("LinkTotal", "AnswerTotal"):
        apps.get_model("campaigns", name).objects.all().delete()
    apps.get_model("campaigns", "Variant").objects.update(presses=0)


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0021_purpose")]

    operations = [
        migrations.AddField(
            "edition", "counted_places", models.CharField(max_length=400, blank=True, default="", db_default="")
        ),
        migrations.RunPython(forget, migrations.RunPython.noop),
    ]
