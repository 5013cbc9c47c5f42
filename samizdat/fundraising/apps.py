"""Django finds the tables by this."""

from django.apps import AppConfig


class FundraisingConfig(AppConfig):
    name = "samizdat.fundraising"
    default_auto_field = "django.db.models.BigAutoField"
