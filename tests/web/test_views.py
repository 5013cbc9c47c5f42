"""Bringing in by the browser: sealed on the way, looked at first, and a result that adds up."""

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from samizdat import plugins
from samizdat.audience import actions, queries, read_limits
from samizdat.audience.errors import ImportRefused
from samizdat.audience.models import Import, ImportPiece
from samizdat.vault import keyring
from samizdat.web.imports.views import harmless
from tests.conftest import NOW
from tests.importers.helping import zipped
from tests.importers.test_ods import book as ods_book
from tests.importers.test_ods import row as ods_row
from tests.importers.test_ods import sheet as ods_sheet
from tests.importers.test_workbook import book
from tests.web.conftest import House

Desk = Callable[[str], Client]

HEADING = "Email Address,First Name,Last Name,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LEID,EUID,NOTES,TAGS\n"
ROW = '{0}@post.example,{0},,2019-05-14 18:22:03,203.0.113.9,2019-05-14 18:25:00,203.0.113.9,1,abc,,"""monthly"""\n'
SUBSCRIBED = (HEADING + ROW.format("olga") + ROW.format("pavel") + "no address here,,,,,,,,,,\n").encode()


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def _now() -> datetime:
    return NOW


def _upload(
    here: House, client: Client, name: str = "subscribed_members_export_1a2b.csv", data: bytes = SUBSCRIBED
) -> Any:
    return client.post(_to(here, "upload"), {"files": [SimpleUploadedFile(name, data, "text/csv")]})


def test_an_upload_is_sealed_and_waits_to_be_read(here: House, desk: Desk) -> None:
    client = desk("editor")
    answer = _upload(here, client)
    row = Import.objects.order_by("-pk")[0]
    assert answer.headers["Location"] == _to(here, "import", row.pk)
    assert row.state == "reading"
    for piece in ImportPiece.objects.filter(import_run=row):
        assert b"olga" not in bytes(piece.blob)
    page = client.get(_to(here, "import", row.pk)).content.decode()
    assert "Reading files" in page
    assert 'hx-trigger="every 2s"' in page


def test_the_whole_way_from_a_file_to_readers(here: House, desk: Desk) -> None:
    client = desk("editor")
    _upload(here, client)
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    page = client.get(_to(here, "import", row.pk)).content.decode()
    assert "Review import" in page
    assert "olga@post.example" not in page
    assert "203.0.113.9" not in page
    assert "We don’t store locations" in page
    answers = _plan_answers(row) | {"then": "start", "list": here.list.pk, "basis": "They signed up on our site."}
    client.post(_to(here, "import", row.pk), answers)
    row.refresh_from_db()
    assert row.state == "waiting"
    actions.run_import(row.pk, now=_now)
    result = client.get(_to(here, "import", row.pk)).content.decode()
    assert "Import finished" in result
    assert "2 of 3 rows imported into" in result
    assert queries.subscriber_at(here.organization, "olga@post.example") is not None


def test_the_words_in_which_they_agreed_to_appeals_are_asked_for_on_the_page(here: House, desk: Desk) -> None:
    client = desk("editor")
    _upload(here, client)
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    address = _to(here, "import", row.pk)
    answers = _plan_answers(row) | {"then": "start", "list": here.list.pk}
    for half, sentence in (
        ({"appeals": "1"}, "Write the words about fundraising appeals"),
        ({"appeals-words": "Ask me for money too."}, "Tick “The consent also covered fundraising appeals”"),
    ):
        page = client.post(address, answers | half, follow=True).content.decode()
        assert sentence in page and Import.objects.get(pk=row.pk).state == "found"
    client.post(address, answers | {"then": "again", "appeals": "1", "appeals-words": "Ask me for money too."})
    row = actions.inspect(row.pk, now=_now)
    page = client.get(address).content.decode()
    assert ">Ask me for money too.</textarea>" in page
    client.post(address, answers | {"appeals": "1", "appeals-words": "Ask me for money too."})
    actions.run_import(row.pk, now=_now)
    assert "also agreed to fundraising appeals" in client.get(address).content.decode()
    card = queries.card(queries.subscriber_at(here.organization, "olga@post.example"), _now())
    assert card.timeline[0].wording == "Ask me for money too."


