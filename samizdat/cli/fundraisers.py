"""fundraiser: pages that ask for money, ways to pay, and how much came in by day."""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, confirm, say, table
from samizdat.cli.rescue_cases import DAY
from samizdat.cli.secret_arguments import AMOUNT
from samizdat.core import donations
from samizdat.core.money import DECIMALS, AmountError, Money, as_decimal, parse

if TYPE_CHECKING:
    from samizdat.core.donations import FundraiserDetails, PaymentMethod
    from samizdat.fundraising.models import Fundraiser

# Bytes of a file with a text.
LONGEST_FILE = 20_000
COUNTRIES = "Countries (ISO 3166-1), separated by commas"


@click.group("fundraiser")
def fundraiser() -> None:
    """Ask for money: a page of yours, and payment providers that can be replaced in emails already sent."""


def _wanted(**typed: Any) -> Any:
    from samizdat.fundraising.actions import Wanted

    until: datetime | None = typed.pop("until")
    for name in ("story", "warning", "matching"):
        typed[name] = _text(typed[name])
    return Wanted(**typed, until=until.date() if until else None)


def _text(path: Path | None) -> str | None:
    if path is None:
        return None
    with path.open("rb") as file:
        content = file.read(LONGEST_FILE + 1)
    try:
        text = content.decode()
    except UnicodeDecodeError as wrong:
        raise CommandFailed(f"{path} isn’t UTF-8 text. Save it as UTF-8.", "encoding") from wrong
    if len(content) > LONGEST_FILE:
        raise CommandFailed(f"{path} is larger than {LONGEST_FILE // 1000} KB. Shorten it.", "too_large")
    return text


def _facts(command: Any) -> Any:
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    for option in (
        click.option("--matching", type=file, metavar="FILE", help="Text about who doubles donations."),
        click.option("--warning", type=file, metavar="FILE", help="Text above the amounts: who better doesn’t donate."),
        click.option("--story", type=file, metavar="FILE", help="Text of the page."),
        click.option("--monthly-first/--once-first", default=None, help="What is selected at first. Default: monthly."),
        click.option("--until", type=DAY, help="The last day."),
        click.option("--suggest", "suggested", metavar="AMOUNTS", help="Up to five amounts, such as '5, 15, 40'."),
        click.option("--goal", metavar="AMOUNT", help="How much you need; '' for none."),
        click.option("--currency", metavar="CODE", help="Currency (ISO 4217). Default: EUR."),
    ):
        command = option(command)
    return command


@fundraiser.command("new")
@click.argument("title")
@click.option("--language", metavar="CODE", help="Language of the texts. Default: your organization’s.")
@_facts
@common
def fundraiser_new(title: str, language: str | None, **facts: Any) -> None:
    """Create a fundraiser. Its page is public within seconds; nobody can donate until it has a payment method."""
    bootstrap.open_house()
    from samizdat.accounts.sealed_settings import leading
    from samizdat.fundraising import actions

    organization = bootstrap.organization()
    spoken = language or leading(organization).language
    row = actions.open_fundraiser(organization, spoken, _wanted(title=title, **facts), now=bootstrap.now())
    add = f"Add a payment method: samizdat fundraiser method add {row.pk} NAME --link ADDRESS"
    say(_document(row), f"Fundraiser {row.pk} created.", *_where(row), add)


@fundraiser.command("set")
@click.argument("number", metavar="ID", type=int)
@click.option("--language", metavar="CODE", help="Language of the texts. Default: that of the fundraiser.")
@click.option("--title", help="Title of the page.")
@click.option("--no-end", "has_no_end", is_flag=True, help="It goes on until you close it.")
@_facts
@common
def fundraiser_set(number: int, language: str | None, **facts: Any) -> None:
    """Change a fundraiser; the rest stays. With another --language: write its texts in that language."""
    bootstrap.open_house()
    from samizdat.fundraising import actions

    row = _row(number)
    spoken = language or _details(row).language
    actions.change(row, spoken, _wanted(**facts), now=bootstrap.now())
    say(_document(_row(number)), f"Fundraiser {number} changed.")


