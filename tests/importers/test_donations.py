"""Who gave money does not walk in with a list of people: labels in many languages, cells, JSON, workbooks."""

import pytest

from samizdat.audience.imports.documents import ImportReport
from samizdat.importers.base import choose
from samizdat.importers.reading import answers
from samizdat.importers.reading.files import open_given
from samizdat.web.imports import plans
from tests.importers.helping import HEADING, IMPORTERS, csv_bytes, inspect, named, read, read_plan, row
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
        f"Left out: {label}. It shows who gave money, which can put people on trial. "
        "Samizdat doesn’t store it with subscribers."
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
    plan = found.plan()
    column = plans.rows(plan, ImportReport(), [])[0].columns[1]
    assert ([value for value, _ in column.choices], column.example) == (["out"], "not shown")
    changed = plans.read(plan, {"u-0": "1", "c-0-1": "field:AMOUNT"})
    assert changed.files[0].columns[1].becomes == "out"


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
    ("label", "word"),
    [
        ("Mitgliedschaft", "ausgetreten"),
        ("Customer status", "unsubscribed"),
        ("Donor", "отписался"),
        ("Tier", "cancelled"),
        ("Plan", "blocked"),
        ("Patron", "inactive"),
    ],
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
        f"Left out: {label}. It shows who is a member, which can put people on trial. "
        "Samizdat doesn’t store it with subscribers."
    )
    column = plans.rows(plan, ImportReport(), [])[0].columns[1]
    assert [value for value, _ in column.choices] == ["out"] and "who is a member" in column.why
    assert plans.read(plan, {"u-0": "1", "c-0-1": "field:NO"}).files[0].columns[1].becomes == "out"


@pytest.mark.parametrize(
    "tag",
    ["donor", "Donors 2021", "Monthly donor", "Spender", "Fördermitglied", "paid", "Paid subscriber", "Premium",
     "donateur", "Abonné payant", "donante", "donatore", "doadora", "жертвователь", "Донор", "Постоянный спонсор",
     "платная подписка", "жертводавець", "меценат", "благодійник", "ахвярадаўца", "darczyńca", "dárce", "донатор",
     "ziedotājs", "aukotojas",
     "adományozó", "donator", "bağışçı", "ianəçi", "δωρητής", "დონორი", "նվիրատու", "תורם", "متبرع", "اهداکننده",
     "दानदाता", "捐赠者", "寄付者", "후원자"],
)  # fmt: skip
def test_a_tag_that_says_who_gives_stays_out_and_is_asked(tag: str) -> None:
    content = f'email,Tags\na@example.org,"press,{tag}"\nb@example.org,press\n'
    found = inspect(named("list.csv", content.encode()))
    (question,) = found.plan().with_status("subscribed").questions()
    assert question.code == "ask_givers" and f"Tags ({tag})" in question.sentence()
    assert f"Tags: {tag}" in found.plan().said_out()[0].sentence()
    whole = read(named("list.csv", content.encode()), status="subscribed")
    assert [person.tags for person in whole.incoming] == [("press",), ("press",)]
    assert whole.counts == {"subscribed": 2}


@pytest.mark.parametrize("tag", ["Volunteer", "monthly", "Press", "Книга, том 2", "Donatella", "patronymic", "member"])
def test_a_tag_about_something_else_is_no_question(tag: str) -> None:
    content = f'email,Tags\na@example.org,"{tag}"\nb@example.org,press\n'
    assert inspect(named("list.csv", content.encode())).plan().with_status("subscribed").questions() == []


def test_the_one_donor_among_a_thousand_combinations_of_tags_stays_out() -> None:
    rows = [f'r{number}@example.org,"press, fair {number}"' for number in range(3_000)]
    content = "\n".join(["email,Tags", *rows, 'last@example.org,"fair 1, major donor"', ""])
    whole = read(named("list.csv", content.encode()), status="subscribed")
    assert whole.found.files[0].columns[1].words == {"*": "", "majordonor": "out"}
    assert whole.incoming[-1].tags == ("fair 1",)


