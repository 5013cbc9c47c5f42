"""What sending providers deliver by webhook: opened here, verified with the secret of the route, read by a process
without keys, and followed up as a bounce that came by mail. An event counts once, however often it is delivered."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import batched
from urllib.parse import SplitResult, urlsplit

from django.db import IntegrityError, transaction

from samizdat import plugins
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience.errors import AudienceError, RowsAltered
from samizdat.core import webhook_delivery
from samizdat.core.bounce.report import Hints
from samizdat.core.crypto.seal import SealError
from samizdat.db import next_ids
from samizdat.delivery import clock_jumps
from samizdat.delivery.actions import route_webhooks
from samizdat.delivery.models import RouteWebhook
from samizdat.delivery.sealed_webhooks import WebhookSettings
from samizdat.incoming import follow_up, identity
from samizdat.incoming.follow_up import ReadReport
from samizdat.incoming.helper_reading import read_each
from samizdat.incoming.identity import STALE, Evidence, SentMessage, tokens_in
from samizdat.incoming.last_sent import LastSent
from samizdat.incoming.models import SeenWebhook
from samizdat.incoming.webhook_fetches import fetches
from samizdat.logs import where_it_broke
from samizdat.vault import keyring

log = logging.getLogger("samizdat.worker")

# How long ago a delivery may have been signed: providers try again for hours with the signature of the first time, and
# what comes twice counts once.
TOLERANCE = timedelta(days=1)
# How long an event is remembered: an older one is about a message that nothing is believed of any more.
REMEMBERED = STALE + timedelta(days=2)
# A bounce may come before it is written down to whom the message was handed.
SOON = timedelta(minutes=2)
# Of a list that is asked for again, so much is read twice: providers write events down in another order than they
# happen, Mailgun within half an hour (https://documentation.mailgun.com/docs/mailgun/user-manual/events/event-polling).
OVERLAP = timedelta(hours=2)
# What every helper reads that works at all.
ORDINARY = plugins.WebhookRequest(b"{}")
# Events of one transaction, and rows that are forgotten in one go.
SLICE, FORGOTTEN = 100, 5_000


@dataclass(frozen=True, slots=True)
class TakenDelivery:
    """`row`: whatever names it for the caller. `at`: when it came in."""

    row: int
    token: str
    host: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    at: datetime


@dataclass(slots=True)
class _Verified:
    """A delivery that the provider wrote."""

    row: int
    request: plugins.WebhookRequest
    nonce: str | None
    at: datetime
    since: datetime | None = None  # Of a list: what is older was taken in before.

    def has(self, event: plugins.ReadEvent, spare: timedelta = timedelta()) -> bool:
        """Whether it is news."""
        return self.since is None or not event.moment or datetime.fromisoformat(event.moment) >= self.since - spare


@dataclass(slots=True)
class _RouteNews:
    """What came for one route at once. waits: why some can't be believed yet, and are tried again."""

    webhook: RouteWebhook
    settings: WebhookSettings
    deliveries: list[_Verified] = field(default_factory=list)
    refused: list[plugins.WebhookRefused] = field(default_factory=list)
    waits: list[plugins.WebhookRefused] = field(default_factory=list)
    events: int = 0
    unmatched: int = 0

    @property
    def hook(self) -> plugins.Webhook:
        return plugins.webhooks()[self.settings.provider]

    def note(self, heard: bool, now: datetime) -> None:
        """Once for all of them: of forged ones there may be many."""
        state = route_webhooks.state_of(self.webhook)
        if problems := [*self.refused, *self.waits]:
            state = state.with_refusals(now, problems[-1].code, dict(problems[-1].values), len(self.refused))
        if heard:
            state = state.with_events(now, self.events, self.unmatched)
        route_webhooks.note(self.webhook, state)


