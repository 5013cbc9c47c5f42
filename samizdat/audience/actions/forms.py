"""Sign-up forms: for one list or several, with the fields and topics that the organization chose.

What somebody types into one counts when they confirm, not before: a stranger who knows their address must not rename
them. Until then it lies sealed in the record that they were asked.
"""

import json
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override
from msgspec import Struct, structs

from samizdat.accounts.errors import link_in_name
from samizdat.accounts.models import Organization, Person
from samizdat.audience import consent_records, consent_writer, queries, sql, tags_and_fields
from samizdat.audience.actions import mailed_words
from samizdat.audience.actions.consent_texts import put_wording
from samizdat.audience.consent_texts import words_of
from samizdat.audience.consent_writer import ConsentFactRow
from samizdat.audience.errors import FormRefused
from samizdat.audience.limits import FORMS
from samizdat.audience.list_details import list_name, open_details
from samizdat.audience.models import List, SignUpForm, Subscriber
from samizdat.audience.queries.lists import FieldView
from samizdat.core import consent, fields, pagination
from samizdat.core.consent import APPEALS, LETTERS
from samizdat.core.crypto import seal
from samizdat.core.mail import address as addresses
from samizdat.core.mail.names import has_link
from samizdat.events.actions import record
from samizdat.labels import field_label
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

# What a public page of 14 KB holds.
MOST_LISTS, MOST_FIELDS, MOST_TOPICS = 4, 4, 8
LONGEST_TITLE, LONGEST_INTRO, LONGEST_WORDING, LONGEST_APPEALS = 100, 160, 600, 300
# Of introduction, words and the box for appeals together: the longest form without a box has 70 bytes left.
LONGEST_WITH_APPEALS = 700
LANGUAGES = ("en", "ru")
# Where the day stands in the number of a confirmation link; those of lists and forms are below.
_DAY = 40


