"""Django finds the tables by this."""

from django.apps import AppConfig


class ExportingConfig(AppConfig):
    name = "samizdat.audience.exporting"
    label = "exporting"
    default_auto_field = "django.db.models.BigAutoField"
