"""A spare domain takes the place of one that was blocked, seized or distrusted.

It is prepared in calm, with its records and a second admin's approval, so that in an emergency one admin is enough. All
senders at or below the old domain are then at the new one: of the organization, its lists, drafts and what is
scheduled, and the addresses for bounces and for mails to unsubscribe.

What is being sent can't take another sender: its text and sender are as they were released, and maybe approved. It is
paused; who was missed gets a draft of its own (actions/resend_unreached.py), which is from the new domain. What is
scheduled reached nobody, so it is taken back and scheduled anew, where no second person has to agree first.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from msgspec import structs

from samizdat.accounts import actions as accounts
from samizdat.accounts import pending_changes, sealed_settings
from samizdat.accounts.models import Organization, PendingChange, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.audience.actions import lists
from samizdat.audience.models import List
from samizdat.campaigns import ab_test
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns.drafts.copy import copy
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.errors import CampaignError, DraftChangedMeanwhile
from samizdat.campaigns.models import WELCOME, Campaign, large
from samizdat.campaigns.queries import in_turn
from samizdat.campaigns.sender_domain_check import asker
from samizdat.core.content.problems import SENTENCES
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail.address import BadAddress, domain, is_at_or_below, normalize, provider
from samizdat.core.mail.other_domain import at_other_domain
from samizdat.core.mail.return_address import without_token
from samizdat.core.mail.spf import Ask
from samizdat.delivery import dkim_keys, domain_ownership, sealed_domains, sending_gate
from samizdat.delivery.actions import running, unrelease
from samizdat.delivery.actions.releasing import ReleaseWave, release
from samizdat.delivery.actions.welcome import switch_on
from samizdat.delivery.errors import DeliveryError, DomainRefused
from samizdat.delivery.models import SendingDomain
from samizdat.delivery.queries import can_be_taken_back
from samizdat.delivery.sending_gate import KeptAnswers
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind

# The kind of change that waits for a second admin.
SPARE = "domain_spare"
# Settings that lead mail somewhere, by name.
MAILBOXES = ("return_address", "unsubscribe_mailbox")
_GOING = ("sending", "waiting", "paused")
# So often a draft is tried that somebody else is saving.
_TRIES = 3


# --- prepared beforehand ---


def keep_spare(
    row: SendingDomain, *, now: datetime, by: Person | None = None, approved: bool = False
) -> PendingChange | None:
    """From now on one admin can switch all senders to it; so one alone doesn't make it a spare one. Errors:
    DomainRefused."""
    _refuse_waiting(row)
    if not approved and pending_changes.held(row.organization, by):
        return pending_changes.ask(row.organization, SPARE, row.name, about=row.pk, now=now, by=by)
    _mark(row, True, now, by)
    return None


def keep_spare_no_more(row: SendingDomain, *, now: datetime, by: Person | None = None) -> None:
    """Errors: DomainRefused."""
    _mark(row, False, now, by)
    pending_changes.stop_about(row.organization, SPARE, row.pk, now=now, by=by)


def _refuse_waiting(row: SendingDomain) -> None:
    if sealed_domains.domain_waits(row):
        sentence = _("%(domain)s is waiting for another admin’s approval. See Pending changes.")
        raise DomainRefused(sentence % {"domain": row.name}, code="waits")


def _mark(row: SendingDomain, spare: bool, now: datetime, by: Person | None) -> None:
    if sealed_domains.is_spare(row) == spare:
        return
    kind: EventKind = sealed_domains.SPARING[0 if spare else 1]
    try:
        with transaction.atomic():
            sealed_domains.set_spare(row, spare)
            record(kind, row.organization, now=now, by=by, about=row.pk, detail={"domain": row.name})
    except SealError:
        sentence = _("%(name)s was edited directly in the database. Remove it, then add it again.")
        raise DomainRefused(sentence % {"name": row.name}, code="altered") from None
    row.refresh_from_db(fields=["state_sealed"])


# --- what a switch would change ---


@dataclass(frozen=True, slots=True)
class SwitchPlan:
    """What is at the old domain. addresses: senders and mailboxes as they are -> as they will be. mailboxes: those of
    MAILBOXES among them. The rest are numbers of lists and campaigns; going: those that are being sent, of which
    `sending` aren't paused yet. welcome: emails for who confirms that are on."""

    old: str
    new: str
    addresses: dict[str, str] = field(default_factory=dict)
    mailboxes: dict[str, str] = field(default_factory=dict)
    lists: list[int] = field(default_factory=list)
    drafts: list[int] = field(default_factory=list)
    scheduled: list[int] = field(default_factory=list)
    going: list[int] = field(default_factory=list)
    sending: list[int] = field(default_factory=list)
    welcome: list[int] = field(default_factory=list)
    public_host: str = ""  # Of the public pages, where they are at the old domain too.

    @property
    def change(self) -> Callable[[str], str]:
        return partial(at_other_domain, old=self.old, new=self.new)

    def document(self) -> dict[str, object]:
        numbers = ("lists", "drafts", "scheduled", "going", "welcome")
        return {
            "from": self.old,
            "to": self.new,
            "addresses": self.addresses,
            **{name: getattr(self, name) for name in numbers},
            "public_host": self.public_host or None,
        }


