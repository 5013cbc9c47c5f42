"""Which mailboxes a state can have read, so that a form may warn kindly before somebody gives one.

Whoever runs a mailbox reads what is in it, and must hand it to the state it lives under. Providers as in
core/mail/address.PROVIDERS; a domain under the state's own top level counts as well, since it can be taken at once.
Append only: the codes stand in the settings of organizations.
"""

from samizdat.core.mail import address

# State -> (mailbox providers, top-level domains).
REACH: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ru": (("mailru", "yandex", "rambler"), ("ru", "su", "xn--p1ai")),
    "by": (("yandex", "mailru", "rambler"), ("by", "xn--90ais")),
    "kz": (("yandex", "mailru", "rambler"), ("kz", "xn--80ao21a")),
}

# How they are called; names of firms are the same in every language.
NAMES = {"mailru": "Mail.ru", "yandex": "Yandex", "rambler": "Rambler"}


def within(state: str, host: str) -> bool:
    """Whether the state can have mailboxes at this (normalized) domain read. "": no state is feared."""
    providers, tops = REACH.get(state, ((), ()))
    return address.PROVIDERS[address.provider(host)] in providers or host.rpartition(".")[2] in tops


def named(state: str) -> str:
    """The providers to name in a warning, as one text: "Mail.ru, Yandex, Rambler"."""
    return ", ".join(NAMES[name] for name in REACH.get(state, ((), ()))[0])
