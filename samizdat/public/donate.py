"""A fundraiser's page, and the page from which a donor goes to whoever takes the payment.

Both are shown by GET and keep nothing: what was chosen stands in the address of the second page alone, which nobody
writes down. The first one leads nowhere else, so an email's link outlives any payment provider.
"""

from datetime import date
from zoneinfo import ZoneInfo

import msgspec
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import override

from samizdat import formatting
from samizdat.core import donations
from samizdat.core import money as amounts
from samizdat.core.donations import FundraiserDetails, How, PaymentMethod, PublicFundraiser
from samizdat.core.money import AmountError, Money
from samizdat.public.responses import host_of, page_of, speaks, takes
from samizdat.publicdb import queries
from samizdat.publicdb.models import DonationPage

# Characters of an amount that somebody types.
LONGEST = 40


@takes("GET", "HEAD")
def fundraiser(request: HttpRequest, slug: str) -> HttpResponse:
    """What for, how much so far, and the choice of an amount."""
    page, public = _found(request, slug)
    return _page(request, page, public, request.GET)


@takes("GET", "HEAD")
def pay(request: HttpRequest, slug: str) -> HttpResponse:
    """Who takes the payment, whose name the bank statement will show, and the way there."""
    page, public = _found(request, slug)
    details, chosen = public.details, request.GET
    if not donations.is_open(details, _today(page)):
        return _page(request, page, public, chosen)
    code, text = donations.text_in(details, speaks(request))
    with override(_spoken(code)):
        try:
            amount = _amount(details, chosen)
        except AmountError as wrong:
            return _page(request, page, public, chosen, _problem(wrong, details.currency))
        if donations.countries_asked(details.methods) and not chosen.get("from"):
            return _page(request, page, public, chosen, country=_("Choose where your bank is."))
        ways = _ways(details, chosen)
        values = {
            "page": page,
            "text": text,
            "spoken": code,
            "amount": formatting.money(amount) if amount else "",
            "monthly": _how(chosen) == "monthly",
            "ways": [_way(method, amount, text.title) for method in ways],
        }
        return page_of(request, page.place, _spoken(code), "donate_pay", values)


def _found(request: HttpRequest, slug: str) -> tuple[DonationPage, PublicFundraiser]:
    page = queries.fundraiser(slug, host_of(request))
    if page is None:
        raise Http404
    return page, msgspec.json.decode(page.details, type=PublicFundraiser)


def _page(
    request: HttpRequest,
    page: DonationPage,
    public: PublicFundraiser,
    chosen: QueryDict,
    wrong: str = "",
    country: str = "",
) -> HttpResponse:
    """wrong, country: a sentence beside the amount, and beside the country."""
    details = public.details
    code, text = donations.text_in(details, speaks(request))
    is_open = donations.is_open(details, _today(page))
    with override(_spoken(code)):
        monthly = any(method.monthly for method in details.methods)
        once = any(method.once for method in details.methods)
        values = {
            "page": page,
            "text": text,
            "spoken": code,
            "others": [(other, formatting.own_name(other)) for other in details.texts if other != code],
            "is_open": is_open,
            "until": formatting.shaped(details.until, "day") if details.until else "",
            "progress": _progress(public),
            "goal": formatting.money(Money(details.goal, details.currency)) if details.goal else "",
            "can_pay": is_open and bool(details.methods),
            "asks_how": monthly and once,
            "how": _how(chosen) if "how" in chosen else "monthly" if details.monthly_first and monthly else "once",
            "amounts": [(minor, formatting.money(Money(minor, details.currency))) for minor in details.suggested],
            "picked": chosen.get("amount", str(details.suggested[0]) if details.suggested else ""),
            "typed": chosen.get("other", "")[:LONGEST],
            "currency": details.currency,
            "countries": [(each, formatting.country(each)) for each in donations.countries_asked(details.methods)],
            "country": chosen.get("from", ""),
            "wrong": wrong,
            "wrong_country": country,
        }
        return page_of(request, page.place, _spoken(code), "donate", values, 422 if wrong or country else 200)


def _spoken(code: str) -> str:
    """The language of our own words, where they have the one of the fundraiser."""
    return code if code in dict(settings.LANGUAGES) else "en"


def _today(page: DonationPage) -> date:
    return timezone.now().astimezone(ZoneInfo(page.place.zone)).date()


def _how(chosen: QueryDict) -> How:
    return "monthly" if chosen.get("how") == "monthly" else "once"


def _amount(details: FundraiserDetails, chosen: QueryDict) -> Money | None:
    """What was chosen, or typed; None where the donor will say it to their bank. Errors: AmountError."""
    typed, picked = chosen.get("other", "").strip(), chosen.get("amount", "")
    if typed:
        return amounts.parse(typed[:LONGEST], details.currency)
    if picked.isascii() and picked.isdigit() and len(picked) < 16 and 0 < int(picked) <= amounts.MOST:
        return Money(int(picked), details.currency)
    return None


def _problem(wrong: AmountError, currency: str) -> str:
    """One sentence, which doesn't repeat what was typed."""
    if wrong.fault == "other currency":
        return _("Amounts here are in %(currency)s. Enter one in %(currency)s.") % {"currency": currency}
    return _("This isn’t an amount in %(currency)s. Enter one such as 12.") % {"currency": currency}


def _ways(details: FundraiserDetails, chosen: QueryDict) -> list[PaymentMethod]:
    """In their order. Where none fits the rhythm, those of the other one: somebody wants to give."""
    country, how = chosen.get("from", "").upper()[:2], _how(chosen)
    other: How = "once" if how == "monthly" else "monthly"
    return donations.offered(details.methods, country, how) or donations.offered(details.methods, country, other)


def _progress(public: PublicFundraiser) -> dict[str, object] | None:
    if public.progress is None:
        return None
    currency, goal = public.details.currency, public.details.goal
    return {
        "raised": formatting.money(Money(public.progress.minor, currency)),
        "count": formatting.grouped(public.progress.count),
        "of": goal,
        "value": min(public.progress.minor, goal),
    }


def _way(method: PaymentMethod, amount: Money | None, purpose: str) -> dict[str, object]:
    facts: dict[str, object] = {"method": method, "paragraphs": method.lines.splitlines()}
    if method.kind == "link":
        facts["to"] = donations.pay_address(method, amount)
    elif method.kind == "bank":
        facts["number"] = donations.grouped(method.address)
        facts["qr"] = _qr(donations.epc_text(method, amount, purpose))
    elif method.kind == "crypto":
        facts["qr"] = _qr(method.address)
    return facts


def _qr(text: str) -> SafeString | str:
    """As a picture in the page: nothing is loaded. "": none."""
    if not text:
        return ""
    import segno

    code = segno.make(text, error="m", micro=False)
    # segno wrote this markup itself, from black and white squares.
    return mark_safe(code.svg_inline(scale=4, border=4, omitsize=False, dark="#000", light="#fff"))  # noqa: S308
