"""Names of countries, for forms that ask where somebody is."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy

# ISO 3166-1; California has a law of its own.
COUNTRIES: dict[str, str | Promise] = {
    "AM": lazy("Armenia"),
    "AT": lazy("Austria"),
    "BE": lazy("Belgium"),
    "BG": lazy("Bulgaria"),
    "BR": lazy("Brazil"),
    "BY": lazy("Belarus"),
    "CH": lazy("Switzerland"),
    "CY": lazy("Cyprus"),
    "CZ": lazy("Czechia"),
    "DE": lazy("Germany"),
    "DK": lazy("Denmark"),
    "EE": lazy("Estonia"),
    "ES": lazy("Spain"),
    "FI": lazy("Finland"),
    "FR": lazy("France"),
    "GB": lazy("United Kingdom"),
    "GE": lazy("Georgia"),
    "GR": lazy("Greece"),
    "HR": lazy("Croatia"),
    "HU": lazy("Hungary"),
    "IE": lazy("Ireland"),
    "IS": lazy("Iceland"),
    "IT": lazy("Italy"),
    "KZ": lazy("Kazakhstan"),
    "LI": lazy("Liechtenstein"),
    "LT": lazy("Lithuania"),
    "LU": lazy("Luxembourg"),
    "LV": lazy("Latvia"),
    "ME": lazy("Montenegro"),
    "MT": lazy("Malta"),
    "NL": lazy("Netherlands"),
    "NO": lazy("Norway"),
    "PL": lazy("Poland"),
    "PT": lazy("Portugal"),
    "RO": lazy("Romania"),
    "RS": lazy("Serbia"),
    "RU": lazy("Russia"),
    "SE": lazy("Sweden"),
    "SI": lazy("Slovenia"),
    "SK": lazy("Slovakia"),
    "TR": lazy("Türkiye"),
    "UA": lazy("Ukraine"),
    "US": lazy("United States"),
    "US-CA": lazy("United States: California"),
}


def offered(empty: str | Promise) -> list[tuple[str, str | Promise]]:
    """For a select: by name in the language of the page, what stands for none first."""
    return [("", empty), *sorted(COUNTRIES.items(), key=lambda pair: str(pair[1])), ("XX", lazy("Another country"))]
