"""What is known of a closed account, and which laws follow from it."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date

from samizdat.core.rescue.laws import LAWS, Law

EEA = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS", "IT", "LI", "LT",
    "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
})  # fmt: skip
EU = EEA - {"IS", "LI", "NO"}

# What an account held, as the forms and commands name it.
LOST = ("subscribers", "unsubscribed", "consent", "campaigns", "templates", "files", "reports")
# What the provider gave as its reason.
REASONS = ("none", "sanctions", "terms")


@dataclass(frozen=True, slots=True)
class ClosedAccount:
    """A closed account. Countries are ISO 3166-1 codes of two letters; California is US-CA,
    and subscribers anywhere in the EEA are in EU.

    `account` is how the provider names it (a name or number); `owner` the address it was registered with.
    """

    provider: str
    closed: date
    organization: str
    provider_country: str = "US"
    country: str = ""
    subscribers_in: tuple[str, ...] = ()
    owner_country: str = ""
    reason: str = "none"
    lost: tuple[str, ...] = LOST
    account: str = ""
    owner: str = ""
    reply_to: str = ""
    signed: str = ""
    authority: str = ""


@dataclass(frozen=True, slots=True)
class Applying:
    """A law, and the facts by which it applies: names of facts_of."""

    law: Law
    because: tuple[str, ...] = field(default=())


def facts_of(account: ClosedAccount) -> frozenset[str]:
    """The names of facts, as laws.toml asks for them, that are true of an account."""
    readers = frozenset(account.subscribers_in)
    return frozenset(
        name
        for name, true in {
            "organization-eea": account.country in EEA,
            "organization-eu": account.country in EU,
            "organization-uk": account.country == "GB",
            "organization-ru": account.country == "RU",
            "organization-by": account.country == "BY",
            "organization-not-by": account.country != "BY",
            "provider-eea": account.provider_country in EEA,
            "provider-uk": account.provider_country == "GB",
            "provider-us": account.provider_country.startswith("US"),
            "subscribers-eea": bool(readers & {*EEA, "EU"}),
            "subscribers-uk": "GB" in readers,
            "owner-eea": account.owner_country in EEA,
            "owner-uk": account.owner_country == "GB",
            "owner-california": account.owner_country == "US-CA",
            "owner-switzerland": account.owner_country == "CH",
            "owner-serbia": account.owner_country == "RS",
            "owner-brazil": account.owner_country == "BR",
            "sanctions": account.reason == "sanctions",
            "terms": account.reason != "sanctions",
        }.items()
        if true
    )


def laws_for(account: ClosedAccount) -> tuple[Applying, ...]:
    """In the order of the data file."""
    facts = facts_of(account)
    return tuple(Applying(law, because) for law in LAWS.values() if (because := _because(law, facts)))


def _because(law: Law, facts: Collection[str]) -> tuple[str, ...]:
    """The facts of the first condition that holds; none if no condition does."""
    for condition in law.applies:
        if all(name in facts for name in condition):
            return condition
    return ()
