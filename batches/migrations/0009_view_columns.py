from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('batches', '0008_failed_cards'),
    ]

    operations = [
        migrations.AddField(
            model_name='savedview',
            name='columns',
            field=models.JSONField(null=True),
        ),
    ]
