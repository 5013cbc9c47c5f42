"""Who a new campaign comes from, until somebody changes it there."""

from collections.abc import Callable

from msgspec import Struct


class DefaultSender(Struct, frozen=True):
    """Sealed with the settings of an organization and with what is kept of a list. Bare addresses; email "": there is
    no default, and reply_to "": replies go to the sender."""

    name: str = ""
    email: str = ""
    reply_to: str = ""

    def with_addresses(self, change: Callable[[str], str]) -> "DefaultSender":
        return DefaultSender(self.name, change(self.email), change(self.reply_to))