def _plan_answers(row: Any) -> dict[str, Any]:
    """What the form would post when nothing is changed."""
    answers: dict[str, Any] = {}
    for number, file in enumerate(actions.read_plan(row).plan.files):
        answers[f"u-{number}"] = "1"
        answers[f"s-{number}"] = file.status or ""
        answers |= {f"c-{number}-{column.index}": column.becomes for column in file.columns}
    return answers


def _figures(page: str, heading: str) -> list[int]:
    """The column of figures of the first addition after a heading."""
    table = page.split(heading, 1)[1].split('<table class="sum">', 1)[1].split("</table>", 1)[0]
    return [int(figure.replace(",", "")) for figure in re.findall(r"<td[^>]*>([\d,]+)</td>", table)]


PEOPLE = "Почта;Подписан\nolga@post.example;да\npavel@post.example;нет\nOLGA@post.example;да\nnobody;да\n".encode()


def test_every_addition_adds_up_with_somebody_twice_and_a_row_that_is_none(here: House, desk: Desk) -> None:
    client = desk("editor")
    _upload(here, client, "people.csv", PEOPLE)
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    address = _to(here, "import", row.pk)
    client.post(address, _plan_answers(row) | {"then": "again", "list": here.list.pk})
    row = actions.inspect(row.pk, now=_now)
    *parts, total = _figures(client.get(address).content.decode(), 'id="h-c"')
    assert sum(parts) == total == 4
    client.post(address, _plan_answers(row) | {"then": "start", "list": here.list.pk})
    actions.run_import(row.pk, now=_now)
    result = client.get(address).content.decode()
    *parts, total = _figures(result, "Changes")
    assert sum(parts) == total == 4


def test_a_word_that_only_the_file_knows_can_be_explained(here: House, desk: Desk) -> None:
    client = desk("editor")
    _upload(here, client, "people.csv", b"e-mail,Status\na@post.example,active\nb@post.example,Ehrengast\n")
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    address = _to(here, "import", row.pk)
    page = client.get(address).content.decode()
    assert "“active” means" in page and "“Ehrengast” means" in page
    assert "some columns may say who must not be emailed: Status" in page
    assert 'value="start"' not in page
    answers = _plan_answers(row) | {"w-0-1-1": "subscribed", "list": here.list.pk}
    client.post(address, answers | {"then": "again"})
    row = actions.inspect(row.pk, now=_now)
    page = client.get(address).content.decode()
    assert _figures(page, 'id="h-c"')[-1] == _figures(page, 'id="h-c"')[0] == 2


def test_a_list_that_says_no_status_asks_for_it(here: House, desk: Desk) -> None:
    client = desk("editor")
    _upload(here, client, "people.csv", b"email,city\nolga@post.example,Riga\n")
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    address = _to(here, "import", row.pk)
    page = client.get(address).content.decode()
    assert "Status of everyone in this file" in page
    assert "only with the status Subscribed below" in page and "will get your emails" not in page
    answers = _plan_answers(row) | {"list": here.list.pk, "s-0": ""}
    refused = client.post(address, answers | {"then": "start"}, follow=True).content.decode()
    assert "doesn’t say whether these people are subscribed" in refused
    client.post(address, answers | {"s-0": "subscribed", "then": "start"})
    row.refresh_from_db()
    assert row.state == "waiting"


def test_a_file_that_does_not_belong_to_the_others_is_named(here: House, desk: Desk) -> None:
    client = desk("editor")
    files = [
        SimpleUploadedFile("subscribed_members_export_1a2b.csv", SUBSCRIBED),
        SimpleUploadedFile("people.csv", b"email,city\na@b.example,Riga\n"),
    ]
    client.post(_to(here, "upload"), {"files": files})
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    assert (
        "people.csv contains addresses, but isn’t from the same service"
        in client.get(_to(here, "import", row.pk)).content.decode()
    )


