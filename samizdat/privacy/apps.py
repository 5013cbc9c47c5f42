"""Django finds the tables by this."""

from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    name = "samizdat.privacy"
    default_auto_field = "django.db.models.BigAutoField"