def domains_in_use(organization: Organization, but: str = "") -> list[str]:
    """Domains that senders and mailboxes are at, those with most first; a sending domain stands for those below it.
    but: without this one."""
    counted: Counter[str] = Counter()
    for address in _every_address(organization):
        with contextlib.suppress(BadAddress):
            name = domain(normalize(without_token(address)))
            if not provider(name):  # Where anybody may have a mailbox.
                above = [row.name for row in dkim_keys.domains_over(organization, name)]
                counted[above[0] if above else name] += 1
    return [name for name, _many in counted.most_common() if name != but]


def _every_address(organization: Organization) -> Iterator[str]:
    kept = leading(organization)
    yield from (getattr(kept, name) for name in MAILBOXES)
    yield kept.default_sender.email
    for list_ in _lists(organization):
        details = audience.details_of(list_)
        yield from (details.from_email, details.default_sender.email)
    for campaign in in_turn(_letters(organization)):
        yield draft_of(campaign).from_email


def _lists(organization: Organization) -> list[List]:
    return [*List.objects.select_related("organization").filter(organization=organization).order_by("id")]


def _letters(organization: Organization) -> QuerySet[Campaign]:
    """What is written, scheduled or being sent; versions in other languages have the sender of their letter."""
    rows = Campaign.objects.select_related("organization", "list")
    rows = rows.filter(organization=organization, version_of=None, state__in=("draft", *running.UNFINISHED))
    return rows.order_by("pk")


def plan(row: SendingDomain, old: str) -> SwitchPlan:
    """Of a switch from the domain `old` to this one."""
    organization, kept = row.organization, leading(row.organization)
    result = SwitchPlan(old, row.name, public_host=_host_at(old, kept.public_url))
    for name in MAILBOXES:
        if (after := _noted(result, getattr(kept, name))) is not None:
            result.mailboxes[name] = after
    _note_all(result, (kept.default_sender.email, kept.default_sender.reply_to))
    for list_ in _lists(organization):
        details = audience.details_of(list_)
        sender = details.default_sender
        if _note_all(result, (details.from_email, sender.email, sender.reply_to)):
            result.lists.append(list_.id)
    for campaign in in_turn(_letters(organization)):
        draft = draft_of(campaign)
        if _note_all(result, (draft.from_email, draft.reply_to)):
            _numbers_of(result, campaign).append(campaign.pk)
            if campaign.pk in result.going and campaign.state != "paused":
                result.sending.append(campaign.pk)
    return result


def _numbers_of(plan: SwitchPlan, campaign: Campaign) -> list[int]:
    if campaign.state == "draft":
        return plan.drafts
    if campaign.welcome:
        return plan.welcome if campaign.welcome == WELCOME else plan.going
    return plan.scheduled if can_be_taken_back(campaign) else plan.going


def _noted(plan: SwitchPlan, address: str) -> str | None:
    """What it will be; None where it stays."""
    after = plan.change(address)
    if after == address:
        return None
    plan.addresses[address] = after
    return after


def _note_all(plan: SwitchPlan, addresses: Iterable[str]) -> bool:
    noted = [_noted(plan, address) for address in addresses]
    return any(after is not None for after in noted)


def _host_at(name: str, url: str) -> str:
    host = urlsplit(url).hostname or ""
    return host if is_at_or_below(host, name) else ""


# --- the switch ---


@dataclass(frozen=True, slots=True)
class SwitchResult:
    """drafts: how many have the new sender. scheduled: numbers of those that are scheduled as before. left: those that
    have the new sender, or keep the old one, and wait for a person, with the reason. paused: numbers."""

    drafts: int
    scheduled: list[int]
    left: dict[int, str]
    paused: list[int]

    def document(self) -> dict[str, object]:
        left = [{"campaign": number, "reason": reason} for number, reason in self.left.items()]
        return {"drafts": self.drafts, "scheduled": self.scheduled, "left": left, "paused": self.paused}