def test_what_of_an_export_is_not_subscribers_is_named_before_and_after(here: House, desk: Desk) -> None:
    client = desk("editor")
    content = {"subscribed_members_export_1a2b.csv": SUBSCRIBED, "templates/basic.html": b"<p>", "gallery/a.png": b""}
    _upload(here, client, "account.zip", zipped(content))
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    before = client.get(_to(here, "import", row.pk)).content.decode()
    client.post(_to(here, "import", row.pk), {**_plan_answers(row), "then": "start"})
    actions.run_import(row.pk, now=_now)
    after = client.get(_to(here, "import", row.pk)).content.decode()
    for page in (before, after):
        assert "templates (1)" in page and "images (1)" in page


def test_a_file_that_is_no_list_says_what_to_do(here: House, desk: Desk) -> None:
    client = desk("editor")
    _upload(here, client, "holiday.zip", b"PK\x03\x04 not really a zip")
    row = Import.objects.order_by("-pk")[0]
    row = actions.inspect(row.pk, now=_now)
    page = client.get(_to(here, "import", row.pk)).content.decode()
    assert row.state == "failed"
    assert "Import failed" in page
    assert 'role="alert"' in page


def test_nothing_chosen_is_said(here: House, desk: Desk) -> None:
    answer = desk("editor").post(_to(here, "upload"), {}, follow=True)
    assert "Choose a file first." in answer.content.decode()
    assert not ImportPiece.objects.exists()


def test_a_forged_upload_leaves_nothing_behind(here: House) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(here.people["editor"], "samizdat.accounts.backend.BlindIndexBackend")
    answer = _upload(here, client)
    assert answer.status_code == 403
    assert not ImportPiece.objects.exists()


def test_cancelling_before_it_runs_forgets_the_upload(here: House, desk: Desk) -> None:
    client = desk("editor")
    _upload(here, client)
    row = Import.objects.order_by("-pk")[0]
    client.post(_to(here, "cancel-import", row.pk))
    assert not ImportPiece.objects.filter(import_run=row).exists()
    assert queries.subscriber_at(here.organization, "olga@post.example") is None


def test_rejected_lines_come_as_csv_without_formulas(here: House, desk: Desk) -> None:
    client = desk("editor")
    _upload(here, client, "=cmd.csv")
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    client.post(
        _to(here, "import", row.pk), _plan_answers(row) | {"s-0": "subscribed", "then": "start", "list": here.list.pk}
    )
    actions.run_import(row.pk, now=_now)
    answer = client.get(_to(here, "rejected", row.pk))
    lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()
    assert lines[0] == "File,Line,Reason"
    assert lines[1].startswith("'=cmd.csv,4,")


def test_cells_that_a_spreadsheet_would_run_are_made_harmless() -> None:
    for begin in "=+-@\t\r":
        assert harmless(f"{begin}1") == f"'{begin}1"
    assert harmless("plain") == "plain"


def test_no_plain_byte_of_an_upload_reaches_the_disk(here: House, desk: Desk, tmp_path: Path, monkeypatch: Any) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    rows = "".join(ROW.format(f"reader{n}") for n in range(40_000))
    _upload(here, desk("editor"), data=(HEADING + rows).encode())
    new = [path for path in tmp_path.rglob("*") if path.is_file() and path not in before]
    assert not new


def test_pasted_addresses_are_sealed_looked_at_and_asked_about(here: House, desk: Desk) -> None:
    client = desk("editor")
    client.post(_to(here, "paste"), {"pasted": "Olga Berg <olga@post.example>, pavel@post.example; nobody"})
    row = Import.objects.order_by("-pk")[0]
    assert not any(b"olga" in bytes(piece.blob) for piece in ImportPiece.objects.filter(import_run=row))
    row = actions.inspect(row.pk, now=_now)
    address = _to(here, "import", row.pk)
    page = client.get(address).content.decode()
    assert "Addresses, with or without names." in page
    assert "doesn’t say whether these people are subscribed" in page
    client.post(address, _plan_answers(row) | {"s-0": "", "then": "start", "list": here.list.pk})
    row.refresh_from_db()
    assert row.state == "found"
    answers = {"s-0": "subscribed", "then": "start", "list": here.list.pk, "basis": "They asked at the fair."}
    client.post(address, _plan_answers(row) | answers)
    row = actions.run_import(row.pk, now=_now)
    assert (row.counts["added"], row.counts["rejected"]) == (2, 1)


