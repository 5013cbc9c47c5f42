"""Values that letters say: who changes many in a day is told of, and the page of a reader says what no letter says."""

from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from samizdat.accounts.actions import change_settings
from samizdat.audience import actions, queries, value_limit
from samizdat.audience.actions import edit_subscriber as editing
from samizdat.audience.models import Import
from samizdat.core.crypto import seal
from samizdat.events.models import Event
from samizdat.worker.schedule import admin_alerts
from tests.conftest import NOW
from tests.web.conftest import House
from tests.web.test_import_removals import _press, _readers, _run, _to

Desk = Callable[[str], Client]
HOME = "Many subscribers’ data changed today"
FEW = value_limit.ALONE_A_DAY


@pytest.fixture
def strict(here: House) -> House:
    change_settings(here.organization, by=None, now=NOW, requires_approval=True)
    return here


def _bring(here: House, client: Client, addresses: list[str], name: str) -> None:
    data = "email,First name\n" + "".join(f"{address},{name}\n" for address in addresses)
    client.post(_to(here, "upload"), {"files": [SimpleUploadedFile("people.csv", data.encode(), "text/csv")]})
    row = actions.inspect(Import.objects.latest("pk").pk, now=timezone.now)
    _press(here, client, row, basis="They said so.", **{"s-0": "pending"})
    assert _run(row).state == "finished"


def _edit(here: House, address: str, number: int, text: str) -> None:
    reader = queries.subscriber_at(here.organization, address)
    assert reader is not None
    was = {number: editing.seen(reader).get(number, "")}
    editing.edit(reader, was, {number: text}, now=timezone.now(), by=here.people["editor"])


def _told(here: House, desk: Desk) -> bool:
    return HOME in desk("admin").get(_to(here, "home")).content.decode()


def test_admins_are_told_at_once_of_a_file_that_changes_many_values(strict: House, desk: Desk) -> None:
    addresses = _readers(strict, FEW + 1)
    _bring(strict, desk("editor"), addresses, "Ada")
    assert _told(strict, desk)
    assert strict.organization.pk in admin_alerts.waiting(timezone.now()), "they are mailed, too"
    _bring(strict, desk("editor"), addresses, "Zoe")
    assert Event.objects.filter(kind=value_limit.ALARM).count() == 1


@pytest.mark.parametrize("way", ["by hand", "as if they were new"])
def test_values_that_one_person_changes_one_by_one_and_by_small_files_are_one_count(
    strict: House, desk: Desk, way: str
) -> None:
    first, *others = _readers(strict, FEW + 1)
    _bring(strict, desk("editor"), others, "Ada")
    number = next(field.number for field in queries.fields(strict.organization) if field.tag == "FNAME")
    _edit(strict, first, seal.NOTES, "Calls back.")
    assert not _told(strict, desk)
    if way == "by hand":
        _edit(strict, first, number, "Ada")
    else:
        form = {
            "address": first,
            "list": strict.list.pk,
            "consent": "So.",
            "purpose": "newsletter",
            f"value-{number}": "Ada",
        }
        desk("editor").post(_to(strict, "add-subscriber"), form)
    assert _told(strict, desk)


@pytest.mark.parametrize("what", ["new people", "the same values", "no second person"])
def test_of_everyday_files_nobody_is_told(here: House, desk: Desk, what: str) -> None:
    change_settings(here.organization, by=None, now=NOW, requires_approval=what != "no second person")
    addresses = [f"reader{n}@post.example" for n in range(FEW + 1)]
    if what == "no second person":
        _readers(here, FEW + 1)
    for _round in range(2 if what == "the same values" else 1):
        _bring(here, desk("editor"), addresses, "Ada")
    assert not Event.objects.filter(kind=value_limit.ALARM).exists()


@pytest.mark.parametrize(
    ("value", "reason"),
    [("a" * 101, "too long for emails"), ("closed: evil.example", "not shown in emails: contains a link"), ("Ada", "")],
)
def test_the_page_of_a_reader_says_why_no_letter_says_a_value(here: House, desk: Desk, value: str, reason: str) -> None:
    _bring(here, desk("editor"), ["ada@post.example"], value)
    reader = queries.subscriber_at(here.organization, "ada@post.example")
    assert reader is not None
    page = desk("editor").get(_to(here, "subscriber", reader.number)).content.decode()
    assert (reason in page) if reason else ("in emails" not in page and "for emails" not in page)