def switch(
    row: SendingDomain,
    old: str = "",
    *,
    now: datetime,
    by: Person | None = None,
    pauses: bool = True,
    kept: KeptAnswers | None = None,
) -> SwitchResult:
    """All that comes from `old`, by default the domain most senders are at, comes from this one. pauses: what is being
    sent from there is paused. kept: what name servers answered lately.

    Killed half way, the same again goes on. Undone by a switch the other way: the old domain is a spare one by then.
    Errors: DomainRefused.
    """
    organization, switching = row.organization, planned(row, old, kept)
    paused = [*_pause(switching, now, by)] if pauses else []
    due = [*_take_back(organization, switching, now, by)]
    left: dict[int, str] = {}
    changed = [
        number
        for number in (*switching.drafts, *switching.scheduled)
        if _change_draft(organization, number, switching, left, now, by)
    ]
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        _change_settings(organization, switching, now, by)
        sealed_settings.keep_switched(organization, switching.old, row.name)
        _mark(row, False, now, by)
        if (given_up := dkim_keys.domain_named(organization, switching.old)) and not sealed_domains.domain_waits(
            given_up
        ):
            _mark(given_up, True, now, by)
        detail = {"from": switching.old, "domain": row.name, "campaigns": changed, "paused": paused}
        record("domain.switched", organization, now=now, by=by, about=row.pk, detail=detail)
    organization.refresh_from_db()
    scheduled = [terms.number for terms in due if _schedule_again(organization, terms, left, now, by)]
    for number in switching.welcome:
        _replace_welcome(organization, number, left, now, by)
    return SwitchResult(len(changed) - len(scheduled), scheduled, left, paused)


def planned(row: SendingDomain, old: str, kept: KeptAnswers | None) -> SwitchPlan:
    """What `switch` would do. Errors: DomainRefused, as there."""
    _refuse_waiting(row)
    old = old.strip().rstrip(".").lower() or next(iter(domains_in_use(row.organization, but=row.name)), "")
    if not sealed_domains.is_spare(row):
        sentence = _("%(domain)s isn’t a spare domain. Mark it as one first.") % {"domain": row.name}
        raise DomainRefused(sentence, code="not_spare")
    if not old:
        sentence = _("No sender is at another domain than %(domain)s, so there is nothing to switch.")
        raise DomainRefused(sentence % {"domain": row.name}, code="nothing_to_switch")
    if is_at_or_below(old, row.name) or is_at_or_below(row.name, old):
        # Below a seized domain everything is lost with it.
        sentence = _("%(new)s and %(old)s belong to the same domain. Choose a domain that can’t be lost with it.")
        raise DomainRefused(sentence % {"new": row.name, "old": old}, code="same_domain")
    switching = plan(row, old)
    if sentence := gate_refusal(row.organization, switching, kept):
        raise DomainRefused(sentence, code="gate")
    return switching


def gate_refusal(organization: Organization, plan: SwitchPlan, kept: KeptAnswers | None) -> str:
    """Why nothing may be sent from the new domain yet, and what to do; "" where it may. Name servers are asked where
    `kept` doesn't have all answers, or refuses."""
    if kept and not refusal(organization, plan, kept) and kept.is_complete:
        return ""
    return refusal(organization, plan, asker())


def waits_for_dns(organization: Organization, plan: SwitchPlan, kept: KeptAnswers | None, now: datetime) -> bool:
    """Whether name servers have to be asked before anybody knows that it may be."""
    kept = kept or KeptAnswers({}, now)
    refusal(organization, plan, kept)
    return not kept.is_complete


def refusal(organization: Organization, plan: SwitchPlan, ask: Ask) -> str:
    """By what `ask` answers."""
    settings = structs.replace(leading(organization), **plan.mailboxes)
    for sender in senders(plan):
        if name := domain_ownership.claimed(organization, sender):
            return _(SENTENCES["domain_anothers"]) % {"domain": name}
        if sentence := sending_gate.refusal(organization, settings, sender, ask):
            return sentence
    return ""


def senders(plan: SwitchPlan) -> list[str]:
    """An address at each domain that emails will come from."""
    names = {name: None for address in plan.addresses.values() if (name := address.rpartition("@")[2])}
    return [f"postmaster@{name}" for name in names or {plan.new: None}]