class FormFacts(Struct, frozen=True):
    """What a form says and asks. lists, fields and topics: numbers; required: those of the fields that must be filled.

    wording: what readers agree to. thanks: what they read once they confirmed; "" for the usual words. appeals: the
    words beside the box for appeals for money; "" where the form does not ask for those. signs: whoever fills it in
    signs a petition, which its pages and its mail say; else they subscribe. slug and removed: its address,
    and whether it is off. The columns beside them keep addresses apart and open nothing. agreed: words of it that mails
    to strangers may say (mailed_words.py).
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
    signs: bool = False
    slug: str = ""
    removed: bool = False
    agreed: tuple[str, ...] = ()


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
    organization: Organization,
    facts: FormFacts,
    *,
    now: datetime,
    by: Person | None = None,
    before: tuple[int, str] | None = None,
    taken: Collection[str] | None = None,
) -> SignUpForm:
    """`before`: number and address of a form that comes along from another house, kept where nobody has them: links
    that wait to be confirmed name the one, pages of others the other. Its words came in their versions. `taken`: as of
    is_free.

    Errors: FormRefused.
    """
    # Those that are off are opened as well, to see that they are.
    rows = SignUpForm.objects.filter(organization=organization).count()
    if rows >= 10 * FORMS or len(standing(organization)) >= FORMS:
        text = _("An organization can have at most %(n)s forms. Delete one that you no longer use.")
        raise FormRefused(text % {"n": FORMS})
    number, slug = before or (0, "")
    kept: dict[str, Any] = {}
    if number & 0xF == 0 and 1 << 32 <= number < 1 << 40 and not SignUpForm.objects.filter(id=number).exists():
        kept["id"] = number
    if not is_free(slug, taken):
        slug = secrets.token_hex(5)
    with transaction.atomic():
        form = SignUpForm.objects.create(
            organization=organization, slug=slug, sealed=b"", created=now.astimezone(UTC).date(), **kept
        )
        _write(form, structs.replace(facts, slug=slug, removed=False, agreed=()), now, by, words=before is None)
        record("form.created", organization, about=form.id, by=by, now=now)
    return form


def is_free(slug: str, taken: Collection[str] | None = None) -> bool:
    """Whether this may be the address of a sign-up page: no list and no form of the installation has it. taken: what
    taken_slugs told, where several are asked for."""
    plain = slug.isascii() and slug.replace("-", "").isalnum() and len(slug) <= 40
    used = List.objects.filter(form_slug=slug).exists() or SignUpForm.objects.filter(slug=slug).exists()
    return plain and not used and slug not in (taken_slugs() if taken is None else taken)


def taken_slugs() -> set[str]:
    """Of all organizations, from their seals: somebody who writes the database could have emptied a column for a
    moment. Opens every list and form."""
    slugs = set()
    for list_ in List.objects.select_related("organization"):
        with suppress(seal.SealError):
            slugs.add(queries.details_of(list_).form_slug)
    for form in SignUpForm.objects.select_related("organization"):
        with suppress(seal.SealError):
            slugs.add(facts_of(form).slug)
    return slugs


def change_form(form: SignUpForm, facts: FormFacts, *, now: datetime, by: Person | None = None) -> None:
    """Its address stays: it stands on other people's pages by now. A petition stays one: people have signed it. Errors:
    FormRefused."""
    with transaction.atomic():
        kept = _locked(form)
        facts = structs.replace(facts, slug=kept.slug, removed=kept.removed, agreed=kept.agreed, signs=kept.signs)
        _write(form, facts, now, by)
        record("form.changed", form.organization, about=form.id, by=by, now=now)


def remove_form(form: SignUpForm, *, now: datetime, by: Person | None = None) -> None:
    """Sign-ups that wait for their confirmation may still be confirmed: the records name the lists."""
    with transaction.atomic():
        form.removed = now.astimezone(UTC).date()
        _seal(form, structs.replace(_locked(form), removed=True))
        record("form.removed", form.organization, about=form.id, by=by, now=now)


def _write(form: SignUpForm, facts: FormFacts, now: datetime, by: Person | None, *, words: bool = True) -> None:
    _check(form.organization, facts)
    if words and has_link(facts.title):  # Where a form comes along from another house, mails do not say such a title.
        raise FormRefused(link_in_name())
    for list_ in List.objects.filter(organization=form.organization, id__in=facts.lists if words else ()):
        put_wording(list_, facts.wording, language=facts.language, now=now, by=by)
        if facts.appeals:
            put_wording(list_, facts.appeals, language=facts.language, now=now, purpose=APPEALS, by=by)
    sayable = [text for text in (facts.title, facts.appeals) if words or not has_link(text)]
    agreed = mailed_words.sayable(form.organization, form.id, sayable, facts.agreed, now=now, by=by)
    _seal(form, structs.replace(facts, agreed=agreed))


def agree_to_words(form: SignUpForm, texts: Iterable[str], *, now: datetime) -> None:
    """Mails and the public page may say them from now on."""
    with transaction.atomic():
        kept = _locked(form)
        _seal(form, structs.replace(kept, agreed=(*kept.agreed, *texts)))
        record("form.changed", form.organization, about=form.id, now=now)


def _seal(form: SignUpForm, facts: FormFacts) -> None:
    form.sealed = keyring.keys(form.organization).seal_json(facts, "form", "sealed", form.id)
    form.save(update_fields=["sealed", "removed"])


def _locked(form: SignUpForm) -> FormFacts:
    """As they stand now; until the transaction ends nobody else writes them."""
    return facts_of(SignUpForm.objects.select_for_update(no_key=True).get(id=form.id))


def _check(organization: Organization, facts: FormFacts) -> None:
    if not facts.title.strip() or not facts.wording.strip():
        raise FormRefused(_("A form needs a heading and the consent wording."))
    longest = (
        *((facts.title, LONGEST_TITLE), (facts.intro, LONGEST_INTRO), (facts.wording, LONGEST_WORDING)),
        *((facts.thanks, LONGEST_WORDING), (facts.appeals, LONGEST_APPEALS)),
    )
    together = len(facts.intro + facts.wording + facts.appeals) if facts.appeals else 0
    if together > LONGEST_WITH_APPEALS or any(len(text) > most for text, most in longest):
        raise FormRefused(_("A public page has little room: shorten the longest text of this form."))
    if facts.language not in LANGUAGES:
        raise FormRefused(_("Public pages are in English or Russian. Choose one of them."))
    here = List.objects.filter(organization=organization, id__in=facts.lists).count()
    if not facts.lists or here != len({*facts.lists}):
        raise FormRefused(_("Choose at least one list to subscribe to."))
    for many, most in ((facts.lists, MOST_LISTS), (facts.fields, MOST_FIELDS), (facts.topics, MOST_TOPICS)):
        if len(many) > most:
            text = _("A form can have at most %(lists)s lists, %(fields)s fields and %(topics)s topics. Remove some.")
            raise FormRefused(text % {"lists": MOST_LISTS, "fields": MOST_FIELDS, "topics": MOST_TOPICS})


def facts_of(form: SignUpForm) -> FormFacts:
    return keyring.keys(form.organization).open_json(form.sealed, "form", "sealed", form.id, FormFacts)


def view_of(form: SignUpForm) -> FormView:
    """Without what was removed since, a list, a field or a tag, and without lists that are archived."""
    organization, facts = form.organization, facts_of(form)
    keys = keyring.keys(organization)
    # Those alone that it names: there may be thousands of tags, and a page of readers' settings opens every form.
    lists = List.objects.filter(organization=organization, id__in=facts.lists).order_by("created", "id")
    names = {row.id: list_name(keys, row) for row in lists if not open_details(keys, row).archived}
    known = {view.number: view for view in queries.fields(organization, facts.fields)}
    tags = tags_and_fields.all_tags(organization, keys, facts.topics)
    with override(facts.language):  # Readers read what its fields are called.
        asked = tuple(_named(known[number]) for number in facts.fields if number in known)
    return FormView(
        id=form.id,
        slug=facts.slug,
        facts=facts,
        lists={number: names[number] for number in facts.lists if number in names},
        fields=asked,
        topics={number: tags[number] for number in facts.topics if number in tags},
    )


def _named(field: FieldView) -> object:
    return replace(field, label=field_label(field.tag, field.label))


def view_as_said(form: SignUpForm) -> FormView:
    """As strangers read it: without words for appeals that wait for a second person."""
    view = view_of(form)
    lists = List.objects.select_related("organization").filter(organization=form.organization, id__in=view.lists)
    words = mailed_words.appeals_said(lists, view.facts.appeals, view.facts.agreed)
    return replace(view, facts=structs.replace(view.facts, appeals=words))


def written(view: FormView) -> frozenset[int]:
    """Numbers of its fields whose choices do not fit on the public page: readers write one instead of choosing it."""
    facts = view.facts
    choices = {form_field.number: [*form_field.choices] for form_field in view.fields if form_field.kind == "choice"}
    texts = (facts.title, facts.title, facts.wording, facts.intro, facts.appeals)
    boxes = (*view.lists.values(), *view.topics.values())
    return pagination.written(texts, boxes, [form_field.label or form_field.tag for form_field in view.fields], choices)


def number_of(form: int, facts: FormFacts, lists: Iterable[int], day: date) -> int:
    """What a confirmation link names: the form, which of its lists they chose, one bit each in the last four, and when.

    At most one sign-up of a mailbox is taken up in a day, so this is one sign-up and no other: a link confirms what was
    asked when it was mailed, whatever somebody typed into the same form since.
    """
    chosen = {*lists}
    return dated(form | sum(1 << place for place, number in enumerate(facts.lists) if number in chosen), day)


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


def forms_of(organization: Organization) -> list[FormView]:
    """The newest first."""
    return [view_of(form) for form in standing(organization)]


def standing(organization: Organization) -> list[SignUpForm]:
    """Those that are not off, whatever the column says: the newest first."""
    rows = SignUpForm.objects.select_related("organization").filter(organization=organization)
    return [form for form in rows.order_by("-created", "-id") if not facts_of(form).removed]


def form_numbered(organization: Organization, number: int) -> SignUpForm | None:
    """One that is not off."""
    form = SignUpForm.objects.select_related("organization").filter(organization=organization, id=number).first()
    return form if form is not None and not facts_of(form).removed else None


def put_back(organization: Organization) -> list[str]:
    """What somebody without keys had written: which lists and forms have a public page, and where. It is as it was."""
    wrong = []
    for list_ in List.objects.select_related("organization").filter(organization=organization):
        kept = queries.details_of(list_).form_slug
        if kept != list_.form_slug:
            List.objects.filter(id=list_.id, form_slug=list_.form_slug).update(form_slug=kept)
            wrong.append("form_slug")
    for number in SignUpForm.objects.filter(organization=organization).values_list("id", flat=True):
        # As it stands now: the one before may have had the address of this one.
        form = SignUpForm.objects.select_related("organization").get(id=number)
        facts, removed = facts_of(form), form.removed
        if (form.slug, removed is not None) != (facts.slug, facts.removed):
            _free_slug(facts.slug, number)
            removed = (removed or form.created) if facts.removed else None
            SignUpForm.objects.filter(id=number, sealed=form.sealed).update(slug=facts.slug, removed=removed)
            wrong.append("form")
    return sorted({*wrong})


def _free_slug(slug: str, besides: int) -> None:
    """Two addresses may have been exchanged: whoever else has this one gets another until their turn comes."""
    for number in SignUpForm.objects.filter(slug=slug).exclude(id=besides).values_list("id", flat=True):
        SignUpForm.objects.filter(id=number).update(slug=secrets.token_hex(10))


# -- signing up -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FormChoices:
    """What somebody typed, checked against the form: field number -> text, tag numbers, list numbers. appeals: whether
    the box for appeals for money was ticked."""

    lists: tuple[int, ...]
    values: dict[int, str]
    topics: tuple[int, ...]
    appeals: bool = False


def typed(
    view: FormView, lists: Iterable[int], values: Mapping[int, str], topics: Iterable[int], appeals: bool = False
) -> FormChoices:
    """Only what the form asks for; the public process is not believed. A value that its field cannot hold is left
    out: the page has said so before, and a sign-up must not be lost for it."""
    wanted = tuple(number for number in view.lists if number in {*lists}) or (
        tuple(view.lists) if len(view.lists) == 1 else ()
    )
    kept = {}
    for form_field in view.fields:
        try:
            kept[form_field.number] = fields.read(form_field.kind, values.get(form_field.number, ""), form_field.codes)
        except fields.BadValue:
            continue
    chosen = {*topics}
    return FormChoices(
        wanted,
        {number: text for number, text in kept.items() if text},
        tuple(number for number in view.topics if number in chosen),
        appeals and bool(view.facts.appeals),
    )


def sign_up_by_form(
    organization: Organization, address: str, view: FormView, choices: FormChoices, *, now: datetime, language: str = ""
) -> Subscriber:
    """Asked for each of the lists, until they confirm. Errors: BadAddress."""
    keys = keyring.keys(organization)
    address = addresses.normalize(address)
    with transaction.atomic():
        today = now.astimezone(UTC).date()
        row, _made = consent_writer.find_or_create(
            organization, keys, address, {}, language, today, "form", waiting=True
        )
        number = number_of(view.id, view.facts, choices.lists, now.astimezone(UTC).date())
        values = {str(n): text for n, text in choices.values.items()}
        form_json = json.dumps({"values": values, "topics": choices.topics, "asked": number, "lists": choices.lists})
        words = {consent.SOURCE: "form", consent.TOLD: form_json}
        lists = List.objects.filter(organization=organization, id__in=choices.lists)
        told_facts = [
            ConsentFactRow("asked", "form", list_, words_of(list_, view.facts.wording) | words) for list_ in lists
        ]
        if choices.appeals:
            told_facts += asking(lists, view.facts.appeals, number)
        consent_writer.write(row, told_facts, now)
        for list_ in lists:
            record("subscriber.confirmation_requested", organization, about=row.id, now=now, detail={"list": list_.id})
    return row


def asking(lists: Iterable[List], words: str, number: int) -> list[ConsentFactRow]:
    """That appeals of these lists were asked for, by the link with this number, in the words beside the box."""
    lists = [*lists]
    form_json = json.dumps({"asked": number, "lists": [list_.id for list_ in lists]})
    more = {consent.SOURCE: "form", consent.TOLD: form_json}
    return [ConsentFactRow("asked", "form", list_, words_of(list_, words, APPEALS) | more, APPEALS) for list_ in lists]


def carried(form_json: str, lists: Mapping[int, int], fields: Mapping[int, int], topics: Mapping[int, int]) -> str:
    """What somebody typed in another house, with its numbers as they are here; "" for what no form wrote."""
    try:
        parsed = json.loads(form_json)
        values = {str(fields[int(n)]): str(text) for n, text in parsed.get("values", {}).items() if int(n) in fields}
        kept = {
            "values": values,
            "topics": [topics[n] for n in parsed.get("topics", ()) if n in topics],
            "asked": int(parsed["asked"]),
            "lists": [lists[n] for n in parsed["lists"] if n in lists],
        }
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError):
        return ""
    return json.dumps(kept)


def lists_asked(subscriber: Subscriber, number: int, purpose: str = LETTERS) -> list[int]:
    """The lists that they asked for when the link with this number was mailed, from the newest record of that."""
    keys = keyring.keys(subscriber.organization)
    answers = next(
        (answers for _list, answers in _told(keys, subscriber, purpose) if answers.get("asked") == number), {}
    )
    return [list_id for list_id in answers.get("lists", ()) if isinstance(list_id, int)]


def number_asked(subscriber: Subscriber, list_: List, day: date) -> int | None:
    """What the link of their sign-up of that day names, where it was by a form for several lists or with fields."""
    for list_id, answers in _told(keyring.keys(subscriber.organization), subscriber):
        number = answers.get("asked")
        if list_id == list_.id and isinstance(number, int) and day_in(number) == day:
            return number
    return None


def take_told(subscriber: Subscriber, lists: Iterable[List], number: int, *, now: datetime) -> None:
    """What they typed when they asked for these lists becomes theirs, once they have confirmed them: it was one form.
    Errors: NoSuchSubscriber."""
    with transaction.atomic():
        row = consent_writer.lock(subscriber)
        keys, ids = keyring.keys(row.organization), {list_.id for list_ in lists}
        asked = (entry for about, entry in _told(keys, row) if about in ids and entry.get("asked") == number)
        answers: dict[str, Any] = next(asked, {})
        if not answers:
            return
        known = {
            str(number): number
            for number, _label, _default in tags_and_fields.all_fields(row.organization, keys).values()
        }
        values = {known[n]: str(text) for n, text in answers.get("values", {}).items() if n in known}
        held = consent_writer.values_of(keys, row) | values
        if values and consent_writer.has_room(held):
            consent_writer.reseal(row, held)
        tags = tags_and_fields.all_tags(row.organization, keys)
        consent_writer.retag(row, [number for number in answers.get("topics", ()) if number in tags])
        record("subscriber.changed", row.organization, about=row.id, now=now, detail={"fields": []})


def _told(
    keys: OrganizationKeys, row: Subscriber, purpose: str = LETTERS
) -> Iterator[tuple[int | None, dict[str, Any]]]:
    """(list, what they typed) of the records that they were asked by a form, the newest first."""
    asked = consent.KINDS.index("asked"), consent.PURPOSES.index(purpose)
    for _id, (_number, list_id, *about, _way, _day), blob in reversed(sql.consent_with_words([row.id])):
        if tuple(about) == asked and blob:
            answers = told_in(seal.unpack(keys.open(blob, *consent_records.RECORD, row.number)))
            if answers:
                yield list_id, answers


def told_in(words: Mapping[int, str]) -> dict[str, Any]:
    """What somebody typed into a form, of the words of a record; nothing where the form asked for nothing."""
    answers: dict[str, Any] = json.loads(words[consent.TOLD]) if words.get(consent.TOLD) else {}
    return answers
