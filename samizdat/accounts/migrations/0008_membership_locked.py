from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0007_grants'),
    ]

    operations = [
        migrations.AddField('membership', 'locked', models.DateTimeField(null=True)),
    ]
