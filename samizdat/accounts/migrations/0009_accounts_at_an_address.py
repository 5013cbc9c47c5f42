from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0008_membership_locked'),
    ]

    operations = [
        migrations.AlterField(
            model_name='person',
            name='email_index',
            field=models.BinaryField(db_index=True, max_length=16),
        ),
    ]
