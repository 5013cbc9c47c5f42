"""Each process is told the keys of its role, and is refused all others."""

import base64
import contextlib
import inspect
import json
import os
import re
import socket
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from samizdat import processes
from samizdat.accounts.actions import change_settings, found_organization
from samizdat.accounts.models import Organization
from samizdat.audience.actions import new_list
from samizdat.campaigns.actions import create
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.freezing import freeze
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.opened import open_campaign
from samizdat.core.crypto import seal, signature, strict
from samizdat.health import installation
from samizdat.vault import box_keys, keyring, purposes
from samizdat.vault.box_keys import BoxKeys
from samizdat.vault.errors import KeyFileBroken, KeyFileOpen, KeyRefused, KeyWrong, OrganizationLocked
from samizdat.vault.key_line import FOLLOW
from samizdat.vault.keyring import label
from samizdat.vault.keyserver import MOST_HANDED_IN, KeyServer
from samizdat.vault.models import VaultKey
from samizdat.vault.socket_source import SECRET_NAME, SOCKET_NAME, SocketSource
from samizdat.vault.source import InstanceSource
from samizdat.vault.sources.key_file import new_instance_key, read_key_file
from samizdat.worker.inbox import link_keys
from tests import warm
from tests.conftest import INSTANCE_KEY, NOW, TODAY
from tests.worker.conftest import ROOT, until
from tests.worker.test_key_locks import times_in_memory

SOURCE = InstanceSource(INSTANCE_KEY)
LINKS = [{"organization": "00", "number": 1, "keys": {}}]
SENDS, RESTS = keyring.OrganizationKeys(1, b"s" * 16), keyring.OrganizationKeys(2, b"r" * 16)
KINDS = ("data", "index", "link", "box", "proof")
PURPOSES = tuple(purposes.PURPOSES)
# What the worker never needs: who signs in, and by what.
OF_THE_WORKER = (
    "django secret",
    "people",
    "grants",
    "address links",
    "recipient keys",
    "key locks",
    "events",
    "consent records",
    "log",
    "suppression marks",
    "chain",
    "public pages",
    "location",
    "backup pieces",
    "backup manifests",
    "backup identity",
    "destroyed keys",
    "backup places",
    "releases",
    "epoch records",
)


class Remembers(InstanceSource):
    """opened: each key that it opened, as it is now."""

    def __init__(self, instance_key: bytes) -> None:
        super().__init__(instance_key)
        self.opened: list[bytes] = []

    def unwrap(self, label: str, wrapped: bytes | memoryview) -> bytes:
        self.opened.append(super().unwrap(label, wrapped))
        return self.opened[-1]


@pytest.fixture
def server() -> KeyServer:
    def sends(*owner: object) -> bool:
        return owner == (SENDS.id, SENDS.uid)

    return KeyServer(SOURCE, lambda: LINKS, lambda uid: (7, uid * 2), sends, exchange=lambda _begins: None)


def ask(server: KeyServer, role: str, **question: Any) -> dict[str, Any]:
    return server._answer(json.dumps(question).encode(), role)


def wrapped(label: str) -> str:
    return base64.b64encode(SOURCE.wrap(label, b"secret")).decode()


