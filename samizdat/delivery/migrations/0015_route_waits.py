"""A route whose server dies when more follows a final dot."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('delivery', '0014_clock'),
    ]

    operations = [
        migrations.AddField(
            model_name='route',
            name='waits',
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
