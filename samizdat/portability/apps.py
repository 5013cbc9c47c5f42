"""Django finds the tables by this, and imports which addresses were planted in exports."""

from django.apps import AppConfig


class PortabilityConfig(AppConfig):
    name = "samizdat.portability"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from samizdat.portability import canary_alarms  # It has models, which wait for all apps.

        canary_alarms.register()
