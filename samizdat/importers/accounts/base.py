"""What accounts at newsletter services have in common: what can be asked of one, and what can go wrong.

An account is only ever read. What it says is believed in nothing: it may be slow, break off, lie about its totals, or
never come to an end. A service is a subclass of `BaseAccount` in a file of its own.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from samizdat.core.account_copy import AccountPage, AccountTotals, Item, PresentPage
from samizdat.core.private_networks import Network
from samizdat.importers.reading import sentences

# Code -> what happened, then what to do. No hole may hold a key or an address of a person.
SENTENCES = {
    "no_service": "There’s no service called {name} here. Use one of: {known}.",
    "bad_key": "This isn’t an API key of {service}. It looks like {example}. Copy it again.",
    "bad_endpoint": "The address of the interface must be https:// without a path. Without encryption it may only be "
    "on this server.",
    # The service refuses us: an alarm.
    "closed": "{service} has closed or blocked this account ({answer}). Use the copy: nothing more can be fetched.",
    "key_refused": "{service} no longer accepts the API key ({answer}). If none of you deleted it, the account may be "
    "closed: sign in there now.",
    "forbidden": "{service} no longer lets this API key read the account ({answer}). If none of you changed it, the "
    "account may be closed: sign in there now.",
    "second_factor": "{service} asks for a second factor before it lets this API key in ({answer}). Sign in there, "
    "confirm it, and copy the key again if it changed.",
    "other_center": "{service} doesn’t know this API key in its data center ({answer}). Copy the whole key, with the "
    "part behind the hyphen.",
    # It will do later, or the network.
    "throttled": "{service} asks to wait ({answer}). The copy goes on by itself.",
    "unavailable": "{service} has a problem of its own ({answer}). The copy goes on by itself.",
    "silent": "{service} didn’t answer in time ({seconds} s). The copy goes on by itself.",
    "cut_off": "{service} broke off in the middle of an answer. The copy goes on by itself.",
    "no_connection": "{service} can’t be reached ({answer}). Check the network of this server.",
    "no_such_host": "The server name of {service} isn’t known. Check the API key and the DNS of this server.",
    "inside": "{service} leads to an address in this server’s own network, which isn’t allowed here. Use a public "
    "address.",
    "not_them": "The certificate of {service} isn’t valid ({answer}). Nothing was sent. Check the address.",
    "not_found": "{service} no longer has this. It was deleted there meanwhile.",
    "bad_answer": "{service} answered something that makes no sense ({answer}). Try again later; if it stays, report "
    "this to the developers.",
    "too_large": "{service} has a file or answer of more than {most} MB here. It is left out of the copy.",
}
# Somebody has to look at once.
REFUSALS = frozenset({"closed", "key_refused", "forbidden", "second_factor", "other_center"})
# By themselves these pass, or the network does.
PASSING = frozenset({"throttled", "unavailable", "silent", "cut_off", "no_connection", "no_such_host"})


class ServiceRefused(Exception):
    """What an account answered instead: `code` of SENTENCES and `values` for its holes; text in English. wait: seconds
    that the service asks for."""

    def __init__(self, code: str, *, wait: float | None = None, **values: str) -> None:
        self.code, self.values, self.wait = code, values, wait
        self.sentence = SENTENCES.get(code, code)
        super().__init__(self.sentence.format(**values) if values else self.sentence)

    @property
    def is_refusal(self) -> bool:
        return self.code in REFUSALS


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """endpoint: in place of the service's own. inside: what it may reach beside public addresses; None: everything.
    tries: of a request that failed for what passes. sleep: waits between them, and may raise to give up."""

    key: str = field(repr=False)
    endpoint: str = ""
    inside: tuple[Network, ...] | None = None
    timeout: float = 120.0
    tries: int = 6
    sleep: Callable[[float], object] = time.sleep


class Account(Protocol):
    """An account as the copy reads it. For one thread at a time."""

    def ping(self) -> None:
        """Whether it still lets us in, with one small question. Errors: ServiceRefused."""

    def totals(self) -> AccountTotals:
        """Errors: ServiceRefused."""

    def page(self, section: str, cursor: str, since: str) -> AccountPage:
        """Part of one of the `sections`. cursor: "" for the first one. since: a time (ISO 8601); of contacts only those
        that were changed since then; "" for everybody. Errors: ServiceRefused."""

    def present(self, cursor: str) -> PresentPage:
        """Some of the contacts that it has now. Only of a service that `tells_changes`: the others name everybody in
        their pages. Errors: ServiceRefused."""

    def body(self, item: Item) -> bytes:
        """The content of what has one. Errors: ServiceRefused."""

    @property
    def server_time(self) -> str:
        """When the service answered last, by its own clock (ISO 8601); "" before that."""

    def close(self) -> None:
        """Connections end."""


class BaseAccount:
    """The plug."""

    name: ClassVar[str] = ""
    label: ClassVar[str] = ""
    # What a key looks like, and English: where it is made there.
    key_example: ClassVar[str] = ""
    key_help: ClassVar[str] = ""
    sections: ClassVar[Sequence[str]] = ()
    # Whether it can be asked for contacts that were changed since a time. Else everybody is asked for each night.
    tells_changes: ClassVar[bool] = True
    # What the account has and the copy never does: codes, for the page that says what would be lost.
    lacks: ClassVar[Sequence[str]] = ()
    # Whether an account at the service itself was read by this code, or only one that we play ourselves.
    tried: ClassVar[bool] = False

    def __init__(self, settings: AccountSettings) -> None:
        """Errors: ServiceRefused "bad_key", "bad_endpoint". Nothing is connected to yet."""
        self.settings = settings

    @property
    def server_time(self) -> str:
        raise NotImplementedError

    def ping(self) -> None:
        raise NotImplementedError

    def totals(self) -> AccountTotals:
        raise NotImplementedError

    def page(self, section: str, cursor: str, since: str) -> AccountPage:
        raise NotImplementedError

    def present(self, cursor: str) -> PresentPage:
        raise NotImplementedError

    def body(self, item: Item) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        pass


# -- what stays out at the door ---------------------------------------------------------------------------------------


def is_private_label(label: str) -> bool:
    """Whether a field says by its name who gives money or is a member."""
    return bool(sentences.private_because(label, ()))


def is_private_tag(name: str) -> bool:
    """Whether a tag or group says of everybody who has it that they give or pay."""
    return sentences.says_who_gives(name)


# -- fields of answers, which may hold anything ---------------------------------------------------------------------


def objects(document: Any, name: str) -> list[Mapping[str, Any]]:
    """The objects of a list in a document. Errors: ValueError where there is no such list."""
    values = document.get(name) if isinstance(document, dict) else None
    if not isinstance(values, list):
        raise ValueError(name)
    return [each for each in values if isinstance(each, dict)]


def within(document: Any, *names: str) -> Any:
    """A value by the names of the objects around it; None where there is none."""
    for name in names:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def number(value: object) -> int:
    """A count; 0 for what is none."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else 0