@fundraiser.command("ls")
@common
def fundraiser_ls() -> None:
    """List your fundraisers, the newest first."""
    bootstrap.open_house()
    from samizdat.fundraising.queries import fundraisers

    documents = [_document(row) for row in fundraisers(bootstrap.organization())]
    rows = [(str(each["id"]), each["title"], each["state"], _shown_sums(each)) for each in documents]
    say(
        documents,
        *(
            table(("ID", "TITLE", "STATE", "DONATIONS"), rows)
            or ["No fundraisers yet. Create one: samizdat fundraiser new TITLE"]
        ),
    )


def _shown_sums(document: dict[str, Any]) -> str:
    return ", ".join(f"{each['amount']} {each['currency']} ({each['count']})" for each in document["sums"]) or "none"


@fundraiser.command("show")
@click.argument("number", metavar="ID", type=int)
@common
def fundraiser_show(number: int) -> None:
    """Show a fundraiser: its address, payment methods in their order, and sums."""
    bootstrap.open_house()
    row = _row(number)
    document = _document(row)
    lines = [f"{document['title']} ({document['state']})", *_where(row), f"Donations: {_shown_sums(document)}"]
    methods = [
        (
            each["id"],
            each["name"],
            each["kind"],
            "paused" if each["is_paused"] else "offered",
            each["tested"] or "never",
        )
        for each in document["methods"]
    ]
    say(document, *lines, *table(("METHOD", "NAME", "KIND", "STATE", "TESTED"), methods))


@fundraiser.command("close")
@click.argument("number", metavar="ID", type=int)
@common
def fundraiser_close(number: int) -> None:
    """End a fundraiser: its page says so, and offers no payment method."""
    bootstrap.open_house()
    from samizdat.fundraising import actions

    row = _row(number)
    confirm(f"Close fundraiser {number}? Links in sent emails then lead to a page that says it’s over.")
    actions.close(row, now=bootstrap.now())
    say(_document(_row(number)), f"Fundraiser {number} closed. To go on: samizdat fundraiser reopen {number}")


@fundraiser.command("reopen")
@click.argument("number", metavar="ID", type=int)
@common
def fundraiser_reopen(number: int) -> None:
    """Open a closed fundraiser again."""
    bootstrap.open_house()
    from samizdat.fundraising import actions

    actions.reopen(_row(number), now=bootstrap.now())
    say(_document(_row(number)), f"Fundraiser {number} is open again.")


@fundraiser.command("add")
@click.argument("number", metavar="ID", type=int)
@click.argument("method")
@click.argument("amount", type=AMOUNT)
@click.option("--day", type=DAY, help="The day it came in. Default: today.")
@click.option("--count", type=click.IntRange(0), default=1, show_default=True, help="How many donations there were.")
@click.option("--given-back", is_flag=True, help="It was refunded.")
@click.option("--currency", metavar="CODE", help="Default: that of the fundraiser.")
@common
def fundraiser_add(
    number: int, method: str, amount: str, day: datetime | None, count: int, given_back: bool, currency: str | None
) -> None:
    """Add what came in on a day to its sum. Only the sum of each day is stored, never a donation or a donor. `-` in
    place of the amount asks for it."""
    bootstrap.open_house()
    from samizdat.fundraising import actions
    from samizdat.fundraising.queries import details_of, method_named, today

    row = _row(number)
    details, code = details_of(row), (currency or details_of(row).currency).upper()
    if code not in DECIMALS:
        raise CommandFailed(f"{code} is no currency. Use a code such as EUR, USD or GEL.", "currency")
    try:
        money = parse(amount, code)
    except AmountError as wrong:
        raise CommandFailed(actions.amount_problem(wrong, code), "amount") from wrong
    money = Money(-money.minor, code) if given_back else money
    now = today(row.organization, bootstrap.now())
    on: date = day.date() if day else now
    actions.add_to_day(row, method_named(details, method).id, on, money, count, now=bootstrap.now())
    shown = "from tomorrow on" if on >= now else "within five minutes"
    say(_document(_row(number)), f"Added to {on.isoformat()}. The page shows it {shown}.")


