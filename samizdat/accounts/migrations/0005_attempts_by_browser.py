from django.db import migrations, models


class Migration(migrations.Migration):
    # Failed sign-ins are kept for a day: nothing is carried over.

    dependencies = [
        ('accounts', '0004_second_person'),
    ]

    operations = [
        migrations.DeleteModel(
            name='Attempt',
        ),
        migrations.CreateModel(
            name='Attempt',
            fields=[
                ('lane', models.BinaryField(max_length=16, primary_key=True, serialize=False)),
                ('email_index', models.BinaryField(db_index=True, max_length=16)),
                ('failures', models.PositiveSmallIntegerField(default=0)),
                ('not_before', models.DateTimeField()),
            ],
        ),
    ]
