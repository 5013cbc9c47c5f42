"""Whoever said no is never brought in as subscribed: lists in shapes that nobody here had seen, answered three ways."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from samizdat.audience.imports.documents import ImportReport
from samizdat.core.imports import ImportPlan
from samizdat.importers.base import choose
from samizdat.importers.reading import answers
from samizdat.importers.reading.files import open_given
from samizdat.importers.reading.sentences import word_of
from samizdat.web.imports import plans
from tests.importers.helping import (
    IMPORTERS,
    DetectedFiles,
    GivenFile,
    csv_bytes,
    inspect,
    named,
    read,
    read_plan,
    row,
    zipped,
)
from tests.importers.test_workbook import book

SHAPES = Path(__file__).parent.parent / "payloads" / "odd-lists"

# Who said yes in each; everybody else in it said no, or nothing. What a person has to say, where nothing can be
# guessed: {column: {word: meaning}}, and a column that is about something else: {column: "ignore"}.
LISTS: dict[str, tuple[set[str], dict[str, Any]]] = {
    "actionnetwork.csv": ({"ann"}, {}),
    "activecampaign.csv": ({"ann"}, {}),
    "campaignmonitor.csv": ({"ann"}, {}),
    "civicrm_export.csv": ({"ann"}, {}),
    "constantcontact.csv": ({"ann"}, {}),
    "emailoctopus.csv": ({"ann"}, {}),
    "googlegroups.csv": ({"ann"}, {"Email preference": {"email": "subscribed"}}),
    "hubspot.csv": ({"ann"}, {"Marketing contact status": {"Marketing contact": ""}}),
    "mailchimp_api.json": ({"ann"}, {}),
    "members_list_subscribed_since_2019.csv": ({"bob"}, {}),
    "phplist.csv": ({"ann"}, {}),
    "salesforce_contacts.csv": ({"ann"}, {}),
    "salesforce_report.csv": ({"ann"}, {}),
    "sympa_dump.txt": ({"ann", "bob", "cyd"}, {}),
    "unisender.csv": ({"ann"}, {}),
    "other_crm.json": ({"ann"}, {"consent.email": {"granted": "subscribed"}}),
    "other_french_ticks.csv": ({"ann"}, {}),
    "other_german_dates.csv": ({"ann", "eve"}, {}),
    "other_getresponse.csv": ({"ann"}, {}),
    "other_latvian.csv": ({"ann"}, {}),
    "other_mailpoet.csv": ({"ann"}, {}),
    "other_polish.tsv": ({"ann"}, {}),
    "other_russian_crm.csv": ({"ann"}, {}),
    "other_sendpulse.csv": ({"ann"}, {}),
    "other_spanish_words.csv": ({"ann"}, {}),
    "other_suitecrm.csv": ({"ann"}, {}),
    "other_tags_and_notes.csv": ({"ann"}, {"notes": {"met at the fair": ""}}),
    "other_tiny_news.csv": ({"ann"}, {"status": {"delivered": "subscribed", "hardfail": "cleaned"}}),
    "other_ukrainian.csv": ({"ann"}, {}),
    "other_wordpress.csv": (
        {"ann"},
        {
            "status": {"C": "subscribed", "U": "unsubscribed", "B": "cleaned", "S": "pending"},
            "Bounces": {"7": "cleaned"},
        },
    ),
}
WORKBOOK = [
    ["Email", "First name", "Opted out", "Email bounces", "Consent"],
    ["ann@example.org", "Ann", False, 0, "yes"],
    ["bob@example.org", "Bob", True, 0, "yes"],
    ["cyd@example.org", "Cyd", False, 3, "yes"],
    ["dan@example.org", "Dan", False, 0, "no"],
    ["eve@example.org", "Eve", False, 0, None],
]
LISTS["other_workbook.xlsx"] = ({"ann"}, {"Email bounces": {"3": "cleaned"}})


def shape(name: str) -> tuple[str, Any]:
    return named(name, book({"People": WORKBOOK}) if name.endswith(".xlsx") else (SHAPES / name).read_bytes())


def subscribed(given: GivenFile, found: DetectedFiles, plan: ImportPlan) -> set[str]:
    whole = read_plan(given, found, plan)
    return {
        person.address.partition("@")[0].rpartition("<")[2].strip("'")
        for person in whole.incoming
        if person.status == "subscribed"
    }


def at_the_desk(given: GivenFile, found: DetectedFiles, told: dict[str, Any]) -> tuple[ImportPlan, int]:
    """The form of the desk, sent as it stands but for what nobody can guess; how many looks that took."""
    plan, questions = found.plan(), 0
    while plan.questions():
        questions += 1
        assert questions <= 2, [question.sentence() for question in plan.questions()]
        sent: dict[str, str] = {}
        for file in plans.rows(plan, ImportReport(), []):
            sent[f"u-{file.number}"] = "1"
            if file.asks_status:
                sent[f"s-{file.number}"] = file.status or ("subscribed" if questions > 1 or not file_asks(plan) else "")
            for column in file.columns:
                sent[column.name] = column.becomes
                for word in [*column.words, *column.others]:
                    own = told.get(column.label, {}).get(word.word) if word.means == "?" else None
                    sent[word.name] = word.means if own is None else own
        plan = plans.read(plan, sent).checked()
        plan.ask_again()
        for file in plan.files:
            for column in file.columns:
                column.seen = next(one for one in found.files if one.member == file.member).columns[column.index].seen
    return plan, questions


def file_asks(plan: ImportPlan) -> bool:
    return any(question.code in {"ask_columns", "ask_words", "ask_givers"} for question in plan.questions())


def on_the_command_line(given: GivenFile, found: DetectedFiles, told: dict[str, Any]) -> tuple[ImportPlan, int]:
    """The options that the command prints, typed as they are but for what nobody can guess."""
    plan, questions = found.plan(), 0
    options: list[str] = []
    if file_asks(plan):
        questions += 1
        options = shlex.split(answers.advice(plan))
    maps = [value for option, value in zip(options[::2], options[1::2], strict=True) if option == "--map"]
    means = [value for option, value in zip(options[::2], options[1::2], strict=True) if option == "--means"]
    answers.apply(plan, maps, [_filled_in(one, told) for one in means])
    if any(file.status_source == "assumed" for file in plan.in_order()):
        questions += 1
        plan = plan.with_status("subscribed")
    return plan, questions


def _filled_in(option: str, told: dict[str, Any]) -> str:
    if not option.endswith("=STATUS"):
        return option
    column, _, word = option.removesuffix("=STATUS").partition(": ")
    return f"{column}: {word}={told[column][word] or 'nothing'}"


DOORS: dict[str, Callable[..., tuple[ImportPlan, int]]] = {"desk": at_the_desk, "command": on_the_command_line}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", LISTS)
def test_nobody_whose_row_says_no_is_subscribed_and_the_others_come_in(name: str, door: str) -> None:
    yes, told = LISTS[name]
    with open_given([shape(name)]) as given:
        found = choose(given, IMPORTERS).inspect(given)
        plan, questions = DOORS[door](given, found, told)
        assert [question.sentence() for question in plan.questions()] == []
        assert subscribed(given, found, plan) == yes
        assert questions <= 2


@pytest.mark.parametrize("name", LISTS)
def test_a_status_for_the_whole_file_overrides_no_row(name: str) -> None:
    """`--status subscribed` and nothing else: it stops, or whoever said no stays out."""
    with open_given([shape(name)]) as given:
        found = choose(given, IMPORTERS).inspect(given)
        plan = found.plan().with_status("subscribed")
        if not plan.questions():
            assert subscribed(given, found, plan) == LISTS[name][0]


@pytest.mark.parametrize(
    "label",
    [
        "Unsubscribed", "Email opt-out", "HasOptedOutOfEmail", "Do not email", "No bulk emails", "Blocked",
        "Suppressed",
        "On hold", "Hard bounce", "Spam complaint", "Deceased", "Consent", "Permission", "Lead status", "Abgemeldet",
        "Gesperrt", "Einwilligung", "Désinscrit", "Consentement", "Baja", "No enviar", "Отписан", "Не отправлять",
        "Согласие", "Відписаний", "Згода", "Wypisany", "Zgoda", "Atrakstījies", "Piekrišana", "Atsisakė", "Disiscritto",
        "DNC", "NOMAIL", "Date of death", "Accepts Email Marketing", "Email 1 is bad", "Rundbrief",
        "Можно писать", "Enabled",
        "Descadastrado", "Uitgeschreven", "Zustellung gesperrt", "Умер", "Zmarły", "Décédé",
    ],
)  # fmt: skip
def test_a_column_that_may_say_no_stops_the_import_until_somebody_says_what_it_means(label: str) -> None:
    found = inspect(named("list.csv", f"email,{label}\na@example.org,1\nb@example.org,0\n".encode()))
    assert [question.code for question in found.plan().with_status("subscribed").questions()][:1] == ["ask_columns"]
    assert label in found.plan().questions()[0].sentence()


@pytest.mark.parametrize(
    "word",
    ["unsubscribed", "opt-out", "Opted out 2020", "do not email", "bounced", "Abgemeldet", "désinscrit", "dado de baja",
     "отписан", "не отправлять", "відписана", "wypisany", "atrakstījies", "atsisakė", "blacklisted"],
)  # fmt: skip
def test_one_leaving_word_in_the_last_line_makes_any_column_a_status(word: str) -> None:
    rows = [f"r{number}@example.org,note {number}" for number in range(3_000)]
    content = "\n".join(["email,Remark", *rows, f"last@example.org,{word}", ""])
    found = inspect(named("list.csv", content.encode()))
    assert [question.code for question in found.plan().with_status("subscribed").questions()] == ["ask_columns"]


@pytest.mark.parametrize(
    ("label", "yes", "no"),
    [
        ("Unsubscribed from all email", "", "unsubscribed"),
        ("Opted out", "", "unsubscribed"),
        ("Bounced Hard", "", "cleaned"),
        ("Не отправлять", "", "unsubscribed"),
        ("Désinscrit", "", "unsubscribed"),
    ],
)
def test_the_desk_offers_what_the_label_says_and_never_the_opposite(label: str, yes: str, no: str) -> None:
    found = inspect(named("list.csv", f"email,{label}\na@example.org,0\nb@example.org,1\n".encode()))
    assert found.files[0].columns[1].words == {"0": yes, "1": no}


def test_a_label_that_says_no_twice_is_offered_without_a_guess() -> None:
    found = inspect(named("list.csv", b"email,Not unsubscribed\na@example.org,0\nb@example.org,1\n"))
    assert found.files[0].columns[1].words == {"0": "?", "1": "?"}


def test_two_words_that_nobody_knows_leave_a_status_a_status() -> None:
    found = inspect(named("list.csv", b"email,Status\na@example.org,gold\nb@example.org,silver\n"))
    assert (found.files[0].columns[1].becomes, found.files[0].columns[1].words) == (
        "status",
        {"gold": "?", "silver": "?"},
    )


def test_an_empty_cell_among_statuses_is_not_a_yes() -> None:
    content = b"email,Status\na@example.org,subscribed\nb@example.org,\nc@example.org,unsubscribed\n"
    with open_given([named("list.csv", content)]) as given:
        found = choose(given, IMPORTERS).inspect(given)
        plan, _ = on_the_command_line(given, found, {})
        assert subscribed(given, found, plan) == {"a"}


def test_the_word_subscribed_in_the_name_of_a_file_is_not_a_yes() -> None:
    for name in ("subscribed.csv", "Subscribed people 2019.csv", "all_active_subscribed.txt"):
        found = inspect(named(name, b"email,City\na@example.org,Riga\n"))
        assert found.files[0].status_source == "assumed"


def test_the_printed_options_never_say_subscribed_for_everybody_where_a_column_says_no() -> None:
    for name in LISTS:
        with open_given([shape(name)]) as given:
            plan = choose(given, IMPORTERS).inspect(given).plan()
            assert "--status" not in answers.advice(plan)


def test_a_word_may_mean_one_thing_here_and_another_there() -> None:
    content = b"email,Opted out,Consent\na@example.org,no,yes\nb@example.org,yes,yes\nc@example.org,no,no\n"
    with open_given([named("list.csv", content)]) as given:
        found = choose(given, IMPORTERS).inspect(given)
        plan = found.plan()
        answers.apply(
            plan, ["Opted out=status", "Consent=status"], ["Opted out: yes=unsubscribed", "Consent: no=nonsubscribed"]
        )
        assert subscribed(given, found, plan.with_status("subscribed")) == {"a"}


def test_a_column_can_be_told_to_say_nothing() -> None:
    with open_given([named("list.csv", b"email,Lead status\na@example.org,gold\nb@example.org,silver\n")]) as given:
        plan = choose(given, IMPORTERS).inspect(given).plan()
        answers.apply(plan, ["Lead status=ignore"], [])
        assert plan.with_status("subscribed").questions() == []
        assert plan.files[0].columns[1].becomes == "out"


@pytest.mark.parametrize(
    ("maps", "means", "sentence"),
    [
        (["Color=status"], [], "No column is called “Color”. There are: email, Status."),
        (["Status=president"], [], "“president” is nothing that a column can become."),
        (["Status"], [], "Write it as --map 'Column=status'"),
        ([], ["gold=rich"], "Write it as --means 'word=unsubscribed'"),
        ([], ["bronze=subscribed"], "No column that tells a status has the word “bronze”"),
    ],
)
def test_an_answer_that_fits_no_column_is_refused_with_a_sentence(
    maps: list[str], means: list[str], sentence: str
) -> None:
    plan = inspect(named("list.csv", b"email,Status\na@example.org,gold\nb@example.org,silver\n")).plan()
    with pytest.raises(answers.BadPlan, match=re.escape(sentence)):
        answers.apply(plan, maps, means)


def test_a_service_is_known_by_its_words_and_not_by_its_labels_alone() -> None:
    assert inspect(shape("other_tiny_news.csv")).source == "csv"


def test_an_empty_day_of_a_database_is_no_day_of_leaving() -> None:
    content = b"email,Unsubscribed at\na@example.org,0000-00-00 00:00:00\nb@example.org,2020-01-02\nc@example.org,-\n"
    with open_given([named("list.csv", content)]) as given:
        found = choose(given, IMPORTERS).inspect(given)
        plan, _ = on_the_command_line(given, found, {})
        assert subscribed(given, found, plan) == {"a", "c"}


# (label, a cell of who said yes, a cell of who said no)
STRANGE = [
    ("DNC", "N", "Y"), ("May we email you?", "Yes", "No"), ("Thursday Letter", "yes", "no"),
    ("deliverable", "true", "false"), ("Email valid", "TRUE", "FALSE"), ("📧", "✅", "❌"), ("Mail OK", "ok", "nok"),
    ("Receives newsletter", "✓", "✗"), ("Un\u200bsubscribed", "no", "yes"), ("Abge\u00admeldet", "nein", "ja"),
    ("Werbesperre", "", "X"), ("Quarantined", "no", "yes"), ("Email frequency", "Weekly", "Never"),
    ("Mailing allowed", "1", "-1"), ("Accepte les e-mails", "oui", "non"), ("Subscriber until", "", "2021-05-19"),
    ("Kategorie", "Presse", "ausgetreten"), ("Group", "Riga", "отписался"),
    ("Падпіска", "так", "не"), ("Падпіска", "так", "адпісаўся"), ("Abunə", "hə", "yox"),
    ("Күйі", "жазылған", "жазылымнан шықты"), ("სტატუსი", "გამოწერილი", "გამოწერა გაუქმებულია"),
    ("Կարգավիճակ", "բաժանորդ", "չեղարկված"), ("وضعیت", "مشترک", "لغو اشتراک"), ("الحالة", "مشترك", "ألغى الاشتراك"),
    ("סטטוס", "רשום", "הוסר"), ("状态", "已订阅", "已退订"), ("配信", "配信中", "配信停止"),
    ("Durum", "Abone", "Abonelikten çıktı"),
]  # fmt: skip


def of_two(label: str, yes: str, no: str, name: str = "people.csv") -> DetectedFiles:
    return inspect(named(name, of_words(label, yes, no)))


def of_words(label: str, yes: str, no: str) -> bytes:
    text = f"email,name,{label}\nann@x.example,Ann,{yes}\nbob@x.example,Bob,{no}\neve@x.example,Eve,{yes}\n"
    return text.encode()


@pytest.mark.parametrize(("label", "yes", "no"), STRANGE)
def test_a_no_in_words_that_nobody_expected_stops_the_import_and_is_never_offered_as_a_yes(
    label: str, yes: str, no: str
) -> None:
    plan = of_two(label, yes, no).plan().with_status("subscribed")
    assert any(question.code in {"ask_columns", "ask_words", "ask_givers"} for question in plan.questions())
    (file,) = plan.files
    assert file.columns[2].words.get(word_of(no)) != "subscribed"


def test_yes_and_no_about_something_else_is_no_question_beside_a_plain_status() -> None:
    text = "email,status,Volunteer\nann@x.example,subscribed,yes\nbob@x.example,unsubscribed,no\n"
    assert inspect(named("people.csv", text.encode())).plan().questions() == []


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("отписавшиеся.csv", "unsubscribed"), ("жалобы.csv", "unsubscribed"), ("blocklist.csv", "unsubscribed"),
        ("removed/list.csv", "unsubscribed"), ("inactive/list.csv", "unsubscribed"),
        ("complained/list.csv", "unsubscribed"), ("do-not-mail.csv", "unsubscribed"),
        ("Abgemeldet.csv", "unsubscribed"),
        ("недоставленные.csv", "cleaned"),
    ],
)  # fmt: skip
def test_a_list_whose_name_or_folder_says_that_its_people_left_is_not_subscribed_by_a_status_for_all(
    name: str, status: str
) -> None:
    people = b"email\nbob@x.example\n"
    found = inspect(named("all.zip", zipped({"people.csv": b"email\nann@x.example\n", name: people})))
    told = {file.name: file.status for file in found.plan().with_status("subscribed").files}
    assert told == {"people.csv": "subscribed", name: status}


def test_a_pasted_line_that_says_somebody_left_is_asked() -> None:
    content = b"Ann <ann@example.org>\nbob@example.org (unsubscribed)\ncyd@example.org\n"
    with open_given([named("pasted.txt", content)]) as given:
        found = choose(given, IMPORTERS).inspect(given)
        assert [question.code for question in found.plan().with_status("subscribed").questions()] == ["ask_columns"]
        plan, _ = on_the_command_line(given, found, {})
        assert subscribed(given, found, plan) == {"ann", "cyd"}


def test_a_word_that_a_service_never_told_us_is_asked() -> None:
    rows = [f"r{number}@example.org,regular,2020-01-02" for number in range(600)]
    content = "\n".join(["email,type,creation_date", *rows, "last@example.org,member,2020-01-02", ""])
    found = inspect(named("subscribers.csv", content.encode()))
    assert found.source == "buttondown"
    assert [question.code for question in found.plan().with_status("subscribed").questions()] == ["ask_columns"]


def test_a_tag_of_a_known_service_that_says_somebody_left_is_asked() -> None:
    content = b"email,subscribed,sent,opens,groups\na@example.org,2020-01-02,1,1,fair\n"
    content += b"b@example.org,2020-01-02,1,1,Unsubscribed\n"
    found = inspect(named("people.csv", content))
    assert found.source == "mailerlite"
    assert [question.code for question in found.plan().with_status("subscribed").questions()] == ["ask_columns"]


@pytest.mark.parametrize(
    ("label", "yes", "no"),
    [
        ("Newsletter", "1", "0"), ("Send newsletter", "Y", "N"), ("E-Mail-Verteiler", "ja", "nein"),
        ("Infolettre", "oui", "non"), ("Accepts Email Marketing", "yes", "no"), ("email_opt_in", "true", "false"),
        ("Можно писать", "да", "нет"), ("Email consent", "granted", "refused"), ("Frequency", "weekly", "never"),
        ("Marketing status", "Subscribed", "No consent"), ("Status", "Engaged", "NotConfirmed"), ("Status", "1", "-1"),
    ],
)  # fmt: skip
def test_a_no_by_the_words_of_any_service_is_asked_and_kept_out(label: str, yes: str, no: str) -> None:
    content = f"email,{label}\na@example.org,{yes}\nb@example.org,{no}\n".encode()
    with open_given([named("list.csv", content)]) as given:
        found = choose(given, IMPORTERS).inspect(given)
        column = found.files[0].columns[1]
        assert column.asks
        assert column.words.get(answers.word_of(no)) != "subscribed"
        told = {label: {yes: "subscribed", no: "unsubscribed"}}
        plan, _ = on_the_command_line(given, found, told)
        assert subscribed(given, found, plan) == {"a"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("people.csv", "Email,Name\nann@x.example,Ann\nUNSUBSCRIBED:,\nbob@x.example,Bob\n"),
        ("people.csv", "Email,Name\nann@x.example,Ann\nUnsubscribed\nbob@x.example,Bob\n"),
        ("people.csv", "Email\nann@x.example\nAbgemeldet:\nbob@x.example\n"),
        ("people.txt", "Подписаны:\nann@x.example\nОтписались:\nbob@x.example\n"),
        ("people.txt", "ann@x.example\neve@x.example\nОтписались:\nbob@x.example\ncyd@x.example\n"),
    ],
)
def test_a_line_between_two_lists_stops_the_import_and_is_named(name: str, text: str) -> None:
    (problem,) = [one for one in inspect(named(name, text.encode())).problems if one.stops]
    assert problem.code == "leaving_line"
    assert "suggests that people unsubscribed, but no column says so" in problem.sentence()


def test_a_sheet_with_a_line_between_two_lists_stops_the_import() -> None:
    rows = [["E-Mail", "Name"], ["ann@x.example", "Ann"], ["Abgemeldet:", None], ["bob@x.example", "Bob"]]
    found = inspect(named("people.xlsx", book({"Liste": rows})))
    assert [one.code for one in found.problems if one.stops] == ["leaving_line"]


def test_a_name_that_is_also_a_word_for_leaving_is_a_name() -> None:
    names = "Martin Block <martin@x.example>\nAnn Hold <ann@x.example>\n"
    for text in (names, "Email,Name\n,Martin Block\na@x.example,A\n"):
        assert [one.code for one in inspect(named("people.csv", text.encode())).problems if one.stops] == []


@pytest.mark.parametrize("above", ["Lantern\n", "Lantern\nExport 19.05.2021, 3 people\n\n", "List;;\nMay;;\n"])
def test_titles_above_the_heading_do_not_hide_what_the_columns_say(above: str) -> None:
    text = above + "Email;Name;Opt-out\nann@x.example;Ann;0\nbob@x.example;Bob;1\n"
    (file,) = inspect(named("people.csv", text.encode())).files
    assert [column.label for column in file.columns] == ["Email", "Name", "Opt-out"]
    assert file.columns[2].asks


def test_titles_above_the_heading_of_a_sheet_are_passed_over() -> None:
    rows = [["Northern Lantern"], ["Stand: Mai"], ["E-Mail", "Name", "Abgemeldet"], ["bob@x.example", "Bob", "ja"]]
    (file,) = inspect(named("people.xlsx", book({"Liste": rows}))).files
    assert [column.label for column in file.columns] == ["E-Mail", "Name", "Abgemeldet"]


def free_notes(*more: str, label: str = "Notes", count: int = 1_000) -> bytes:
    """A list in which nearly everybody has a note of their own; `more`: whole rows behind them."""
    rows = [f'r{number}@example.org,"met at fair {number}, stall {number % 7}"' for number in range(count)]
    return "\n".join([f"email,{label}", *rows, "plain@example.org,", *more, ""]).encode()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("label", ["Notes", "Remark", "Kategorie"])
@pytest.mark.parametrize("count", [60, 1_000])
def test_one_no_among_a_thousand_notes_keeps_out_its_row_alone(door: str, label: str, count: int) -> None:
    gone = ["gone@example.org,Do not email!", "left@example.org,will write: please unsubscribe me. " + "Long. " * 20]
    with open_given([named("list.csv", free_notes(*gone, label=label, count=count))]) as given:
        found = choose(given, IMPORTERS).inspect(given)
        asked = found.plan().with_status("subscribed").questions()
        assert [question.code for question in asked] == ["ask_columns"]
        told = {row["word"]: row["means"] for row in answers.table(found.plan())[1]["words"]}
        assert told.pop("(empty)") == told.pop("(other)") == "nothing"
        assert set(told.values()) == {"unsubscribed"} and len(told) == 2
        plan, questions = DOORS[door](given, found, {})
        assert subscribed(given, found, plan) == {f"r{number}" for number in range(count)} | {"plain"}
        assert questions <= 2


def test_every_no_among_many_notes_is_listed_however_many_there_are() -> None:
    gone = [f'g{number}@example.org,"no {number}: do not email, please"' for number in range(150)]
    found = inspect(named("list.csv", free_notes(*gone)))
    words = answers.table(found.plan())[1]["words"]
    assert sum(row["means"] == "unsubscribed" for row in words) == 150


def test_who_has_no_note_is_not_kept_out_by_the_notes_of_others() -> None:
    content = b"email,Notes\na@example.org,\nb@example.org,do not email\nc@example.org,met at the fair\n"
    with open_given([named("list.csv", content)]) as given:
        found = choose(given, IMPORTERS).inspect(given)
        plan, _ = on_the_command_line(given, found, {"Notes": {"met at the fair": ""}})
        assert subscribed(given, found, plan) == {"a", "c"}


@pytest.mark.parametrize(
    ("label", "yes", "no"),
    [
        ("Κατάσταση", "εγγεγραμμένος", "διαγραμμένος"), ("Κατάσταση", "ενεργός", "μη εγγεγραμμένος"),
        ("Εγγραφή", "ναι", "όχι"), ("Σημείωση", "", "μην στέλνετε"), ("Απεγγραφή", "όχι", "ναι"),
        ("Συγκατάθεση", "ναι", "όχι"), ("Ομάδα", "Αθήνα", "απεγγράφηκε"), ("Μη στέλνετε email", "όχι", "ναι"),
        ("Претплата", "да", "не"), ("Статус", "претплаћен", "одјављен"), ("Статус", "активан", "није претплаћен"),
        ("Напомена", "", "не слати"), ("Група", "Ниш", "не шаљите му пошту"), ("Одјављен", "не", "да"),
        ("Pretplata", "da", "ne"), ("Pretplata", "da", "odjavljen"), ("Stanje", "pretplaćen", "nije pretplaćen"),
        ("Status", "prijavljen", "odjavljena"), ("Napomena", "", "ne slati"), ("Grupa", "Niš", "Ne šaljite više"),
        ("Ne šalji", "ne", "da"), ("Saglasnost", "da", "ne"), ("Сагласност", "да", "не"),
    ],
)  # fmt: skip
def test_a_no_in_greek_or_serbian_is_asked_and_kept_out(label: str, yes: str, no: str) -> None:
    with open_given([named("people.csv", of_words(label, yes, no))]) as given:
        found = choose(given, IMPORTERS).inspect(given)
        column = found.files[0].columns[2]
        assert column.asks and column.words.get(word_of(no)) != "subscribed"
        plan, _ = on_the_command_line(given, found, {label: {yes: "subscribed" if yes else "", no: "unsubscribed"}})
        assert "bob" not in subscribed(given, found, plan)


@pytest.mark.parametrize(
    ("label", "yes", "no"),
    [("Κατάσταση", "εγγεγραμμένος", "διαγραμμένος"), ("Εγγραφή", "ναι", "όχι"), ("Статус", "претплаћен", "одјављен"),
     ("Pretplata", "da", "odjavljen"), ("Stanje", "pretplaćena", "nije pretplaćen"), ("Απεγγραφή", "όχι", "ναι")],
)  # fmt: skip
def test_greek_and_serbian_words_that_are_plain_are_offered_as_what_they_mean(label: str, yes: str, no: str) -> None:
    column = of_two(label, yes, no).files[0].columns[2]
    assert column.words[word_of(yes)] in {"subscribed", ""}
    assert column.words[word_of(no)] in {"unsubscribed", "nonsubscribed"}


@pytest.mark.parametrize("label", ["Remarks", "Notes", "Комментарий", "Extra"])
@pytest.mark.parametrize(
    "no",
    [
        "please take me off", "does not want emails any more", "doesn't want it", "died 2021", "bounces", "gone",
        "wants no more mail", "asked to be removed", "remove from list", "no longer interested", "complained to us",
        "mailbox full", "will nichts mehr", "möchte keine Post mehr", "ne veut plus", "ya no quiere recibir",
        "адрес не работает", "письма возвращаются", "убрать из рассылки", "больше не писать", "більше не надсилати",
        "nie chce", "wil geen mail meer",
    ],
)  # fmt: skip
def test_a_no_that_somebody_wrote_into_a_note_is_asked_and_ordinary_notes_are_not(label: str, no: str) -> None:
    text = f'email,name,{label}\nann@x.example,Ann,came to the fair\nbob@x.example,Bob,"{no}"\ncyd@x.example,Cyd,\n'
    with open_given([named("people.csv", text.encode())]) as given:
        found = choose(given, IMPORTERS).inspect(given)
        asked = found.plan().with_status("subscribed").questions()
        assert [question.code for question in asked] == ["ask_columns"]
        assert "STATUS" not in answers.advice(found.plan())
        plan, _ = on_the_command_line(given, found, {})
        assert subscribed(given, found, plan) == {"ann", "cyd"}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("heading", ["", "Email\n"])
def test_a_no_beside_the_address_in_its_own_cell_is_asked(heading: str, door: str) -> None:
    text = "ann@x.example\ncyd@x.example - отписалась\nbob@x.example bounced\neve@x.example unsubscribed 2020\n"
    with open_given([named("people.csv", (heading + text).encode())]) as given:
        found = choose(given, IMPORTERS).inspect(given)
        asked = found.plan().with_status("subscribed").questions()
        assert [question.code for question in asked] == ["ask_columns"]
        plan, _ = DOORS[door](given, found, {})
        assert subscribed(given, found, plan) == {"ann"}


@pytest.mark.parametrize("line", ["#dan@x.example", "# dan@x.example", "//dan@x.example"])
@pytest.mark.parametrize("above", ["", "Email\n"])
def test_a_line_that_is_commented_out_is_refused_with_a_reason(above: str, line: str) -> None:
    whole = read(named("list.txt", f"{above}ann@x.example\n{line}\neve@x.example\n".encode()), status="subscribed")
    assert whole.addresses == ["ann@x.example", "eve@x.example"]
    assert whole.codes == ["commented"]
    assert "Remove that sign to import the address" in whole.complaints[0].sentence()


@pytest.mark.parametrize("label", ["last", "Last name", "Surname", "Фамилия", "first", "City", "Address 1", "Город"])
def test_names_and_places_that_are_also_words_for_leaving_are_no_status(label: str) -> None:
    text = f"email,{label}\nann@x.example,Block\nbob@x.example,Left\ncyd@x.example,Gone\n"
    plan = inspect(named("people.csv", text.encode())).plan().with_status("subscribed")
    assert plan.questions() == []
    assert plan.files[0].columns[1].becomes.startswith("field:")


@pytest.mark.parametrize("label", ["First name", "Last name", "Name", "Vorname", "Фамилия"])
@pytest.mark.parametrize(
    "no",
    ["unsubscribed", "Bob (do not email)", "DO NOT MAIL Bob", "Отписалась", "退订", "Boris - bitte nicht anschreiben"],
)
def test_a_no_that_stands_where_the_name_should_is_asked_and_the_names_stay_names(label: str, no: str) -> None:
    text = f"email,{label}\nann@x.example,Ann\nbob@x.example,{no}\neve@x.example,Stopp\n"
    with open_given([named("people.csv", text.encode())]) as given:
        found = choose(given, IMPORTERS).inspect(given)
        assert [question.code for question in found.plan().with_status("subscribed").questions()] == ["ask_columns"]
        plan, _ = on_the_command_line(given, found, {})
        whole = read_plan(given, found, plan)
        assert subscribed(given, found, plan) == {"ann", "eve"}
        assert set(whole.plan.layout()) & {"FNAME", "LNAME"} and "Ann" in whole.incoming[0].fields


def test_a_no_where_the_name_should_stand_in_the_last_line_of_a_known_service_is_asked() -> None:
    rows = [row(f"r{number}@example.org", f"Ann {number}") for number in range(3_000)]
    found = inspect(named("subscribed_members_export_1.csv", csv_bytes([*rows, row("z@example.org", "Unsubscribed")])))
    assert [question.code for question in found.plan().questions()] == ["ask_columns"]


@pytest.mark.parametrize("label", ["First name", "Last name", "Name"])
def test_names_that_sound_like_words_for_leaving_are_names(label: str) -> None:
    names = ["Stopp", "No", "Block", "Bounce", "Murio", "Mire", "Скарга", "Skarżyński", "Повертайло", "Dies", "Left",
             "해지", "Cancel", "Dead", "Gone", "Blok", "Abel Removal", "Mai Out",
             "Anne Marie Complain", "Опт"]  # fmt: skip
    rows = [f"r{number}@x.example,{name}" for number, name in enumerate(names)]
    found = inspect(named("people.csv", "\n".join([f"email,{label}", *rows, ""]).encode()))
    assert found.plan().with_status("subscribed").questions() == []


def test_a_block_of_offices_is_a_place() -> None:
    text = "email,Office block\nann@x.example,Block B\nbob@x.example,\n"
    assert inspect(named("people.csv", text.encode())).files[0].columns[1].becomes.startswith("field:")


@pytest.mark.parametrize(
    ("label", "one", "other"),
    [("Marital status", "single", "married"), ("Volunteer", "yes", "no"), ("статус участника", "делегат", "гость")],
)
def test_a_column_about_peoples_lives_is_asked_and_offered_as_a_field(label: str, one: str, other: str) -> None:
    with open_given([named("people.csv", of_words(label, one, other))]) as given:
        found = choose(given, IMPORTERS).inspect(given)
        assert [question.code for question in found.plan().questions()] == ["ask_columns"]
        plan, _ = on_the_command_line(given, found, {})
        assert plan.files[0].columns[2].becomes.startswith("field:")
        assert subscribed(given, found, plan) == {"ann", "bob", "eve"}


def test_a_name_of_a_file_that_may_be_about_something_else_is_asked() -> None:
    plan = inspect(named("unsubscribe-page-visitors.csv", b"email\nann@x.example\n")).plan()
    for asked in (plan, plan.with_status("subscribed")):
        (question,) = asked.questions()
        assert question.code == "ask_name" and "rename the file" in question.sentence()
    assert plan.with_status("unsubscribed").questions() == []


@pytest.mark.parametrize("word", ["spam complaint", "Complained", "Marked as spam", "spam_rejected", "Spam"])
def test_a_complaint_is_a_complaint_in_every_word_for_it(word: str) -> None:
    assert of_two("Status", "subscribed", word).files[0].columns[2].words[word_of(word)] == "complained"


@pytest.mark.parametrize(
    ("label", "why"),
    [("Permission to track", "tracking who opens emails"), ("Posting permissions", "discussion list"),
     ("SMS consent", "another channel")],
)  # fmt: skip
def test_a_permission_about_something_else_is_left_out_with_what_is_true(label: str, why: str) -> None:
    (sentence,) = [problem.sentence() for problem in of_two(label, "yes", "no").plan().said_out()]
    assert label in sentence and why in sentence