# -- ways to pay ----------------------------------------------------------------------------------------------------


@fundraiser.group("method")
def methods() -> None:
    """Payment methods of a fundraiser, in the order in which donors see them."""


def _ways(command: Any) -> Any:
    for option in (
        click.option("--never", metavar="CODES", help=f"{COUNTRIES}, from which nobody should use it."),
        click.option("--only", metavar="CODES", help=f"{COUNTRIES}, from which alone it can be used."),
        click.option("--once/--no-once", default=None, help="Whether one can pay once. Default: yes."),
        click.option("--monthly/--no-monthly", default=None, help="Whether one can pay monthly. Default: yes."),
        click.option("--statement", metavar="TEXT", help="What the donor’s bank statement says."),
        click.option("--merchant", metavar="NAME", help="Whose name donors see when they pay."),
        click.option("--lines", metavar="TEXT", help="What else donors have to know or copy."),
        click.option("--bic", metavar="BIC", help="BIC of the account’s bank."),
        click.option("--holder", metavar="NAME", help="Who the account belongs to."),
        click.option("--crypto", metavar="ADDRESS", help="Address of a wallet."),
        click.option("--iban", metavar="IBAN", help="An account."),
        click.option("--link", metavar="ADDRESS", help="A provider’s page; {amount} and {currency} are filled in."),
    ):
        command = option(command)
    return command


@methods.command("add")
@click.argument("number", metavar="ID", type=int)
@click.argument("name")
@_ways
@common
def method_add(number: int, name: str, **typed: Any) -> None:
    """Add a way to pay, as the last one. Without --link, --iban or --crypto, --lines says how to pay."""
    bootstrap.open_house()
    from samizdat.fundraising import actions

    method = _with_typed(donations.PaymentMethod(id="", kind="other", name=name), typed)
    put = actions.put_method(_row(number), method, now=bootstrap.now())
    test = f"Donate by it once. When the money is there: samizdat fundraiser method tested {number} {put.id}"
    say(_method(put), f"Payment method {put.id} added.", test)


@methods.command("set")
@click.argument("number", metavar="ID", type=int)
@click.argument("method")
@click.option("--name", help="What donors see.")
@_ways
@common
def method_set(number: int, method: str, name: str | None, **typed: Any) -> None:
    """Change a way to pay, in sent emails as well; the rest stays. METHOD: its id or name."""
    bootstrap.open_house()
    from samizdat.fundraising import actions

    row, known = _found(number, method)
    changed = _with_typed(known, typed | ({"name": name} if name else {}))
    put = actions.put_method(row, changed, now=bootstrap.now())
    say(_method(put), f"Payment method {put.id} changed.")


def _with_typed(method: "PaymentMethod", typed: dict[str, Any]) -> "PaymentMethod":
    kinds: dict[str, donations.Kind] = {"link": "link", "iban": "bank", "crypto": "crypto"}
    given = [(kinds[option], typed[option]) for option in kinds if typed.get(option) is not None]
    if len(given) > 1:
        raise CommandFailed("Only one of --link, --iban and --crypto fits a payment method. Add two.", "kind")
    facts: dict[str, Any] = {
        name: typed[name]
        for name in ("name", "holder", "bic", "lines", "merchant", "statement", "monthly", "once")
        if typed.get(name) is not None
    }
    for name in ("only", "never"):
        if typed.get(name) is not None:
            facts[name] = tuple(code.strip().upper() for code in typed[name].split(",") if code.strip())
    if given:
        facts["kind"], facts["address"] = given[0]
    return replace(method, **facts)


@methods.command("tested")
@click.argument("number", metavar="ID", type=int)
@click.argument("method")
@common
def method_tested(number: int, method: str) -> None:
    """Confirm that you donated by it and the money arrived, under the name that donors are told."""
    bootstrap.open_house()
    from samizdat.fundraising import actions

    row, known = _found(number, method)
    confirm(f"Did a payment by “{known.name}” arrive, and did the statement say “{known.statement}”?")
    actions.note_test_payment(row, known.id, now=bootstrap.now())
    say(_method(_found(number, known.id)[1]), f"Payment method {known.id} tested.")


