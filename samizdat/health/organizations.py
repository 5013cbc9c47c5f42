"""What is found about each organization."""

import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from samizdat import dbclock, formatting
from samizdat.accounts import forged_rows
from samizdat.accounts.models import Organization
from samizdat.accounts.public_site import sharing_host
from samizdat.audience import missing_subscribers, suppression_check
from samizdat.audience.consistency import compared
from samizdat.campaigns import sender_domain_check
from samizdat.campaigns.models import Campaign, large
from samizdat.core.mail import outcome, refusals
from samizdat.delivery import database_progress, sealed_domains
from samizdat.delivery.actions import spare_check
from samizdat.delivery.dkim_keys import domains
from samizdat.delivery.models import SendingDomain
from samizdat.delivery.queries import (
    HELD_BOUNCES,
    BarRow,
    RefusalRow,
    RouteRow,
    held_bounces,
    provider_refusals,
    routes,
)
from samizdat.events import log_breaks
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.events.queries import last
from samizdat.health import practice, rescue_cases, standing_copies, surroundings, webhooks
from samizdat.health.findings import Finding
from samizdat.health.looks import found_by
from samizdat.health.surroundings import ALTERED_DAYS
from samizdat.health.words import FENCED, STATES
from samizdat.incoming import mail_space
from samizdat.incoming.mailboxes import faults
from samizdat.incoming.mailboxes.actions import mailboxes
from samizdat.vault import locks, strict
from samizdat.vault.models import KeyLock

# For so long a decision about held bounces is asked for.
HELD_FOR = timedelta(days=30)
# A mailbox is read every five minutes, or a session with it is renewed.
UNHEARD = timedelta(hours=2)
# So many domains, one after the other, for which no name server answers: then it's the network, and asking for the
# others would take 12 s each. And seconds for all, where only some answer.
UNANSWERED, DNS_SECONDS = 3, 120.0


def _locked(organization: Organization, lock: KeyLock) -> Finding:
    name, at = organization.name, f"{lock.at:%Y-%m-%d %H:%M}"
    if locks.are_destroyed(organization):  # Nothing is left to do.
        return Finding("organization.destroyed", "good", name, _("Its keys were destroyed on %(at)s UTC."), {"at": at})
    command = "samizdat keys strict unlock" if strict.is_strict(organization) else "samizdat keys unlock"
    values = {"at": at, "command": command}
    return Finding("organization.locked", "amber", name, _("Locked since %(at)s UTC. Unlock: %(command)s"), values)


@dataclass
class _NameServers:
    """Whether they're still asked in this look."""

    until: float = field(default_factory=lambda: time.monotonic() + DNS_SECONDS)
    silent: int = 0

    @property
    def answer(self) -> bool:
        return self.silent < UNANSWERED and time.monotonic() < self.until

    def note(self, answered: bool) -> None:
        self.silent = 0 if answered else self.silent + 1


def organizations() -> Iterator[Finding]:
    forged_rows.watch(dbclock.asked(), is_old=database_progress.missing() is not None)
    servers = _NameServers()
    for organization in Organization.objects.order_by("id"):
        for finding in found_by([partial(_of_organization, organization, servers)]):
            yield replace(finding, organization=organization.pk)


def _of_organization(organization: Organization, servers: _NameServers) -> Iterator[Finding]:
    name = organization.name
    if lock := locks.state(organization):
        yield _locked(organization, lock)
        return
    yield from _roles(organization)
    yield from _log(organization)
    yield from _suppressions(organization)
    yield from _missing(organization)
    yield from _host(organization)
    if organization.sending_locked:
        yield Finding("organization.fenced", "red", name, _(FENCED), {"command": "samizdat release"})
    if not organization.public_url:
        sentence = _("The public pages have no address, so nobody could unsubscribe. Set it: %(command)s")
        values = {"command": "samizdat organization set --url https://…"}
        yield Finding("pages.no-address", "red", name, sentence, values)
    elif not organization.sending_locked:
        yield from surroundings.public_host(organization.public_url, name)
    yield from _differing(organization)
    route_rows = routes(organization)
    yield from _routes(name, route_rows)
    yield from _signing(organization, [route for route in route_rows if route.state == "live"])
    yield from _refused(organization)
    yield from _held(organization)
    yield from _mailboxes(organization)
    yield from _mail_room(organization)
    yield from _domains(organization, servers)
    now = dbclock.asked()
    yield from practice.of_organization(organization, now)
    yield from rescue_cases.of_organization(organization, now.date())
    yield from standing_copies.of_organization(organization, dbclock.asked())
    yield from webhooks.of_organization(organization, now)


