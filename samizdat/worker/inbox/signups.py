"""Sign-ups: each becomes a pending subscription and one plain mail that asks whether it was them.

The box stays in the public database until the mail was accepted by a server or can never be, so a dead relay or a
killed worker loses nobody. What is remembered here in memory only slows down what fails; one mail a day to an address
is a row.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from samizdat import phrases_override
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import actions as audience
from samizdat.audience import queries as audience_queries
from samizdat.audience.actions import forms, mailed_words
from samizdat.audience.actions import fundraising_consent as appeals
from samizdat.audience.actions.mail_quota import few_a_day, may_come_back, once_a_day, tell_unmailed
from samizdat.audience.errors import AudienceError
from samizdat.audience.list_details import ListDetails, insist_open
from samizdat.audience.models import SUBSCRIBED, List, Subscriber, Subscription
from samizdat.core import consent
from samizdat.core.consent import APPEALS, LETTERS, last_day
from samizdat.core.content.phrases import PhraseTable, base
from samizdat.core.crypto import tokens
from samizdat.core.mail import address
from samizdat.core.rescue import requests
from samizdat.delivery import service_senders
from samizdat.incoming import by_mail
from samizdat.logs import where_it_broke
from samizdat.publicdb import actions as publicdb
from samizdat.vault import keyring
from samizdat.worker.inbox import fundraising_consent
from samizdat.worker.inbox.inbox import OpenedEnvelope, given_up, in_batches
from samizdat.worker.inbox.signup_memory import SignupMemory
from samizdat.worker.mail import service_mail

log = logging.getLogger("samizdat.worker")

KINDS = ("signup",)

memory = SignupMemory()


def take(now: datetime, organization: Organization | None = None) -> int:
    """Takes up the sign-ups that wait and are due, of all organizations or of one; returns how many are done with."""
    done = in_turn(now, KINDS, _take_up, organization)
    if organization is None:
        tell_waiting()
    return done


def in_turn(
    now: datetime,
    kinds: tuple[str, ...],
    take_up: Callable[[list[OpenedEnvelope], datetime], int],
    organization: Organization | None,
) -> int:
    """As `in_batches`; of one organization as many as may be under way."""
    if organization is None:
        return in_batches(now, kinds, take_up, memory)
    place, number = bytes(organization.uid), organization.pk
    return in_batches(now, kinds, take_up, memory, place, lambda: memory.has_room(number))


def one_by_one(
    take: Callable[[OpenedEnvelope, datetime], bool], broke: str
) -> Callable[[list[OpenedEnvelope], datetime], int]:
    """For in_turn. take: True when the box may go, also where it says AudienceError: then they were erased meanwhile.
    broke: what the log says of one that can't be taken up, with %s for where."""

    def take_up(envelopes: list[OpenedEnvelope], now: datetime) -> int:
        done = 0
        for envelope in envelopes:
            try:
                finished = take(envelope, now)
            except AudienceError:
                finished = True
            except Exception as error:
                log.error(broke, where_it_broke(error))
                finished = given_up(envelope, now)
            if finished:
                publicdb.done_with([envelope.row])
                done += 1
        return done

    return take_up


def _take_up(envelopes: list[OpenedEnvelope], now: datetime) -> int:
    done = 0
    for envelope in envelopes:
        memory.held.pop(envelope.row, None)
        try:
            finished = _take(envelope, now)
        except Exception as error:  # One that cannot be taken up must not keep the others waiting.
            log.error("A sign-up could not be taken up and is tried again: %s", where_it_broke(error))
            finished = given_up(envelope, now)
        if finished:
            publicdb.done_with([envelope.row])
            memory.held.pop(envelope.row, None)
            done += 1
    return done


def tell_waiting() -> None:
    """For the desk, whenever it is another number."""
    waiting = memory.waiting()
    if waiting != memory.counts:
        tell_unmailed(waiting)
        memory.counts = waiting


