"""Fundraisers are opened and changed, and sums are written down; each with its event, in one transaction.

No event says an amount: the log is chained, and a sum with its time would show in a bank's data who donated.
"""

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import reduce

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec.structs import replace

from samizdat.accounts.models import Organization, Person
from samizdat.core import donations, money
from samizdat.core.donations import FundraiserDetails, FundraiserText, PaymentMethod, SumRecord
from samizdat.core.money import AmountError, Money
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.fundraising.errors import FundraisingError
from samizdat.fundraising.models import Fundraiser
from samizdat.fundraising.queries import TABLE, details_of, fundraisers, sums_of, today
from samizdat.vault import keyring

# Characters: a page with its stylesheet stays under 14 KB, in Cyrillic too.
LONGEST_TITLE, LONGEST_LINE, LONGEST_LINES = 120, 200, 1_000
LONGEST = {"story": 1_500, "warning": 600, "matching": 200}
# Fundraisers of an organization.
MOST = 500
# How far back a sum may be written down.
OLDEST = timedelta(days=3 * 366)
_BIC = re.compile(r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")
_COUNTRY = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person typed; None: it stays as it is."""

    title: str | None = None
    story: str | None = None
    warning: str | None = None
    matching: str | None = None
    currency: str | None = None
    goal: str | None = None
    suggested: str | None = None
    monthly_first: bool | None = None
    until: date | None = None
    has_no_end: bool = False


def open_fundraiser(
    organization: Organization, language: str, wanted: Wanted, *, now: datetime, by: Person | None = None
) -> Fundraiser:
    """Its page is there within seconds. Errors: FundraisingError."""
    if len(fundraisers(organization)) >= MOST:
        raise FundraisingError(
            _("An organization can have %(n)s fundraisers. Change one that is over.") % {"n": MOST}, "many"
        )
    start = FundraiserDetails(slug=secrets.token_hex(6), language=language, texts={language: FundraiserText("")})
    details = _with_wanted(start, language, wanted, today(organization, now))
    with transaction.atomic():
        fundraiser = Fundraiser.objects.create(organization=organization, created=now, by=by)
        _seal(fundraiser, details)
        record("fundraiser.opened", organization, about=fundraiser.pk, by=by, now=now)
    return fundraiser


def put_fundraiser(
    organization: Organization,
    details: FundraiserDetails,
    sums: SumRecord,
    *,
    created: datetime,
    now: datetime,
    by: Person | None = None,
) -> Fundraiser:
    """One that was opened in another installation. Its address stays the same, so links in sent emails go on."""
    with transaction.atomic():
        fundraiser = Fundraiser.objects.create(organization=organization, created=created, by=by)
        _seal(fundraiser, details)
        _seal_sums(fundraiser, sums)
        record("fundraiser.opened", organization, about=fundraiser.pk, by=by, now=now)
    return fundraiser


def change(
    fundraiser: Fundraiser, language: str, wanted: Wanted, *, now: datetime, by: Person | None = None
) -> FundraiserDetails:
    """Texts of this language, and what is the same in all of them. Errors: FundraisingError."""
    day = today(fundraiser.organization, now)
    return _change(fundraiser, "fundraiser.changed", lambda known: _with_wanted(known, language, wanted, day), now, by)


def remove_text(fundraiser: Fundraiser, language: str, *, now: datetime, by: Person | None = None) -> None:
    """Errors: FundraisingError."""

    def without(details: FundraiserDetails) -> FundraiserDetails:
        if language == details.language or language not in details.texts:
            raise FundraisingError(
                _("Only a translation can be removed. Choose another language of this fundraiser."), "language"
            )
        return replace(details, texts={code: text for code, text in details.texts.items() if code != language})

    _change(fundraiser, "fundraiser.changed", without, now, by)


def close(fundraiser: Fundraiser, *, now: datetime, by: Person | None = None) -> None:
    """Its page says that it's over. It can be opened again."""
    day = today(fundraiser.organization, now)
    _change(fundraiser, "fundraiser.closed", lambda details: replace(details, closed=details.closed or day), now, by)


def reopen(fundraiser: Fundraiser, *, now: datetime, by: Person | None = None) -> None:
    """An end that is over goes as well. Errors: FundraisingError."""
    day = today(fundraiser.organization, now)

    def opened(details: FundraiserDetails) -> FundraiserDetails:
        if donations.is_open(details, day):
            raise FundraisingError(_("This fundraiser is open already."), "open")
        until = details.until if details.until and details.until >= day else None
        return replace(details, closed=None, until=until)

    _change(fundraiser, "fundraiser.reopened", opened, now, by)


# -- ways to pay ----------------------------------------------------------------------------------------------------


def put_method(
    fundraiser: Fundraiser, method: PaymentMethod, *, now: datetime, by: Person | None = None
) -> PaymentMethod:
    """A new one, or a changed one by its id ("": new). Whatever changes where money goes has to be tested again.
    Errors: FundraisingError."""
    checked = _checked(replace(method, id=method.id or secrets.token_hex(4)))

    def put(details: FundraiserDetails) -> FundraiserDetails:
        before = next((each for each in details.methods if each.id == checked.id), None)
        if before is None and len(details.methods) >= donations.MOST_METHODS:
            raise FundraisingError(
                _("A fundraiser can have %(n)s payment methods. Remove one first.") % {"n": donations.MOST_METHODS},
                "many_methods",
            )
        if any(each.name.casefold() == checked.name.casefold() and each.id != checked.id for each in details.methods):
            raise FundraisingError(
                _("There is a payment method “%(name)s” already. Choose another name.") % {"name": checked.name}, "name"
            )
        is_same = before is not None and _leads(before) == _leads(checked)
        tested = before.tested if before is not None and is_same else None
        return donations.with_method(details, replace(checked, tested=tested))

    details = _change(fundraiser, "fundraiser.method_changed", put, now, by)
    return next(each for each in details.methods if each.id == checked.id)


def _leads(method: PaymentMethod) -> tuple[str, ...]:
    """What decides who gets the money."""
    return method.kind, method.address, method.holder, method.bic, method.lines


def remove_method(fundraiser: Fundraiser, id: str, *, now: datetime, by: Person | None = None) -> None:
    """What came in by it still counts."""

    def without(details: FundraiserDetails) -> FundraiserDetails:
        return replace(details, methods=tuple(each for each in details.methods if each.id != id))

    _change(fundraiser, "fundraiser.method_removed", without, now, by)


def pause_method(fundraiser: Fundraiser, id: str, *, is_paused: bool, now: datetime, by: Person | None = None) -> None:
    """A paused one is offered nowhere, in emails that were sent before neither."""

    def paused(details: FundraiserDetails) -> FundraiserDetails:
        methods = (replace(each, is_paused=is_paused) if each.id == id else each for each in details.methods)
        return replace(details, methods=tuple(methods))

    _change(fundraiser, "fundraiser.method_changed", paused, now, by)


def order_methods(fundraiser: Fundraiser, first: Sequence[str], *, now: datetime, by: Person | None = None) -> None:
    """Those with these ids are offered first, in this order."""
    _change(fundraiser, "fundraiser.method_changed", lambda known: donations.reordered(known, first), now, by)


def note_test_payment(fundraiser: Fundraiser, id: str, *, now: datetime, by: Person | None = None) -> None:
    """A person donated by it and saw the money arrive, under the name that donors are told."""

    def tested(details: FundraiserDetails) -> FundraiserDetails:
        methods = (replace(each, tested=now) if each.id == id else each for each in details.methods)
        return replace(details, methods=tuple(methods))

    _change(fundraiser, "fundraiser.method_tested", tested, now, by)


# -- sums -----------------------------------------------------------------------------------------------------------


def add_to_day(
    fundraiser: Fundraiser,
    method: str,
    day: date,
    amount: Money,
    count: int = 1,
    *,
    now: datetime,
    by: Person | None = None,
) -> None:
    """What came in on a day by one way to pay, added to what is written there already; amounts below zero were given
    back. Errors: FundraisingError."""
    if not timedelta(days=-1) <= today(fundraiser.organization, now) - day <= OLDEST:
        raise FundraisingError(_("This day can’t be right. Check it, and that it isn’t in the future."), "day")
    if not 0 <= count <= 10**9 or abs(amount.minor) > money.MOST:
        raise FundraisingError(_("Enter how many donations there were."), "count")
    with transaction.atomic():
        fundraiser = _locked(fundraiser)
        sums = sums_of(fundraiser)
        donations.add(sums, method, day, amount, count)
        _seal_sums(fundraiser, SumRecord(sums))
        record("fundraiser.sums_changed", fundraiser.organization, about=fundraiser.pk, by=by, now=now)


def checked_details(details: FundraiserDetails) -> None:
    """Of a fundraiser that comes from elsewhere. Errors: FundraisingError."""
    if details.language not in details.texts or len(details.texts) > donations.MOST_TEXTS:
        raise FundraisingError(_("That’s too many languages. Remove one first."), "language")
    for language, text in details.texts.items():
        _check_language(language)
        _text(details, language, Wanted(text.title, text.story, text.warning, text.matching))
    if details.currency not in money.DECIMALS or not 0 <= details.goal <= money.MOST:
        raise FundraisingError(_("This isn’t an amount. Write it as 12.50."), "goal")
    if len(details.suggested) > donations.MOST_SUGGESTED or not all(
        0 < each <= money.MOST for each in details.suggested
    ):
        raise FundraisingError(_("This isn’t an amount. Write it as 12.50."), "suggested")
    ids = {method.id for method in details.methods}
    if len(details.methods) > donations.MOST_METHODS or len(ids) < len(details.methods):
        raise FundraisingError(
            _("A fundraiser can have %(n)s payment methods. Remove one first.") % {"n": donations.MOST_METHODS},
            "many_methods",
        )
    for method in details.methods:
        _checked(method)


# -- what was typed -------------------------------------------------------------------------------------------------


def _with_wanted(details: FundraiserDetails, language: str, wanted: Wanted, day: date) -> FundraiserDetails:
    if len(details.texts) >= donations.MOST_TEXTS and language not in details.texts:
        raise FundraisingError(_("That’s too many languages. Remove one first."), "language")
    _check_language(language)
    changed = replace(details, texts=details.texts | {language: _text(details, language, wanted)})
    if wanted.currency is not None:
        changed = _with_currency(changed, wanted)
    if wanted.goal is not None:
        goal = _amount(wanted.goal, changed.currency, "goal").minor if wanted.goal.strip() else 0
        changed = replace(changed, goal=goal)
    if wanted.suggested is not None:
        changed = replace(changed, suggested=_suggested(wanted.suggested, changed.currency))
    if wanted.monthly_first is not None:
        changed = replace(changed, monthly_first=wanted.monthly_first)
    if wanted.has_no_end:
        changed = replace(changed, until=None)
    elif wanted.until is not None:
        if wanted.until < day and wanted.until != details.until:
            raise FundraisingError(_("The last day is over already. Choose a later one."), "until")
        changed = replace(changed, until=wanted.until)
    return changed


def _check_language(code: str) -> None:
    if not re.fullmatch(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*", code):
        raise FundraisingError(_("Write the language as a code, such as `en`, `ru` or `pt-BR`."), "language")


def _text(details: FundraiserDetails, language: str, wanted: Wanted) -> FundraiserText:
    before = details.texts.get(language, FundraiserText(""))
    title = before.title if wanted.title is None else " ".join(wanted.title.split())
    if not title:
        raise FundraisingError(_("Enter a title."), "title")
    if len(title) > LONGEST_TITLE:
        raise FundraisingError(
            _("The title is longer than %(n)s characters. Shorten it.") % {"n": LONGEST_TITLE}, "title"
        )
    return FundraiserText(
        title,
        _long(before.story, wanted.story, "story"),
        _long(before.warning, wanted.warning, "warning"),
        _long(before.matching, wanted.matching, "matching"),
    )


def _long(before: str, text: str | None, name: str) -> str:
    if text is None:
        return before
    plain = text.replace("\r\n", "\n").strip()
    if len(plain) > LONGEST[name]:
        raise FundraisingError(
            _("This text is longer than %(n)s characters. Shorten it, so that the page opens on slow connections.")
            % {"n": LONGEST[name]},
            name,
        )
    return plain


def _with_currency(details: FundraiserDetails, wanted: Wanted) -> FundraiserDetails:
    code = (wanted.currency or "").strip().upper()
    if code not in money.DECIMALS:
        raise FundraisingError(
            _("“%(code)s” is no currency. Use a code such as `EUR`, `USD` or `GEL`.") % {"code": code[:10]}, "currency"
        )
    if code == details.currency:
        return details
    if (details.goal and wanted.goal is None) or (details.suggested and wanted.suggested is None):
        raise FundraisingError(
            _("Enter the goal and the amounts in the new currency as well: they aren’t converted."), "currency"
        )
    return replace(details, currency=code, goal=0, suggested=())


def _suggested(text: str, currency: str) -> tuple[int, ...]:
    try:
        amounts = [amount.minor for amount in money.parse_several(text, currency)]
    except AmountError as wrong:
        raise FundraisingError(amount_problem(wrong, currency), "suggested") from wrong
    if len(amounts) > donations.MOST_SUGGESTED:
        raise FundraisingError(
            _("Suggest up to %(n)s amounts: more make it harder to choose.") % {"n": donations.MOST_SUGGESTED},
            "suggested",
        )
    return tuple(dict.fromkeys(amounts))


def _amount(text: str, currency: str, name: str) -> Money:
    try:
        return money.parse(text, currency)
    except AmountError as wrong:
        raise FundraisingError(amount_problem(wrong, currency), name) from wrong


def amount_problem(wrong: AmountError, currency: str) -> str:
    """One sentence about what was typed."""
    sentences = {
        "empty": _("Enter an amount."),
        "negative": _("The amount is negative. Enter one above zero."),
        "zero": _("The amount is zero. Enter one above zero."),
        "too much": _("That’s more than can be right. Check the amount."),
        "too exact": _("%(currency)s has fewer decimals. Check the amount.") % {"currency": currency},
        "ambiguous": _(
            "This can mean two amounts. Add a zero after the decimals, or write thousands without a separator."
        ),
        "other currency": _("This is in %(other)s. Enter the amount in %(currency)s.")
        % {"other": wrong.currency, "currency": currency},
    }
    return sentences.get(wrong.fault, _("This isn’t an amount. Write it as 12.50."))


def _checked(method: PaymentMethod) -> PaymentMethod:
    """With texts of bounded length, and an address that leads somewhere. Errors: FundraisingError."""
    short = {name: _line(getattr(method, name)) for name in ("name", "holder", "merchant", "statement")}
    checked = replace(method, **short, lines=method.lines.replace("\r\n", "\n").strip()[:LONGEST_LINES])
    if not checked.name:
        raise FundraisingError(_("Enter a name for the payment method, such as “Card”."), "name")
    if not checked.monthly and not checked.once:
        raise FundraisingError(_("Choose “monthly”, “once” or both."), "monthly")
    if any(not _COUNTRY.fullmatch(code) for code in (*checked.only, *checked.never)):
        raise FundraisingError(_("Write countries as codes of two letters, such as `RU`, `GE`."), "countries")
    return _CHECKS[checked.kind](checked)


def _link(method: PaymentMethod) -> PaymentMethod:
    address = method.address.strip()
    if not donations.is_web_address(address.translate({ord("{"): None, ord("}"): None})) or len(address) > 1_000:
        raise FundraisingError(_("Enter the web address of the payment page. It starts with `https://`."), "address")
    if {*"{}"} & {*reduce(lambda text, name: text.replace(name, ""), donations.FILLED_IN, address)}:
        raise FundraisingError(
            _("Only `{amount}`, `{minor}` and `{currency}` are filled in. Remove other braces from the address."),
            "address",
        )
    return replace(method, address=address)


def _bank(method: PaymentMethod) -> PaymentMethod:
    number = donations.iban(method.address)
    if number is None:
        raise FundraisingError(
            _("This IBAN has a typo: its check digits don’t match. Copy it from the bank."), "address"
        )
    bic = "".join(method.bic.split()).upper()
    if bic and not _BIC.fullmatch(bic):
        raise FundraisingError(_("This BIC has a typo. It has 8 or 11 letters and digits."), "bic")
    if not method.holder:
        raise FundraisingError(_("Enter who the account belongs to: donors need it for the transfer."), "holder")
    return replace(method, address=number, bic=bic)


def _other(method: PaymentMethod) -> PaymentMethod:
    if not method.lines:
        raise FundraisingError(_("Enter what donors need to pay this way, such as an account number."), "lines")
    return replace(method, address="")


def _crypto(method: PaymentMethod) -> PaymentMethod:
    address = "".join(method.address.split())
    if not re.fullmatch(r"[A-Za-z0-9:._-]{20,120}", address):
        raise FundraisingError(_("This isn’t an address of a wallet. Copy it from the wallet again."), "address")
    return replace(method, address=address)


_CHECKS: dict[donations.Kind, Callable[[PaymentMethod], PaymentMethod]] = {
    "link": _link,
    "bank": _bank,
    "other": _other,
    "crypto": _crypto,
}


def _line(text: str) -> str:
    return " ".join(text.split())[:LONGEST_LINE]


def _change(
    fundraiser: Fundraiser,
    event: EventKind,
    change: Callable[[FundraiserDetails], FundraiserDetails],
    now: datetime,
    by: Person | None,
) -> FundraiserDetails:
    with transaction.atomic():
        fundraiser = _locked(fundraiser)
        changed = change(details_of(fundraiser))
        _seal(fundraiser, changed)
        record(event, fundraiser.organization, about=fundraiser.pk, by=by, now=now)
    return changed


def _locked(fundraiser: Fundraiser) -> Fundraiser:
    """As it stands now: of two who write, the second finds what the first one wrote."""
    rows = Fundraiser.objects.select_related("organization").select_for_update(of=("self",))
    return rows.get(pk=fundraiser.pk)


def _seal(fundraiser: Fundraiser, details: FundraiserDetails) -> None:
    sealed = keyring.keys(fundraiser.organization).seal_json(details, TABLE, "details", fundraiser.pk)
    Fundraiser.objects.filter(pk=fundraiser.pk).update(details_sealed=sealed)
    fundraiser.details_sealed = sealed


def _seal_sums(fundraiser: Fundraiser, sums: SumRecord) -> None:
    sealed = keyring.keys(fundraiser.organization).seal_json(sums, TABLE, "sums", fundraiser.pk)
    Fundraiser.objects.filter(pk=fundraiser.pk).update(sums_sealed=sealed)
    fundraiser.sums_sealed = sealed