def _differing(organization: Organization) -> Iterator[Finding]:
    """What the nightly comparison found."""
    seen = compared(organization)
    if seen is None or seen.wrong <= 0:
        return
    sentence = _(
        "The status of %(wrong)s of %(subscribers)s subscribers doesn't match the consent records, or the index of "
        "their address belongs to another address. Fix it: %(command)s"
    )
    values = {"wrong": seen.wrong, "subscribers": seen.subscribers, "command": "samizdat subscribers settle"}
    yield Finding("consent.differs", "red", organization.name, sentence, values)


def _host(organization: Organization) -> Iterator[Finding]:
    for other in sharing_host(organization):
        sentence = _(
            "Its public pages have the same address as those of %(other)s, so only the pages of one of the two can be "
            "opened. Set another one for the organization that it doesn't belong to: %(command)s"
        )
        values = {"other": other.name, "command": "samizdat organization set --url https://…"}
        yield Finding("pages.shared-address", "red", organization.name, sentence, values)


def _roles(organization: Organization) -> Iterator[Finding]:
    values = {"days": ALTERED_DAYS, "command": "samizdat person add - --role ROLE"}
    if _lately(organization, forged_rows.ALTERED):
        sentence = _(
            "In the last %(days)s days someone without keys changed settings in the database: addresses of pages or "
            "email, the name, sign-up pages, or whether campaigns need approval. They were restored if their encrypted "
            "copy was there. Check them, save them once, and check who else can write to the database."
        )
        yield Finding("database.settings-changed", "red", organization.name, sentence, {"days": ALTERED_DAYS})
    if _lately(organization, forged_rows.FORGED):
        sentence = _(
            "In the last %(days)s days someone without keys wrote a role into the database. It has no effect. Check "
            "who else can write to the database, and change its password. If a teammate is missing in `samizdat person "
            "ls`, give them their role again: %(command)s"
        )
        yield Finding("database.role-forged", "red", organization.name, sentence, values)


def _log(organization: Organization) -> Iterator[Finding]:
    if log_breaks.is_alarming(organization, dbclock.asked()):
        sentence = _(
            "In the last %(days)s days events or consent records were deleted or changed directly in the database. See "
            "where: %(command)s. Compare it with a backup, check who else can write to the database, and change its "
            "password."
        )
        values = {"days": log_breaks.SHOWN.days, "command": "samizdat log check"}
        yield Finding("consent.chain", "red", organization.name, sentence, values)
    else:
        sentence = _("Nothing in the log of events and consent records was changed or deleted.")
        yield Finding("consent.whole", "good", organization.name, sentence)


def _lately(organization: Organization, kind: str) -> Event | None:
    """The newest event of a kind that an admin is still shown."""
    event = last(organization, kind)
    return event if event is not None and event.at > dbclock.asked() - timedelta(days=ALTERED_DAYS) else None


def _suppressions(organization: Organization) -> Iterator[Finding]:
    if _lately(organization, suppression_check.ALTERED):
        sentence = _(
            "In the last %(days)s days someone without keys changed the suppression list or a pause in the database. "
            "Missing entries were restored. Check who else can write to the database, and change its password."
        )
        yield Finding("consent.suppressions-changed", "red", organization.name, sentence, {"days": ALTERED_DAYS})


def _missing(organization: Organization) -> Iterator[Finding]:
    if missing := _lately(organization, missing_subscribers.MISSING):
        sentence = _(
            "In the last %(days)s days subscribers went missing from the database, or their data was made unreadable "
            "or put back with an address corrected since: %(count)s. Nobody did that in the app. Those who had "
            "unsubscribed were put on the suppression list. Restore the others from a backup or correct their address "
            "again, check who else can write to the database, and change its password."
        )
        values = {"days": ALTERED_DAYS, "count": detail_of(missing).get("count", 0)}
        yield Finding("consent.subscribers-missing", "red", organization.name, sentence, values)


