from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0012_numbers_are_their_own'),
    ]

    operations = [
        migrations.AddField('pendingchange', 'refused', models.DateTimeField(null=True)),
        migrations.AddField('pendingchange', 'tried', models.DateTimeField(null=True)),
    ]
