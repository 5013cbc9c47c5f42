"""What is found about each organization."""

from collections.abc import Iterator
from datetime import timedelta

from samizdat import dbclock
from samizdat.accounts import forged_rows
from samizdat.accounts.models import Organization
from samizdat.accounts.public_site import sharing_host
from samizdat.audience import missing_subscribers, suppression_check
from samizdat.audience.consistency import compared
from samizdat.campaigns.models import Campaign, large
from samizdat.core.mail.outcome import ACTORS
from samizdat.delivery import database_progress
from samizdat.delivery.actions import spare_check
from samizdat.delivery.dkim_keys import domains
from samizdat.delivery.queries import HELD_BOUNCES, RouteRow, held_bounces, provider_refusals, routes
from samizdat.events import log_breaks
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.events.queries import last
from samizdat.health import surroundings
from samizdat.health.findings import Finding
from samizdat.health.surroundings import ALTERED_DAYS
from samizdat.health.words import FENCED, at_terminal
from samizdat.incoming import mail_space
from samizdat.incoming.mailboxes import faults
from samizdat.incoming.mailboxes.actions import mailboxes
from samizdat.vault import locks

# For so long a decision about held bounces is asked for.
HELD_FOR = timedelta(days=30)
# A mailbox is read every five minutes, or a session with it is renewed.
UNHEARD = timedelta(hours=2)


def organizations() -> Iterator[Finding]:
    forged_rows.watch(dbclock.asked(), is_old=database_progress.missing() is not None)
    for organization in Organization.objects.order_by("id"):
        name = organization.name
        if lock := locks.state(organization):
            yield Finding(
                "organization.locked",
                "amber",
                name,
                f"Locked since {lock.at:%Y-%m-%d %H:%M} UTC. Unlock: samizdat keys unlock",
            )
            continue
        yield from _roles(organization)
        yield from _log(organization)
        yield from _suppressions(organization)
        yield from _missing(organization)
        yield from _host(organization)
        if organization.sending_locked:
            yield Finding("organization.fenced", "red", name, FENCED)
        if not organization.public_url:
            yield Finding(
                "pages.no-address",
                "red",
                name,
                (
                    "The public pages have no address, so nobody could unsubscribe. Set it: samizdat organization "
                    "set --url https://…"
                ),
            )
        elif not organization.sending_locked:
            yield from surroundings.public_host(organization.public_url, name)
        seen = compared(organization)
        if seen is not None and seen.wrong > 0:
            yield Finding(
                "consent.differs",
                "red",
                name,
                (
                    f"The status of {seen.wrong:,} of {seen.subscribers:,} subscribers doesn't match the consent "
                    "records, or the index of their address belongs to another address. Fix it: samizdat subscribers "
                    "settle"
                ),
            )
        route_rows = routes(organization)
        yield from _routes(name, route_rows)
        yield from _signing(organization, [route for route in route_rows if route.state == "live"])
        yield from _refused(organization)
        yield from _held(organization)
        yield from _mailboxes(organization)
        yield from _mail_room(organization)
        yield from _spare_domains(organization)


def _host(organization: Organization) -> Iterator[Finding]:
    for other in sharing_host(organization):
        yield Finding(
            "pages.shared-address",
            "red",
            organization.name,
            (
                f"Its public pages have the same address as those of {other.name}, so only the pages of one of the two "
                "can be opened. Set another one for the organization that it doesn't belong to: samizdat organization "
                "set --url https://…"
            ),
        )


def _roles(organization: Organization) -> Iterator[Finding]:
    if _lately(organization, forged_rows.ALTERED):
        yield Finding(
            "database.settings-changed",
            "red",
            organization.name,
            (
                f"In the last {ALTERED_DAYS} days someone without keys changed settings in the database: "
                "addresses of pages or email, the name, sign-up pages, or whether campaigns need approval. They "
                "were restored if their encrypted copy was there. Check them, save them once, and check who else "
                "can write to the database."
            ),
        )
    if _lately(organization, forged_rows.FORGED):
        yield Finding(
            "database.role-forged",
            "red",
            organization.name,
            (
                f"In the last {ALTERED_DAYS} days someone without keys wrote a role into the database. It has no "
                "effect. Check who else can write to the database, and change its password. If a teammate is "
                "missing in `samizdat person ls`, give them their role again: samizdat person add - --role ROLE"
            ),
        )


