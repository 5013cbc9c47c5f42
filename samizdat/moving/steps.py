"""The steps of a move, each as it stands in this installation now. Nothing of it is kept but when a step was first seen
done, and what other people's servers said when they were last asked: whoever is interrupted goes on where things are,
and a step that is undone is open again."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from msgspec import structs

from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import Leading, leading
from samizdat.core.mail.return_address import without_token
from samizdat.delivery import backup_places, dkim_keys, moves, queries, sealed_domains
from samizdat.delivery.actions import domain_switch, route_webhooks
from samizdat.delivery.backup_places import PlaceBroken
from samizdat.delivery.models import SendingDomain
from samizdat.delivery.moves import MoveRecord, Publish
from samizdat.delivery.sealed_webhooks import WebhookState
from samizdat.incoming.mailboxes import actions as mailboxes
from samizdat.moving import announcement
from samizdat.moving.actions import is_at
from samizdat.moving.place import place_now

# A step is "open", "done", or "lost": then it can't be done, and the rest goes on without it.
SETTLED = ("done", "lost")
DRAFTING = ("samizdat move --announce",)


@dataclass(frozen=True, slots=True)
class MoveStep:
    """seen: what is found now. person: what no program can do. commands: to be copied. page: name and arguments of the
    page for it. publish: DNS records. done: when it was first seen done, seconds: how long after the move began."""

    code: str
    title: str
    state: str
    seen: str
    person: str = ""
    commands: tuple[str, ...] = ()
    page: tuple[str | int, ...] = ()
    publish: tuple[Publish, ...] = ()
    done: datetime | None = None
    seconds: int | None = None

    @property
    def is_settled(self) -> bool:
        return self.state in SETTLED

    def document(self) -> dict[str, object]:
        return {
            "step": self.code,
            "title": self.title,
            "state": self.state,
            "seen": self.seen,
            "person": self.person or None,
            "commands": [*self.commands],
            "publish": [{"type": kind, "name": name, "value": value} for kind, name, value in self.publish],
            "done": self.done,
            "seconds": self.seconds,
        }


@dataclass(frozen=True, slots=True)
class MoveStanding:
    move: MoveRecord
    steps: tuple[MoveStep, ...]

    @property
    def next(self) -> MoveStep | None:
        return next((step for step in self.steps if not step.is_settled), None)

    @property
    def seconds(self) -> int | None:
        """From beginning to the last step, where all are done."""
        times = [step.seconds for step in self.steps if step.seconds is not None]
        return max(times, default=0) if self.next is None else None

    def document(self) -> dict[str, object]:
        move = self.move
        return {
            "began": move.began,
            "ended": move.ended,
            "from": move.old_url or None,
            "to": move.new_url,
            "old_domain": move.old_domain or None,
            "domain": move.new_domain or None,
            "looked": move.looked,
            "next": self.next.code if self.next else None,
            "seconds": self.seconds,
            "steps": [step.document() for step in self.steps],
        }


@dataclass(frozen=True, slots=True)
class _MoveFacts:
    organization: Organization
    move: MoveRecord
    kept: Leading = field(default_factory=Leading)
    domain: SendingDomain | None = None

    def is_done(self, code: str) -> bool:
        return code in self.move.done


def standing(organization: Organization, now: datetime) -> MoveStanding | None:
    """Of the last move; what is done for the first time is noted with `now`. None where there was none."""
    move = moves.of(organization)
    if move is None:
        return None
    row = dkim_keys.domain_named(organization, move.new_domain) if move.new_domain else None
    steps = [*_steps(_MoveFacts(organization, move, leading(organization), row))]
    if move.ended is None:
        move = _noted(organization, move, steps, now)
    return MoveStanding(move, tuple(_timed(step, move) for step in steps))


def _noted(organization: Organization, move: MoveRecord, steps: Iterable[MoveStep], now: datetime) -> MoveRecord:
    """What is open again is forgotten."""
    steps = [*steps]

    def changed(kept: MoveRecord) -> MoveRecord:
        done = {step.code: kept.done.get(step.code, now) for step in steps if step.state == "done"}
        return structs.replace(kept, done=done)

    return move if changed(move) == move else moves.change(organization, changed) or move


def _timed(step: MoveStep, move: MoveRecord) -> MoveStep:
    at = move.done.get(step.code) if step.state == "done" else None
    return replace(step, done=at, seconds=max(0, round((at - move.began).total_seconds()))) if at else step


def _steps(facts: _MoveFacts) -> Iterator[MoveStep]:
    parts: list[Callable[[_MoveFacts], Iterator[MoveStep]]] = [
        _server,
        _address,
        _domain,
        _route,
        _senders,
        _incoming,
        _old_links,
        _announcement,
    ]
    for part in parts:
        yield from part(facts)


def _state(is_done: bool) -> str:
    return "done" if is_done else "open"


# --- the server ---


def _server(facts: _MoveFacts) -> Iterator[MoveStep]:
    if not facts.move.place:
        return
    is_here = facts.move.place != place_now()  # Also where it says that it came (actions.CAME).
    yield MoveStep(
        "server",
        _("Restore on the new server"),
        _state(is_here),
        _("It runs on the new server.") if is_here else _("It still runs where it ran when the move began."),
        person=_(
            "Rent the new server. Copy the key file there by hand, and compare the fingerprint with the one you wrote "
            "down."
        ),
        commands=("samizdat restore FROM",),
    )
    is_sending = not facts.organization.sending_locked
    yield MoveStep(
        "released",
        _("Allow sending from the new server"),
        _state(is_here and is_sending),
        _("Sending is on hold.") if not is_sending else _("Sending is allowed.") if is_here else _("Not yet."),
        person=_("Make sure that the old server has stopped for good: no program can see that from here."),
        commands=("samizdat release",),
    )
    is_saved = is_here and _has_new_copy(facts)
    yield MoveStep(
        "backups",
        _("Back up the new server"),
        _state(is_saved),
        _("A backup was made since the move.") if is_saved else _("No backup was made since the move."),
        commands=("samizdat backup place add URL", "samizdat backup"),
        page=("backups",),
    )


def _has_new_copy(facts: _MoveFacts) -> bool:
    since = facts.move.done.get("server", facts.move.began)
    places = [place for place in backup_places.all_places() if not isinstance(place, PlaceBroken)]
    return any(copy.made >= since for place in places for copy in backup_places.copies(place.number))


# --- the address of the pages ---


def _address(facts: _MoveFacts) -> Iterator[MoveStep]:
    move, kept = facts.move, facts.kept
    host = urlsplit(move.new_url).hostname or ""
    seen = move.seen.get("address", "")
    yield MoveStep(
        "answers",
        _("Open the new address"),
        _state(seen == "pages"),
        _reach(seen) % {"url": move.new_url},
        person=_("Register the name, and point it to the new server at your DNS provider."),
        publish=(
            ("A", host, _("IPv4 address of the new server")),
            ("AAAA", host, _("its IPv6 address")),
        ),
    )
    is_set = kept.public_url == move.new_url
    yield MoveStep(
        "address",
        _("Use the new address in emails"),
        _state(is_set),
        _("Links in emails lead to %(url)s.") % {"url": kept.public_url or _("no address")},
        commands=(f"samizdat organization set --url {move.new_url}",),
        page=("settings",),
    )
    if is_at(kept.desk_url, move.old_url) or facts.is_done("desk"):
        is_left = not is_at(kept.desk_url, move.old_url)
        yield MoveStep(
            "desk",
            _("Change the address of the app"),
            _state(is_left),
            _("Your team signs in at %(url)s.") % {"url": kept.desk_url},
            commands=("samizdat organization set --desk-url URL",),
            page=("settings",),
        )


def _reach(seen: str) -> str:
    return {
        "pages": _("%(url)s answers with our pages."),
        "redirect": _("%(url)s leads to the new address."),
        "other": _("%(url)s answers, but not with our pages."),
        "nothing": _("Nothing answers at %(url)s."),
        "gone": _("The name of %(url)s isn’t in DNS."),
        "certificate": _("The certificate of %(url)s isn’t valid."),
        "inside": _("%(url)s leads to an address inside this network, so it wasn’t checked."),
    }.get(seen, _("%(url)s wasn’t checked yet."))


# --- the sending domain ---


def _domain(facts: _MoveFacts) -> Iterator[MoveStep]:
    name, row = facts.move.new_domain, facts.domain
    if not name:
        return
    waits = row is not None and sealed_domains.domain_waits(row)
    seen = _("%(domain)s isn’t added.") if row is None else _("%(domain)s is added.")
    yield MoveStep(
        "domain",
        _("Add the new sending domain"),
        _state(row is not None and not waits),
        (_("%(domain)s is waiting for another admin’s approval.") if waits else seen) % {"domain": name},
        person=_("Register the domain."),
        commands=(f"samizdat domain add {name}",),
        page=("domains",),
    )
    keys = [key for key in dkim_keys.domain_row(row).keys if key.public and key.state != "retired"] if row else []
    is_signing = row is not None and dkim_keys.signs(row)
    yield MoveStep(
        "dkim",
        _("Sign emails for the new domain"),
        _state(is_signing),
        (_("Emails are signed for %(domain)s.") if is_signing else _("No key of %(domain)s signs yet."))
        % {"domain": name},
        person=_("Add these records at your DNS provider."),
        commands=(f"samizdat domain check {name}", f"samizdat domain activate {name}"),
        page=("sending-domain", row.pk) if row else ("domains",),
        publish=tuple(("TXT", key.name, key.text) for key in keys),
    )
    published = facts.move.seen.get("records", "")
    sentence = {
        "there": _("DNS has what mailbox providers require."),
        "none": _("DNS isn’t asked about this domain: it’s reserved for tests, or no route leaves this server."),
        "allowed": _("An admin allowed sending without these records."),
        "missing": _("DNS lacks records that mailbox providers require."),
    }
    yield MoveStep(
        "records",
        _("Publish SPF and DMARC"),
        _state(published in ("there", "none", "allowed")),
        sentence.get(published, _("Name servers weren’t asked yet.")),
        person=_("Add these records at your DNS provider."),
        commands=(f"samizdat domain check {name}",),
        page=("sending-domain", row.pk) if row else ("domains",),
        publish=tuple(record for record in facts.move.publish if record[1] not in {key.name for key in keys}),
    )


def _route(facts: _MoveFacts) -> Iterator[MoveStep]:
    live = [route.name for route in queries.routes(facts.organization) if route.state in ("live", "throttled")]
    yield MoveStep(
        "route",
        _("Connect a sending provider"),
        _state(bool(live)),
        _("Working routes: %(names)s.") % {"names": ", ".join(live)} if live else _("No sending route is working."),
        person=_("Have the new domain verified by the provider, or open an account with another one."),
        commands=("samizdat route add NAME -", "samizdat route test NAME --to ADDRESS"),
        page=("routes",),
    )


def _senders(facts: _MoveFacts) -> Iterator[MoveStep]:
    move, row = facts.move, facts.domain
    if not move.new_domain:
        return
    left = domain_switch.plan(row, move.old_domain).addresses if row and move.old_domain else {}
    is_switched = row is not None and not left
    here = ", ".join([*left][:3])
    yield MoveStep(
        "senders",
        _("Send from the new domain"),
        _state(is_switched),
        _("All senders are at %(domain)s.") % {"domain": move.new_domain}
        if is_switched
        else _("Still at the old domain: %(addresses)s.") % {"addresses": here}
        if left
        else _("The new domain comes first."),
        commands=(
            f"samizdat domain spare {move.new_domain}",
            f"samizdat domain switch {move.new_domain} --from {move.old_domain}",
        ),
        page=("switch-domain", row.pk) if row else ("domains",),
    )
    is_warm = row is not None and (bool(row.warm_up) or facts.is_done("warm_up"))
    yield MoveStep(
        "warm_up",
        _("Start slowly"),
        _state(is_warm),
        _("Emails per day: %(plan)s.") % {"plan": row.warm_up.replace(",", ", ")}
        if row and row.warm_up
        else _("The warm-up is over.")
        if is_warm
        else _("Mailbox providers distrust a new domain that sends much on its first day."),
        commands=(f"samizdat domain warm-up {move.new_domain} standard",),
        page=("sending-domain", row.pk) if row else ("domains",),
    )


# --- what comes in ---


def _incoming(facts: _MoveFacts) -> Iterator[MoveStep]:
    since = facts.move.done.get("server", facts.move.began)
    rows = mailboxes.mailboxes(facts.organization)
    if rows:
        heard = [row.name for row in rows if row.state and row.state.heard and row.state.heard >= since]
        silent = [row.name for row in rows if row.name not in heard]
        paused = [row.name for row in rows if row.settings and row.settings.paused]
        at = (without_token(facts.kept.return_address) or "").rpartition("@")[2]
        mail = (("MX", at, _("mail server of the mailbox")),) if at else ()
        yield MoveStep(
            "mailboxes",
            _("Read replies and bounces"),
            _state(not silent),
            _("All mailboxes were read since the move began.")
            if not silent
            else _("Not read since the move began: %(names)s.") % {"names": ", ".join(silent)},
            person=_("Set up the mailboxes of the new domain at your mail provider."),
            commands=tuple(f"samizdat mail {'resume' if name in paused else 'test'} {name}" for name in silent[:3]),
            page=("mailboxes",),
            publish=mail,
        )
    hooks = [
        (route, view)
        for route, view in route_webhooks.webhooks_of(facts.organization)
        if view is not None and not view.fetches
    ]
    if hooks and not is_at(facts.move.old_url, facts.move.new_url):
        silent = [route.name for route, view in hooks if not _heard_since(view.state, since)]
        yield MoveStep(
            "webhooks",
            _("Give providers the new webhook address"),
            _state(not silent),
            _("All providers deliver to the new address.")
            if not silent
            else _("Nothing delivered since the move began: %(names)s.") % {"names": ", ".join(silent)},
            person=_("Enter the address that the route’s page shows in the provider’s settings."),
            page=("routes",),
        )


def _heard_since(state: WebhookState | None, since: datetime) -> bool:
    return state is not None and state.heard is not None and state.heard >= since


# --- links of earlier emails ---


def _old_links(facts: _MoveFacts) -> Iterator[MoveStep]:
    move = facts.move
    if not move.old_url or is_at(move.old_url, move.new_url):
        return
    seen = move.seen.get("old_links", "")
    state = "done" if seen in ("pages", "redirect") else "lost" if seen == "gone" else "open"
    sentence = _reach(seen) % {"url": move.old_url}
    if state == "lost":
        sentence += " " + _("Links in earlier emails lead nowhere until you have that name again.")
    yield MoveStep(
        "old_links",
        _("Keep links in earlier emails working"),
        state,
        sentence,
        person=_(
            "If you still have the old name, point it to the new server too, or add the lines below to the web server "
            "it leads to. Renew the old name for as long as people may open earlier emails."
        ),
        commands=("samizdat move --redirect caddy",),
    )


# --- what subscribers are told ---


def _announcement(facts: _MoveFacts) -> Iterator[MoveStep]:
    move = facts.move
    if move.new_url == move.old_url and not move.new_domain:
        return
    campaigns = announcement.drafted(facts.organization, move)
    waiting = [campaign for campaign in campaigns if campaign.state != "finished"]
    sentence = _("No email about the move is drafted.")
    if campaigns:
        numbers = ", ".join(str(campaign.pk) for campaign in (waiting or campaigns))
        shape = _("Not sent yet: campaign No. %(numbers)s.") if waiting else _("Sent: campaign No. %(numbers)s.")
        sentence = shape % {"numbers": numbers}
        if move.new_domain and announcement.signs_twice(facts.organization, move):
            sentence += " " + _("Both domains sign it.")
        elif move.new_domain:
            sentence += " " + _("The old domain doesn’t sign it: its keys aren’t here or don’t sign.")
    yield MoveStep(
        "announcement",
        _("Tell subscribers"),
        _state(bool(campaigns) and not waiting),
        sentence,
        person=_("Read the draft, and send it."),
        commands=tuple(f"samizdat campaign send {campaign.pk}" for campaign in waiting)
        or (() if campaigns else DRAFTING),
        page=("campaign", waiting[0].pk) if waiting and waiting[0].state == "draft" else (),
    )