def _refused(organization: Organization) -> Iterator[Finding]:
    """Campaigns in which a mailbox provider refuses us."""
    rows = Campaign.objects.filter(organization=organization, state__in=("sending", "waiting", "paused"))
    for campaign in rows.defer(*large()):
        for row in provider_refusals(campaign):
            sentence = _("%(why)s %(waiting)s are waiting. Then: %(command)s")
            values = _of_campaign(organization, campaign) | {
                "why": partial(_refusal, row),
                "waiting": row.waiting,
                "command": f"samizdat campaign resume {campaign.pk}",
            }
            yield Finding("sending.provider-refuses", "red", _OF_CAMPAIGN, sentence, values)


_OF_CAMPAIGN = _("%(organization)s, campaign %(campaign)s")


def _of_campaign(organization: Organization, campaign: Campaign) -> dict[str, object]:
    return {"organization": organization.name, "campaign": str(campaign.pk)}


def _held(organization: Organization) -> Iterator[Finding]:
    """Campaigns of the last days in which more addresses are said to be dead than is plausible."""
    events = Event.objects.filter(organization=organization, kind=HELD_BOUNCES, at__gt=dbclock.asked() - HELD_FOR)
    numbers = {number for number in events.values_list("about", flat=True) if number is not None}
    for campaign in Campaign.objects.filter(organization=organization, pk__in=numbers).defer(*large()):
        if held := held_bounces(campaign):
            sentence = _(
                "%(count)s addresses are said not to exist, more than is plausible, so none was suppressed. Ask a few "
                "of the subscribers another way. If it's true: %(command)s"
            )
            values = _of_campaign(organization, campaign) | {
                "count": sum(row.count for row in held),
                "command": f"samizdat campaign suppress-bounced {campaign.pk}",
            }
            yield Finding("sending.bounces-held", "amber", _OF_CAMPAIGN, sentence, values)


def _mailboxes(organization: Organization) -> Iterator[Finding]:
    """Whether bounces come in: mailboxes that can't be read, or that nobody has read for a while."""
    about = _("%(organization)s, mailbox %(mailbox)s")
    for row in mailboxes(organization):
        values: dict[str, object] = {"organization": organization.name, "mailbox": row.name}
        if row.settings is None or row.state is None:
            sentence: str | Promise = _("Its settings can't be decrypted. Remove it and add it again.")
            yield Finding("mail.mailbox-closed", "red", about, sentence, values)
            continue
        if row.settings.paused:
            yield _paused(
                about, values | {"command": f"samizdat mail resume {shlex.quote(row.name)}"}, row.settings.paused
            )
            continue
        heard = row.state.heard
        answered = _("Heard from it: last on %(at)s UTC.") if heard else _("Heard from it: never.")
        values |= {"at": f"{heard:%Y-%m-%d %H:%M}" if heard else ""}
        if fault := row.state.fault:
            values |= {"why": lambda fault=fault: faults.sentence(fault)}
            yield Finding("mail.mailbox-fault", "red", about, format_lazy("%(why)s {}", answered), values)
        elif organization.sending_locked:
            continue  # A copy reads no mailbox.
        elif heard is None or dbclock.asked() - heard > UNHEARD:
            sentence = (
                _(
                    "It isn't read; heard from it: last on %(at)s UTC. Check that `samizdat serve` or a worker is "
                    "running."
                )
                if heard
                else _("It isn't read; heard from it: never. Check that `samizdat serve` or a worker is running.")
            )
            yield Finding("mail.mailbox-unread", "amber", about, sentence, values)
        else:
            yield Finding("mail.mailbox", "good", about, answered, values)


