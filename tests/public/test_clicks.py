"""A counted link: it leads on, keeps one sum a link and day, and knows nothing of who pressed it."""

import json
import struct
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.test import Client

from samizdat.core.crypto import seal, sealed_page, tokens
from samizdat.public import clicks
from samizdat.publicdb import actions
from samizdat.publicdb.models import Intake, LinkTarget, Site
from samizdat.vault.errors import KeyRefused
from tests.public.conftest import BOX, KEY, OTHER_KEY, OTHER_UID, UID, publish

pytestmark = pytest.mark.django_db

CODE = tokens.make(KEY, "click", 4, 0)
TO = "https://paper.example/a?b=1#c"


@pytest.fixture
def tally(lantern_place: bytes, monkeypatch: pytest.MonkeyPatch) -> clicks.ClickTally:
    """Sums that go into the intake when the test says so."""
    actions.publish_targets(UID, {CODE: {"to": TO}}, tokens.target_key(KEY))
    found = clicks.ClickTally(later=lambda _seconds, _deed: None)
    monkeypatch.setattr(clicks, "tally", found)
    return found


def opened() -> list[dict[str, Any]]:
    boxes = [bytes(row.box) for row in Intake.objects.order_by("id")]
    assert all(struct.unpack(">I", box[:4])[0] == 5 for box in boxes)
    return [json.loads(seal.open_sealed(BOX, box[4:], b"intake\0" + UID)) for box in boxes]


def test_it_leads_on_and_the_sum_has_no_time_and_no_reader(reader: Client, tally: clicks.ClickTally) -> None:
    for _ in range(3):
        answer: Any = reader.get(f"/l/{CODE}", HTTP_USER_AGENT="Zweifuss/7", REMOTE_ADDR="203.0.113.7")
        assert (answer.status_code, answer["Location"]) == (302, TO)
        assert (answer["Referrer-Policy"], answer["Cache-Control"]) == ("no-referrer", "no-store")
        assert not answer.cookies
    assert reader.head(f"/l/{CODE}")["Location"] == TO
    assert reader.post(f"/l/{CODE}").status_code == 405
    assert not Intake.objects.exists()
    tally.flush()
    [said] = opened()
    assert {*said} == {"kind", "process", "at", "day", "counts"}
    assert (said["kind"], said["day"], said["counts"]) == ("pressed", datetime.now(UTC).date().isoformat(), {CODE: 3})


def test_boxes_look_alike_whether_anybody_pressed_or_not(reader: Client, tally: clicks.ClickTally) -> None:
    """Whoever reads this database may have had one person alone get the letter."""
    more = [tokens.make(KEY, "click", 4, number) for number in range(1, 130)]
    actions.publish_targets(UID, {code: {"to": TO} for code in more}, tokens.target_key(KEY))
    tally.flush()
    reader.get(f"/l/{CODE}")
    tally.flush()
    place, now = Site.objects.get(), datetime.now(UTC)
    for code in more:
        for _ in range(3):
            tally.add(place, code, now)
    tally.flush()
    tally.flush()
    tally.flush()
    boxes = [len(bytes(row.box)) for row in Intake.objects.order_by("id")]
    assert len(boxes) == 5 and len({*boxes}) == 1
    counts = [said["counts"] for said in opened()]
    assert counts[:2] == [{}, {CODE: 1}] and counts[4] == {} and (len(counts[2]), len(counts[3])) == (100, 29)
    assert counts[2] | counts[3] == dict.fromkeys(more, 3)
    times = [said["at"] for said in opened()]
    assert times == sorted({*times}), "each is later than the one before"


def test_a_group_without_links_has_no_box(reader: Client, tally: clicks.ClickTally) -> None:
    publish(OTHER_UID, host="other.example")
    tally.flush()
    assert {bytes(row.place_id) for row in Intake.objects.all()} == {UID}


