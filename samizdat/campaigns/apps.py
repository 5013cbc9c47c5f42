"""Django finds the tables by this."""

from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "samizdat.campaigns"
    default_auto_field = "django.db.models.BigAutoField"
