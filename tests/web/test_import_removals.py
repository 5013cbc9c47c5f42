"""A file that says who left takes no more readers off lists than a team does alone in a day."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from samizdat.accounts import pending_changes
from samizdat.accounts.actions import found_organization
from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import PendingChange
from samizdat.audience import actions, read_limits, removal_limit
from samizdat.audience.actions import bulk
from samizdat.audience.errors import ImportRefused
from samizdat.audience.imports import actions as importing
from samizdat.audience.imports import held
from samizdat.audience.imports.inspect import HeldUpload
from samizdat.audience.models import SUBSCRIBED, Import, Subscription
from samizdat.core import consent
from samizdat.events.models import Event
from tests.audience.checks import assert_projections_hold
from tests.conftest import NOW, TODAY
from tests.web.conftest import House

Desk = Callable[[str], Client]


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def _readers(here: House, many: int) -> list[str]:
    addresses = [f"reader{n}@post.example" for n in range(many)]
    for address in addresses:
        actions.add_subscriber(here.organization, address, here.list, consent="yes", now=NOW)
    return addresses


def _file(addresses: Sequence[str], status: str) -> str:
    return "".join(f"{address},{status}\n" for address in addresses)


def _look(here: House, client: Client, rows: str) -> Import:
    data = f"email,status\n{rows}".encode()
    client.post(_to(here, "upload"), {"files": [SimpleUploadedFile("people.csv", data, "text/csv")]})
    return actions.inspect(Import.objects.latest("pk").pk, now=timezone.now)


def _press(here: House, client: Client, row: Import, **answers: str) -> str:
    """What the page says then."""
    plan = actions.read_plan(row).plan
    assert plan is not None
    columns = {f"c-0-{column.index}": column.becomes for column in plan.files[0].columns}
    form = {"u-0": "1", "s-0": "", "list": str(here.list.pk), "then": "start"} | columns | answers
    page = client.post(_to(here, "import", row.pk), form, follow=True).content.decode()
    row.refresh_from_db()
    return page


def _begin(here: House, client: Client, rows: str) -> Import:
    row = _look(here, client, rows)
    _press(here, client, row)
    return row


def _run(row: Import) -> Import:
    return actions.run_import(row.pk, now=timezone.now)


def _written_to(here: House) -> int:
    return Subscription.objects.filter(list=here.list, mail_verdict=consent.YES).count()


def _asked() -> int:
    """How many leave lists by the import that waits."""
    return pending_changes.details_of(PendingChange.objects.get(kind=held.CHANGE), held.RemovalDetails).n


def _settle(here: House, client: Client, answer: str) -> None:
    change = pending_changes.waiting(here.organization).get()
    client.post(_to(here, "decide-change", change.pk), {"answer": answer})


@pytest.mark.parametrize("status", ["unsubscribed", "cleaned", "complaint"])
def test_an_import_that_ends_a_list_waits_for_an_admin(here: House, desk: Desk, status: str) -> None:
    editor, admin, before = desk("editor"), desk("admin"), _written_to(here)
    addresses = _readers(here, 30)
    row = _look(here, editor, _file(addresses, status))
    _press(here, editor, row, then="again")  # Of one word alone it is asked what it means.
    page = _press(here, editor, actions.inspect(row.pk, now=timezone.now))
    row.refresh_from_db()
    assert "Waiting for another admin: 30 rows are imported into" in page
    assert "Starts when an admin approves it, or after a day if none stops it." in page
    assert row.state == "held" and row.pk not in actions.resumable(timezone.now())
    pending_changes.wait(timezone.now(), timedelta(seconds=1))
    assert "1 change is waiting for approval" in admin.get(_to(here, "home")).content.decode(), (
        "an editor may ask for it"
    )
    assert _written_to(here) == before + 30
    _settle(here, admin, "approve")
    assert (_run(row).state, _written_to(here)) == ("finished", before)
    assert not Event.objects.filter(kind=removal_limit.BY_IMPORT).exists(), "an admin agreed to them"
    assert_projections_hold(here.organization, timezone.now())


def test_what_a_small_import_takes_off_counts_toward_the_day(here: House, desk: Desk) -> None:
    editor, addresses = desk("editor"), _readers(here, removal_limit.ALONE_A_DAY)
    assert _run(_begin(here, editor, _file(addresses, "unsubscribed"))).state == "finished"
    assert Event.objects.filter(kind=removal_limit.BY_IMPORT).count() == 1
    page = editor.post(_to(here, "unsubscribe", here.ada.number), {"list": str(here.list.id)}, follow=True)
    assert "under Bulk actions, where an admin approves it" in page.content.decode()
    assert bulk.needs_approval(here.organization, 1, now=timezone.now(), by=here.people["admin"], action=bulk.REMOVE)
    row = _begin(here, editor, _file(["ada@lantern.example"], "cleaned"))
    assert row.state == "held"
    # Whom it was about before, or who is on no list, is counted by nobody.
    assert _begin(here, editor, _file([*addresses, "stranger@post.example"], "cleaned")).state == "waiting"


def test_of_two_imports_that_were_begun_at_once_the_second_counts_the_first(here: House, desk: Desk) -> None:
    editor, addresses, before = desk("editor"), _readers(here, 30), _written_to(here)
    first, second = (_begin(here, editor, _file(addresses[at : at + 15], "unsubscribed")) for at in (0, 15))
    assert (first.state, second.state) == ("waiting", "waiting")
    assert (_run(first).state, _run(second).state) == ("finished", "held")
    assert _written_to(here) == before - 15
    assert _asked() == 15
    _settle(here, desk("admin"), "approve")
    assert (_run(second).state, _written_to(here)) == ("finished", before - 30)


def test_a_word_that_means_they_left_only_when_it_is_pressed_takes_nobody_more_off(here: House, desk: Desk) -> None:
    editor, addresses, before = desk("editor"), _readers(here, 30), _written_to(here)
    row = _look(here, editor, "".join(f"{address},\n" for address in addresses))
    _press(here, editor, row, **{"c-0-1": "out", "s-0": "subscribed", "then": "again"})
    row = actions.inspect(row.pk, now=timezone.now)
    _press(here, editor, row, **{"c-0-1": "out", "s-0": "unsubscribed"})
    assert row.state == "waiting"
    assert (_run(row).state, _written_to(here)) == ("held", before)
    assert _asked() == 30


def test_who_comes_home_from_another_service_waits_for_nobody(here: House, desk: Desk) -> None:
    strangers = [f"stranger{n}@post.example" for n in range(40)]
    # In two audiences there: of one of them they are gone.
    rows = _file(strangers, "subscribed") + _file(strangers, "unsubscribed") + _file(["gone@post.example"], "cleaned")
    row = _begin(here, desk("admin"), rows + _file(strangers[:30], "complaint"))
    assert (row.state, _run(row).state) == ("waiting", "finished")
    assert not Event.objects.filter(kind=removal_limit.BY_IMPORT).exists()
    assert not pending_changes.waiting(here.organization).exists()


def test_whoever_stands_in_the_file_twice_is_taken_off_as_one(here: House, desk: Desk) -> None:
    editor, addresses, before = desk("editor"), _readers(here, 30), _written_to(here)
    row = _look(here, editor, _file(addresses, "subscribed") + _file(addresses, "unsubscribed"))
    assert actions.read_report(row).taken_off == 30
    _press(here, editor, row)
    assert (row.state, _written_to(here)) == ("held", before)
    _settle(here, desk("admin"), "approve")
    assert (_run(row).state, _written_to(here)) == ("finished", before - 30)


def test_an_import_that_is_killed_counts_nobody_twice(here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "SLICE", 5)
    editor, addresses, before = desk("editor"), _readers(here, 40), _written_to(here)
    row = _begin(here, editor, _file(addresses, "unsubscribed"))
    _settle(here, desk("admin"), "approve")
    slices = 0
    while row.state != "finished":
        slices += 1
        actions.run_import(row.pk, now=timezone.now, stop=lambda: True)
        row.refresh_from_db()
        if row.state == "stopped":
            actions.start(row, now=timezone.now(), by=here.people["editor"])
    assert (slices, _written_to(here)) == (9, before - 40)
    assert not Event.objects.filter(kind=removal_limit.BY_IMPORT).exists()


def test_an_import_stops_where_the_day_is_full_and_goes_on_from_there(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "SLICE", 5)
    editor, addresses, before = desk("editor"), _readers(here, 40), _written_to(here)
    row = _begin(here, editor, _file(addresses[:20], "unsubscribed"))
    assert row.state == "waiting"
    _run(_begin(here, editor, _file(addresses[30:], "cleaned")))
    assert (_run(row).state, _written_to(here)) == ("held", before - 20)
    assert _asked() == 10
    _settle(here, desk("admin"), "stop")
    row.refresh_from_db()
    assert row.state == "stopped"
    page = editor.post(_to(here, "resume-import", row.pk), follow=True).content.decode()
    assert (_run(row).state, _written_to(here)) == ("held", before - 20)
    _settle(here, desk("admin"), "approve")
    assert (_run(row).state, _written_to(here)) == ("finished", before - 30), page


def test_an_import_that_waits_is_stopped_by_an_admin_or_by_whoever_asked(here: House, desk: Desk) -> None:
    editor, addresses = desk("editor"), _readers(here, 30)
    row = _begin(here, editor, _file(addresses, "unsubscribed"))
    assert actions.sweep_uploads(timezone.now() + timedelta(days=3)) == 0, "its file lies here until it is settled"
    _settle(here, desk("admin"), "stop")
    row.refresh_from_db()
    assert row.state == "found"
    _press(here, editor, row)
    editor.post(_to(here, "cancel-import", row.pk))
    row.refresh_from_db()
    assert (row.state, row.problem) == ("failed", "cancelled")
    assert not pending_changes.waiting(here.organization).exists()


def test_nobody_changes_an_import_while_it_waits(here: House, desk: Desk) -> None:
    """Not even by a page that was opened before: an admin approves what they read."""
    rows = "".join(f"new{n}@post.example,pending\n" for n in range(read_limits.AT_ONCE + 1))
    row = _begin(here, desk("editor"), rows)
    plan, state = actions.read_plan(row).plan, row.state
    assert plan is not None and state == "held"
    with pytest.raises(ImportRefused, match="waiting for an admin"):
        actions.change_plan(row, plan)


def test_an_import_whose_columns_were_changed_in_the_database_while_it_waits_is_not_begun(
    here: House, desk: Desk
) -> None:
    row = _begin(here, desk("editor"), _file(_readers(here, 30), "unsubscribed"))
    plan = actions.read_plan(row).plan
    assert plan is not None
    Import.objects.filter(pk=row.pk).update(state="found")
    actions.change_plan(row, plan)
    Import.objects.filter(pk=row.pk).update(state="held")
    with pytest.raises(AccountError, match="changed in the meantime"):
        pending_changes.approve(
            pending_changes.waiting(here.organization).get(), now=timezone.now(), by=here.people["admin"]
        )
    row.refresh_from_db()
    assert row.state == "held"


def test_whoever_has_the_machine_takes_off_as_many_as_a_file_says(here: House) -> None:
    addresses, before = _readers(here, 30), _written_to(here)
    data = f"email,status\n{_file(addresses, 'unsubscribed')}".encode()
    actions.direct(here.organization, here.list, [HeldUpload("people.csv", data)], now=timezone.now)
    assert _written_to(here) == before - 30
    assert Subscription.objects.filter(list=here.list, status=SUBSCRIBED).exists()


def test_an_editor_learns_of_no_more_people_by_an_import_than_they_may_open(here: House, desk: Desk) -> None:
    """Each line with a tag of its own: the list of subscribers would say afterwards which of them were here."""
    suspects = "".join(f"suspect{n}@post.example,pending,L{n}\n" for n in range(read_limits.AT_ONCE + 1))
    data = f"email,status,tags\n{suspects}".encode()
    for role, state in (("editor", "held"), ("admin", "waiting")):
        client = desk(role)
        client.post(_to(here, "upload"), {"files": [SimpleUploadedFile("people.csv", data, "text/csv")]})
        row = actions.inspect(Import.objects.latest("pk").pk, now=timezone.now)
        page = _press(here, client, row)
        assert row.state == state
        if role == "editor":
            assert f"{read_limits.AT_ONCE + 1} rows are imported into" in page
            _settle(here, desk("admin"), "stop")
            row.refresh_from_db()
            assert row.state == "found", "as if nobody had pressed"


def test_a_list_that_is_cut_into_small_files_is_one_list(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = [1000.0]
    monkeypatch.setattr("samizdat.audience.read_limits.dbclock.ticks", lambda: at[0])
    editor, states = desk("editor"), []
    for file in range(8):
        rows = "".join(f"suspect{n}@file{file}.example,pending\n" for n in range(read_limits.AT_ONCE))
        states.append(_begin(here, editor, rows).state)
        at[0] += 2  # Uploads themselves are not what is too fast.
    assert states == ["waiting"] * 6 + ["held"] * 2
    at[0] += 3600
    assert _begin(here, editor, "late@post.example,pending\n").state == "waiting"


def test_what_is_imported_is_what_was_counted_whatever_files_and_columns_are_chosen_last(
    here: House, desk: Desk
) -> None:
    editor = desk("editor")
    suspects = "email,status\n" + _file([f"suspect{n}@post.example" for n in range(1000)], "pending")
    files = [
        SimpleUploadedFile("many.csv", suspects.encode(), "text/csv"),
        SimpleUploadedFile("one.csv", b"email,status\nnobody@post.example,pending\n", "text/csv"),
    ]
    editor.post(_to(here, "upload"), {"files": files})
    row = actions.inspect(Import.objects.latest("pk").pk, now=timezone.now)
    second = {f"c-1-{place}": becomes for place, becomes in enumerate(("address", "status"))} | {"s-1": "", "u-1": "1"}
    plan = actions.read_plan(row).plan
    assert plan is not None
    columns = {f"c-0-{column.index}": column.becomes for column in plan.files[0].columns}
    form = {"s-0": "", "list": str(here.list.pk), "then": "again"} | columns | second
    editor.post(_to(here, "import", row.pk), form)
    row = actions.inspect(row.pk, now=timezone.now)
    page = _press(here, editor, row, **second)
    assert row.state == "reading" and "You changed what is imported, so the numbers changed." in page
    row = actions.inspect(row.pk, now=timezone.now)
    _press(here, editor, row, **second)
    assert row.state == "held", "1,001 rows"


def _upload(client: Client, here: House, name: str, text: str) -> Import:
    client.post(_to(here, "upload"), {"files": [SimpleUploadedFile(name, text.encode(), "text/csv")]})
    return actions.inspect(Import.objects.latest("pk").pk, now=timezone.now)


def test_a_look_that_took_no_row_counts_for_no_word_that_is_explained_last(here: House, desk: Desk) -> None:
    editor = desk("editor")
    rows = "email,status\n" + "".join(f"suspect{n}@post.example,perhaps\n" for n in range(1000))
    row = _upload(editor, here, "many.csv", rows)
    assert actions.read_report(row).counts is None
    _press(here, editor, row, **{"c-0-1": "out", "s-0": "pending"})
    assert row.state == "held", "1,000 lines"


def test_another_column_of_addresses_cuts_a_file_into_other_rows_so_it_is_counted_again(
    here: House, desk: Desk
) -> None:
    """By the first column 1,000 lines are a note of one subscriber, by the second they are as many people."""
    editor = desk("editor")
    note = "".join(f"x,suspect{n}@post.example,t{n}\n" for n in range(1000))
    row = _upload(editor, here, "people.csv", f'email,note,tags\nfriend@post.example,"\n{note}",\n')
    by_first = {"c-0-0": "address", "c-0-1": "out", "c-0-2": "out", "s-0": "pending"}
    by_second = by_first | {"c-0-0": "out", "c-0-1": "address", "c-0-2": "tags"}
    _press(here, editor, row, **by_first, then="again")
    row = actions.inspect(row.pk, now=timezone.now)
    assert (actions.read_report(row).counts or {})["rows"] == 1
    page = _press(here, editor, row, **by_second)
    assert row.state == "reading" and "You changed what is imported, so the numbers changed." in page
    _press(here, editor, actions.inspect(row.pk, now=timezone.now), **by_second)
    row.refresh_from_db()
    assert row.state == "held"


def test_more_rows_than_were_counted_are_not_written_before_an_admin_agrees_to_them(here: House, desk: Desk) -> None:
    """Lines that are commented out are one rejected row each; of who left, every address of them is heard."""
    editor, before = desk("editor"), Subscription.objects.count()
    suspects = ", ".join(f"suspect{n}@post.example" for n in range(100))
    row = _upload(editor, here, "people.txt", f"nobody@post.example\n# {suspects}\n")
    assert (actions.read_report(row).counts or {})["rows"] == 2
    _press(here, editor, row, **{"s-0": "unsubscribed"})
    assert (row.state, _run(row).state) == ("waiting", "held")
    assert Subscription.objects.count() == before
    assert "101 rows are imported into" in desk("admin").get(_to(here, "pending-changes")).content.decode()
    _settle(here, desk("admin"), "approve")
    assert (_run(row).state, Subscription.objects.count()) == ("finished", before + 101)


def _two_files(here: House, editor: Client, few: int) -> tuple[Import, dict[str, str], dict[str, str]]:
    """1,000 rows in one and `few` in the other; the answers that take both, and those that leave the first out."""
    addresses = [f"suspect{n}@post.example" for n in range(1000)], [f"nobody{n}@post.example" for n in range(few)]
    files = [
        SimpleUploadedFile(f"{number}.csv", ("email,status\n" + _file(each, "pending")).encode(), "text/csv")
        for number, each in enumerate(addresses)
    ]
    editor.post(_to(here, "upload"), {"files": files})
    row = actions.inspect(Import.objects.latest("pk").pk, now=timezone.now)
    both = {"list": str(here.list.pk)}
    for number in range(2):
        columns = {f"c-{number}-0": "address", f"c-{number}-1": "status"}
        both |= columns | {f"s-{number}": "", f"u-{number}": "1"}
    return row, both, {name: value for name, value in both.items() if name != "u-0"}


def _look_again(here: House, editor: Client, row: Import, answers: dict[str, str]) -> Import:
    editor.post(_to(here, "import", row.pk), answers | {"then": "again"})
    return actions.inspect(row.pk, now=timezone.now)


def test_an_older_report_that_was_put_back_counts_for_nothing(here: House, desk: Desk) -> None:
    editor = desk("editor")
    row, both, second = _two_files(here, editor, 1)
    small = bytes(_look_again(here, editor, row, second).report_sealed)
    row = _look_again(here, editor, row, both)
    Import.objects.filter(pk=row.pk).update(report_sealed=small)
    page = editor.post(_to(here, "import", row.pk), both | {"then": "start"}, follow=True).content.decode()
    row.refresh_from_db()
    assert row.state == "found" and "the numbers changed" in page


def test_an_older_plan_that_was_put_back_is_not_what_an_admin_approved(here: House, desk: Desk) -> None:
    editor = desk("editor")
    row, both, second = _two_files(here, editor, read_limits.AT_ONCE + 1)
    large = bytes(_look_again(here, editor, row, both).plan_sealed)
    row = _look_again(here, editor, row, second)
    editor.post(_to(here, "import", row.pk), second | {"then": "start"})
    Import.objects.filter(pk=row.pk, state="held").update(plan_sealed=large)
    _settle(here, desk("admin"), "approve")
    row.refresh_from_db()
    assert row.state == "held"


def test_a_column_that_fills_a_field_changes_no_number(here: House, desk: Desk) -> None:
    editor = desk("editor")
    rows = b"email,city,status\nnobody@post.example,Riga,pending\n"
    editor.post(_to(here, "upload"), {"files": [SimpleUploadedFile("one.csv", rows, "text/csv")]})
    row = actions.inspect(Import.objects.latest("pk").pk, now=timezone.now)
    _press(here, editor, row, **{"c-0-1": "field:TOWN"})
    assert row.state == "waiting"


def test_what_waits_does_not_say_to_an_editor_how_many_of_a_file_are_on_lists(here: House, desk: Desk) -> None:
    suspects = [f"suspect{n}@post.example" for n in range(read_limits.AT_ONCE * 2)]
    actions.add_subscriber(here.organization, suspects[7], here.list, consent="yes", now=NOW)
    editor = desk("editor")
    row = _look(here, editor, _file(suspects, "unsubscribed") + "new@post.example,subscribed\n")
    page = _press(here, editor, row)
    assert row.state == "held" and _asked() == 1
    assert f"{len(suspects) + 1} rows are imported into" in page and "removed from lists by" not in page
    assert (
        "1 subscriber is removed from lists by an import"
        in desk("admin").get(_to(here, "pending-changes")).content.decode()
    )


def test_an_editor_brings_in_a_few_alone_and_anybody_before_somebody_is_here(
    here: House, desk: Desk, vault: Any
) -> None:
    few = "".join(f"new{n}@post.example,pending\n" for n in range(read_limits.AT_ONCE))
    assert _begin(here, desk("editor"), few).state == "waiting"
    assert not held.tells_too_much(here.organization, 10_000, None), "the command line asks nobody"
    bell = found_organization("Bell", source=vault, today=TODAY)
    assert not held.tells_too_much(bell, 10_000, here.people["editor"]), "nobody is here yet"


def test_an_import_that_only_updates_says_nothing_of_who_is_here_before_it_ran(here: House, desk: Desk) -> None:
    admin, addresses = desk("admin"), _readers(here, 3)
    row = _look(here, admin, _file([*addresses, "stranger@post.example", "other@post.example"], "subscribed"))
    page = _press(here, admin, row, **{"update-only": "1", "tags": "Book fair, Riga"})
    assert "You changed what is imported, so the numbers changed." in page and row.state == "reading"
    row = actions.inspect(row.pk, now=timezone.now)
    page = admin.get(_to(here, "import", row.pk)).content.decode()
    assert "How many of these people are on the list is counted after the import." in page
    assert "Update subscribers" in page and 'value="Book fair, Riga"' in page
    _press(here, admin, row, **{"update-only": "1", "tags": "Book fair, Riga"})
    before = Subscription.objects.count()
    made = _run(row).counts
    assert (made["rows"], made["added"], made["updated"], made["skipped"]) == (5, 0, 3, 2)
    assert Subscription.objects.count() == before
    page = admin.get(_to(here, "import", row.pk)).content.decode()
    assert "3 of 5 rows are about subscribers of" in page and "skipped: not on the list" in page


def test_an_import_that_only_updates_asks_for_no_status(here: House, desk: Desk) -> None:
    admin = desk("admin")
    addresses = "".join(f"{address}\n" for address in _readers(here, 2))
    admin.post(_to(here, "upload"), {"files": [SimpleUploadedFile("people.csv", f"email\n{addresses}".encode())]})
    row = actions.inspect(Import.objects.latest("pk").pk, now=timezone.now)
    page = admin.get(_to(here, "import", row.pk)).content.decode()
    assert "Choose their status" in page
    _press(here, admin, row, **{"update-only": "1", "then": "again"})
    actions.inspect(row.pk, now=timezone.now)
    page = admin.get(_to(here, "import", row.pk)).content.decode()
    assert "Choose their status" not in page and 'name="s-0"' not in page
    _press(here, admin, row, then="again")
    actions.inspect(row.pk, now=timezone.now)
    assert "Choose their status" in admin.get(_to(here, "import", row.pk)).content.decode(), (
        "whoever adds people is asked"
    )


def test_an_import_that_only_updates_waits_for_an_admin_as_others_do(here: House, desk: Desk) -> None:
    """A tag on all of a list of suspects would say who of them is here; so would one no for each of them."""
    for rows in (
        "".join(f"suspect{n}@post.example,subscribed\n" for n in range(read_limits.AT_ONCE + 1)),
        _file(_readers(here, 30), "unsubscribed"),
    ):
        row = _look(here, desk("editor"), rows)
        _press(here, desk("editor"), row, **{"update-only": "1", "then": "again"})
        row = actions.inspect(row.pk, now=timezone.now)
        _press(here, desk("editor"), row, **{"update-only": "1"})
        assert row.state == "held"
        _settle(here, desk("admin"), "stop")