def test_an_empty_box_is_one_sentence(here: House, desk: Desk) -> None:
    answer = desk("editor").post(_to(here, "paste"), {"pasted": " "}, follow=True)
    assert "Paste some addresses first." in answer.content.decode()


OPENS = b"email,status,opens,ip address,House\nolga@post.example,active,9,192.0.2.1,lantern\n"


def test_columns_that_will_be_dropped_are_named_before(here: House, desk: Desk) -> None:
    client = desk("editor")
    _upload(here, client, "people.csv", OPENS)
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    page = client.get(_to(here, "import", row.pk)).content.decode()
    assert "Left out: opens." in page
    assert "Left out: ip address." in page


def test_what_was_chosen_for_a_heading_is_offered_for_the_next_file_with_it(here: House, desk: Desk) -> None:
    client = desk("editor")
    _upload(here, client, "people.csv", OPENS)
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    chosen = _plan_answers(row) | {"c-0-4": "tags", "then": "start", "list": here.list.pk}
    client.post(_to(here, "import", row.pk), chosen)
    actions.run_import(row.pk, now=_now)
    _upload(here, client, "people of may.csv", OPENS.replace(b"olga", b"pavel"))
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    assert actions.read_plan(row).plan.files[0].columns[4].becomes == "tags"
    page = client.get(_to(here, "import", row.pk)).content.decode()
    assert "The columns of people of may.csv are matched as you chose last time." in page


def test_a_status_column_that_is_left_out_has_the_status_asked(here: House, desk: Desk) -> None:
    client = desk("editor")
    _upload(here, client, "people.csv", OPENS)
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    answers = _plan_answers(row) | {"c-0-1": "out", "then": "start"}
    del answers["s-0"]  # The form has no such field as long as a column tells.
    client.post(_to(here, "import", row.pk), answers)
    row.refresh_from_db()
    assert row.state == "found"


def test_a_workbook_comes_in_by_the_browser(here: House, desk: Desk) -> None:
    client = desk("editor")
    sheets = {"People": [["email", "status"], ["olga@post.example", "subscribed"]], "Costs": [["stamps", 1]]}
    _upload(here, client, "all.xlsx", book(sheets))
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    page = client.get(_to(here, "import", row.pk)).content.decode()
    assert "all.xlsx/Costs contains no email addresses and was left out." in page
    assert "was not recognized" not in page
    actions.start(row, now=NOW, by=None)
    assert actions.run_import(row.pk, now=_now).counts["added"] == 1


def test_another_list_than_was_counted_for_is_counted_before_anything_is_written(here: House, desk: Desk) -> None:
    client, other = desk("editor"), actions.new_list(here.organization, "Alerts", now=NOW)
    boris = SUBSCRIBED.replace(b"olga@post.example", b"boris@post.example")
    _upload(here, client, data=boris)
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    first = next(one for one in (here.list, other) if one.pk == row.list_id)
    second = other if first == here.list else here.list
    answers = _plan_answers(row) | {"then": "start", "list": second.pk, "basis": "They signed up on our site."}
    page = client.post(_to(here, "import", row.pk), answers, follow=True).content.decode()
    row.refresh_from_db()
    assert (row.state, row.list_id) == ("reading", second.pk)
    assert "You chose another list" in page
    actions.inspect(row.pk, now=_now)
    page = client.get(_to(here, "import", row.pk)).content.decode()
    assert f"Counted for the list “{queries.name_of(second)}”." in page
    assert ">olga<" in page.replace(" ", "") or "pavel" in page, "the examples of the columns are there again"
    client.post(_to(here, "import", row.pk), answers)
    actions.run_import(row.pk, now=_now)
    _upload(here, client, data=boris)
    assert Import.objects.order_by("-pk")[0].list_id == second.pk, "the next file is likely to go there, too"


