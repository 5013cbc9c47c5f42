"""Django finds the tables by this, and an export what goes along with the audience."""

from collections.abc import Iterable

from django.apps import AppConfig


class ExportingConfig(AppConfig):
    name = "samizdat.audience.exporting"
    label = "exporting"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from samizdat.audience.exporting import registry

        registry.register(_parts)


def _parts() -> Iterable[object]:
    from samizdat.audience.exporting.growing import Growing

    return (Growing(),)