@pytest.mark.parametrize("door", ["desk", "command"])
def test_somebody_may_say_that_a_tag_means_something_else(door: str) -> None:
    content = b"email,Tags\na@example.org,donors\nb@example.org,sponsor\n"
    with open_given([named("list.csv", content)]) as given:
        found = choose(given, IMPORTERS).inspect(given)
        plan = found.plan()
        if door == "command":
            assert "--means 'Tags: donors=out'" in answers.advice(plan)
            answers.apply(plan, ["Tags=tags"], ["Tags: donors=nothing"])
        else:
            column = plans.rows(plan, ImportReport(), [])[0].columns[0]
            assert "show who donates or pays" in column.asks
            sent = {"u-0": "1", "s-0": "subscribed", "c-0-0": "address", column.name: "tags"}
            for word in [*column.words, *column.others]:
                assert (word.means, word.can_stay_out) == (("out", True) if not word.plain else ("", False))
                sent[word.name] = "" if word.word == "donors" else word.means
            plan = plans.read(plan, sent).checked()
        whole = read_plan(given, found, plan.with_status("subscribed"))
        assert [person.tags for person in whole.incoming] == [("donors",), ()]


def test_a_group_of_mailchimp_that_says_who_gives_stays_out_and_is_asked() -> None:
    rows = [[*row("a@example.org"), '"Letters, Donors"'], [*row("b@example.org"), '"Letters, Courts"'],
            [*row("c@example.org"), "Donors"], [*row("d@example.org"), '"Courts, Donors"']]  # fmt: skip
    content = csv_bytes([[cell.strip('"') for cell in one] for one in rows], f"{HEADING},Interests")
    whole = read(named("subscribed_members_export_1.csv", content))
    column = whole.found.files[0].columns[-1]
    assert (column.becomes, column.words["donors"]) == ("group:Interests", "out")
    groups = [[name for _, name in person.groups] for person in whole.incoming]
    assert groups == [["Letters"], ["Letters", "Courts"], [], ["Courts"]]


@pytest.mark.parametrize(("one", "other"), [("Spender", "Presse"), ("paid", "free"), ("жертвователь", "читатель")])
def test_a_column_of_a_few_words_of_which_one_says_who_pays_stays_out(one: str, other: str) -> None:
    plan = inspect(named("list.csv", f"email,Kategorie\na@example.org,{one}\nb@example.org,{other}\n".encode())).plan()
    assert plan.left_out() == {"donations": ["Kategorie"]} and plan.layout() == ()


def test_a_column_of_many_words_of_which_one_says_who_pays_is_asked_and_offered_as_left_out() -> None:
    kinds = ["Press", "Courts", "Teacher", "Donor", "Neighbor"]
    rows = [f"r{number}@example.org,{kind}" for number, kind in enumerate(kinds)]
    plan = inspect(named("list.csv", "\n".join(["email,Kind", *rows, ""]).encode())).plan().with_status("subscribed")
    assert [question.code for question in plan.questions()] == ["ask_givers"] and plan.layout() == ()
    answers.apply(plan, ["Kind=field"], [])
    assert plan.questions() == [] and plan.layout() == ("KIND",)


def test_a_no_among_tags_of_donors_is_heard_and_the_donors_stay_out() -> None:
    content = b'email,Tags\na@example.org,"donor,press"\nb@example.org,"donor,unsubscribed"\n'
    whole = read(named("list.csv", content), status="subscribed")
    assert [(person.status, person.tags) for person in whole.incoming] == [
        ("subscribed", ("press",)),
        ("unsubscribed", ("unsubscribed",)),
    ]


def test_tiers_of_ghost_and_beehiiv_stay_out_whatever_they_are_called() -> None:
    ghost = b"id,email,subscribed_to_emails,complimentary_plan,stripe_customer_id,labels,tiers,products\n"
    ghost += b"1,a@x.org,true,true,cus_1,Press,Gold,Gold\n"
    found = inspect(named("members.csv", ghost))
    assert found.source == "ghost"
    assert found.plan().left_out()["donations"] == ["complimentary_plan", "stripe_customer_id", "tiers", "products"]
    assert found.plan().layout() == ()
    beehiiv = b"email,status,tier,created_at,stripe_customer_id,Gold Tier,Friends,City\n"
    beehiiv += b"a@x.org,active,premium,2023-03-24 10:23:10 UTC,cus_1,Yes,Yes,Riga\n"
    beehiiv += b"b@x.org,active,free,2023-03-24 10:23:10 UTC,,No,No,Lviv\n"
    found = inspect(named("subscribers.csv", beehiiv))
    assert found.source == "beehiiv"
    assert found.plan().left_out() == {"donations": ["tier", "stripe_customer_id", "Gold Tier"]}
    assert found.plan().layout() == ("CITY",)
    assert [question.code for question in found.plan().questions()] == ["ask_givers"], "whether friends pay is asked"