def _log(organization: Organization) -> Iterator[Finding]:
    if log_breaks.is_alarming(organization, dbclock.asked()):
        yield Finding(
            "consent.chain",
            "red",
            organization.name,
            (
                f"In the last {log_breaks.SHOWN.days} days events or consent records were deleted or changed "
                "directly in the database. See where: samizdat log check. Compare it with a backup, check who "
                "else can write to the database, and change its password."
            ),
        )


def _lately(organization: Organization, kind: str) -> Event | None:
    """The newest event of a kind that an admin is still shown."""
    event = last(organization, kind)
    return event if event is not None and event.at > dbclock.asked() - timedelta(days=ALTERED_DAYS) else None


def _suppressions(organization: Organization) -> Iterator[Finding]:
    if _lately(organization, suppression_check.ALTERED):
        yield Finding(
            "consent.suppressions-changed",
            "red",
            organization.name,
            (
                f"In the last {ALTERED_DAYS} days someone without keys changed the suppression list or a pause in "
                "the database. Missing entries were restored. Check who else can write to the database, and "
                "change its password."
            ),
        )


def _missing(organization: Organization) -> Iterator[Finding]:
    if missing := _lately(organization, missing_subscribers.MISSING):
        yield Finding(
            "consent.subscribers-missing",
            "red",
            organization.name,
            (
                f"In the last {ALTERED_DAYS} days subscribers went missing from the database, or their data was made "
                f"unreadable or put back with an address corrected since: {detail_of(missing).get('count', 0)}. "
                "Nobody did that in the app. Those who had unsubscribed were put on the suppression list. Restore the "
                "others from a backup or correct their address again, check who else can write to the database, and "
                "change its password."
            ),
        )


def _refused(organization: Organization) -> Iterator[Finding]:
    """Campaigns in which a mailbox provider refuses us."""
    rows = Campaign.objects.filter(organization=organization, state__in=("sending", "waiting", "paused"))
    for campaign in rows.defer(*large()):
        for row in provider_refusals(campaign):
            text = (
                f"{at_terminal(row.sentence)} {row.waiting:,} are waiting. Then: samizdat campaign resume {campaign.pk}"
            )
            yield Finding("sending.provider-refuses", "red", f"{organization.name}, campaign {campaign.pk}", text)


def _held(organization: Organization) -> Iterator[Finding]:
    """Campaigns of the last days in which more addresses are said to be dead than is plausible."""
    events = Event.objects.filter(organization=organization, kind=HELD_BOUNCES, at__gt=dbclock.asked() - HELD_FOR)
    numbers = {number for number in events.values_list("about", flat=True) if number is not None}
    for campaign in Campaign.objects.filter(organization=organization, pk__in=numbers).defer(*large()):
        if held := held_bounces(campaign):
            count = sum(row.count for row in held)
            text = (
                f"{count:,} addresses are said not to exist, more than is plausible, so none was suppressed. Ask a few "
                f"of the subscribers another way. If it's true: samizdat campaign suppress-bounced {campaign.pk}"
            )
            yield Finding("sending.bounces-held", "amber", f"{organization.name}, campaign {campaign.pk}", text)


def _mailboxes(organization: Organization) -> Iterator[Finding]:
    """Whether bounces come in: mailboxes that can't be read, or that nobody has read for a while."""
    for row in mailboxes(organization):
        subject = f"{organization.name}, mailbox {row.name}"
        heard = f"last on {row.state.heard:%Y-%m-%d %H:%M} UTC" if row.state and row.state.heard else "never"
        if row.settings is None or row.state is None:
            yield Finding(
                "mail.mailbox-closed", "red", subject, "Its settings can't be decrypted. Remove it and add it again."
            )
        elif row.state.fault:
            yield Finding(
                "mail.mailbox-fault", "red", subject, f"{faults.sentence(row.state.fault)} Heard from it: {heard}."
            )
        elif organization.sending_locked:
            continue  # A copy reads no mailbox.
        elif row.state.heard is None or dbclock.asked() - row.state.heard > UNHEARD:
            text = f"It isn't read; heard from it: {heard}. Check that `samizdat serve` or a worker is running."
            yield Finding("mail.mailbox-unread", "amber", subject, text)
        else:
            yield Finding("mail.mailbox", "good", subject, f"Heard from it: {heard}.")


