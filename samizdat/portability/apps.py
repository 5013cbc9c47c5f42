"""Django finds the tables by this, and an export what goes along with the audience."""

from collections.abc import Iterable

from django.apps import AppConfig


class PortabilityConfig(AppConfig):
    name = "samizdat.portability"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from samizdat.portability.parts import registry

        registry.register(_parts)


def _parts() -> Iterable[object]:
    from samizdat.portability.parts.growth import GrowthPart

    return (GrowthPart(),)