@dataclass(frozen=True, slots=True)
class SignupTarget:
    """What somebody asks for: a list by its own form, or the lists of a form that they chose.

    number: of that list, or of the form and what was chosen, with the day; it stands in the link that confirms.
    appeals: the words beside the box for appeals for money, where it was ticked. signs: they sign a petition.
    """

    number: int
    name: str
    lists: tuple[Any, ...]
    view: forms.FormView | None = None
    typed: forms.FormChoices | None = None
    appeals: str = ""
    signs: bool = False


def _take(envelope: OpenedEnvelope, now: datetime) -> bool:
    """True when the box may go. Nothing that somebody typed into a form is believed before it was checked again."""
    target = _target(envelope)
    if target is None or _day(envelope) < last_day(now):
        return True
    try:
        wanted = address.normalize(envelope.words.address)
        for list_ in target.lists if target.view is None else ():
            insist_open(list_)
        says = _may_say(envelope, wanted, now)
        # By what was typed alone, before anybody is looked for: a copy of the database tells no one who is here, and
        # whoever types an address in a thousand times leaves few traces of it.
        if not few_a_day(envelope.organization, "sign-up", wanted, envelope.row, now):
            return True
        known = _has_all(envelope.organization, wanted, target)
        # The same rows of everybody, of whom no mail goes to as well.
        waiting = _asked(envelope, wanted, target)
        may_ask = _may_ask(envelope, wanted, known, now)
        # They get it already; whoever typed their address in learns nothing, and no mail is spent on it.
        about = _about(known, waiting, target, envelope) if known and target.appeals and says else None
        if about is not None:
            return fundraising_consent.mail(envelope, about, memory, now)
        subscriber = waiting if may_ask else None
    except (address.BadAddress, AudienceError):
        return True
    if subscriber and not audience.waiting_among(target.lists, subscriber, _day(envelope), now, now):
        subscriber = None  # It was answered already.
    return _write(envelope, wanted, subscriber, target, now, says=says)


def _may_say(envelope: OpenedEnvelope, wanted: str, now: datetime) -> bool:
    """Whether this sign-up leaves the state of a link in the public database: by what was typed alone, and never by who
    it is. The first of an address today, and of the day on which it was typed; of older ones nothing is remembered."""
    if _day(envelope) < (now.astimezone(UTC) - timedelta(days=1)).date():
        return False
    return all(_may_today(envelope, "page", wanted, day) for day in (now, envelope.at))


def _may_today(envelope: OpenedEnvelope, what: str, wanted: str, now: datetime) -> bool:
    if not once_a_day(envelope.organization, f"{what} {address.comparable(wanted)}", envelope.row, now):
        return False
    return few_a_day(envelope.organization, what, wanted, envelope.row, now)


def _may_ask(envelope: OpenedEnvelope, wanted: str, known: Subscriber | None, now: datetime) -> bool:
    """Whether a mail asks them. It leaves three rows whatever it says. known: who gets it already."""
    organization, box = envelope.organization, envelope.row
    reason, confirm = audience_queries.suppression_of(organization, wanted), f"confirm {address.comparable(wanted)}"

    def draw(may: bool, share: Callable[..., bool], *what: str) -> bool:
        may = may and share(organization, *what, box, now)
        if not may:
            once_a_day(organization, f"unused {what} {box}", box, now)
        return may

    # Somebody of the organization decided what is "manual"; a form does not undo it.
    may = draw(known is None and reason != "manual", once_a_day, confirm)
    may = draw(may, few_a_day, "confirm", wanted)
    return may_come_back(organization, wanted, reason if may else None, box, now) and may


def _has_all(organization: Organization, wanted: str, target: SignupTarget) -> Subscriber | None:
    """Who they are, where they get all that was asked for but appeals."""
    known = audience_queries.subscriber_at(organization, wanted)
    # Whose mail came back for good is subscribed and gets nothing: their confirmation is what lifts that.
    subscriptions = Subscription.objects.filter(
        subscriber=known, list__in=target.lists, status=SUBSCRIBED, mail_verdict__in=(consent.YES, consent.PAUSED)
    )
    return known if known is not None and subscriptions.count() == len(target.lists) else None