def _mail_room(organization: Organization) -> Iterator[Finding]:
    """Whether there is room for incoming email."""
    room, subject = mail_space.room(organization), f"{organization.name}, incoming email"
    if not room.is_full:
        return
    waiting = mail_space.waiting(organization)
    used = f"{room.used // 1_000_000:,} MB of {room.limit // 1_000_000:,} MB are used; large email of strangers waits "
    if waiting > room.used // 2:
        step = f"Of this, {waiting // 1_000_000:,} MB wait to be read: check that `samizdat serve` or a worker runs."
    else:
        step = "Delete conversations with files in the inbox, free disk space, or raise SAMIZDAT_MAIL_STORAGE."
    yield Finding("mail.full", "red" if room.most(True) <= 0 else "amber", subject, f"{used}at its mail server. {step}")


def _spare_domains(organization: Organization) -> Iterator[Finding]:
    """Whether they can take the place of a domain that was lost."""
    for row in spare_check.spares(organization):
        ready, subject = spare_check.is_ready(row), f"{organization.name}, spare domain {row.name}"
        if ready is None:
            step = f"Then run: samizdat domain check {row.name}"
            yield Finding(
                "domain.unanswered",
                "amber",
                subject,
                f"Name servers don't answer. Check the network of this server. {step}",
            )
        elif ready:
            yield Finding("domain.ready", "good", subject, "Its DNS records are there.")
        else:
            yield Finding("domain.incomplete", "amber", subject, " ".join(map(at_terminal, spare_check.missing(row))))


def _routes(name: str, routes: list[RouteRow]) -> Iterator[Finding]:
    live = [route for route in routes if route.state == "live" and not route.is_altered]
    for route in routes:
        yield from _barred(name, route, live)
        if route.is_altered:
            why = "Nobody has approved or resumed it, and someone without keys wrote into the database that it is. "
            step = "It isn't used. Check who else can write to the database, and change its password. "
            end = f"Then: samizdat route rm {route.name}, or pause it again: samizdat route pause {route.name}"
            yield Finding("sending.route-altered", "red", f"{name}, route {route.name}", why + step + end)
            continue
        if route.state == "live":
            continue
        sentence = at_terminal(route.sentence, route.name)
        why = " ".join(word for word in (sentence, ACTORS.get(route.who, "")) if word)
        until = f" Not before {route.until:%H:%M} UTC." if route.until and route.state == "throttled" else ""
        stands = "Another admin has to approve it" if route.state == "waiting" else "It's paused"
        how = why or f"{stands}. Next: samizdat route resume {route.name}"
        state = "red" if not live and route.state == "dead" else "amber"
        yield Finding("sending.route", state, f"{name}, route {route.name}", f"{route.state}: {how}{until}")
    if not live:
        yield Finding(
            "sending.no-route", "amber", name, "No sending route is working. Add one: samizdat route add NAME -"
        )
    elif len(live) == 1:
        yield Finding(
            "sending.one-route",
            "amber",
            name,
            "One route is working. Add a second one, so that sending continues if the first stops working.",
        )
    else:
        yield Finding("sending.routes", "good", name, f"{len(live)} routes are working.")


def _barred(name: str, route: "RouteRow", live: list[RouteRow]) -> Iterator[Finding]:
    """Domains that a route's provider does not accept: red where no other route takes them."""
    for bar in route.barred:
        others = [
            other_route for other_route in live if bar.domain not in (other.domain for other in other_route.barred)
        ]
        who = ACTORS.get(bar.who, "")
        sentence = at_terminal(bar.sentence, route.name)
        next_step = f"Then: samizdat route resume {route.name}"
        why = f"It can't send from {bar.domain}: {sentence} {who} {next_step}"
        yield Finding("sending.domain-barred", "amber" if others else "red", f"{name}, route {route.name}", why)


def _signing(organization: Organization, live: list[RouteRow]) -> Iterator[Finding]:
    """Whether letters are signed by the routes of which we are to sign."""
    rows = domains(organization)
    for row in rows:
        for key in row.keys:
            if key.is_altered:
                why = f"The key {key.selector} of {row.name} was changed directly in the database. "
                step = f"Run: samizdat domain retire {row.name} {key.selector}"
                yield Finding("sending.key-altered", "red", organization.name, why + step)
    signs = [row.name for row in rows if row.active]
    if signs:
        yield Finding("sending.signed", "good", organization.name, f"Emails are signed for {', '.join(signs)}.")
    elif any(route.signs for route in live):
        yield Finding(
            "sending.unsigned",
            "amber",
            organization.name,
            (
                "No domain has an active DKIM key, so emails are sent unsigned. Run: samizdat domain add DOMAIN. "
                "If your provider signs: samizdat route edit NAME --signs provider"
            ),
        )