def test_where_the_public_process_may_only_read_presses_are_handed_over_and_none_twice(
    reader: Client, tally: clicks.ClickTally, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite with a user of its own, as docs/small-server.md sets it up."""
    handed, refused = [], [KeyRefused("The supervisor is gone.")]

    def hand_in(_uid: bytes, box: bytes, _kind: str, _mark: bytes | None) -> bool:
        if handed and refused:
            raise refused.pop()
        handed.append(json.loads(seal.open_sealed(BOX, box[4:], b"intake\0" + UID))["counts"])
        return True

    def read_only(execute: Any, sql: str, *given: Any) -> Any:
        if not sql.startswith("SELECT"):
            raise OperationalError("attempt to write a readonly database")
        return execute(sql, *given)

    other = tokens.make(KEY, "click", 4, 1)
    actions.publish_targets(UID, {CODE: {"to": TO}, other: {"to": TO}}, tokens.target_key(KEY))
    monkeypatch.setattr(actions, "_door", hand_in)
    monkeypatch.setattr(clicks, "MOST", 1)
    with connections["publicdb"].execute_wrapper(read_only):
        for code in (CODE, other, other):
            reader.get(f"/l/{code}")
        tally.flush()
        tally.flush()
        tally.flush()
    assert handed == [{CODE: 1}, {other: 2}]


def test_whoever_has_the_letter_and_writes_the_database_leads_nobody_elsewhere(
    reader: Client, tally: clicks.ClickTally
) -> None:
    """The code stands in everybody's letter."""
    elsewhere = json.dumps({"to": "https://evil.example/"})
    for key in (b"", tokens.target_key(OTHER_KEY), tokens.target_key(KEY)):
        LinkTarget.objects.update(box=sealed_page.close(CODE, elsewhere, bytes(12), key))
        assert reader.get(f"/l/{CODE}").status_code == 404
    with pytest.raises(seal.SealBroken):  # Also where its row is one of ours.
        sealed_page.read(CODE, sealed_page.close(CODE, elsewhere, bytes(12), b""), tokens.target_key(KEY))


def test_a_link_of_a_letter_to_few_leads_on_and_counts_nothing(reader: Client, tally: clicks.ClickTally) -> None:
    actions.publish_targets(UID, {CODE: {"to": TO, "uncounted": True}}, tokens.target_key(KEY))
    assert reader.get(f"/l/{CODE}")["Location"] == TO
    tally.flush()
    assert [said["counts"] for said in opened()] == [{}]


def test_what_cannot_be_saved_before_the_pages_end_is_said_to_be_lost(
    reader: Client, tally: clicks.ClickTally, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_asked: object) -> None:
        raise OperationalError("the server is gone")

    tally.close()
    reader.get(f"/l/{CODE}")
    with monkeypatch.context() as patch:
        patch.setattr(actions, "drop_in", refuse)
        tally.flush()
        assert "saved a quarter of an hour later" in caplog.text and "lost" not in caplog.text
        caplog.clear()
        tally.close()
    assert "The last clicks before the public pages ended couldn’t be saved and are lost" in caplog.text
    assert "later" not in caplog.text
    caplog.clear()
    tally.close()
    assert caplog.text == "" and [said["counts"] for said in opened()] == [{}, {CODE: 1}]


def test_no_more_links_of_an_organization_wait_than_fit_into_memory(
    tally: clicks.ClickTally, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clicks, "WAITING", 3)
    for code in "abcdab":
        tally.add(Site.objects.get(), code, datetime(2026, 11, 25, 12, tzinfo=UTC))
    tally.flush()
    assert [box["counts"] for box in opened()] == [{"a": 2, "b": 2, "c": 1}]


@pytest.mark.usefixtures("tally")
def test_it_leads_nowhere_but_where_a_letter_said(reader: Client) -> None:
    other = tokens.make(KEY, "click", 4, 1)
    for wrong in (other, CODE[:-1], "a" * 52, "https://evil.example", f"{CODE}?to=https://evil.example/"):
        answer: Any = reader.get(f"/l/{wrong}")
        assert answer.get("Location", TO) == TO and answer.status_code in (302, 404)
    assert reader.get(f"/l/{other}").status_code == 404
    # On another group's own host it is no link at all.
    publish(OTHER_UID, host="other.example")
    assert reader.get(f"/l/{CODE}", HTTP_HOST="other.example").status_code == 404
    assert reader.get(f"/l/{CODE.upper()}=", HTTP_HOST="elsewhere.example")["Location"] == TO


@pytest.mark.usefixtures("tally")
def test_the_publicdb_itself_does_not_say_where_links_lead() -> None:
    held = b"".join(bytes(row.name) + bytes(row.box) for row in LinkTarget.objects.all())
    assert b"paper.example" not in held and CODE.encode() not in held


def test_a_day_is_that_of_the_readers_zone(tally: clicks.ClickTally) -> None:
    publish(zone="Asia/Vladivostok")
    tally.add(Site.objects.get(), CODE, datetime(2026, 11, 25, 20, tzinfo=UTC))
    tally.flush()
    assert opened()[0]["day"] == "2026-11-26"


def test_boxes_come_at_full_quarters_of_an_hour_and_who_presses_meanwhile_is_in_the_next(
    tally: clicks.ClickTally, monkeypatch: pytest.MonkeyPatch
) -> None:
    timers: list[tuple[float, Any]] = []
    tally = clicks.ClickTally(later=lambda seconds, deed: timers.append((seconds, deed)))
    place, now = Site.objects.get(), datetime(2026, 11, 25, 20, tzinfo=UTC)
    put_down = clicks.put

    def pressed_meanwhile(*box: Any) -> None:
        tally.add(place, CODE, now)
        put_down(*box)

    monkeypatch.setattr(clicks, "put", pressed_meanwhile)
    monkeypatch.setattr(clicks.connections, "close_all", lambda: None)  # The test's own.
    monkeypatch.setattr(clicks.time, "time", lambda: datetime(2026, 11, 25, 20, 7, tzinfo=UTC).timestamp())
    tally.begin()
    for _quarter in range(3):
        [(seconds, ring)] = timers
        assert seconds == 8 * 60
        timers.clear()
        ring()
    assert len(timers) == 1 and [said["counts"] for said in opened()] == [{}, {CODE: 1}, {CODE: 1}]
