"""The activity log: what admins read of it, and what they carry away as proof."""

import json
import tracemalloc
from typing import Any

import pytest
from django.test import Client

from samizdat.audience.actions import consent
from samizdat.campaigns import actions
from samizdat.campaigns.drafts.draft import Draft
from samizdat.events import chain, log_file, queries
from samizdat.events.actions import record
from samizdat.events.kinds import SENTENCES
from samizdat.events.models import Event
from samizdat.events.queries import LogFilter
from samizdat.web.settings import activity
from samizdat.web.settings.activity import LogLines
from tests.conftest import NOW
from tests.web.conftest import House, signed_in
from tests.web.test_release import _to


@pytest.fixture
def vera(here: House) -> Client:
    return signed_in(here.people["admin"])


def _page(client: Client, here: House, **asked: str) -> str:
    return client.get(_to(here, "activity"), asked).content.decode()


def _table(page: str) -> str:
    return page.partition("<tbody>")[2].partition("</tbody>")[0]


def _file(client: Client, here: House, **asked: str) -> str:
    answer: Any = client.post(_to(here, "activity-file"), asked)
    return b"".join(answer.streaming_content).decode()


def test_an_admin_sees_who_did_what_the_newest_first(here: House, vera: Client) -> None:
    record("route.paused", here.organization, now=NOW, by=here.people["editor"], about=here.route.pk)
    record(
        "segment.removed", here.organization, now=NOW, by=here.people["admin"], detail={"name": "Volunteers"}, about=9
    )
    page = _table(_page(vera, here))
    assert page.index("Segment removed.") < page.index("Sending route paused.")
    assert "Volunteers" in page and "Clara" in page
    assert f'href="{_to(here, "edit-route", here.route.pk)}"' in page


def test_the_log_is_filtered_by_words_area_person_and_days(here: House, vera: Client) -> None:
    record("route.paused", here.organization, now=NOW, by=here.people["editor"])
    record("list.renamed", here.organization, now=NOW.replace(day=3), by=here.people["admin"])
    assert "Sending route paused." in _table(_page(vera, here, q="PAUSED route"))
    assert "List renamed." not in _table(_page(vera, here, q="PAUSED route"))
    assert "List renamed." not in _table(_page(vera, here, area="sending"))
    by = str(here.people["editor"].pk)
    assert "Sending route paused." in _table(_page(vera, here, by=by))
    assert "List renamed." not in _table(_page(vera, here, by=by))
    early = _table(_page(vera, here, since="2026-11-01", until="2026-11-03"))
    assert "List renamed." in early and "Sending route paused." not in early
    assert "No entries found" in _page(vera, here, since="2026-11-04", until="2026-11-05")


def test_a_day_of_the_log_is_one_of_the_organization(here: House, vera: Client) -> None:
    type(here.organization).objects.filter(pk=here.organization.pk).update(timezone="Asia/Tokyo")
    record("list.renamed", here.organization, now=NOW.replace(day=3, hour=20))
    assert "List renamed." in _table(_page(vera, here, since="2026-11-04", until="2026-11-04", q="renamed"))
    assert "No entries found" in _page(vera, here, since="2026-11-03", until="2026-11-03", q="renamed")


def test_older_entries_are_on_the_next_page(here: House, vera: Client) -> None:
    for number in range(activity_page := 50):
        record("folder.added", here.organization, now=NOW, about=number + 1)
    record("folder.renamed", here.organization, now=NOW, about=1)
    first = _page(vera, here, area="campaigns")
    assert first.count("Folder created.") == activity_page - 1 and "Older entries" in first
    older = first.partition('<a href="?area=campaigns&amp;before=')[2].partition('"')[0]
    assert "Folder created." in _table(_page(vera, here, area="campaigns", before=older))


def test_the_log_names_subscribers_by_number_and_their_own_acts_by_day(here: House, vera: Client) -> None:
    consent.unsubscribe(here.ada, here.list, now=NOW)
    page = _page(vera, here, q="unsubscribed from", by="0")
    assert "ada@" not in page and f"No. {here.ada.number:,}</a>" in _table(page)
    assert "25 Nov 2026</td>" in _table(page)
    assert "ada@" not in _file(vera, here) and "ada@" not in _file(vera, here, **{"as": "proof"})