def _someone(here: House, stands: str) -> str:
    """An address of somebody who stands so here, or of a stranger; all of them look alike."""
    address = f"{stands:x<9}@post.example"
    if stands != "stranger":
        reader = actions.add_subscriber(here.organization, address, here.list, consent="yes", now=NOW)
        if stands == "left":
            actions.unsubscribe(reader, here.list, now=NOW)
        if stands == "erased":
            actions.erase(here.organization, subscriber=reader, now=NOW)
    return address


STANDS = ("stranger", "reader", "left", "erased")


@pytest.mark.parametrize("status", ["subscribed", "pending", "unsubscribed"])
def test_the_look_at_a_file_does_not_say_who_of_it_is_or_was_here(here: House, desk: Desk, status: str) -> None:
    client, pages = desk("editor"), set()
    own = [f"own{n}@post.example" for n in range(12)]
    for address in own:
        actions.add_subscriber(here.organization, address, here.list, consent="yes", now=NOW)
    for address in [_someone(here, stands) for stands in STANDS]:
        rows = "".join(f"{one},{status}\n" for one in [*own, address, address])
        read_limits.forget()
        _upload(here, client, data=f"email,status\n{rows}nobody,{status}\n".encode())
        row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
        page = client.get(_to(here, "import", row.pk)).content.decode()
        assert page.count("1 rejected row") == 1 and "Existing subscribers aren’t added twice" in page
        pages.add(re.sub(r"<[^>]*>", " ", page[page.index("<main") : page.index("Sample of the data to import")]))
    assert len(pages) == 1


def test_the_look_at_a_file_shows_samples_in_no_order_that_tells_who_is_here(here: House, desk: Desk) -> None:
    client = desk("editor")
    _upload(here, client, data=b"email,status\nada@lantern.example,unsubscribed\n")
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    assert [sample.status for sample in actions.read_report(row).samples] == ["unsubscribed"], "as the file says"


def test_the_result_says_neither_who_was_erased_nor_how_those_stand_who_were_here(here: House, desk: Desk) -> None:
    client, told = desk("editor"), []
    for address in [_someone(here, stands) for stands in STANDS[1:]]:
        read_limits.forget()
        _upload(here, client, data=f"email,status\n{address},pending\nnobody,pending\n".encode())
        row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
        client.post(_to(here, "import", row.pk), _plan_answers(row) | {"then": "start", "list": here.list.pk})
        actions.run_import(row.pk, now=_now)
        page = client.get(_to(here, "import", row.pk)).content.decode()
        rejected = b"".join(client.get(_to(here, "rejected", row.pk)).streaming_content).decode()
        told.append((_figures(page, "Changes"), "1 of 2 rows imported into" in page, "ubscribed" in page, rejected))
    assert told == [told[0]] * 3 and told[0][0] == [0, 0, 1, 1, 2]


