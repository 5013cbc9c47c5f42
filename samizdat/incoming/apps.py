"""Django finds the tables by this."""

from django.apps import AppConfig


class IncomingConfig(AppConfig):
    name = "samizdat.incoming"
    default_auto_field = "django.db.models.BigAutoField"
