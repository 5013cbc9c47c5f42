"""What is sealed of a route: where it leads, by which password, and whether somebody still has to approve it."""

from msgspec import Struct, structs

from samizdat.delivery.models import Route
from samizdat.vault import keyring


class RouteAddress(Struct, frozen=True):
    """url: with the user, and the password where it was typed there. Of a removed route both are empty."""

    url: str = ""
    password: str | None = None
    ours: bool = True  # Given on the server itself: it may lead to inner addresses.
    held: bool = False  # Nobody has approved it yet.

    def with_(self, **changes: object) -> "RouteAddress":
        return structs.replace(self, **changes)

    def leads_as(self, other: "RouteAddress") -> bool:
        """Whether the addresses are handed to the same server by the same account."""
        return (self.url, self.password) == (other.url, other.password)


def seal_address(route: Route, address: RouteAddress) -> bytes:
    return keyring.keys(route.organization).seal_json(address, "route", "settings", route.pk)


def open_address(route: Route) -> RouteAddress:
    """Errors: SealError, RecordBroken."""
    keys = keyring.keys(route.organization)
    return keys.open_json(bytes(route.settings_sealed), "route", "settings", route.pk, RouteAddress)