def _about(
    known: Subscriber, waiting: Subscriber, target: SignupTarget, envelope: OpenedEnvelope
) -> fundraising_consent.ConsentQuestion | None:
    """What is left to ask a subscriber about appeals, by the link of what waits. None: they agreed to all of it."""
    lists = appeals.without(known, target.lists)
    language = known.language or envelope.words.language[:8]
    if not lists:
        return None
    return fundraising_consent.ConsentQuestion(waiting, lists, target.number, target.appeals, language)


def _target(envelope: OpenedEnvelope) -> SignupTarget | None:
    text = envelope.words.list
    if not text.isdecimal() or len(text) > 18:
        return None
    if int(text) >> 32:
        return _form_target(envelope, int(text))
    rows = List.objects.select_related("organization").filter(organization=envelope.organization)
    list_ = rows.filter(id=int(text)).first()
    if list_ is None or not audience_queries.details_of(list_).page_slug:
        return None
    name = mailed_words.name_said(list_) or leading(envelope.organization).name
    return SignupTarget(forms.dated(list_.id, _day(envelope)), name, (list_,), appeals=_appeals_read(list_, envelope))


def _day(envelope: OpenedEnvelope) -> date:
    return envelope.at.astimezone(UTC).date()


def _form_target(envelope: OpenedEnvelope, number: int) -> SignupTarget | None:
    form = forms.form_numbered(envelope.organization, number)
    if form is None:
        return None
    view, sent = forms.view_as_said(form), envelope.words
    typed = forms.typed(
        view,
        sent.lists,
        {int(number): text for number, text in sent.values.items() if number.isdecimal()},
        sent.topics,
        bool(sent.appeals),
    )
    here = List.objects.select_related("organization").filter(organization=envelope.organization).in_bulk(typed.lists)
    lists = [here[list_id] for list_id in typed.lists if list_id in here]  # In the order of the form.
    if not lists:
        return None
    # Of several lists the mail names those that were chosen: they agree to them and to no other.
    names, facts = [mailed_words.name_said(list_) for list_ in lists], view.facts
    if len(view.lists) == 1 and mailed_words.is_said(envelope.organization, facts.title, facts.agreed):
        names = [facts.title]
    name = ", ".join(names) if all(names) else leading(envelope.organization).name
    words = facts.appeals if typed.appeals else ""
    number_chosen = forms.number_of(form.id, facts, typed.lists, _day(envelope))
    return SignupTarget(number_chosen, name, tuple(lists), view, typed, words, facts.signs)


def _asked(envelope: OpenedEnvelope, wanted: str, target: SignupTarget) -> Subscriber:
    """Their row, with the sign-up on record once however often its mail is tried, and by how many processes."""
    known = audience_queries.waiting_at(envelope.organization, wanted)
    if known is not None and _on_record(envelope, known, target):
        return known
    language, list_ = envelope.words.language[:8], target.lists[0]
    if target.view is not None and target.typed is not None:
        return forms.sign_up_by_form(
            envelope.organization, wanted, target.view, target.typed, now=envelope.at, language=language
        )
    return audience.sign_up(
        envelope.organization,
        wanted,
        list_,
        wording=_wording_read(list_, audience_queries.details_of(list_), LETTERS, envelope.words.wording),
        now=envelope.at,
        way="mail" if envelope.words.way == "mail" else "form",
        language=language,
        appeals=target.appeals or None,
    )


def _on_record(envelope: OpenedEnvelope, known: Subscriber, target: SignupTarget) -> bool:
    if target.view is not None and not forms.lists_asked(known, target.number):
        return False
    asked = audience.asked_among(target.lists, known, _day(envelope), envelope.at)
    return len(asked) == len(target.lists)


def _wording_read(list_: List, details: ListDetails, purpose: str, read: str) -> str:
    """The words of the form that they read: one of the list's versions, and no text that a public process makes up."""
    known = {wording.text for wording in audience.wordings(list_, purpose)}
    return read if read.strip() in known else (details.appeals if purpose == APPEALS else details.purpose)