@pytest.mark.parametrize(
    ("role", "kinds", "purposes", "wraps", "links"),
    [
        ("desk", KINDS, PURPOSES, KINDS, False),
        ("worker", KINDS, OF_THE_WORKER, (), False),
        ("sender", ("data", "link", "proof"), ("log", "chain", "location", "releases"), (), False),
        ("public", (), (), (), True),
        ("lmtp", (), (), (), False),
        ("smtp", (), (), (), False),
    ],
)
def test_a_process_gets_what_its_role_needs_and_no_more(
    server: KeyServer,
    role: str,
    kinds: tuple[str, ...],
    purposes: tuple[str, ...],
    wraps: tuple[str, ...],
    links: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = [kind for kind in KINDS if "key" in ask(server, role, unwrap=wrapped(f"{kind}:1"), label=f"{kind}:1")]
    derived = [purpose for purpose in PURPOSES if "key" in ask(server, role, derive=purpose)]
    closed = [kind for kind in KINDS if "wrapped" in ask(server, role, wrap=f"{kind}:1", key_bytes=6)]
    former = [label for label in PURPOSES if "key" in _ask_former(server, role, label)]
    assert former == derived, "of a former instance key likewise"
    told = "links" in ask(server, role, links=True)
    takes_mail = role in ("lmtp", "smtp")
    assert ("key" in ask(server, role, seal_to="00" * 16)) is (told or takes_mail), "as little as what is read with"
    assert ("mailboxes" in ask(server, role, mailboxes=True)) is takes_mail
    assert ("key" in ask(server, role, checks=True)) is told, "and what checks what it shows"
    assert (tuple(opened), tuple(derived), tuple(closed), told) == (kinds, purposes, wraps, links)
    assert ("troubles" in ask(server, role, troubles=True)) is (role == "desk")
    assert ("last_lock" in ask(server, role, last_lock=True)) is (role == "desk")
    assert ("seconds" in ask(server, role, left="data:1:1:00")) is (role == "desk")
    assert ("exchange" in ask(server, role, exchange=False)) is (role == "desk")
    monkeypatch.setattr(server, "_hand_in", lambda _box: True)
    assert ("in" in ask(server, role, box="", place="", kind="leave", marks=[None])) is (role == "public")


def test_the_key_server_is_asked_nothing_but_what_is_tried_above() -> None:
    verbs = set(re.findall(r'(?:"(\w+)" in ask|ask\.get\("(\w+)"\))', inspect.getsource(KeyServer._answer)))
    asked = {one or other for one, other in verbs}
    assert asked == {
        "unwrap",
        "wrap",
        "derive",
        "links",
        "checks",
        "seal_to",
        "box",
        "troubles",
        "mailboxes",
        "last_lock",
        "hold",
        "left",
        "exchange",
    }


def _ask_former(server: KeyServer, role: str, purpose: str) -> dict[str, Any]:
    label = keyring.kept_label(purpose, 1, 5)
    return ask(server, role, unwrap=wrapped(label), label=label)


def test_one_command_at_a_time_replaces_the_instance_key_and_the_rest_starts_again_once_it_is_gone() -> None:
    told: list[bool] = []
    server = KeyServer(SOURCE, lambda: LINKS, lambda uid: (7, uid), lambda *_: False, exchange=told.append)
    ours, theirs = socket.socketpair()
    server.serve(theirs, "desk")
    SocketSource(ours).exchange(True)
    assert "already" in ask(server, "desk", exchange=True)["error"]
    ours.shutdown(socket.SHUT_RDWR)
    until(lambda: told == [True, False])
    assert "error" not in ask(server, "desk", exchange=True)


def test_the_public_process_can_check_what_it_shows_and_sign_nothing(server: KeyServer) -> None:
    checks = base64.b64decode(ask(server, "public", checks=True)["key"])
    seed = SOURCE.derive("public pages")
    assert checks != seed
    assert signature.is_signed(checks, b"words", signature.sign(seed, b"words"))
    assert not signature.is_signed(checks, b"words", signature.sign(checks, b"words"))


@pytest.mark.parametrize(("role", "opens"), [("sender", [SENDS]), ("worker", [SENDS, RESTS]), ("desk", [SENDS, RESTS])])
def test_a_sender_is_told_no_key_of_an_organization_that_sends_nothing(
    server: KeyServer, role: str, opens: list[keyring.OrganizationKeys]
) -> None:
    for kind in ("data", "link"):
        names = [(owner, label(kind, 1, owner)) for owner in (SENDS, RESTS)]
        assert [owner for owner, name in names if "key" in ask(server, role, unwrap=wrapped(name), label=name)] == opens
    assert "key" in ask(server, role, unwrap=wrapped("proof:1"), label="proof:1")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("change", "sends"),
    [
        ({"state": "draft"}, False),
        *(({"state": state}, True) for state in ("scheduled", "held", "sending", "waiting", "paused")),
        ({"state": "finished", "changed": NOW - timedelta(minutes=59)}, True),
        ({"state": "finished", "changed": NOW - timedelta(minutes=61)}, False),
        ({"state": "cancelled", "changed": NOW - timedelta(days=9)}, False),
        ({"state": "cancelled", "changed": NOW - timedelta(days=9), "pending": 1, "frozen": 1}, True),
    ],
)
def test_an_organization_sends_from_its_release_until_an_hour_after_the_last_answer(
    lantern: Any, change: dict[str, Any], sends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_keys.dbclock, "now", lambda: NOW)
    draft = Draft(subject="River", from_email="a@lantern.example", body="[Leave](*|UNSUB|*)")
    made = create(lantern, new_list(lantern, "Letter", now=NOW), draft, by=None, now=NOW)
    if change["state"] != "draft":
        freeze(open_campaign(made), NOW)
    Campaign.objects.filter(pk=made.pk).update(**{"changed": NOW, **change})
    uid = bytes(lantern.uid)
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(link_keys.has_to_send, lantern.pk, uid).result() is sends
        assert not thread.submit(link_keys.has_to_send, lantern.pk, bytes(16)).result()
        assert not thread.submit(link_keys.has_to_send, lantern.pk + 1, uid).result()