def test_the_log_of_large_drafts_holds_a_few_of_them_at_once(here: House) -> None:
    text = Draft(subject="Long", body="б" * 250_000, format="markdown")
    rows = [actions.create(here.organization, here.list, text, now=NOW, by=here.people["admin"]) for _ in range(20)]
    events = list(Event.objects.filter(organization=here.organization, about__in=[row.pk for row in rows]))
    LogLines(here.organization, events[:1]).lines()
    tracemalloc.start()
    lines = LogLines(here.organization, events).lines()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [line.about for line in lines].count("Long") == 20
    assert peak < 8_000_000  # All are 10 MB sealed, and as much open.


def test_an_entry_that_somebody_wrote_into_the_database_is_marked_and_says_nothing(here: House, vera: Client) -> None:
    Event.objects.create(
        organization=here.organization, kind="person.locked", by=here.people["editor"], at=NOW, digest=bytes(32)
    )
    page = _table(_page(vera, here))
    assert "Samizdat didn’t write it" in page and "Account locked." not in page
    assert "Samizdat didn’t write it" in _file(vera, here)


def test_a_download_is_in_the_log_and_has_what_the_filters_show(here: House, vera: Client) -> None:
    record("route.paused", here.organization, now=NOW, by=here.people["editor"], about=here.route.pk)
    lines = _file(vera, here, area="sending", **{"as": "csv"}).splitlines()
    assert [line for line in lines if "Sending route paused." in line and "Clara" in line and "route.paused" in line]
    assert not [line for line in lines if "list." in line]
    assert "Activity log downloaded." in _table(_page(vera, here))


def test_a_download_that_is_read_slowly_holds_the_database_at_no_moment(here: House) -> None:
    """A cursor between two portions kept its thread at that moment: who signed in since was unknown to it."""
    for _ in range(5):
        record("route.paused", here.organization, now=NOW)
    everything = LogFilter()
    download = queries.whole_log(here.organization, everything, page=2)
    expected = [event.pk for event in queries.log(here.organization, everything)]
    assert next(download).pk == expected[0]
    Event.objects.filter(pk=expected[3]).delete()
    assert [event.pk for event in download] == [expected[1], expected[2], *expected[4:]]


def test_a_signed_log_tells_whether_a_line_of_it_was_changed_or_left_out(here: House, vera: Client) -> None:
    chain.append()
    lines = _file(vera, here, **{"as": "proof"}).splitlines(keepends=True)
    assert log_file.check(here.organization, lines).whole
    assert chain.link_at(here.organization, len(lines) - 2) == log_file.check(here.organization, lines).link
    changed = [line.replace("list.created", "list.renamed") for line in lines]
    assert log_file.check(here.organization, changed).reason == "digest"
    assert log_file.check(here.organization, lines[:3] + lines[4:]).reason == "link"
    assert log_file.check(here.organization, lines[:-2] + lines[-1:]).reason == "signature"
    assert log_file.check(here.organization, lines[:-1]).reason == "end"
    assert log_file.check(here.organization, ["[" * 5000]).reason == "line"
    other = json.loads(lines[0]) | {"organization": here.organization.pk + 1}
    assert log_file.check(here.organization, [json.dumps(other), *lines[1:]]).reason == "organization"


def test_whoever_has_the_public_key_alone_can_check_a_signed_log(here: House, vera: Client) -> None:
    """As docs/privacy.md says."""
    import hashlib

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    chain.append()
    body, last = _file(vera, here, **{"as": "proof"}).encode().rsplit(b"\n", 2)[:2]
    key = _page(vera, here).partition('<code class="typed wrap">')[2].partition("</code>")[0]
    message = b"samizdat\0published\0log\0" + hashlib.sha256(body + b"\n").digest()
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(json.loads(last)["signature"]), message)


@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_only_admins_read_or_download_the_log(here: House, role: str) -> None:
    client = signed_in(here.people[role])
    assert client.get(_to(here, "activity")).status_code == 403
    assert client.post(_to(here, "activity-file")).status_code == 403
    assert "Activity log" not in client.get(_to(here, "home")).content.decode()


def test_every_kind_of_event_is_in_an_area() -> None:
    assert {activity.area_of(kind) for kind in SENTENCES} == {*activity.AREAS}
