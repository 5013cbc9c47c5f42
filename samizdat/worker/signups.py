"""Sign-ups: each becomes a pending subscription and one plain mail that asks whether it was she.

The box stays in the gate until the mail was accepted by a server or can never be, so a dead relay or a killed worker
loses nobody. What is remembered here in memory only slows down what fails; one mail a day to an address is a row.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from samizdat import saying
from samizdat.accounts.grants import leading
from samizdat.audience import actions as audience
from samizdat.audience import queries as audience_queries
from samizdat.audience.actions import forms
from samizdat.audience.actions.mailed import few_a_day, once_a_day, tell_unmailed
from samizdat.audience.errors import AudienceError
from samizdat.audience.models import SUBSCRIBED, List, SignUpForm, Subscription
from samizdat.campaigns import senders
from samizdat.core import address, consent, link
from samizdat.core.consent import APPEALS, LETTERS
from samizdat.core.outcome import Accepted, Deferred, Refused, Unsure
from samizdat.core.spoken import Words
from samizdat.gate import actions as gate
from samizdat.logs import where_it_broke
from samizdat.options import confirmations_an_hour
from samizdat.vault import house
from samizdat.worker import appeals, mailing
from samizdat.worker.boxes import MOST, Said, given_up, in_batches

log = logging.getLogger("samizdat.worker")

# Where the settings of a list have the words of each purpose.
_DETAILS = {LETTERS: "purpose", APPEALS: "appeals"}

KINDS = ("signup",)
# Seconds between two tries of one mail.
WAITS = (5, 30, 120, 600)
# Tries of a mail that is stuck: half a minute.
STUCK = 3


@dataclass(slots=True)
class Memory:
    """What this process remembers of mails: tries by box, times by organisation; what holds up a box (organisation,
    why), and what was told of that last."""

    tries: dict[int, tuple[int, float]] = field(default_factory=dict)
    sent: dict[int, deque[float]] = field(default_factory=dict)
    held: dict[int, tuple[int, str]] = field(default_factory=dict)
    told: Mapping[tuple[int, str], int] | None = None

    def due(self, row: int) -> bool:
        return time.monotonic() >= self.tries.get(row, (0, 0.0))[1]

    def put_off(self, row: int) -> None:
        tries = self.tries.get(row, (0, 0.0))[0]
        if len(self.tries) > MOST:  # Of what somebody made up: who forgets tries again.
            self.tries.clear()
        self.tries[row] = (tries + 1, time.monotonic() + WAITS[min(tries, len(WAITS) - 1)])

    def forget(self, row: int) -> None:
        self.tries.pop(row, None)

    def hold(self, row: int, organisation: int, why: str) -> None:
        if len(self.held) > MOST:
            self.held.clear()
        self.held[row] = organisation, why

    @property
    def stuck(self) -> int:
        """Mails that were tried several times, for half a minute or longer."""
        return sum(tries >= STUCK for tries, _until in [*self.tries.values()])

    def waiting(self) -> Mapping[tuple[int, str], int]:
        """How many are held up, by organisation and why. A route may be back at the next try; a sender is not."""
        held = self.held.copy()  # Other lanes go on meanwhile.
        tried = {row: self.tries.get(row, (0, 0.0))[0] for row in held}
        return Counter(of for row, of in held.items() if of[1] == "sender" or tried[row] >= STUCK)

    def may_send(self, organisation: int) -> bool:
        times = self.sent.setdefault(organisation, deque())
        while times and time.monotonic() - times[0] > 3600:
            times.popleft()
        return len(times) < confirmations_an_hour()

    def wrote(self, organisation: int) -> None:
        self.sent.setdefault(organisation, deque()).append(time.monotonic())


memory = Memory()


def take(now: datetime, place: bytes | None = None) -> int:
    """Takes up the sign-ups that wait and are due, of all organisations or of one; returns how many are done with."""
    done = in_batches(now, KINDS, _take_up, memory, place)
    if place is None:
        tell_waiting()
    return done


def _take_up(said: list[Said], now: datetime) -> int:
    done = 0
    for one in said:
        memory.held.pop(one.row, None)
        try:
            finished = _take(one, now)
        except Exception as error:  # One that cannot be taken up must not keep the others waiting.
            log.error("A sign-up could not be taken up and is tried again: %s", where_it_broke(error))
            finished = given_up(one, now)
        if finished:
            gate.done_with([one.row])
            memory.held.pop(one.row, None)
            done += 1
    return done


def tell_waiting() -> None:
    """For the desk, whenever it is another number."""
    waiting = memory.waiting()
    if waiting != memory.told:
        tell_unmailed(waiting)
        memory.told = waiting


@dataclass(frozen=True, slots=True)
class Target:
    """What somebody asks for: a list by its own form, or the lists of a form that she chose.

    number: of that list, or of the form and what was chosen, with the day; it stands in the link that confirms.
    appeals: the words beside the box for appeals for money, where it was ticked.
    """

    number: int
    name: str
    lists: tuple[Any, ...]
    view: forms.FormView | None = None
    typed: forms.Typed | None = None
    appeals: str = ""


def _take(said: Said, now: datetime) -> bool:
    """True when the box may go. Nothing that somebody typed into a form is believed before it was checked again."""
    target = _target(said)
    if target is None:
        return True
    try:
        wanted = address.normalise(str(said.words.get("address", "")))
        if (known := _has_all(said.organisation, wanted, target)) is not None:
            # She gets it already; whoever typed her address in learns nothing, and no mail is spent on it.
            return not target.appeals or appeals.ask(said, _about(said, known, target), memory, now)
        # Before anything is written: whoever types an address in a thousand times leaves one trace of it.
        if not once_a_day(said.organisation, f"confirm {address.comparable(wanted)}", said.row, now):
            return True
        if not few_a_day(said.organisation, "confirm", wanted, said.row, now):
            return True
        subscriber = _asked(said, wanted, target)
    except (address.BadAddress, AudienceError):
        return True
    if not any(audience.waits(list_, subscriber, _day(said), now, now) for list_ in target.lists):
        return True  # She gets it already; whoever typed her address in learns nothing.
    if audience_queries.suppression_of(said.organisation, wanted) == "manual":
        return True  # Somebody of the organisation decided that; a form does not undo it.
    if not memory.may_send(said.organisation.id):
        return False
    return _write(said, wanted, subscriber, target, now)


def _has_all(organisation: Any, wanted: str, target: Target) -> Any:
    """Who she is, where she gets all that was asked for but appeals."""
    known = audience_queries.subscriber_at(organisation, wanted)
    # Whose mail came back for good is subscribed and gets nothing: her confirmation is what lifts that.
    hers = Subscription.objects.filter(
        subscriber=known, list__in=target.lists, status=SUBSCRIBED, may__in=(consent.YES, consent.PAUSED)
    )
    return known if known is not None and hers.count() == len(target.lists) else None


def _about(said: Said, known: Any, target: Target) -> appeals.Question:
    return appeals.Question(known, target.lists, target.number, target.appeals, str(said.words.get("language", ""))[:8])


def _target(said: Said) -> Target | None:
    text = str(said.words.get("list", ""))
    if not text.isdecimal() or len(text) > 18:
        return None
    if int(text) >> 32:
        return _form_target(said, int(text))
    rows = List.objects.select_related("organisation").filter(organisation=said.organisation).exclude(form_slug="")
    list_ = rows.filter(id=int(text)).first()
    if list_ is None:
        return None
    name, words = audience_queries.name_of(list_), _appeals_read(list_, said)
    return Target(forms.dated(list_.id, _day(said)), name, (list_,), appeals=words)


def _day(said: Said) -> date:
    return said.at.astimezone(UTC).date()


def _form_target(said: Said, number: int) -> Target | None:
    rows = SignUpForm.objects.select_related("organisation").filter(organisation=said.organisation, removed=None)
    form = rows.filter(id=number).first()
    if form is None:
        return None
    view, values = forms.view_of(form), said.words.get("values") or {}
    typed = forms.typed(
        view,
        _numbers(said.words.get("lists")),
        {int(n): str(v) for n, v in values.items() if str(n).isdecimal()} if isinstance(values, dict) else {},
        _numbers(said.words.get("topics")),
        bool(said.words.get("appeals")),
    )
    here = List.objects.select_related("organisation").filter(organisation=said.organisation).in_bulk(typed.lists)
    lists = [here[one] for one in typed.lists if one in here]  # In the order of the form.
    if not lists:
        return None
    # Of several lists the mail names those that were chosen: she agrees to them and to no other.
    names = [view.lists[one] for one in typed.lists]
    name = ", ".join(names) if len(view.lists) > 1 else view.facts.title
    words = view.facts.appeals if typed.appeals else ""
    return Target(forms.number_of(form.id, view.facts, typed.lists, _day(said)), name, tuple(lists), view, typed, words)


def _numbers(told: Any) -> list[int]:
    return [number for number in told if isinstance(number, int)] if isinstance(told, list) else []


def _asked(said: Said, wanted: str, target: Target) -> Any:
    """Her row, with the sign-up on record once however often its mail is tried, and by how many processes."""
    known = audience_queries.subscriber_at(said.organisation, wanted)
    if known is not None and _on_record(said, known, target):
        return known
    language, list_ = str(said.words.get("language", ""))[:8], target.lists[0]
    if target.view is not None and target.typed is not None:
        return forms.sign_up_by_form(
            said.organisation, wanted, target.view, target.typed, now=said.at, language=language
        )
    return audience.sign_up(
        said.organisation,
        wanted,
        list_,
        wording=_read_by_her(list_, audience_queries.details_of(list_), LETTERS, str(said.words.get("wording", ""))),
        now=said.at,
        language=language,
        appeals=target.appeals or None,
    )


def _on_record(said: Said, known: Any, target: Target) -> bool:
    if target.view is not None and not forms.lists_asked(known, target.number):
        return False
    return all(audience.asked(list_, known, _day(said), said.at) for list_ in target.lists)


def _read_by_her(list_: Any, told: dict[str, Any], purpose: str, read: str) -> str:
    """The words of the form that she read: one of the list's versions, and no text that a public process makes up."""
    known = {one.text for one in audience.wordings(list_, purpose)}
    return read if read.strip() in known else str(told.get(_DETAILS[purpose], ""))