@pytest.mark.parametrize("role", ["desk", "public"])
def test_nobody_is_given_the_instance_key_or_a_purpose_of_their_own(server: KeyServer, role: str) -> None:
    for question in ({"derive": "wrap"}, {"derive": ""}, {"unwrap": "", "label": "instance:1"}, {}):
        assert set(ask(server, role, **question)) == {"error"}


def test_a_key_that_was_altered_is_told_apart_from_one_that_a_process_may_not_have(server: KeyServer) -> None:
    ours, theirs = socket.socketpair()
    server.serve(theirs, "sender")
    source, label_ = SocketSource(ours), f"data:1:{SENDS.id}:{SENDS.uid.hex()}"
    with pytest.raises(KeyWrong):
        source.unwrap(label_, bytes(61))
    with pytest.raises(KeyRefused, match="may not have this key"):
        source.derive("consent records")


def test_a_process_that_never_ends_its_line_is_hung_up_on_and_fills_no_memory(server: KeyServer) -> None:
    ours, theirs = socket.socketpair()
    server.serve(ours, "public")
    with theirs:
        theirs.settimeout(60)
        theirs.sendall(b"x" * MOST_HANDED_IN)
        # Linux says "reset" where the other end left bytes unread.
        with contextlib.suppress(ConnectionResetError):
            assert theirs.recv(1) == b""
        with pytest.raises(OSError, match=r"pipe|reset"):
            theirs.sendall(b"x" * 1_000_000)


