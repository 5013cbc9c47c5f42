import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from samizdat.database_migrations import InitialMigration


class Migration(InitialMigration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Fundraiser',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('details_sealed', models.BinaryField(default=b'')),
                ('sums_sealed', models.BinaryField(default=b'')),
                ('created', models.DateTimeField()),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='fundraisers', to='accounts.organization')),
            ],
        ),
    ]
