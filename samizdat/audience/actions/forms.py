"""Sign-up forms: for one list or several, with the fields and topics that the organisation chose.

What somebody types into one counts when she confirms, not before: a stranger who knows her address must not rename her.
Until then it lies sealed in the record that she was asked.
"""

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from samizdat import dialect
from samizdat.audience import facts, queries, settling, tagging
from samizdat.audience.actions.wordings import put_wording, words_of
from samizdat.audience.errors import FormRefused
from samizdat.audience.models import List, SignUpForm, Subscriber
from samizdat.audience.settling import Fact
from samizdat.core import address as addresses
from samizdat.core import consent, fields, pages, seal
from samizdat.core.consent import APPEALS, LETTERS
from samizdat.events.actions import record
from samizdat.labels import field_label
from samizdat.vault import house
from samizdat.vault.sealed import open_json, seal_json

# What a public page of 14 KB holds.
MOST_LISTS, MOST_FIELDS, MOST_TOPICS = 4, 4, 8
LONGEST_TITLE, LONGEST_INTRO, LONGEST_WORDING, LONGEST_APPEALS = 100, 160, 600, 300
# Of introduction, words and the box for appeals together: the longest form without a box has 70 bytes left.
LONGEST_WITH_APPEALS = 700
LANGUAGES = ("en", "ru")
# Where the day stands in the number of a confirmation link; those of lists and forms are below.
_DAY = 40


@dataclass(frozen=True, slots=True)
class FormFacts:
    """What a form says and asks. lists, fields and topics: numbers; required: those of the fields that must be filled.

    wording: what readers agree to. thanks: what they read once they confirmed; "" for the usual words. appeals: the
    words beside the box for appeals for money; "" where the form does not ask for those.
    """

    title: str
    language: str
    lists: tuple[int, ...]
    wording: str
    intro: str = ""
    thanks: str = ""
    fields: tuple[int, ...] = ()
    required: tuple[int, ...] = ()
    topics: tuple[int, ...] = ()
    appeals: str = ""


@dataclass(frozen=True, slots=True)
class FormView:
    """A form, opened, with the names of what it asks for."""

    id: int
    slug: str
    facts: FormFacts
    lists: dict[int, str] = field(default_factory=dict)
    fields: tuple[Any, ...] = ()  # queries.FieldView
    topics: dict[int, str] = field(default_factory=dict)


def make_form(
    organisation: Any, told: FormFacts, *, now: datetime, by: Any = None, before: tuple[int, str] | None = None
) -> SignUpForm:
    """`before`: number and address of a form that comes along from another house, kept where nobody has them: links
    that wait to be confirmed name the one, pages of others the other. Its words came in their versions.

    Errors: FormRefused.
    """
    number, slug = before or (0, "")
    kept: dict[str, Any] = {}
    if number & 0xF == 0 and 1 << 32 <= number < 1 << 40 and not SignUpForm.objects.filter(id=number).exists():
        kept["id"] = number
    if not is_free(slug):
        slug = secrets.token_hex(5)
    with transaction.atomic():
        made = SignUpForm.objects.create(
            organisation=organisation, slug=slug, sealed=b"", created=now.astimezone(UTC).date(), **kept
        )
        _write(made, told, now, by, words=before is None)
        record("form.made", organisation, about=made.id, by=by, now=now)
    return made


def is_free(slug: str) -> bool:
    """Whether this may be the address of a sign-up page: no list and no form of the whole house has it."""
    plain = slug.isascii() and slug.replace("-", "").isalnum() and len(slug) <= 40
    taken = List.objects.filter(form_slug=slug).exists() or SignUpForm.objects.filter(slug=slug).exists()
    return plain and not taken


def change_form(form: SignUpForm, told: FormFacts, *, now: datetime, by: Any = None) -> None:
    """Its address stays: it stands on other people's pages by now. Errors: FormRefused."""
    with transaction.atomic():
        _write(form, told, now, by)
        record("form.changed", form.organisation, about=form.id, by=by, now=now)


def remove_form(form: SignUpForm, *, now: datetime, by: Any = None) -> None:
    """Sign-ups that wait for their confirmation may still be confirmed: the records name the lists."""
    with transaction.atomic():
        SignUpForm.objects.filter(id=form.id).update(removed=now.astimezone(UTC).date())
        record("form.removed", form.organisation, about=form.id, by=by, now=now)


def _write(form: SignUpForm, told: FormFacts, now: datetime, by: Any, *, words: bool = True) -> None:
    _check(form.organisation, told)
    for list_ in List.objects.filter(organisation=form.organisation, id__in=told.lists if words else ()):
        put_wording(list_, told.wording, language=told.language, now=now, by=by)
        if told.appeals:
            put_wording(list_, told.appeals, language=told.language, now=now, purpose=APPEALS, by=by)
    keys = house.keys(form.organisation)
    form.sealed = seal_json(keys, asdict(told), "form", "sealed", form.id)
    form.save(update_fields=["sealed"])