def _pause(plan: SwitchPlan, now: datetime, by: Person | None) -> Iterator[int]:
    for campaign in in_turn(
        Campaign.objects.select_related("organization").filter(pk__in=plan.sending).defer(*large())
    ):
        with contextlib.suppress(DeliveryError):  # It has ended meanwhile.
            running.pause(campaign, now=now, by=by)
            yield campaign.pk


@dataclass(frozen=True, slots=True)
class _Terms:
    """As it was scheduled."""

    number: int
    at: datetime
    unsure: str
    quiet: str
    wave: ReleaseWave


def _take_back(organization: Organization, plan: SwitchPlan, now: datetime, by: Person | None) -> Iterator[_Terms]:
    """What nobody got becomes a draft; how those were scheduled that a person hadn't paused."""
    rows = Campaign.objects.select_related("organization").filter(organization=organization, pk__in=plan.scheduled)
    for campaign in in_turn(rows):
        terms = _terms(campaign)
        with contextlib.suppress(DeliveryError):  # It began to go out meanwhile, and keeps its sender.
            unrelease.take_back(campaign, now=now, by=by)
            if terms is not None:
                yield terms


def _terms(campaign: Campaign) -> _Terms | None:
    """None for what the clock, or a person, releases anew."""
    if campaign.state == "paused" or campaign.is_digest or campaign.not_before is None:
        return None
    wave = ReleaseWave(campaign.canary_percent, campaign.canary_hold, campaign.canary_stop)
    return _Terms(campaign.pk, campaign.not_before, campaign.unsure_policy, campaign.quiet_hours, wave)


def _change_draft(
    organization: Organization, number: int, plan: SwitchPlan, left: dict[int, str], now: datetime, by: Person | None
) -> bool:
    """Whether it has the new sender; else `left` has the reason."""
    for last in range(_TRIES - 1, -1, -1):
        campaign = _letters(organization).filter(pk=number).first()
        if campaign is None:
            return False  # Deleted meanwhile.
        try:
            with transaction.atomic():
                ab_test.set_senders(campaign, plan.change)
                draft = _with_addresses(draft_of(campaign), plan.change)
                campaigns.save(campaign, draft, version=campaign.version, by=by, now=now)
            return True
        except DraftChangedMeanwhile as refused:
            if not last:
                left[number] = str(refused)
        except CampaignError as refused:
            left[number] = str(refused)
            return False
    return False


def _with_addresses(draft: Draft, change: Callable[[str], str]) -> Draft:
    return draft.with_(from_email=change(draft.from_email), reply_to=change(draft.reply_to))


def _change_settings(organization: Organization, plan: SwitchPlan, now: datetime, by: Person | None) -> None:
    """Nothing of it waits: a second admin agreed when the domain was made a spare one."""
    if plan.mailboxes:
        accounts.change_settings(organization, by=by, now=now, approved=True, **plan.mailboxes)
    sender = leading(organization).default_sender
    if (changed := sender.with_addresses(plan.change)) != sender:
        sealed_settings.keep_default_sender(organization, changed)
        record("organization.changed", organization, now=now, by=by, detail={"settings": ["default_sender"]})
    for list_ in _lists(organization):
        if list_.id in plan.lists:
            lists.set_senders(list_, plan.change, now=now, by=by)


def _schedule_again(
    organization: Organization, terms: _Terms, left: dict[int, str], now: datetime, by: Person | None
) -> bool:
    """Where a second person has to agree to the new sender, it stays a draft."""
    campaign = Campaign.objects.select_related("organization", "list").get(pk=terms.number)
    wave = terms.wave if terms.wave.percent else None
    try:
        release(campaign, now=now, by=by, at=terms.at, unsure=terms.unsure, quiet=terms.quiet, wave=wave)
    except (DeliveryError, CampaignError) as refused:
        left[terms.number] = str(refused)
        return False
    return True


def _replace_welcome(
    organization: Organization, number: int, left: dict[int, str], now: datetime, by: Person | None
) -> None:
    """A copy of it, which is from the new domain, is on in its place; where a draft waits there already, its list's
    people look at it."""
    campaign = Campaign.objects.select_related("organization", "list").get(pk=number)
    drafts = Campaign.objects.filter(organization=organization, list=campaign.list, state="draft", welcome=WELCOME)
    if drafts.exists():
        left[number] = _("The welcome email keeps its sender: its list has a draft of another one. Switch that on.")
        return
    try:
        switch_on(copy(campaign, by=by, now=now), now=now, by=by)
    except (DeliveryError, CampaignError) as refused:
        left[number] = str(refused)
