"""Opens an edition once: its maker, its keys and where its links lead. What the hot loop holds instead of rows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from samizdat import phrases_override, plugins
from samizdat.accounts import sealed_settings
from samizdat.audience import condition_values, sealed_subscribers
from samizdat.audience.condition_values import Compared
from samizdat.campaigns import edition_details
from samizdat.campaigns.edition_details import EditionDetails, slug_of
from samizdat.campaigns.models import Edition, EditionVariant
from samizdat.core import consent
from samizdat.core.ab_test import REST
from samizdat.core.content import reader_formats
from samizdat.core.content.message import CompiledContent, MessageMaker, loads
from samizdat.core.crypto import seal
from samizdat.core.mail import address
from samizdat.core.mail.dkim import SigningKey, SigningMaker
from samizdat.delivery import dkim_keys, domain_ownership, sealed_chunks
from samizdat.delivery.actions.rate_budgets import RateAllowance, allowance_of
from samizdat.delivery.message_values import EditionUrls, ValueBuilder
from samizdat.delivery.models import Route
from samizdat.delivery.queries import barred_at, transport_builder
from samizdat.vault import keyring
from samizdat.vault.errors import VaultError
from samizdat.vault.keyring import OrganizationKeys


@dataclass(slots=True)
class LoadedEdition:
    """An edition ready to be made out: by `signing` for a route of which we sign, by `maker` where its provider does.

    Both are the same one while no key is active for its sender.
    """

    edition: int
    campaign: int
    organization: int
    domain: str
    list_id: int
    appeal: bool  # For money: to those alone who agreed to appeals too.
    round: int  # Of the list's digest; -1: nobody gets this letter gathered.
    maker: MessageMaker
    signing: MessageMaker
    signers: tuple[int, ...]
    letterer: ValueBuilder
    opener: seal.SealOpener
    chunks: seal.SealOpener
    compiled: CompiledContent
    own: list[SigningKey]
    neutral: str  # The subject of discreet letters.
    size: int  # Bytes of what was compiled: some three times as many are in memory.
    compared: tuple[Compared, ...]  # Of each tag that its conditions ask for, and what was decided of fields.
    variants: dict[tuple[str, bool], MessageMaker] = field(default_factory=dict)

    def maker_for(self, wishes: str, signs: bool) -> MessageMaker:
        """For a reader who wants the letter another way than most; made when the first of them comes, in 1 ms."""
        maker = self.variants.get((wishes, signs))
        if maker is None:
            compiled = reader_formats.variant(self.compiled, wishes, self.neutral)
            maker = SigningMaker(compiled, self.own) if signs and self.own else MessageMaker(compiled)
            self.variants[wishes, signs] = maker
        return maker

    def is_fresh(self) -> bool:
        """False once a key was activated or retired: what is claimed from then on is signed by those that count."""
        return self.signers == dkim_keys.active_keys(self.organization)


@dataclass(frozen=True, slots=True)
class RouteInfo:
    """A route as its row says. `version` changes with its settings; `build` makes its transport."""

    id: int
    name: str
    priority: int
    state: str
    reason: str
    until: datetime | None
    rate: float | None
    signs: bool
    version: object
    build: Callable[[], Any] | None = field(default=None, compare=False)
    connections: int = 1
    allowance: RateAllowance = field(default_factory=RateAllowance)
    barred: frozenset[str] = frozenset()  # Sending domains that its provider does not accept.
    waits: bool = False  # For the answer to each message, before anything of the next is sent.


def open_edition(number: int, variant: int = 0) -> LoadedEdition:
    """variant: of its chunk. Errors: LookupError for the rest of a test that has no winner; VaultError when the
    keys cannot be had, ValueError for a letter of another version."""
    edition = Edition.objects.select_related("organization", "campaign").get(pk=number)
    keys = keyring.keys(edition.organization)
    signers = dkim_keys.active_keys(edition.organization_id)  # Before the keys: what changes in between is seen.
    own = dkim_keys.announcing_keys(edition.organization, edition.message_id_domain, edition.campaign_id)
    compiled, size, details, language = _version(edition, keys, variant)
    compared = tuple(pairs for _key, pairs in edition_details.opened(keys, edition).asked)
    compiled = condition_values.decided(compiled, compared, dict(details.fields))
    if details.campaign != edition.campaign_id:
        raise ValueError("This letter was frozen for another campaign, or by another version.")
    maker = MessageMaker(compiled)
    neutral = phrases_override.words(language or edition.campaign.language)["frame.neutral"]
    assert keys.ring is not None
    place = place_of(edition, details, language)
    return LoadedEdition(
        edition=edition.pk,
        campaign=edition.campaign_id,
        organization=edition.organization_id,
        domain=edition.message_id_domain,
        list_id=details.list,
        appeal=consent.PURPOSES[details.purpose] == consent.APPEALS,
        round=edition.campaign.digest_round if details.to_all and not edition.campaign.is_digest else -1,
        maker=maker,
        signing=SigningMaker(compiled, own) if own else maker,
        signers=signers,
        letterer=ValueBuilder(edition.pk, place, keys.links[edition.link_key], dict(details.fields), maker.needs),
        opener=sealed_subscribers.opener(keys),
        chunks=sealed_chunks.opener(keys, edition.pk),
        compiled=compiled,
        own=own,
        neutral=neutral,
        size=size,
        compared=compared,
    )


def _version(
    edition: Edition, keys: OrganizationKeys, variant: int
) -> tuple[CompiledContent, int, EditionDetails, str]:
    """(compiled, its bytes, details, language) of one version of a letter; of the rest of a test that is the one that
    won. "": the campaign's language.
    """
    place = edition.campaign.test_winner if variant == REST else variant
    if place is None:
        raise LookupError("The test of this letter has no winner yet.")
    row = EditionVariant.objects.filter(edition=edition, variant_no=place).first() if place else None
    if place and row is None:
        raise LookupError("There is no such version of this letter.")
    of, version = f" {place}" if place else "", row or edition
    compiled = loads(keys.open(version.compiled_sealed, "edition", f"compiled{of}", edition.pk))
    size = len(version.compiled_sealed)
    return compiled, size, edition_details.opened(keys, version), row.language if row else ""


def place_of(edition: Edition, details: EditionDetails, language: str = "") -> EditionUrls:
    """details and language: of one of its versions. Errors: VaultError where it is unknown where links lead."""
    organization = edition.organization
    kept = sealed_settings.leading(organization)
    if not kept.known:
        raise VaultError("The sealed copy of the settings is gone. Save the settings, then resume.")
    return EditionUrls(
        public_url=kept.public_url.rstrip("/"),
        message_id_domain=edition.message_id_domain,
        envelope_sender=domain_ownership.envelope_sender(organization, kept, address.normalize(details.from_email)),
        return_address=kept.return_address,
        unsubscribe_mailbox=kept.unsubscribe_mailbox,
        archive_slug=slug_of(edition, language),
        language=language.partition("-")[0],
    )


def route_infos(organization: int) -> list[RouteInfo]:
    """The organization's routes, the first to be used first. One that cannot be read counts as dead."""
    rows = Route.objects.filter(organization=organization).exclude(state="removed").select_related("organization")
    routes = list(rows.order_by("priority", "pk"))
    barred = barred_at([row.pk for row in routes])
    return [_info(row, barred.get(row.pk, frozenset())) for row in routes]


def _info(row: Route, barred: frozenset[str]) -> RouteInfo:
    allowance = allowance_of(row)
    version = bytes(row.settings_sealed), row.rate, row.connections, allowance
    state, build = row.state, None
    try:
        build = transport_builder(row)
    except (plugins.BadRoute, plugins.NoSuchPlug):
        state = "dead"
    return RouteInfo(
        row.pk,
        row.name,
        row.priority,
        state,
        row.reason,
        row.until,
        row.rate,
        row.signs,
        version,
        build,
        row.connections,
        allowance,
        barred,
        row.waits,
    )