def _check(organisation: Any, told: FormFacts) -> None:
    if not told.title.strip() or not told.wording.strip():
        raise FormRefused(_("A form needs a heading and the words that readers agree to."))
    longest = (
        *((told.title, LONGEST_TITLE), (told.intro, LONGEST_INTRO), (told.wording, LONGEST_WORDING)),
        *((told.thanks, LONGEST_WORDING), (told.appeals, LONGEST_APPEALS)),
    )
    together = len(told.intro + told.wording + told.appeals) if told.appeals else 0
    if together > LONGEST_WITH_APPEALS or any(len(text) > most for text, most in longest):
        raise FormRefused(_("A public page holds little: shorten the longest text of this form."))
    if told.language not in LANGUAGES:
        raise FormRefused(_("Public pages speak English and Russian. Choose one of them."))
    here = List.objects.filter(organisation=organisation, id__in=told.lists).count()
    if not told.lists or here != len({*told.lists}):
        raise FormRefused(_("Choose at least one list that readers sign up for."))
    for many, most in ((told.lists, MOST_LISTS), (told.fields, MOST_FIELDS), (told.topics, MOST_TOPICS)):
        if len(many) > most:
            text = _("A form holds at most %(lists)s lists, %(fields)s fields and %(topics)s topics. Take some out.")
            raise FormRefused(text % {"lists": MOST_LISTS, "fields": MOST_FIELDS, "topics": MOST_TOPICS})


def facts_of(form: SignUpForm) -> FormFacts:
    told = open_json(house.keys(form.organisation), form.sealed, "form", "sealed", form.id)
    values: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in told.items()}
    return FormFacts(**values)


def view_of(form: SignUpForm) -> FormView:
    """Without what was removed since: a list, a field or a tag."""
    organisation, told = form.organisation, facts_of(form)
    names = {one.id: one.name for one in queries.lists(organisation)}
    known = {one.number: one for one in queries.fields(organisation)}
    tags = tagging.all_tags(organisation, house.keys(organisation)) if told.topics else {}
    with override(told.language):  # Readers read what its fields are called.
        asked = tuple(_named(known[number]) for number in told.fields if number in known)
    return FormView(
        id=form.id,
        slug=form.slug,
        facts=told,
        lists={number: names[number] for number in told.lists if number in names},
        fields=asked,
        topics={number: tags[number] for number in told.topics if number in tags},
    )


def _named(field: Any) -> Any:
    return replace(field, label=field_label(field.tag, field.label))


def written(view: FormView) -> frozenset[int]:
    """Numbers of its fields whose choices do not fit on the public page: readers write one instead of choosing it."""
    told = view.facts
    choices = {one.number: [*one.choices] for one in view.fields if one.kind == "choice"}
    texts = (told.title, told.title, told.wording, told.intro, told.appeals)
    boxes = (*view.lists.values(), *view.topics.values())
    return pages.written(texts, boxes, [one.label or one.tag for one in view.fields], choices)


def number_of(form: int, told: FormFacts, lists: Iterable[int], day: date) -> int:
    """What a confirmation link names: the form, which of its lists she chose, one bit each in the last four, and when.

    At most one sign-up of a mailbox is taken up in a day, so this is one sign-up and no other: a link confirms what was
    asked when it was mailed, whatever somebody typed into the same form since.
    """
    chosen = {*lists}
    return dated(form | sum(1 << place for place, number in enumerate(told.lists) if number in chosen), day)


def dated(number: int, day: date) -> int:
    """The number of a list or form, and above it the day of a sign-up."""
    return (day - date(1970, 1, 1)).days << _DAY | number


def day_in(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=min(number >> _DAY, 100_000))


def without_day(number: int) -> int:
    """The number of a list, or of a form with its choice."""
    return number & (1 << _DAY) - 1


def numbers_about(form: SignUpForm, list_id: int) -> list[int]:
    """number_of() of every choice with this list in it, without a day."""
    lists = facts_of(form).lists
    if list_id not in lists:
        return []
    bit = 1 << lists.index(list_id)
    return [form.id | chosen for chosen in range(1 << len(lists)) if chosen & bit]


def forms_of(organisation: Any) -> list[FormView]:
    """The newest first."""
    rows = SignUpForm.objects.select_related("organisation").filter(organisation=organisation, removed=None)
    return [view_of(form) for form in rows.order_by("-created", "-id")]