def _paused(about: str | Promise, values: dict[str, object], by: str) -> Finding:
    if by == "export":
        sentence = _(
            "It came with an export and isn't read, because two servers must not read one mailbox. Once the former "
            "server no longer reads it, resume it: %(command)s"
        )
        return Finding("mail.mailbox-waits", "amber", about, sentence, values)
    sentence = _("An admin paused it: what comes in waits there, unread. Resume it: %(command)s")
    return Finding("mail.mailbox-paused", "good", about, sentence, values)


def _mail_room(organization: Organization) -> Iterator[Finding]:
    """Whether there is room for incoming email."""
    room = mail_space.room(organization)
    if not room.is_full:
        return
    waiting = mail_space.waiting(organization)
    sentence = (
        _(
            "%(used)s MB of %(limit)s MB are used; large email of strangers waits at its mail server. Of this, "
            "%(waiting)s MB wait to be read: check that `samizdat serve` or a worker runs."
        )
        if waiting > room.used // 2
        else _(
            "%(used)s MB of %(limit)s MB are used; large email of strangers waits at its mail server. Delete "
            "conversations with files in the inbox, free disk space, or raise SAMIZDAT_MAIL_STORAGE."
        )
    )
    values = {
        "organization": organization.name,
        "used": room.used // 1_000_000,
        "limit": room.limit // 1_000_000,
        "waiting": waiting // 1_000_000,
    }
    state = "red" if room.most(True) <= 0 else "amber"
    yield Finding("mail.full", state, _("%(organization)s, incoming email"), sentence, values)


def _domains(organization: Organization, servers: _NameServers) -> Iterator[Finding]:
    """Whether providers take what is sent from those in use, and whether a spare one can take another's place."""
    rows = SendingDomain.objects.select_related("organization").filter(organization=organization).order_by("name")
    in_use = {row.id for row in domains(organization) if row.active and not row.is_spare}
    left = 0
    for row in rows:
        is_spare = row.pk not in in_use
        if is_spare and not sealed_domains.is_spare(row):
            continue
        if not servers.answer:
            left += 1
            continue
        finding = _domain(row, is_spare)
        servers.note(finding.code != "domain.unanswered")
        yield finding
    if left:
        about = _("%(organization)s, other domains")
        sentence = _(
            "They weren’t checked (%(left)s), since name servers don’t answer. Check the network of this server. Then "
            "run: %(command)s"
        )
        values = {"organization": organization.name, "left": left, "command": "samizdat doctor"}
        yield Finding("domain.unanswered", "amber", about, sentence, values)


def _domain(row: SendingDomain, is_spare: bool) -> Finding:
    about = _("%(organization)s, spare domain %(domain)s") if is_spare else _("%(organization)s, domain %(domain)s")
    ask = sender_domain_check.asker()
    ready = spare_check.is_ready(row, ask)
    values: dict[str, object] = {"organization": row.organization.name, "domain": row.name}
    if ready is None:
        sentence = _("Name servers don't answer. Check the network of this server. Then run: %(command)s")
        values |= {"command": f"samizdat domain check {row.name}"}
        return Finding("domain.unanswered", "amber", about, sentence, values)
    if ready:
        return Finding("domain.ready", "good", about, _("Its DNS records are there."), values)
    values |= {"why": lambda: " ".join(spare_check.missing(row, ask))}
    return Finding("domain.incomplete", "amber" if is_spare else "red", about, "%(why)s", values)


def _routes(name: str, routes: list[RouteRow]) -> Iterator[Finding]:
    live = [route for route in routes if route.state == "live" and not route.is_altered]
    for route in routes:
        yield from _barred(name, route, live)
        if route.is_altered:
            yield _altered(name, route)
        elif route.state != "live":
            yield _stopped(name, route, live)
    if not live:
        sentence = _("No sending route is working. Add one: %(command)s")
        yield Finding("sending.no-route", "amber", name, sentence, {"command": "samizdat route add NAME -"})
    elif len(live) == 1:
        sentence = _("One route is working. Add a second one, so that sending continues if the first stops working.")
        yield Finding("sending.one-route", "amber", name, sentence)
    else:
        yield Finding("sending.routes", "good", name, _("%(count)s routes are working."), {"count": len(live)})


_OF_ROUTE = _("%(organization)s, route %(route)s")


