"""A mailbox provider that refuses us in a campaign."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0021_purpose'),
        ('delivery', '0012_location'),
    ]

    operations = [
        migrations.CreateModel(
            name='ProviderRefusal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.BinaryField(max_length=16)),
                ('provider', models.PositiveSmallIntegerField()),
                ('domain_sealed', models.BinaryField(default=b'')),
                ('reason', models.CharField(max_length=20)),
                ('answer_sealed', models.BinaryField()),
                ('count', models.PositiveIntegerField()),
                ('since', models.DateTimeField()),
                ('lifted', models.DateTimeField(null=True)),
                ('edition', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='campaigns.edition')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('edition', 'digest'), name='provider_refusal_once')],
            },
        ),
    ]
