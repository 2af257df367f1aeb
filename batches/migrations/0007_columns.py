from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('batches', '0006_sharing'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='hiddencolumns',
            name='hidden_columns_once',
        ),
        migrations.RenameModel(
            old_name='HiddenColumns',
            new_name='TableColumns',
        ),
        migrations.AlterModelOptions(
            name='tablecolumns',
            options={'verbose_name': 'columns of a table', 'verbose_name_plural': 'columns of tables'},
        ),
        migrations.RenameField(
            model_name='tablecolumns',
            old_name='names',
            new_name='hidden',
        ),
        migrations.AddField(
            model_name='tablecolumns',
            name='order',
            field=models.JSONField(default=list),
        ),
        migrations.AddConstraint(
            model_name='tablecolumns',
            constraint=models.UniqueConstraint(fields=('batch', 'user'), name='table_columns_once'),
        ),
    ]
