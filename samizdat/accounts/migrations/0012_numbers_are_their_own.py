"""The number of a subscriber has 40 bits of a row: behind them is another organization. One that an export has led
there gives out no number any more; what it was given by then is its own all the same."""

from django.db import migrations, models

END = (1 << 40) - 1


def back(apps, schema):
    apps.get_model("accounts", "Organisation").objects.filter(next_number__gt=END).update(next_number=END)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0011_noticed_and_signed_out")]

    operations = [
        migrations.RunPython(back, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="organisation",
            constraint=models.CheckConstraint(
                condition=models.Q(("next_number__lt", 1 << 40)), name="numbers_are_their_own"
            ),
        ),
    ]