def _appeals_read(list_: List, envelope: OpenedEnvelope) -> str:
    """Those beside the box that they ticked; "" where they did not, or the form has none."""
    details, read = audience_queries.details_of(list_), envelope.words.appeals
    words = _wording_read(list_, details, APPEALS, read) if read and details.appeals else ""
    return words if mailed_words.is_said(list_.organization, words, details.agreed) else ""


# -- the mail ---------------------------------------------------------------------------------------------------


def _write(
    envelope: OpenedEnvelope,
    wanted: str,
    subscriber: Subscriber | None,
    target: SignupTarget,
    now: datetime,
    says: bool,
) -> bool:
    """subscriber: None for whom nothing is mailed. What a public process that was taken may read is the same of them:
    the state of a link that nobody has. And they count toward the mails of an hour and the limits of a route, or what
    is used of them would tell whether the one before was mailed."""
    if not memory.may_send(envelope.organization.id, envelope.row):
        return False
    sender = service_senders.sender_for(target.lists[0])
    if not leading(envelope.organization).public_url:
        return given_up(envelope, now)  # Nobody knows where their link would lead.
    if sender is None:
        log.warning("A sign-up waits for its mail, which has no sender yet. Set an address for bounces.")
        memory.hold(envelope.row, envelope.organization.id, "sender")
        return given_up(envelope, now)
    keys = keyring.keys(envelope.organization)
    assert keys.link is not None
    if subscriber is None:
        if says:
            drawn = keys.blind(f"drawn\0{target.number} {address.comparable(wanted)}")
            publicdb.set_drawn_state(drawn, _waiting(target.appeals))
        memory.leave_out(envelope, sender, now)
        return True
    token = tokens.make(keys.link, "confirm", target.number, subscriber.number)
    words = phrases_override.words_to(envelope.words.language, leading(envelope.organization).language)
    # What is on record for this day, which a box ticked later does not change.
    asked = audience.asked_among(target.lists, subscriber, _day(envelope), now, APPEALS)
    appeal_words = target.appeals if asked else ""
    reply_to = by_mail.reply_address(envelope.organization, token)
    subject, text = composed(
        envelope.organization,
        target.name,
        token,
        words,
        appeal_words,
        by_reply=bool(reply_to),
        signs=target.signs,
    )
    # Before the mail: by it the page knows that the link is ours.
    if says:
        publicdb.set_token_state(token, _waiting(appeal_words))
    return memory.mail(envelope, sender, wanted, subject, text, now, reply_to=reply_to)


def _waiting(appeals: str) -> str:
    return "pending-asks" if appeals else "pending"


def composed(
    organization: Organization,
    name: str,
    token: str,
    words: PhraseTable,
    appeals: str = "",
    *,
    by_reply: bool = False,
    rebuilt: bool = False,
    signs: bool = False,
) -> tuple[str, str]:
    """(subject, text) of the mail. appeals: the words of the box that was ticked. by_reply: an answer confirms too.
    rebuilt: nobody signed up, they are asked once (audience/actions/ask_once). signs: name is a petition that they
    signed, of which there are words in two languages."""
    if signs and base(words.language) not in requests.LANGUAGES:
        words = phrases_override.words("en")
    otherwise, subject = words["confirm.otherwise"], words["confirm.subject"] % {"list": service_mail.one_line(name)}
    asked = [
        words["confirm.asked"] % {"list": name},
        *([words["confirm.appeals"] % {"words": appeals}] * bool(appeals)),
        words["confirm.press"],
    ]
    if rebuilt:
        asked = [words["confirm.rebuilt"] % {"list": name}]
    if signs:
        petition_mail = requests.signature_mail(service_mail.one_line(name), base(words.language))
        asked, otherwise, subject = (
            [petition_mail.asked, words["confirm.press"]],
            petition_mail.otherwise,
            petition_mail.subject,
        )
    link_ = f"{leading(organization).public_url}/c/{token}"
    reply = [words["confirm.reply"]] * by_reply
    text = "\n\n".join((*asked, link_, *reply, otherwise))
    return subject, f"{text}\n"
