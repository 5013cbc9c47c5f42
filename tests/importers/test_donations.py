"""Who gave money does not walk in with a list of people: labels in many languages, cells, JSON, workbooks."""

import pytest

from samizdat.importers import answers
from samizdat.web import plans
from tests.importers.helping import inspect, named, read
from tests.importers.test_workbook import book


@pytest.mark.parametrize(
    "label",
    [
        "Last Donation", "Donation Amount", "Total Spent", "Amount", "Payment date", "Payment processor",
        "Customer ID",
        "Customer", "Total", "Lifetime value", "Pledge", "Recurring gift", "Stripe customer", "PayPal e-mail",
        "Currency",
        "Spende", "Letzte Spende", "Spendenbetrag", "Zahlungsart", "Kundennummer", "Don", "Dernier don", "Montant",
        "Moyen de paiement", "N° client", "Donación", "Importe", "Método de pago", "Cliente", "Donazione", "Importo",
        "Doação", "Valor", "Пожертвование", "Сумма пожертвований", "Дата платежа", "Платёжная система", "Клиент",
        "Донат",
        "Пожертва", "Сума", "Дата платежу", "Клієнт", "Darowizna", "Kwota", "Data wpłaty", "Klient", "Ziedojums",
        "Summa",
        "Maksājums", "Auka", "Suma", "Mokėjimas", "Donatie", "Bedrag", "Platba", "Dar", "Bağış", "Tutar",
    ],
)  # fmt: skip
def test_a_column_about_donations_stays_out_and_says_why(label: str) -> None:
    found = inspect(named("list.csv", f"email,{label},City\na@example.org,7,Riga\n".encode()))
    column = found.files[0].columns[1]
    assert (column.becomes, column.why) == ("out", "donations")
    assert found.files[0].columns[2].becomes == "field:CITY"
    sentences = [problem.sentence() for problem in found.plan().said_out()]
    assert sentences == [
        f"Left out: {label}. That says who gave money, which can put people in court. "
        "Samizdat does not keep it with subscribers."
    ]


@pytest.mark.parametrize(
    "cell",
    ["€ 25,00", "$10", "25 EUR", "1 500 ₽", "500 руб.", "120 грн", "99.50", "1,200.00", "cus_Nf12Ab34", "PayPal",
     "LiqPay", "30 zł"],
)  # fmt: skip
def test_cells_that_look_like_money_stay_out_under_any_label(cell: str) -> None:
    found = inspect(named("list.csv", f'email,Remark\na@example.org,"{cell}"\n'.encode()))
    assert found.files[0].columns[1].why == "donations"


@pytest.mark.parametrize("cell", ["Riga", "2019", "LV-1010", "56.9496", "a gift of time", "42", "3.5 stars"])
def test_cells_that_are_about_something_else_come_in(cell: str) -> None:
    found = inspect(named("list.csv", f'email,Remark\na@example.org,"{cell}"\n'.encode()))
    assert found.files[0].columns[1].becomes == "field:REMARK"


def test_donations_inside_of_a_json_document_stay_out() -> None:
    content = b"""[{"email": "a@example.org", "city": "Riga", "giving":
        {"last_gift": "2020-01-02", "lifetime_amount": 7},
        "history": [{"donation": 5}]}, {"email": "b@example.org", "city": "Lviv"}]"""
    whole = read(named("people.json", content))
    assert whole.plan.layout() == ("CITY",)
    assert whole.plan.left_out() == {"donations": ["last_gift", "lifetime_amount", "history"]}


def test_donations_in_a_workbook_stay_out() -> None:
    rows = [["email", "City", "Spende", "Zuletzt"], ["a@example.org", "Riga", 25, "€ 25,00"]]
    whole = read(named("people.xlsx", book({"People": rows})))
    assert whole.plan.layout() == ("CITY",)
    assert whole.plan.left_out() == {"donations": ["Spende", "Zuletzt"]}


def test_donations_in_the_json_of_a_known_service_stay_out() -> None:
    content = 'uuid,email,name,attributes,status\n1,a@example.org,Ann,"{""donation_total"": 5}",enabled\n'
    found = inspect(named("subscribers.csv", content.encode()))
    assert found.source == "listmonk"
    assert found.plan().left_out()["donations"] == ["attributes"]


def test_what_says_who_pays_on_substack_stays_out() -> None:
    content = "email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at\n"
    content += "a@x.org,true,,yearly,false,2020-01-02,2020-01-03\n"
    found = inspect(named("email_list.x.csv", content.encode()))
    assert found.plan().left_out()["donations"] == ["active_subscription", "expiry", "plan", "first_payment_at"]


def test_the_desk_offers_no_way_to_bring_donations_in_and_takes_none() -> None:
    found = inspect(named("list.csv", b"email,Donation Amount\na@example.org,7\n"))
    plan = found.plan().to_json()
    column = plans.rows(plan, {}, [])[0].columns[1]
    assert [value for value, _ in column.choices] == ["out"]
    changed = plans.read(plan, {"u-0": "1", "c-0-1": "field:AMOUNT"})
    assert changed["files"][0]["columns"][1]["becomes"] == "out"


def test_a_column_that_only_looks_like_donations_can_be_named_on_the_command_line() -> None:
    plan = inspect(named("list.csv", b"email,Total\na@example.org,7\n")).plan()
    answers.apply(plan, ["Total=field:CHILDREN"], [])
    assert plan.layout() == ("CHILDREN",)


@pytest.mark.parametrize(
    ("label", "cell"),
    [("Karte", "4242"), ("lifetime", "120"), ("Monthly", "yes"), ("Ежемесячно", "да")],
)  # fmt: skip
def test_who_gives_every_month_stays_out_and_says_why(label: str, cell: str) -> None:
    plan = inspect(named("list.csv", f"email,{label}\na@example.org,{cell}\n".encode())).plan()
    assert plan.left_out() == {"donations": [label]}
    assert "who gave money" in plan.said_out()[0].sentence()


@pytest.mark.parametrize(
    ("label", "word"), [("Mitgliedschaft", "ausgetreten"), ("Customer status", "unsubscribed"), ("Donor", "отписался")]
)
def test_a_no_in_a_column_about_donors_is_heard_and_the_rest_of_it_stays_out(label: str, word: str) -> None:
    found = inspect(named("list.csv", f"email,{label}\na@example.org,gold\nb@example.org,{word}\n".encode()))
    column = found.files[0].columns[1]
    assert column.asks and list(column.words.values()) == ["unsubscribed", ""]
    assert found.plan().layout() == ()


@pytest.mark.parametrize(
    ("label", "cell"),
    [("Mitgliedsnummer", "17"), ("Member no", "17"), ("Membership", "gold"), ("N° adhérent", "17"),
     ("Номер члена", "17")],
)  # fmt: skip
def test_who_is_a_member_stays_out_and_is_not_called_a_donor(label: str, cell: str) -> None:
    plan = inspect(named("list.csv", f"email,{label}\na@example.org,{cell}\n".encode())).plan()
    assert plan.left_out() == {"members": [label]}
    assert plan.said_out()[0].sentence() == (
        f"Left out: {label}. That says who is a member, which can put people in court. "
        "Samizdat does not keep it with subscribers."
    )
    told = plan.to_json()
    column = plans.rows(told, {}, [])[0].columns[1]
    assert [value for value, _ in column.choices] == ["out"] and "who is a member" in column.why
    assert plans.read(told, {"u-0": "1", "c-0-1": "field:NO"})["files"][0]["columns"][1]["becomes"] == "out"