# -- signing up -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody typed, checked against the form: field number -> text, tag numbers, list numbers. appeals: whether
    the box for appeals for money was ticked."""

    lists: tuple[int, ...]
    values: dict[int, str]
    topics: tuple[int, ...]
    appeals: bool = False


def typed(
    view: FormView, lists: Iterable[int], values: Mapping[int, str], topics: Iterable[int], appeals: bool = False
) -> Typed:
    """Only what the form asks for; the public process is not believed. A value that its field cannot hold is left
    out: the page has said so before, and a sign-up must not be lost for it."""
    wanted = tuple(number for number in view.lists if number in {*lists}) or (
        tuple(view.lists) if len(view.lists) == 1 else ()
    )
    kept = {}
    for one in view.fields:
        try:
            kept[one.number] = fields.read(one.kind, values.get(one.number, ""), one.codes)
        except fields.BadValue:
            continue
    chosen = {*topics}
    return Typed(
        wanted,
        {number: text for number, text in kept.items() if text},
        tuple(number for number in view.topics if number in chosen),
        appeals and bool(view.facts.appeals),
    )


def sign_up_by_form(
    organisation: Any, address: str, view: FormView, said: Typed, *, now: datetime, language: str = ""
) -> Subscriber:
    """Asked for each of the lists, until she confirms. Errors: BadAddress."""
    keys = house.keys(organisation)
    address = addresses.normalise(address)
    with transaction.atomic():
        today = now.astimezone(UTC).date()
        row, _made = settling.find_or_create(organisation, keys, address, {}, language, today, "form")
        number = number_of(view.id, view.facts, said.lists, now.astimezone(UTC).date())
        values = {str(n): text for n, text in said.values.items()}
        told = json.dumps({"values": values, "topics": said.topics, "asked": number, "lists": said.lists})
        words = {consent.SOURCE: "form", consent.TOLD: told}
        lists = List.objects.filter(organisation=organisation, id__in=said.lists)
        told_facts = [Fact("asked", "form", one, words_of(one, view.facts.wording) | words) for one in lists]
        if said.appeals:
            told_facts += asking(lists, view.facts.appeals, number)
        settling.write(row, told_facts, now)
        for one in lists:
            record("subscriber.asked", organisation, about=row.id, now=now, detail={"list": one.id})
    return row


def asking(lists: Iterable[List], words: str, number: int) -> list[Fact]:
    """That appeals of these lists were asked for, by the link with this number, in the words beside the box."""
    lists = [*lists]
    told = json.dumps({"asked": number, "lists": [one.id for one in lists]})
    more = {consent.SOURCE: "form", consent.TOLD: told}
    return [Fact("asked", "form", one, words_of(one, words, APPEALS) | more, APPEALS) for one in lists]


def carried(told: str, lists: Mapping[int, int], fields: Mapping[int, int], topics: Mapping[int, int]) -> str:
    """What somebody typed in another house, with its numbers as they are here; "" for what no form wrote."""
    try:
        said = json.loads(told)
        values = {str(fields[int(n)]): str(text) for n, text in said.get("values", {}).items() if int(n) in fields}
        kept = {
            "values": values,
            "topics": [topics[n] for n in said.get("topics", ()) if n in topics],
            "asked": int(said["asked"]),
            "lists": [lists[n] for n in said["lists"] if n in lists],
        }
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError):
        return ""
    return json.dumps(kept)


def lists_asked(subscriber: Subscriber, number: int, purpose: str = LETTERS) -> list[int]:
    """The lists that she asked for when the link with this number was mailed, from the newest record of that."""
    keys = house.keys(subscriber.organisation)
    told = next((told for _list, told in _told(keys, subscriber, purpose) if told.get("asked") == number), {})
    return [one for one in told.get("lists", ()) if isinstance(one, int)]


def take_told(subscriber: Subscriber, list_: List, number: int, *, now: datetime) -> None:
    """What she typed when she asked for this list becomes hers, once she has confirmed it. Errors: NoSuchSubscriber."""
    with transaction.atomic():
        row = settling.lock(subscriber)
        keys = house.keys(row.organisation)
        asked = (one for about, one in _told(keys, row) if about == list_.id and one.get("asked") == number)
        told: dict[str, Any] = next(asked, {})
        if not told:
            return
        known = {
            str(number): number for number, _label, _default in tagging.all_fields(row.organisation, keys).values()
        }
        values = {known[n]: str(text) for n, text in told.get("values", {}).items() if n in known}
        if values:
            settling.reseal(row, settling.values_of(keys, row) | values)
        tags = tagging.all_tags(row.organisation, keys)
        settling.retag(row, [number for number in told.get("topics", ()) if number in tags])
        record("subscriber.changed", row.organisation, about=row.id, now=now, detail={"fields": []})


def _told(keys: Any, row: Subscriber, purpose: str = LETTERS) -> Iterator[tuple[int | None, dict[str, Any]]]:
    """(list, what she typed) of the records that she was asked by a form, the newest first."""
    asked = consent.KINDS.index("asked"), consent.PURPOSES.index(purpose)
    for _id, (_number, list_id, *about, _way, _day), blob in reversed(dialect.consent_with_words([row.id])):
        if tuple(about) == asked and blob:
            told = told_in(seal.unpack(keys.open(blob, *facts.RECORD, row.number)))
            if told:
                yield list_id, told


def told_in(words: Mapping[int, str]) -> dict[str, Any]:
    """What somebody typed into a form, of the words of a record; nothing where the form asked for nothing."""
    told: dict[str, Any] = json.loads(words[consent.TOLD]) if words.get(consent.TOLD) else {}
    return told