def test_what_a_file_has_brought_in_is_counted_as_far_as_it_tells_who_was_here(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samizdat.audience.read_limits.dbclock.ticks", lambda: 1000.0)
    client, people = desk("admin"), [f"one{n}@post.example" for n in range(40)]
    for address in people:
        actions.add_subscriber(here.organization, address, here.list, consent="yes", now=NOW)
    _upload(here, client, data=("email,status\n" + "".join(f"{one},pending\n" for one in people)).encode())
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    client.post(_to(here, "import", row.pk), _plan_answers(row) | {"then": "start", "list": here.list.pk})
    actions.run_import(row.pk, now=_now)
    shown = [client.get(_to(here, "import", row.pk)).status_code for _again in range(3)]
    assert shown == [200] * 3, "it is counted once"
    paste = _to(here, "paste")
    seen = [client.post(paste, {"pasted": f"other{n}@post.example"}).status_code for n in range(30)]
    assert seen.count(302) == 30 - (1 + 15), "never all that may be opened"


def test_a_new_field_is_offered_by_its_name_and_found_by_it_the_next_time(here: House, desk: Desk) -> None:
    client = desk("editor")
    tags = []
    for name, heading in (
        ("members.csv", "list_id,email,role,delivery_mode"),
        ("ours.csv", "x,e-mail,status,Delivery mode"),
    ):
        _upload(
            here,
            client,
            name,
            f"{heading}\n1,olga@post.example,{'member' if 'role' in heading else 'active'},weekly\n".encode(),
        )
        row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
        page = client.get(_to(here, "import", row.pk)).content.decode()
        tags.append(actions.read_plan(row).plan.files[0].columns[3].becomes)
        if name == "members.csv":
            assert "a new encrypted field, delivery_mode (DELIVERY)" in page
            client.post(_to(here, "import", row.pk), _plan_answers(row) | {"then": "start", "list": row.list_id})
            actions.run_import(row.pk, now=_now)
    assert tags == ["field:DELIVERY", "field:DELIVERY"]


# As CiviCRM writes it, but for the labels by which it is known.
CIVICRM = (Path(__file__).parent.parent / "payloads" / "odd-lists" / "civicrm_export.csv").read_bytes()
CIVICRM = (
    CIVICRM.replace(b"Contact ID", b"Key").replace(b"(User Opt Out)", b"").replace(b'"On Hold"', b'"Address on hold"')
)


def test_columns_that_may_say_no_are_asked_first_and_nobody_who_said_no_becomes_subscribed(
    here: House, desk: Desk
) -> None:
    client = desk("editor")
    _upload(here, client, "civicrm.csv", CIVICRM)
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    address = _to(here, "import", row.pk)
    page = client.get(address).content.decode()
    assert "some columns may say who must not be emailed" in page and 'value="start"' not in page
    assert (
        page.index(">Do Not Email<") < page.index(">First Name<") and "This may show who must not be emailed." in page
    )
    client.post(address, _plan_answers(row) | {"then": "again", "list": here.list.pk, "s-0": "subscribed"})
    row = actions.inspect(row.pk, now=_now)
    page = client.get(address).content.decode()
    assert 'value="start"' in page and "some columns may say" not in page
    client.post(address, _plan_answers(row) | {"then": "start", "list": here.list.pk, "s-0": "subscribed"})
    made = actions.run_import(row.pk, now=_now)
    assert (made.counts["subscribed"], made.counts["unsubscribed"], made.counts["cleaned"]) == (1, 3, 1)


def test_a_plan_that_nobody_answered_does_not_start(here: House, desk: Desk) -> None:
    _upload(here, desk("editor"), "civicrm.csv", CIVICRM)
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    with pytest.raises(ImportRefused, match="some columns may say who must not be emailed"):
        actions.start(row, now=NOW, by=None)


def test_where_no_row_can_come_in_the_reason_is_shown_and_the_columns_stay_open(here: House, desk: Desk) -> None:
    client = desk("editor")
    _upload(here, client, "two.csv", b"Email,Other\na@x.example b@x.example,olga@post.example\n,pavel@post.example\n")
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    address = _to(here, "import", row.pk)
    client.post(address, _plan_answers(row) | {"then": "start", "list": here.list.pk, "s-0": "subscribed"})
    row = actions.run_import(row.pk, now=_now)
    assert row.state == "reading"
    row = actions.inspect(row.pk, now=_now)
    page = client.get(address).content.decode()
    assert "two.csv, line 2: There is more than one @ here" in page and 'name="c-0-1"' in page
    answers = _plan_answers(row) | {"c-0-0": "out", "c-0-1": "address", "s-0": "subscribed", "list": here.list.pk}
    client.post(address, answers | {"then": "again"})
    actions.inspect(row.pk, now=_now)
    client.post(address, answers | {"then": "start"})
    assert actions.run_import(row.pk, now=_now).counts["added"] == 2


def test_donations_are_left_out_with_the_reason_before_and_after(here: House, desk: Desk) -> None:
    client = desk("editor")
    _upload(here, client, "people.csv", b"email,Last Donation,Donation Amount\nolga@post.example,2020-01-02,25\n")
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    address = _to(here, "import", row.pk)
    said = "Left out: Last Donation, Donation Amount. It shows who gave money, which can put people on trial."
    assert said in client.get(address).content.decode()
    tried = {"c-0-1": "field:DONATION", "c-0-2": "field:AMOUNT", "s-0": "subscribed", "list": here.list.pk}
    client.post(address, _plan_answers(row) | tried | {"then": "start"})
    actions.run_import(row.pk, now=_now)
    assert said in client.get(address).content.decode()
    olga = queries.card(queries.subscriber_at(here.organization, "olga@post.example"), NOW)
    assert not {"LASTDONATI", "DONATIONAM", "DONATION", "AMOUNT"} & set(olga.values)


def test_tags_of_givers_that_stay_out_are_named_as_the_file_writes_them(here: House, desk: Desk) -> None:
    client = desk("editor")
    _upload(here, client, "people.csv", b'email,tags\nolga@post.example,"volunteer, Major donor"\n')
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    page = client.get(_to(here, "import", row.pk)).content.decode()
    assert "Left out: tags: Major donor." in page and "majordonor" not in page


def test_what_was_chosen_before_anybody_was_asked_is_no_answer(here: House, desk: Desk) -> None:
    client = desk("editor")
    content = b"email,Opted out,Donation\nolga@post.example,0,5\npavel@post.example,1,5\n"
    _upload(here, client, "people.csv", content)
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    document = actions.read_plan(row)
    assert document.plan is not None
    for column, target in zip(document.plan.files[0].columns[1:], ("field:OPTEDOUT", "field:DONATION"), strict=True):
        column.becomes, column.words, column.why, column.asks = target, {}, "", ""
    blob = keyring.keys(here.organization).seal_json(document, "import", "plan", row.pk)
    Import.objects.filter(pk=row.pk).update(plan_sealed=blob)
    Import.objects.filter(pk=row.pk).update(state="finished")
    _upload(here, client, "people.csv", content)
    again = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    columns = actions.read_plan(again).plan.files[0].columns
    assert [(column.becomes, column.asks) for column in columns[1:]] == [("status", "label"), ("out", "")]


@pytest.mark.parametrize(
    ("name", "content", "sentences"),
    [
        ("contacts.vcf", b"BEGIN:VCARD\nVERSION:3.0\nN:Berg;Ada;;;\nTEL:1\nEMAIL:ada@x.example\nEND:VCARD\n",
         ["An address book (vCard).", "Being in it isn\u2019t consent", "Left out: Phone. Sending email doesn\u2019t"]),
        ("people.ods", ods_book(ods_sheet("A", ods_row("email", "can2_subscription_status"),
                                          ods_row("ada@x.example", "unsubscribed"))),
         ["An export from Action Network."]),
        ("contacts.csv", b"id,firstname,lastname,email,points,preferred_locale\n1,Ada,Berg,ada@x.example,0,de\n",
         ["An export from Mautic.", "Mautic doesn\u2019t export that"]),
    ],
)  # fmt: skip
def test_the_review_says_which_service_a_file_comes_from(
    here: House, desk: Desk, name: str, content: bytes, sentences: list[str]
) -> None:
    client = desk("editor")
    _upload(here, client, name, content)
    row = actions.inspect(Import.objects.order_by("-pk")[0].pk, now=_now)
    page = client.get(_to(here, "import", row.pk)).content.decode()
    assert [sentence for sentence in sentences if sentence not in page] == []


def test_the_first_page_says_where_each_service_exports(here: House, desk: Desk) -> None:
    page = desk("editor").get(_to(here, "imports")).content.decode()
    table = page.partition("Where to export in each service")[2].partition("</table>")[0]
    titles = [plug.title for plug in plugins.importers().values() if plug.title]
    assert [title for title in titles if f'<th scope="row">{title}</th>' not in table] == []
    assert 'dir="ltr"></td>' not in table
