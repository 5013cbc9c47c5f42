from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('gate', '0008_intake_box_is_short'),
    ]

    operations = [
        migrations.AddField(
            model_name='page',
            name='listed',
            field=models.BooleanField(db_default=True, default=True),
        ),
    ]
