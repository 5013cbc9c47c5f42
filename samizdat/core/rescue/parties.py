"""Providers and authorities: providers.toml and authorities.toml, read once."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any

from samizdat.core.rescue.deadlines import holidays_of
from samizdat.core.rescue.laws import document

# What a line says that a provider did, so that a page can sort by it.
DEEDS = ("closed", "promised", "silent", "stayed", "returned", "serves")


@dataclass(frozen=True, slots=True)
class ProviderLine:
    """Something that a provider did. `day` is as exact as the source: 2022, 2022-03 or 2022-03-14."""

    day: str
    did: str
    says: MappingProxyType[str, str]
    source: str
    read: date


@dataclass(frozen=True, slots=True)
class Provider:
    """A service that groups use, and what it did to them or for them, oldest first."""

    id: str
    name: str
    company: str
    country: str
    lines: tuple[ProviderLine, ...]


@dataclass(frozen=True, slots=True)
class Authority:
    """Who takes complaints in a country. `holidays`: rules of deadlines.holidays_of."""

    country: str
    name: str
    site: str
    holidays: tuple[str, ...]


def _line(row: dict[str, Any]) -> ProviderLine:
    says = MappingProxyType({"en": row["en"], "ru": row["ru"]})
    return ProviderLine(row["day"], row["did"], says, row["source"], row["read"])


def _provider(row: dict[str, Any]) -> Provider:
    lines = tuple(_line(line) for line in row.get("line", ()))
    return Provider(row["id"], row["name"], row["company"], row["country"], lines)


PROVIDERS: MappingProxyType[str, Provider] = MappingProxyType(
    {row["id"]: _provider(row) for row in document("providers.toml")["provider"]}
)
AUTHORITIES: MappingProxyType[str, Authority] = MappingProxyType(
    {
        row["country"]: Authority(row["country"], row["name"], row["site"], tuple(row["holidays"]))
        for row in document("authorities.toml")["authority"]
    }
)


def company(provider: str) -> str:
    """Who a request is addressed to: the company of a provider that we know, else the name as given."""
    known = PROVIDERS.get(provider)
    return known.company if known else provider


def holidays_at(country: str, years: Collection[int]) -> frozenset[date]:
    """National public holidays there, if we know them."""
    known = AUTHORITIES.get(country)
    return holidays_of(known.holidays, years) if known else frozenset()


def provider_named(name: str) -> Provider | None:
    """By its id or its name, in any case."""
    wanted = name.strip().casefold()
    return next((each for each in PROVIDERS.values() if wanted in (each.id, each.name.casefold())), None)


def authority_of(*countries: str) -> str:
    """Its name, of the first of these countries whose authority we know; else none."""
    return next((AUTHORITIES[code].name for code in countries if code in AUTHORITIES), "")
