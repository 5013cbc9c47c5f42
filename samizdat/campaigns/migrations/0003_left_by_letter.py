from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0002_pace'),
    ]

    operations = [
        migrations.AddField(
            model_name='campaign',
            name='left_by_letter',
            field=models.PositiveBigIntegerField(db_default=0, default=0),
        ),
    ]