@pytest.mark.parametrize("unread", [False, True])
def test_a_command_that_is_killed_while_it_asks_leaves_no_traceback_in_the_log(
    unread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, killed, broke = threading.Event(), threading.Event(), list[threading.ExceptHookArgs]()
    monkeypatch.setattr(threading, "excepthook", broke.append)

    def troubles() -> dict[str, str]:
        answered.set()
        assert killed.wait(60)
        return {}

    told: list[bool] = []
    server = KeyServer(SOURCE, lambda: LINKS, lambda uid: (7, uid), lambda *_: False, troubles, exchange=told.append)
    ours, theirs = socket.socketpair()
    before = set(threading.enumerate())
    server.serve(theirs, "desk")
    with ours:
        ours.sendall(b'{"exchange": true}\n')
        assert ours.recv(100) and told == [True]
        ours.sendall(b'{"troubles": true}\n' + b"{}\n" * unread)
        assert answered.wait(60)
    killed.set()
    until(lambda: before.issuperset(threading.enumerate()))
    assert broke == []
    assert told == [True, False], "what it had begun is ended"


def test_questions_about_what_strangers_send_come_behind_those_of_senders(
    server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind: list[str] = []
    for role in ("desk", "worker", "sender", "public", "lmtp", "smtp"):
        monkeypatch.setattr(processes, "come_behind", lambda role=role: behind.append(role))
        ours, theirs = socket.socketpair()
        server.serve(ours, role)
        with theirs, theirs.makefile("rwb", buffering=0) as stream:
            stream.write(b"{}\n")
            assert stream.readline()
    assert behind == ["public", "lmtp", "smtp"]


def test_no_other_user_of_the_machine_may_ask(server: KeyServer, tmp_path: Path) -> None:
    server.listen(tmp_path)
    for name in (SOCKET_NAME, SECRET_NAME):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) & 0o077 == 0


def test_a_process_of_our_user_that_can_read_no_file_of_the_folder_gets_no_key(
    server: KeyServer, tmp_path: Path
) -> None:
    server.listen(tmp_path)
    asked = SocketSource.running(tmp_path)
    assert asked is not None and asked.derive("session keys") == SOURCE.derive("session keys")
    (tmp_path / SECRET_NAME).write_text("0" * 64 + "\n")
    guessed = SocketSource.running(tmp_path)
    assert guessed is not None
    with pytest.raises(KeyRefused):
        guessed.derive("session keys")


def test_no_other_user_of_the_machine_reads_a_new_key_file(tmp_path: Path) -> None:
    new_instance_key(tmp_path / "data.key")
    assert stat.S_IMODE((tmp_path / "data.key").stat().st_mode) == 0o600


def test_a_key_file_of_another_user_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root put back the copy: it is the right one, and nobody else can read it."""

    def refused(*_words: object, **_named: object) -> str:
        raise PermissionError

    path = tmp_path / "data.key"
    new_instance_key(path)
    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(KeyFileBroken, match="chown"):
        read_key_file(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_file_that_others_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "data.key"
    key = new_instance_key(path)
    assert read_key_file(path) == key
    path.chmod(mode)
    with pytest.raises(KeyFileOpen, match="chmod 600"):
        read_key_file(path)


@pytest.mark.django_db(transaction=True)
def test_the_public_pages_seal_to_no_key_that_somebody_wrote_into_the_database(lantern: Any, vault: Any) -> None:
    other = found_organization("Harbour Bell", source=vault, today=TODAY)
    uid, row = bytes(lantern.uid), VaultKey.objects.get(organization=lantern, kind="box")
    ours = (row.number, seal.public_key(vault.unwrap(keyring.label_of(row, lantern), row.wrapped)))
    [theirs] = VaultKey.objects.filter(organization=other, kind="box").values_list("wrapped", flat=True)
    end, near = socket.socketpair()
    KeyServer(vault, list, partial(link_keys.box_key, vault), bool).serve(end, "public")
    asked = SocketSource(near)
    assert asked.box_key(uid) == ours
    VaultKey.objects.filter(pk=row.pk).update(public=bytes(range(32)))
    assert asked.box_key(uid) == ours
    for change in ({"wrapped": theirs}, {"wrapped": b"made up"}, {"organization": other}, {"current": False}):
        VaultKey.objects.filter(pk=row.pk).update(**change)
        with pytest.raises((KeyRefused, KeyWrong)):
            asked.box_key(uid)
        row.save()
    near.close()


@pytest.mark.django_db
def test_a_key_of_former_links_signs_none_where_somebody_makes_it_the_current_one(lantern: Any, vault: Any) -> None:
    """It came along with an export, and the file, or the server before, may be in other hands."""
    mine = keyring.keys(lantern)
    for kind, number in (("link", 77), ("index", 2)):
        wrapped = vault.wrap(label(kind, number, lantern, came=TODAY), bytes(range(32)))
        VaultKey.objects.create(
            organization=lantern, kind=kind, number=number, current=False, created=TODAY, wrapped=wrapped
        )
    keyring.use(vault)
    assert keyring.keys(lantern).links[77].secret == keyring.keys(lantern).index[2] == bytes(range(32))
    VaultKey.objects.filter(kind="index", number=2).update(current=True)
    keyring.use(vault)
    assert keyring.keys(lantern).index_version == mine.index_version
    VaultKey.objects.filter(kind="link", number=77).update(current=True)
    keyring.use(vault)
    with pytest.raises(KeyWrong):
        keyring.keys(lantern)
    assert 77 not in {row["number"] for row in link_keys.reader_links(vault)}


@pytest.mark.django_db
def test_a_key_of_one_organization_that_does_not_open_leaves_the_links_of_all_others_working(
    lantern: Any, vault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes the database writes one row, and every unsubscribe link would be no link."""
    monkeypatch.setattr(link_keys.connections, "close_all", lambda: None)  # Of its thread, which is ours here.
    other = found_organization("Harbour Bell", source=vault, today=TODAY)
    numbers = {row["number"] for row in link_keys.reader_links(vault)}
    row = VaultKey.objects.create(
        organization=other, kind="link", number=77, current=False, created=TODAY, wrapped=bytes(range(61))
    )
    assert {row["number"] for row in link_keys.reader_links(vault)} == numbers and len(numbers) == 2
    keyring.use(vault)
    assert 77 not in keyring.keys(other).links, "and commands start"
    assert keyring.unopened() == [row]
    assert [sign.state for sign in installation.changed_keys()] == ["red"], "the key file is not what is wrong"
    VaultKey.objects.filter(kind="link").update(wrapped=bytes(range(61)))
    with pytest.raises(KeyWrong):
        link_keys.reader_links(vault)


@pytest.mark.django_db
def test_a_key_opens_for_no_other_organization_that_somebody_gave_its_uid(lantern: Any, vault: Any) -> None:
    other = found_organization("Harbour Bell", source=vault, today=TODAY)
    assert keyring.keys(other)
    uid = bytes(lantern.uid)
    Organization.objects.filter(pk=lantern.pk).update(uid=bytes(16))
    Organization.objects.filter(pk=other.pk).update(uid=uid)
    other.refresh_from_db()
    with pytest.raises(KeyWrong):
        keyring.keys(other)
    VaultKey.objects.filter(organization=other).delete()
    with pytest.raises(KeyWrong):
        keyring.wrap_former(other, "link", 77, bytes(32), TODAY)
    keyring.forget_idle(-1)
    VaultKey.objects.filter(organization=lantern).update(organization=other)
    with pytest.raises(KeyWrong):
        keyring.keys(other)


@pytest.mark.django_db
def test_who_asks_for_keys_before_they_are_written_gets_them_right_afterwards(lantern: Any, vault: Any) -> None:
    rows = list(VaultKey.objects.filter(organization=lantern))
    VaultKey.objects.all().delete()
    keyring.use(vault)
    assert keyring.keys(lantern).data is None
    VaultKey.objects.bulk_create(rows)
    assert keyring.keys(lantern).data is not None


def test_the_key_that_boxes_are_sealed_to_is_asked_for_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    boxes = BoxKeys(lambda uid: asked.append(uid) or (1, uid))  # type: ignore[func-returns-value]
    clock = [1000.0]
    monkeypatch.setattr(box_keys.time, "monotonic", lambda: clock[0])
    for later in (0.0, 59.0, 2.0):
        clock[0] += later
        assert boxes.of(b"lantern") == (1, b"lantern")
    assert len(asked) == 2


def test_while_nobody_tells_the_key_anew_readers_leave_with_the_one_that_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: list[Any] = [(1, b"key"), KeyRefused("busy"), (2, b"other")]

    def ask(_uid: bytes) -> tuple[int, bytes]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    boxes, clock = BoxKeys(ask), [1000.0]
    monkeypatch.setattr(box_keys.time, "monotonic", lambda: clock[0])
    said = []
    for _minute in range(3):
        said.append(boxes.of(b"lantern")[0])
        clock[0] += 61
    assert said == [1, 1, 2]


def test_a_key_that_was_passed_on_is_written_over() -> None:
    """In the supervisor, which goes on after a lock: the others end."""
    remembers = Remembers(INSTANCE_KEY)
    server = KeyServer(remembers, list, lambda _uid: (1, b""), lambda *_owner: True)
    secret, known = os.urandom(32), label("data", 1, SENDS)
    ours, theirs = socket.socketpair()
    server.serve(theirs, "desk")
    source = SocketSource(ours)
    assert source.unwrap(known, SOURCE.wrap(known, secret)) == secret
    assert source.derive("log") == SOURCE.derive("log"), "so the answer before it is done with"
    assert remembers.opened == [bytes(32)]
    ours.close()


@pytest.mark.django_db
def test_so_is_the_one_that_says_which_mailboxes_are_ours(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_keys.connections, "close_all", lambda: None)  # Of its thread, which is ours here.
    change_settings(lantern, by=None, now=NOW, return_address="bounces@lantern.example")
    remembers = Remembers(INSTANCE_KEY)
    keyring.use(remembers)
    assert [row["addresses"] for row in link_keys.own_mailboxes()] == [["bounces@lantern.example"]]
    assert remembers.opened == [bytes(32)] and not keyring.holds(lantern.pk)


@pytest.mark.parametrize("role", ["desk", "worker"])
def test_so_is_a_key_that_was_given_to_the_supervisor_and_one_that_it_refuses(server: KeyServer, role: str) -> None:
    given, known = os.urandom(32), label("data", 1, SENDS)
    question = json.dumps({"wrap": known, FOLLOW: len(given)}).encode()
    assert ("wrapped" in server._answer(question, role, lambda _count: given)) is (role == "desk")
    assert given == bytes(32)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the memory of processes")
def test_none_of_the_keys_that_pass_stays_in_memory(tmp_path: Path) -> None:
    """Whoever was given them may be there still: the desk, while nobody reads a page."""
    code = (
        "from samizdat.cli.bootstrap import load_django; load_django(); import threading; from pathlib import Path;"
        "from samizdat.vault.keyserver import KeyServer; from samizdat.vault.source import InstanceSource;"
        f"server = KeyServer(InstanceSource({INSTANCE_KEY!r}), list, lambda _uid: (1, b''), lambda *_owner: True);"
        f"server.listen(Path({str(tmp_path)!r})); threading.Event().wait()"
    )
    known, count = label("data", 1, SENDS), 30
    opened, closed, strict_keys = ([os.urandom(32) for _number in range(count)] for _kind in range(3))
    environment = {**os.environ, "SAMIZDAT_DATA": str(tmp_path)}
    with warm.Process(["-c", code], cwd=ROOT, env=environment) as process:
        try:
            asked = [until(lambda: SocketSource.running(tmp_path)) for _connection in range(3)]
            for number, (secret, new, strict_key) in enumerate(zip(opened, closed, strict_keys, strict=True)):
                source = asked[number % 3]
                assert source.unwrap(known, SOURCE.wrap(known, secret)) == secret
                assert SOURCE.unwrap(known, source.wrap(known, new)) == new
                inner = strict.wrap(strict_key, secret, known, os.urandom(12))
                source.hold(strict_key, 0, known, SOURCE.wrap_outer(known, inner))
            secrets = [*opened, *closed, *strict_keys]
            texts = [base64.b64encode(secret)[:42] for secret in secrets]
            until(lambda: not times_in_memory(process.pid, [*secrets, *texts]), 60)
        finally:
            process.kill()


def test_a_strict_key_is_written_over_once_it_is_let_go() -> None:
    source, strict_key, owner = InstanceSource(INSTANCE_KEY), os.urandom(32), (SENDS.id, SENDS.uid)
    known = label("data", 1, SENDS)
    wrapped = SOURCE.wrap(known, strict.wrap(strict_key, os.urandom(32), known, os.urandom(12)))
    given = memoryview(strict_key).tobytes()
    source.hold(given, 60, known, wrapped)
    [held] = source._held[owner].keys
    source.let_go([owner])
    assert held == bytes(32) and given == strict_key, "and whoever gave it keeps theirs"
    with pytest.raises(OrganizationLocked):
        source.unwrap(known, wrapped)
