from django.db import migrations, models
import django.db.models.deletion


class Migration(migrations.Migration):

    dependencies = [
        ('audience', '0003_wording'),
    ]

    operations = [
        migrations.AddField(
            model_name='field',
            name='readable',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='field',
            name='filled',
            field=models.BigIntegerField(null=True),
        ),
        migrations.CreateModel(
            name='ReadableValue',
            fields=[
                ('pk', models.CompositePrimaryKey('subscriber_id', 'field_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('value', models.BigIntegerField()),
                ('field', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, to='audience.field')),
                ('subscriber', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, to='audience.subscriber')),
            ],
            options={
                'indexes': [models.Index(fields=['field', 'value', 'subscriber'], name='readablevalue_by_value')],
            },
        ),
    ]