def take_up(organization: Organization, deliveries: Sequence[TakenDelivery], now: datetime) -> set[int]:
    """Rows that are done with; the others wait for a certificate, for a clock that is set right, or for what a sender
    has yet to write down. Errors: those of read_each."""
    done: set[int] = set()
    by_route: dict[int, _RouteNews] = {}
    # Of a flood, hundreds come to the same address.
    base = urlsplit(leading(organization).public_url.rstrip("/"))
    settings = {token: route_webhooks.settings_by(organization, token) for token in {each.token for each in deliveries}}
    for delivery in deliveries:
        known = settings[delivery.token]
        if known is None or known[1].provider not in plugins.webhooks():
            done.add(delivery.row)
            continue
        news = by_route.setdefault(known[0].pk, _RouteNews(*known))
        try:
            if verified := _verified(news, delivery, _url(base, delivery), now):
                news.deliveries.append(verified)
        except _Trial:
            done.add(delivery.row)
        except plugins.WebhookRefused as refused:
            if _may_count_later(refused, now):
                news.waits.append(refused)
            else:
                news.refused.append(refused)
                done.add(delivery.row)
    return done.union(*(_follow(organization, news, now) for news in by_route.values()))


def give_up(organization: Organization, deliveries: Sequence[TakenDelivery], now: datetime) -> None:
    """Says of each route that so many of its deliveries waited too long."""
    known = [route_webhooks.settings_by(organization, delivery.token) for delivery in deliveries]
    for webhook, settings in dict(filter(None, known)).items():
        if settings.provider in plugins.webhooks():
            news = _RouteNews(webhook, settings)
            count = sum(each is not None and each[0] == webhook for each in known)
            news.refused = [news.hook.refusal("too_late")] * count
            news.note(False, now)


def take_listed(
    webhook: RouteWebhook,
    settings: WebhookSettings,
    pages: Sequence[plugins.WebhookRequest],
    since: datetime,
    now: datetime,
) -> bool:
    """What a provider lists of a route, as if it had delivered it. since: what is older by OVERLAP was taken in before.
    False: it has to be asked for again."""
    # They were written down long ago to whom these messages went.
    read_at = now - SOON
    news = _RouteNews(
        webhook, settings, [_Verified(place, page, None, read_at, since) for place, page in enumerate(pages)]
    )
    done = _follow(webhook.route.organization, news, now)
    return len(done) == len(pages) and not news.refused


class _Trial(Exception):
    """A delivery that only tries the address, whoever wrote it."""


# Providers begin to deliver as soon as they have the address, some before they show the secret; and nobody has a
# delivery of the future to send again.
_LATER = ("no_secret", "no_authority", "from_the_future")


def _may_count_later(refused: plugins.WebhookRefused, now: datetime) -> bool:
    """Whether it may yet be that the provider wrote it: once a secret is entered, or our clock is right."""
    return refused.code in _LATER or (refused.code == "too_old" and clock_jumps.patient(now))


def _verified(news: _RouteNews, delivery: TakenDelivery, address: str, now: datetime) -> _Verified | None:
    """None: something has yet to be fetched. Errors: WebhookRefused, _Trial."""
    hook, request = news.hook, plugins.WebhookRequest(delivery.body, delivery.headers, address)
    if hook.is_trial(request):
        raise _Trial
    secret = plugins.WebhookSecret(news.settings.key, authority=news.settings.authority)
    if url := hook.wanted(request, secret):
        if (certificate := _fetched(news, url)) is None:
            return None
        secret = plugins.WebhookSecret(secret.key, certificate.decode("ascii", "replace"), secret.authority)
    _verify(hook, request, secret, delivery.at, now)
    if url := hook.confirmation(request, secret):
        if (page := _fetched(news, url)) is None:
            return None
        if not page:
            raise hook.refusal("not_confirmed")
    return _Verified(delivery.row, request, hook.nonce(request), delivery.at)


def _verify(
    hook: plugins.Webhook, request: plugins.WebhookRequest, secret: plugins.WebhookSecret, at: datetime, now: datetime
) -> None:
    """at: when it came in. Where our clock was behind then, it counts by the time that it is now. Errors:
    WebhookRefused."""
    try:
        hook.verify(request, secret, at, TOLERANCE)
    except plugins.WebhookRefused as refused:
        if refused.code != "from_the_future":
            raise
        hook.verify(request, secret, now, TOLERANCE)