@methods.command("pause")
@click.argument("number", metavar="ID", type=int)
@click.argument("method")
@common
def method_pause(number: int, method: str) -> None:
    """Stop offering a way to pay, in sent emails as well."""
    _pause(number, method, is_paused=True)


@methods.command("resume")
@click.argument("number", metavar="ID", type=int)
@click.argument("method")
@common
def method_resume(number: int, method: str) -> None:
    """Offer a way to pay again."""
    _pause(number, method, is_paused=False)


def _pause(number: int, method: str, *, is_paused: bool) -> None:
    bootstrap.open_house()
    from samizdat.fundraising import actions

    row, known = _found(number, method)
    actions.pause_method(row, known.id, is_paused=is_paused, now=bootstrap.now())
    say(
        _method(_found(number, known.id)[1]), f"Payment method {known.id} {'paused' if is_paused else 'offered again'}."
    )


@methods.command("first")
@click.argument("number", metavar="ID", type=int)
@click.argument("method")
@common
def method_first(number: int, method: str) -> None:
    """Offer this way to pay first."""
    bootstrap.open_house()
    from samizdat.fundraising import actions

    row, known = _found(number, method)
    actions.order_methods(row, [known.id], now=bootstrap.now())
    say(_document(_row(number)), f"Payment method {known.id} comes first.")


@methods.command("rm")
@click.argument("number", metavar="ID", type=int)
@click.argument("method")
@common
def method_rm(number: int, method: str) -> None:
    """Remove a way to pay. What came in by it still counts."""
    bootstrap.open_house()
    from samizdat.fundraising import actions

    row, known = _found(number, method)
    confirm(f"Remove “{known.name}”? It is offered nowhere from then on.")
    actions.remove_method(row, known.id, now=bootstrap.now())
    say(_document(_row(number)), f"Payment method {known.id} removed.")


# -- documents ------------------------------------------------------------------------------------------------------


def _row(number: int) -> "Fundraiser":
    from samizdat.fundraising.queries import fundraiser_numbered

    return fundraiser_numbered(bootstrap.organization(), number)


def _details(row: "Fundraiser") -> "FundraiserDetails":
    from samizdat.fundraising.queries import details_of

    return details_of(row)


def _found(number: int, method: str) -> tuple["Fundraiser", "PaymentMethod"]:
    from samizdat.fundraising.queries import method_named

    row = _row(number)
    return row, method_named(_details(row), method)


def _where(row: "Fundraiser") -> list[str]:
    from samizdat.fundraising.queries import public_address

    address = public_address(row)
    return [
        f"Its page: {address}"
        if address
        else "Your public pages have no address yet: samizdat organization set --url ADDRESS"
    ]


def _document(row: "Fundraiser") -> dict[str, Any]:
    from samizdat.fundraising.queries import public_address, sums_of, today

    details = _details(row)
    is_open = donations.is_open(details, today(row.organization, bootstrap.now()))
    sums = donations.totals(sums_of(row))
    return {
        "id": row.pk,
        "title": details.texts[details.language].title,
        "state": "open" if is_open else "over",
        "address": public_address(row, details),
        "languages": sorted(details.texts),
        "currency": details.currency,
        "goal": str(as_decimal(Money(details.goal, details.currency))) if details.goal else None,
        "suggested": [str(as_decimal(Money(minor, details.currency))) for minor in details.suggested],
        "until": details.until,
        "methods": [_method(method) for method in details.methods],
        "sums": [
            {"currency": code, "amount": str(as_decimal(Money(each.minor, code))), "count": each.count}
            for code, each in sorted(sums.items())
        ],
    }


def _method(method: "PaymentMethod") -> dict[str, Any]:
    return {
        "id": method.id,
        "name": method.name,
        "kind": method.kind,
        "address": method.address,
        "monthly": method.monthly,
        "once": method.once,
        "only": list(method.only),
        "never": list(method.never),
        "merchant": method.merchant,
        "statement": method.statement,
        "is_paused": method.is_paused,
        "tested": method.tested,
    }
