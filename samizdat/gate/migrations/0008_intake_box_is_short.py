from django.db import migrations, models
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual


class Migration(migrations.Migration):

    dependencies = [
        ('gate', '0007_page_language'),
    ]

    operations = [
        # No reader can send so much, so it opens to nothing; one row of it would end the upgrade.
        migrations.RunSQL("DELETE FROM gate_intake WHERE length(box) > 65536", migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name='intake',
            constraint=models.CheckConstraint(
                condition=LessThanOrEqual(Length('box'), 64 * 1024), name='intake_box_is_short'
            ),
        ),
    ]
