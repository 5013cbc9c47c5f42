"""The state and the log of a key service, whatever happens to its files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from samizdat.core.crypto.key_service import (
    FIRST,
    KeyServiceBroken,
    LogAltered,
    LogEntry,
    Pairing,
    address_in,
    entries_in,
    line_of,
)
from samizdat.keyservice import store
from samizdat.keyservice.service import KeyService
from samizdat.keyservice.store import LOG, STATE, StoreError
from tests.keyservice.conftest import KEY_BYTES, Host

NOW = datetime(2026, 12, 2, 12, tzinfo=UTC)


def test_a_stop_counts_until_someone_starts_it(host: Host) -> None:
    now = store.utc_now()
    assert store.stop(host.store, now, "by hand")
    assert not store.stop(host.store, now, "by hand"), "it is stopped already"
    assert host.store.state().why_not(now) == "stopped"
    assert not store.confirm(host.store, now, "by hand"), "who confirms doesn't start it"
    assert store.start(host.store, now, "by hand")
    assert host.store.state().why_not(now) == ""
    assert [entry.kind for entry in host.store.log()] == ["created", "stopped", "started"]


def test_each_stop_has_a_number_and_nothing_else_counts_as_one(host: Host) -> None:
    now = store.utc_now()
    assert host.store.state().stops == 0
    for stops in (1, 2):
        store.stop(host.store, now, "by hand")
        store.stop(host.store, now, "by hand")
        store.start(host.store, now, "by hand")
        store.start(host.store, now, "by hand")
        store.confirm(host.store, now, "by hand")
        assert host.store.state().stops == stops
    late = now + timedelta(days=31)
    assert host.store.state().why_not(late) == "not_confirmed" and host.store.state().stops == 2
    store.start(host.store, late, "by hand")
    assert host.store.state().stops == 3, "nobody wrote down that nobody confirmed, and keys weren't given"


def test_it_stops_when_nobody_confirms(host: Host) -> None:
    state = host.store.state()
    later = state.confirmed + timedelta(days=30)
    assert state.why_not(later - timedelta(seconds=1)) == ""
    assert state.why_not(later) == "not_confirmed"
    service = KeyService(host.store, bytearray(KEY_BYTES), lambda: later)
    service.look()
    assert not service.has_key
    assert host.store.state().why == "not_confirmed"
    assert host.store.log()[-1].about == "nobody confirmed for 30 days"


def test_a_clock_that_is_set_back_makes_nothing_last_longer(host: Host) -> None:
    state = host.store.state()
    host.store.note_time(state.confirmed + timedelta(days=30))
    assert host.store.state().why_not(state.confirmed + timedelta(days=1)) == "not_confirmed"


def test_a_confirmation_counts_for_as_many_days_again(host: Host) -> None:
    state = host.store.state()
    assert store.confirm(host.store, state.confirmed + timedelta(days=29), "by hand")
    assert host.store.state().why_not(state.confirmed + timedelta(days=58)) == ""


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"format": "samizdat key service state 2"}']
)
def test_with_a_state_that_cannot_be_read_no_key_is_given(host: Host, text: bytes) -> None:
    service = KeyService(host.store, bytearray(KEY_BYTES), store.utc_now)
    (host.store.folder / STATE).write_bytes(text)
    with pytest.raises(StoreError, match="no key is given"):
        service.state()
    assert not service.has_key


def test_half_a_state_is_no_state(host: Host) -> None:
    path = host.store.folder / STATE
    whole = path.read_bytes()
    for cut in range(0, len(whole) - 2, 17):
        path.write_bytes(whole[:cut])
        with pytest.raises(StoreError):
            host.store.state()


def entries(count: int) -> tuple[bytes, str]:
    data, before = b"", FIRST
    for number in range(1, count + 1):
        line = line_of(LogEntry(number, NOW, "asked", f"newsletter, “{number}”", before))
        data, before = data + line, line.rpartition(b'"hash":"')[2][:64].decode()
    return data, before


def test_a_log_is_read_as_it_was_written() -> None:
    data, head = entries(5)
    assert [entry.number for entry in entries_in(data, 5, head)] == [1, 2, 3, 4, 5]
    assert len(entries_in(data, 3, entries(3)[1])) == 5, "its state may be older"
    assert len(entries_in(data + b'{"number":6,"at":"20', 5, head)) == 5, "half a line was never finished"


def test_every_altered_byte_of_a_log_is_found() -> None:
    data, head = entries(3)
    for place in range(len(data)):
        altered = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(LogAltered):
            entries_in(altered, 3, head)


def test_a_log_that_was_cut_or_written_anew_is_found() -> None:
    data, head = entries(3)
    for altered in (b"", entries(2)[0], data.split(b"\n", 1)[1], entries(3)[0].replace(b"asked", b"start")):
        with pytest.raises(LogAltered):
            entries_in(altered, 3, head)
    other = line_of(LogEntry(1, NOW, "other", "", FIRST))
    with pytest.raises(LogAltered):
        entries_in(other, 1, entries(1)[1])
    with pytest.raises(LogAltered) as altered_line:
        entries_in(other + data.split(b"\n", 1)[1], 3, head)
    assert altered_line.value.line == 2, "the one that stands on what was there before"


def test_with_an_altered_log_nothing_starts_and_nothing_is_written(host: Host) -> None:
    path = host.store.folder / LOG
    path.write_bytes(path.read_bytes().replace(b"created", b"erected"))
    with pytest.raises(StoreError, match="Line 1 of it was altered"):
        host.store.check_log()
    with pytest.raises(StoreError):
        store.confirm(host.store, store.utc_now(), "by hand")


def test_half_a_line_of_the_log_is_cut_off(host: Host) -> None:
    path = host.store.folder / LOG
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"number":2,"at":"2026-12')
    store.stop(host.store, store.utc_now(), "by hand")
    assert [entry.kind for entry in host.store.log()] == ["created", "stopped"]
    assert path.read_bytes().startswith(whole)


def test_records_of_epochs_are_kept_as_they_came(host: Host) -> None:
    name = "epoch/00000003-6f726967696e616c"
    assert host.store.write_epoch(name, "samizdat epoch 1\n")
    assert host.store.write_epoch(name, "samizdat epoch 1\n")
    assert not host.store.write_epoch(name, "another\n")
    assert (host.store.epochs(), host.store.read_epoch(name)) == ([name], "samizdat epoch 1\n")
    for wrong in ("epoch/../state.json", "state.json", "epoch/3", "epoch/00000003-6F726967696E616C", "epoch/"):
        assert not host.store.write_epoch(wrong, "x")
        assert host.store.read_epoch(wrong) is None
    assert not host.store.write_epoch("epoch/00000004-6f726967696e616c", "x" * 513)


def test_half_a_pairing_file_pairs_nobody(host: Host) -> None:
    text = host.pair().read_text()
    assert Pairing.parsed(text).text == text
    assert Pairing.parsed(text.replace("\n", "\r\n")).text == text
    for cut in range(0, len(text) - 2, 23):
        with pytest.raises(KeyServiceBroken):
            Pairing.parsed(text[:cut])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("keys.example.org", ("keys.example.org", 8470)),
        ("keys.example.org:443", ("keys.example.org", 443)),
        ("[2001:db8::1]:8470", ("2001:db8::1", 8470)),
        ("203.0.113.5", ("203.0.113.5", 8470)),
    ],
)
def test_addresses_are_hosts_with_or_without_a_port(text: str, place: tuple[str, int]) -> None:
    assert address_in(text) == place


@pytest.mark.parametrize("text", ["", ":8470", "keys:0", "keys:65536", "2001:db8::1", "keys.example.org:8470/x", "a b"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(KeyServiceBroken):
        address_in(text)


def test_a_folder_that_has_something_is_left_alone(host: Host, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nothing is overwritten"):
        host.store.make(host.store.state(), {}, NOW)
