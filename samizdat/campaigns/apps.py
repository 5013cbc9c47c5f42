"""Django finds the tables by this, and an export what goes along with the audience."""

from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "samizdat.campaigns"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from samizdat.portability.parts import campaigns

        campaigns.register()