def _fetched(news: _RouteNews, url: str) -> bytes | None:
    """Empty where nothing is there. None: it isn't here yet, or nobody answers there at the moment."""
    page = fetches.ask(url)
    if page is not None and page.body is None:
        news.waits.append(news.hook.refusal("not_fetched"))
    return page.body if page else None


def _url(base: SplitResult, delivery: TakenDelivery) -> str:
    """As it was pasted at the provider, who may sign it: whoever forwards to the public pages may speak HTTP with
    them, and take away a folder in front."""
    query = f"?{delivery.query}" if delivery.query else ""
    return f"{base.scheme or 'https'}://{delivery.host}{base.path}{webhook_delivery.path(delivery.token)}{query}"


def _follow(organization: Organization, news: _RouteNews, now: datetime) -> set[int]:
    """Rows that are done with."""
    done: set[int] = set()
    for delivery, read in zip(news.deliveries, _read(organization, news), strict=True):
        if read is None:
            news.refused.append(news.hook.refusal("other_shape"))
        elif read.refusal:
            news.refused.append(plugins.WebhookRefused(read.refusal, **dict(read.values)))
        else:
            matched = _MatchedDelivery(organization, news.webhook, delivery, now)
            events = [event for event in read.events if delivery.has(event, OVERLAP)]
            if not matched.follow(events, news.hook.label):
                continue
            news.events += len(events) if delivery.since is None else matched.followed + matched.unmatched
            news.unmatched += matched.unmatched
        done.add(delivery.row)
    if news.deliveries or news.refused or news.waits:
        news.note(bool(news.deliveries), now)
    return done


def _read(organization: Organization, news: _RouteNews) -> list[plugins.ReadDelivery | None]:
    """None for a delivery that broke or slowed down whoever read it. Errors: those of read_each."""

    def read(some: Sequence[plugins.WebhookRequest]) -> Sequence[plugins.ReadDelivery]:
        return plugins.read_deliveries(organization.pk, news.settings.provider, some)

    requests = [delivery.request for delivery in news.deliveries]
    return read_each(requests, read, ORDINARY) if requests else []