def _altered(name: str, route: RouteRow) -> Finding:
    sentence = _(
        "Nobody has approved or resumed it, and someone without keys wrote into the database that it is. It isn't "
        "used. Check who else can write to the database, and change its password. Then: %(command)s, or pause it "
        "again: %(command_pause)s"
    )
    values = {
        "organization": name,
        "route": route.name,
        "command": f"samizdat route rm {route.name}",
        "command_pause": f"samizdat route pause {route.name}",
    }
    return Finding("sending.route-altered", "red", _OF_ROUTE, sentence, values)


def _stopped(name: str, route: RouteRow, live: list[RouteRow]) -> Finding:
    values: dict[str, object] = {
        "organization": name,
        "route": route.name,
        "state": lambda: gettext(STATES[route.state]),
        "why": partial(_why, route, route.host or route.name),
        "until": f"{route.until:%H:%M}" if route.until else "",
    }
    sentence: Promise = _("%(state)s: %(why)s")
    if not (route.sentence or outcome.ACTORS.get(route.who)):
        values |= {"command": f"samizdat route resume {route.name}"}
        sentence = (
            _("%(state)s: Another admin has to approve it. Next: %(command)s")
            if route.state == "waiting"
            else _("%(state)s: It's paused. Next: %(command)s")
        )
    if route.until and route.state == "throttled":
        sentence = format_lazy("{} {}", sentence, _("Not before %(until)s UTC."))
    urgency = "red" if not live and route.state == "dead" else "amber"
    return Finding("sending.route", urgency, _OF_ROUTE, sentence, values)


def _barred(name: str, route: "RouteRow", live: list[RouteRow]) -> Iterator[Finding]:
    """Domains that a route's provider does not accept: red where no other route takes them."""
    for bar in route.barred:
        others = [
            other_route for other_route in live if bar.domain not in (other.domain for other in other_route.barred)
        ]
        values: dict[str, object] = {
            "organization": name,
            "route": route.name,
            "domain": bar.domain,
            "why": partial(_why, bar, bar.route),
            "command": f"samizdat route resume {route.name}",
        }
        sentence = _("It can't send from %(domain)s: %(why)s Then: %(command)s")
        yield Finding("sending.domain-barred", "amber" if others else "red", _OF_ROUTE, sentence, values)


def _why(row: RouteRow | BarRow, name: str) -> str:
    """In the language of the moment, before the words of a server are put in; and who has to act."""
    reason = outcome.filled(gettext(outcome.REASONS[row.reason]), name, row.values) if row.sentence else ""
    actor = gettext(outcome.ACTORS[row.who]) if row.who else ""
    return " ".join(filter(None, (reason, actor)))


def _refusal(row: RefusalRow) -> str:
    """As _why()."""
    name = refusals.NAMES.get(row.provider, row.provider)
    sentence = gettext(refusals.REASONS[row.reason])
    return sentence.format(provider=name, count=formatting.grouped(row.count), answer=row.answer)


def _signing(organization: Organization, live: list[RouteRow]) -> Iterator[Finding]:
    """Whether letters are signed by the routes of which we are to sign."""
    rows = domains(organization)
    for row in rows:
        for key in row.keys:
            if key.is_altered:
                sentence = _(
                    "The key %(selector)s of %(domain)s was changed directly in the database. Run: %(command)s"
                )
                values = {
                    "selector": key.selector,
                    "domain": row.name,
                    "command": f"samizdat domain retire {row.name} {key.selector}",
                }
                yield Finding("sending.key-altered", "red", organization.name, sentence, values)
    signs = [row.name for row in rows if row.active]
    if signs:
        sentence = _("Emails are signed for %(domains)s.")
        yield Finding("sending.signed", "good", organization.name, sentence, {"domains": ", ".join(signs)})
    elif any(route.signs for route in live):
        sentence = _(
            "No domain has an active DKIM key, so emails are sent unsigned. Run: %(command)s. If your provider signs: "
            "%(command_provider)s"
        )
        values = {
            "command": "samizdat domain add DOMAIN",
            "command_provider": "samizdat route edit NAME --signs provider",
        }
        yield Finding("sending.unsigned", "amber", organization.name, sentence, values)