def _appeals_read(list_: Any, said: Said) -> str:
    """Those beside the box that she ticked; "" where she did not, or the form has none."""
    told, read = audience_queries.details_of(list_), str(said.words.get("appeals") or "")
    return _read_by_her(list_, told, APPEALS, read) if read and told.get(_DETAILS[APPEALS]) else ""


# -- the mail ---------------------------------------------------------------------------------------------------


def _write(said: Said, wanted: str, subscriber: Any, target: Target, now: datetime) -> bool:
    sender = senders.sender_of(target.lists[0])
    if not leading(said.organisation).public_url:
        return given_up(said, now)  # Nobody knows where their link would lead.
    if sender is None:
        log.warning("A sign-up waits for its mail: the list has no sender yet. Write a first campaign for it.")
        memory.hold(said.row, said.organisation.id, "sender")
        return given_up(said, now)
    keys = house.keys(said.organisation)
    assert keys.link is not None
    token = link.make(keys.link, "confirm", target.number, subscriber.number)
    words = saying.words_to(str(said.words.get("language", "")), said.organisation.language)
    # What is on record for this day, which a box ticked later does not change.
    asks = any(audience.asked_for_appeals(subscriber, one, _day(said), now) for one in target.lists)
    told = target.appeals if asks else ""
    subject, text = composed(said.organisation, target.name, token, words, told)
    # Before the mail: by it the page knows that the link is ours.
    gate.set_token_state(token, "pending-asks" if told else "pending")
    outcome = mailing.send(said.organisation, sender, wanted, subject, text, now)
    match outcome:
        case Accepted() | Unsure():
            memory.wrote(said.organisation.id)
            return True
        case Refused():
            return True  # No such mailbox: the request is forgotten with the other unconfirmed ones.
        case Deferred(scope=scope) if scope in mailing.NOT_HERS:
            memory.hold(said.row, said.organisation.id, "route")
    return given_up(said, now)


def composed(organisation: Any, name: str, token: str, words: Words, appeals: str = "") -> tuple[str, str]:
    """(subject, text) of the mail. appeals: the words of the box that was ticked."""
    asked = [
        words["confirm.asked"] % {"list": name},
        *([words["confirm.appeals"] % {"words": appeals}] * bool(appeals)),
    ]
    link_ = f"{leading(organisation).public_url}/c/{token}"
    text = "\n\n".join((*asked, words["confirm.press"], link_, words["confirm.otherwise"]))
    subject = words["confirm.subject"] % {"list": mailing.one_line(name)}
    return subject, f"{text}\n"