class _MatchedDelivery:
    """One delivery, and whom its events are about."""

    def __init__(self, organization: Organization, webhook: RouteWebhook, delivery: _Verified, now: datetime) -> None:
        self._organization, self._webhook, self._delivery, self._now = organization, webhook, delivery, now
        self.unmatched = self.followed = 0

    def follow(self, events: Sequence[plugins.ReadEvent], label: str) -> bool:
        """Writes what follows, a slice in a transaction. False: it has to be tried again in a moment."""
        # Of any route of the organization: those at one account sign by one key.
        once = [f"webhook {label} nonce {self._delivery.nonce}"] if self._delivery.nonce else []
        if self._seen(once):
            return True
        try:
            for some in [*batched(events, SLICE)] or [()]:
                if not self._follow_slice(some, label, once):
                    return False
                once = []
        except IntegrityError:  # Another process is at the same event.
            return False
        return True

    def _follow_slice(self, events: Sequence[plugins.ReadEvent], label: str, once: Sequence[str]) -> bool:
        """once: what else is remembered. False: an event may be about somebody to whom a message is just being sent."""
        with transaction.atomic():
            proven = identity.proven(self._organization, [_evidence(event) for event in events], self._now)
            nameless = [event for event, message in zip(events, proven, strict=True) if message is None]
            sent = LastSent(self._organization, self._webhook.pk, map(_nameless_recipient, nameless), self._now)
            matched = [(event, _message(event, message, sent)) for event, message in zip(events, proven, strict=True)]
            is_early = self._now - self._delivery.at < SOON
            if is_early and any(
                message is None and sent.knows(_nameless_recipient(event)) for event, message in matched
            ):
                return False
            fresh = self._fresh([(event, message) for event, message in matched if message is not None])
            numbers = self._remember([*fresh, *once])[: len(fresh)]
            reports = [
                ReadReport(-number, 0, event.report, label, message, is_proven=True)
                for number, (event, message) in zip(numbers, fresh.values(), strict=True)
            ]
            self._write(reports)
        self.unmatched += sum(message is None and self._delivery.has(event) for event, message in matched)
        self.followed += len(fresh)
        return True

    def _write(self, reports: Sequence[ReadReport]) -> None:
        """Of reports that can't be followed up together, each is tried alone: a subscriber was erased meanwhile, or
        altered in the database."""
        try:
            with transaction.atomic():
                follow_up.write(self._organization, reports, self._now)
        except (AudienceError, RowsAltered, SealError) as error:
            if len(reports) == 1:
                log.error("An event of a webhook could not be followed up: %s", where_it_broke(error))
                return
            for report in reports:
                self._write([report])

    def _fresh(
        self, known: Sequence[tuple[plugins.ReadEvent, SentMessage]]
    ) -> dict[str, tuple[plugins.ReadEvent, SentMessage]]:
        """By what makes each the event that it is, whichever way it comes: without those that were seen."""
        named = {self._marked(_name(event, message)): (event, message) for event, message in reversed(known)}
        seen = self._seen([*named])
        return {name: pair for name, pair in reversed(named.items()) if name not in seen}

    @property
    def _today(self) -> date:
        return self._now.astimezone(UTC).date()

    def _seen(self, texts: Sequence[str]) -> set[str]:
        """Those of them that were remembered."""
        keys = keyring.keys(self._organization)
        digests = {digest: text for text in texts for digest in keys.blinds(text)}
        rows = SeenWebhook.objects.filter(organization=self._organization, digest__in=[*digests])
        return {digests[bytes(digest)] for digest in rows.values_list("digest", flat=True)}

    def _remember(self, texts: Sequence[str]) -> list[int]:
        """Numbers of their rows. Errors: IntegrityError where another process was first."""
        keys, numbers = keyring.keys(self._organization), next_ids(SeenWebhook._meta.db_table, len(texts))
        SeenWebhook.objects.bulk_create(
            SeenWebhook(pk=number, organization=self._organization, digest=keys.blind(text), day=self._today)
            for number, text in zip(numbers, texts, strict=True)
        )
        return [*numbers]

    def _marked(self, text: str) -> str:
        """No address is written so."""
        return f"webhook {self._webhook.pk} {text}"


def _message(event: plugins.ReadEvent, proven: SentMessage | None, sent: LastSent) -> SentMessage | None:
    """By a token of ours. The provider signed, so where it gives back none of what we wrote into the message, it is
    believed about the last message that its route handed to this recipient."""
    if proven is None:
        return sent.message(_nameless_recipient(event), event.moment)
    return proven if not event.report.recipient or identity.is_of(proven, event.report) else None


def _nameless_recipient(event: plugins.ReadEvent) -> str:
    """Of an event in which no token was proven. Empty where it names a message, which isn't ours: an organization may
    share an account with others, and whoever complains about theirs leaves no list of ours."""
    return "" if event.header_id else event.report.recipient or ""


def _name(event: plugins.ReadEvent, message: SentMessage) -> str:
    """A webhook and a list of the same provider give one event two numbers, so it is known by its message, recipient,
    kind and day; without a time, by what the provider calls it."""
    day = _day(event.moment)
    if day is None:
        return event.key
    return f"about {message.edition.pk} {message.subscriber.number} {event.report.kind} {day}"


def _evidence(event: plugins.ReadEvent) -> Evidence:
    """What of the event a token of ours may stand in: return address, Message-ID, and what we gave to the message."""
    given = [token for clue in event.clues for token in tokens_in(clue)]
    message_id = next(tokens_in(event.header_id or event.message_id), None) or next(iter(given), None)
    return Evidence([event.sender, *(f"+{token}@" for token in given)], Hints(message_id=message_id))


def _day(moment: str) -> date | None:
    return datetime.fromisoformat(moment).astimezone(UTC).date() if moment else None


def forget(now: datetime) -> int:
    """Events that are remembered no longer; how many."""
    old = SeenWebhook.objects.filter(day__lt=(now - REMEMBERED).astimezone(UTC).date())
    return SeenWebhook.objects.filter(pk__in=[*old.values_list("pk", flat=True)[:FORGOTTEN]]).delete()[0]
