"""The running program, asked over TLS by servers, people and strangers."""

import contextlib
import hashlib
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import h11
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from samizdat.core.crypto.key_service import KeyAnswer, KeyRequest
from samizdat.core.crypto.passphrase import from_base32
from samizdat.keyservice import certificates
from samizdat.keyservice.serving import MOST_OF_ONE
from samizdat.keyservice.store import AUTHORITY, utc_now
from samizdat.vault.errors import KeyFileBroken, KeyServiceStopped, KeyServiceUnreachable, KeyWrong
from samizdat.vault.sources import key_service
from samizdat.vault.sources.key_service import EpochPlace, PairedService, ask_all, instance_key
from tests.keyservice.conftest import KEY_BYTES, ROOT, WORDS, Host
from tests.ports import free_port


def ask(service: PairedService, key: bool = False) -> KeyAnswer:
    return service.ask("/key", KeyRequest(service.pairing.fingerprint, "00" * 8, key), 30)


# -- servers --


def test_a_known_server_gets_the_key_and_then_only_hears_that_it_may_use_it(running: Host) -> None:
    service = running.paired()
    first = ask(service, key=True)
    assert (first.given, first.seconds, from_base32(first.key)) == (True, 60, KEY_BYTES)
    again = ask(service)
    assert (again.given, again.key) == (True, "")
    assert instance_key([service])[0] == KEY_BYTES


def test_each_start_of_a_server_stands_in_the_log_and_no_later_question(running: Host) -> None:
    service = running.paired()
    for _time in range(3):
        ask(service, key=True)
    kinds = [entry.kind for entry in running.store.log()]
    assert kinds == ["created", "program_started", "server_added", "asked"]
    assert running.store.log()[-1].about == "newsletter from 127.0.0.1, start 00000000"


def test_a_server_that_starts_again_and_again_fills_no_log(running: Host) -> None:
    service = running.paired()
    for number in range(45):
        service.ask("/key", KeyRequest(service.pairing.fingerprint, f"{number:016x}"), 30)
    assert sum(entry.kind == "asked" for entry in running.store.log()) == 30


def test_who_stops_it_on_the_command_line_is_obeyed_at_once_and_the_key_is_gone(running: Host) -> None:
    service = running.paired()
    assert ask(service, key=True).given
    assert in_memory(running)
    running("stop")
    assert ask(service, key=True) == KeyAnswer(False, "stopped", stops=1)
    assert not in_memory(running)
    with pytest.raises(KeyServiceStopped, match="samizdat keyservice start"):
        instance_key([service])
    running("start", "--yes")
    assert ask(service) == KeyAnswer(False, "no_key", stops=1), "until someone enters the passphrase"
    running.end()
    running.start()
    assert ask(service, key=True).given


def in_memory(host: Host) -> bool:
    assert host.program is not None
    number = host.program.pid
    with open(f"/proc/{number}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{number}/maps").read_text().splitlines():
            if " rw" not in line:
                continue
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            with contextlib.suppress(OSError, OverflowError):
                memory.seek(start)
                if KEY_BYTES in memory.read(end - start):
                    return True
    return False


def test_each_answer_says_how_often_it_was_stopped(running: Host) -> None:
    service = running.paired()
    certificate = service.pairing.certificate
    assert ask_all([service]).stops == {certificate: 0}
    running("stop")
    assert ask_all([service]).stops == {certificate: 1}
    running("start", "--yes")
    assert ask_all([service]).stops == {certificate: 1}, "without its passphrase, too"
    running("remove-server", "newsletter")
    assert ask_all([service]).stops == {}


def test_it_starts_stopped_without_a_passphrase_and_says_so(host: Host) -> None:
    host("stop")
    host.words.unlink()
    host.start()
    assert ask(host.paired()) == KeyAnswer(False, "stopped", stops=1)


def test_a_wrong_passphrase_starts_nothing(host: Host) -> None:
    host.words.write_text("another horse battery staple")
    assert "isn't the passphrase" in host("serve", "--listen", host.address, code=1)


def test_with_an_altered_log_it_does_not_start(host: Host) -> None:
    path = host.store.folder / "log.jsonl"
    path.write_bytes(path.read_bytes().replace(b"created", b"erected"))
    assert "Line 1 of it was altered" in host("serve", "--listen", host.address, code=1)
    assert "Line 1 of it was altered" in host("log", code=1)


def test_a_server_that_was_removed_is_told_so(running: Host) -> None:
    service = running.paired()
    running("remove-server", "newsletter")
    assert ask(service, key=True) == KeyAnswer(False, "removed")


def test_a_server_gets_the_key_only_where_it_may_ask_from(running: Host) -> None:
    assert ask(running.paired("near", networks=["127.0.0.0/8"])).given
    assert ask(running.paired("far", networks=["203.0.113.5/32", "2001:db8::/32"])) == KeyAnswer(False, "removed")


def test_another_installations_server_gets_nothing(running: Host) -> None:
    service = running.paired()
    other = KeyRequest("aaaaa-aaaaa", "00" * 8, True)
    assert service.ask("/key", other, 30) == KeyAnswer(False, "removed")


def test_the_program_has_no_django() -> None:
    code = (
        "import sys; from samizdat.cli import keyservice; from samizdat.keyservice import program; "
        "from samizdat.vault.sources import passphrase; print([*{name.split('.')[0] for name in sys.modules}])"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "'samizdat'" in said
    assert not {"'django'", "'sqlite3'", "'psycopg'"} & set(re.findall("'[^']+'", said))


# -- certificates that aren't the right ones --


def repaired(service_path: Path, pem: str) -> PairedService:
    """A pairing file with another certificate and key."""
    text = service_path.read_text()
    head, authority = text.partition("-----BEGIN")[0], "-----BEGIN CERT" + text.rpartition("-----BEGIN CERT")[2]
    path = service_path.with_name("other.pairing")
    path.write_text(head + pem + authority)
    path.chmod(0o600)
    return PairedService.paired(path)


def own(pem: str) -> str:
    """Certificate and key, without the authority's certificate."""
    return pem.rpartition("-----BEGIN CERT")[0]


def test_a_certificate_of_another_authority_gets_nothing(running: Host) -> None:
    pem, _digest = certificates.client(certificates.authority(utc_now()), "newsletter", utc_now())
    with pytest.raises(KeyServiceUnreachable):
        ask(repaired(running.pair(), own(pem)))


def test_a_certificate_that_is_over_gets_nothing(running: Host) -> None:
    then = utc_now() - timedelta(days=3660)
    pem, digest = certificates.client(running.store.pem(AUTHORITY), "old", then)
    path = running.pair()
    with running.store.changing(utc_now(), "server_added", "old") as change:
        change.set(servers=[*change.state.servers, change.state.servers[0].__class__("old", digest, then)])
    with pytest.raises(KeyServiceUnreachable):
        ask(repaired(path, own(pem)))


def test_clocks_may_be_two_days_apart(running: Host) -> None:
    then = utc_now() + timedelta(days=2)
    pem, digest = certificates.client(running.store.pem(AUTHORITY), "ahead", then)
    path = running.pair()
    with running.store.changing(utc_now(), "server_added", "ahead") as change:
        change.set(servers=[*change.state.servers, change.state.servers[0].__class__("ahead", digest, then)])
    assert ask(repaired(path, own(pem))).given


def test_a_certificate_that_the_authority_issued_and_nobody_added_gets_nothing(running: Host) -> None:
    pem, _digest = certificates.client(running.store.pem(AUTHORITY), "newsletter", utc_now())
    assert ask(repaired(running.pair(), own(pem)), key=True) == KeyAnswer(False, "removed")


def test_a_service_with_another_certificate_of_the_same_authority_is_not_believed(running: Host) -> None:
    path = running.pair()
    text = path.read_text()
    path.write_text(re.sub("certificate [0-9a-f]{64}", f"certificate {'0' * 64}", text))
    with pytest.raises(KeyServiceUnreachable, match="isn't understood"):
        ask(PairedService.paired(path))


def test_nobody_is_let_in_without_a_certificate_or_with_an_older_tls(running: Host) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname, tls.verify_mode, tls.maximum_version = False, ssl.CERT_NONE, version
        answered = b""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", running.port), 30) as line:
            with tls.wrap_socket(line) as secured:
                secured.sendall(b"POST /key HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}")
                answered = secured.recv(100)
        assert answered == b""


def test_a_pairing_file_that_others_may_read_is_refused(host: Host) -> None:
    path = host.pair()
    path.chmod(0o640)
    with pytest.raises(KeyFileBroken, match="chmod 600"):
        PairedService.paired(path)
    with pytest.raises(KeyFileBroken, match="can't be read"):
        PairedService.paired(path.with_name("nothing"))


# -- what is no question --


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\x00" * 5000,
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /key HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n{",
        b"POST /key HTTP/1.1\r\nhost: x\r\ncontent-length: 99999\r\n\r\n" + b"{" * 99999,
        b"POST /key HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        + b"fff\r\n"
        + b"[" * 4095
        + b"\r\n0\r\n\r\n",
        b'POST /key HTTP/1.1\r\nhost: x\r\ncontent-length: 37\r\n\r\n{"installation":"a","start":"b","x":1}'[:-1],
        b"POST /" + b"x" * 20000,
    ],
)
def test_nonsense_from_a_known_server_is_no_question_and_harms_nobody(running: Host, sent: bytes) -> None:
    service = running.paired()
    with contextlib.suppress(OSError), line_of(service) as secured:
        secured.sendall(sent)
        secured.shutdown(socket.SHUT_WR)
        answered = b""
        while part := secured.recv(4096):
            answered += part
        assert b" 200 " not in answered
    assert ask(service).given


@contextlib.contextmanager
def line_of(service: PairedService) -> Iterator[ssl.SSLSocket]:
    with socket.create_connection((service.pairing.host, service.pairing.port), 30) as line:
        with service._tls.wrap_socket(line) as secured:
            yield secured


def test_who_opens_many_connections_is_turned_away_and_the_others_are_answered(running: Host) -> None:
    """All from one address here, so those that are open leave no room; they end by themselves."""
    service = running.paired()
    with contextlib.ExitStack() as stack:
        for _number in range(MOST_OF_ONE + 20):
            stack.enter_context(socket.create_connection(("127.0.0.1", running.port), 30))
    assert running.program is not None and running.program.poll() is None
    for _time in range(60):
        with contextlib.suppress(KeyServiceUnreachable):
            assert ask(service).given
            return
    raise AssertionError("it answers nobody any more")


# -- services that answer badly --


@contextlib.contextmanager
def pretending(host: Host, answer: "bytes | None", *, endless: bool = False) -> Iterator[None]:
    """A service with the right certificate that answers so; None: nothing at all."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(host.store.folder / "service.pem")
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", host.port)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                line, _address = listener.accept()
                with line, tls.wrap_socket(line, server_side=True) as secured:
                    secured.recv(4096)
                    while answer is not None and not ended.is_set():
                        secured.sendall(answer)
                        if not endless:
                            break
                    ended.wait(60)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(60)


OK = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        OK % (2, b"{}"),
        OK % (4, b"null"),
        OK % (18, b'{"given":"perhaps"}'[:18]),
        OK % (60000, b"[" * 60000),
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n" + b" " * 99999,
    ],
)
def test_an_answer_that_is_none_counts_as_no_answer(host: Host, answer: bytes) -> None:
    service = host.paired()
    with pretending(host, answer), pytest.raises(KeyServiceUnreachable):
        ask(service)


@pytest.mark.parametrize(("answer", "endless"), [(None, False), (b"HTTP/1.1 200 OK\r\nx: ", False), (b" ", True)])
def test_a_slow_or_endless_answer_is_waited_for_no_longer_than_agreed(
    host: Host, answer: bytes | None, endless: bool
) -> None:
    service = host.paired()
    with pretending(host, answer, endless=endless), pytest.raises(KeyServiceUnreachable):
        service.ask("/key", KeyRequest(host.mark, "00" * 8), 1)


def test_a_key_of_another_installation_is_not_taken(host: Host) -> None:
    service = host.paired()
    body = b'{"given":true,"seconds":60,"key":"' + b"a" * 52 + b'"}'
    with pretending(host, OK % (len(body), body)), pytest.raises(KeyWrong, match="another installation"):
        instance_key([service])


# -- two services --


@pytest.fixture
def second(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path / "second")
    yield made
    made.end()


def test_either_of_two_is_enough_and_a_stop_of_one_counts(running: Host, second: Host) -> None:
    both = [running.paired(), second.paired()]
    standing = ask_all(both, with_key=True, seconds=30)
    assert standing.keys == (KEY_BYTES,) and standing.until > key_service.clock() and not standing.stopped
    assert len(standing.unreachable) == 1
    second.start()
    assert ask_all(both, seconds=30).unreachable == ()
    second("stop")
    standing = ask_all(both, with_key=True, seconds=30)
    assert (standing.until, standing.stopped) == (0.0, "stopped")


def test_two_of_different_installations_are_refused(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Host(tmp_path / "other", key=bytes(32))
    monkeypatch.delenv("SAMIZDAT_KEY_FILE", raising=False)
    monkeypatch.setenv("SAMIZDAT_KEY_SERVICE", f"{host.pair()} {other.pair()}")
    with pytest.raises(KeyWrong, match="different installations"):
        key_service.services()


# -- epochs --


def test_records_of_epochs_are_kept_also_while_it_is_stopped(running: Host) -> None:
    place, name = EpochPlace(running.paired()), "epoch/00000003-6f726967696e616c"
    assert [*place.names("epoch")] == []
    running("stop")
    place.write(name, b"samizdat epoch 1\n")
    assert ([*place.names("epoch")], place.read(name)) == ([(name, 0)], b"samizdat epoch 1\n")
    with pytest.raises(KeyServiceUnreachable):
        place.write(name, b"another\n")


# -- the page --


class Browser:
    """A person with a certificate."""

    def __init__(self, host: Host, name: str = "olga") -> None:
        path = host.folder / f"{name}.p12"
        said = host("add-person", name, "--to", str(path))
        password = re.findall("Its password: (.+)", said)[0]
        key, certificate, _more = pkcs12.load_key_and_certificates(path.read_bytes(), password.encode())
        assert key is not None and certificate is not None
        pem = host.folder / f"{name}.pem"
        pem.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.tls = ssl.create_default_context(cadata=host.store.pem(AUTHORITY))
        self.tls.load_cert_chain(pem)
        self.port = host.port

    def __call__(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str]:
        http = h11.Connection(h11.CLIENT)
        sent = [("host", "x"), ("content-length", str(len(body)))]
        sent += [(name.replace("_", "-"), value) for name, value in headers.items()]
        data = http.send(h11.Request(method=method, target=path, headers=sent)) or b""
        data += http.send(h11.Data(data=body.encode())) or b""
        with socket.create_connection(("127.0.0.1", self.port), 30) as line:
            with self.tls.wrap_socket(line, server_hostname="127.0.0.1") as secured:
                secured.sendall(data + (http.send(h11.EndOfMessage()) or b""))
                answered = b""
                while part := secured.recv(65536):
                    answered += part
        head, _end, text = answered.decode().partition("\r\n\r\n")
        return int(head.split()[1]), text

    def token(self) -> str:
        return re.findall('name="token" value="([0-9a-f]{64})"', self("GET", "/")[1])[0]


def test_the_page_says_how_it_stands_and_who_asked(running: Host) -> None:
    olga, service = Browser(running), running.paired()
    assert "asked since the key service was started" in olga("GET", "/")[1]
    ask(service)
    status, page = olga("GET", "/")
    assert status == 200 and "The key is given" in page
    assert re.search("<b>newsletter</b> last asked .* from 127.0.0.1", page)
    russian = olga("GET", "/", accept_language="ru-RU,ru;q=0.9")[1]
    assert 'lang="ru"' in russian and "Служба ключей" in russian
    assert olga("GET", "/style.css")[0] == 200
    assert "<script" not in page and "style=" not in page
    assert olga("GET", "/key")[0] == 404


def test_its_button_stops_it(running: Host) -> None:
    olga, service = Browser(running), running.paired()
    token = olga.token()
    assert olga("POST", "/stop", f"token={token}") == (303, "")
    assert ask(service, key=True) == KeyAnswer(False, "stopped", stops=1)
    assert running.store.log()[-1].about == "olga on the page"
    page = olga("GET", "/")[1]
    assert "Stopped. No server gets the key." in page and "samizdat keyservice start" in page
    assert 'action="/confirm"' not in page and 'action="/stop"' not in page


def test_its_other_button_confirms(running: Host) -> None:
    olga = Browser(running)
    before = running.store.state().confirmed
    assert olga("POST", "/confirm", f"token={olga.token()}")[0] == 303
    assert running.store.state().confirmed > before
    assert running.store.log()[-1].kind == "confirmed"


def test_a_page_from_elsewhere_presses_nothing(running: Host) -> None:
    olga = Browser(running)
    token = olga.token()
    assert olga("POST", "/stop")[0] == 403
    assert olga("POST", "/stop", "token=" + "0" * 64)[0] == 403
    assert olga("POST", "/stop", "token=%FF%00&" * 50)[0] in (400, 403)
    assert olga("POST", "/stop", f"token={token}", sec_fetch_site="cross-site")[0] == 403
    assert running.store.state().why == ""


def test_a_server_sees_no_page_and_a_person_gets_no_key(running: Host) -> None:
    olga, service = Browser(running), running.paired()
    with pytest.raises(KeyServiceUnreachable):
        service.ask("/", KeyRequest(running.mark, "00" * 8), 30)
    assert olga("POST", "/key", f'{{"installation":"{running.mark}","start":"00","key":true}}')[0] == 404


def test_a_person_who_was_removed_sees_no_page(running: Host) -> None:
    olga = Browser(running)
    running("remove-person", "olga")
    assert olga("GET", "/")[0] == 404


# -- commands --


def test_it_is_created_from_a_key_file_and_pairs_a_server(tmp_path: Path) -> None:
    from samizdat.vault.sources.key_file import text_of, write_key_text

    folder, words = tmp_path / "service", tmp_path / "words"
    write_key_text(tmp_path / "data.key", text_of(KEY_BYTES))
    words.write_text(WORDS)
    words.chmod(0o600)
    host = Host(tmp_path / "unused")
    host.store.folder = folder
    host.words = words
    address, port = "keys.example.org", free_port()
    made = host(
        "init",
        "--address",
        f"{address}:{port}",
        "--key-file",
        str(tmp_path / "data.key"),
        "--passphrase-file",
        str(words),
    )
    assert host.mark in made and "Delete the key file" in made
    assert host.store.wrapped_key().open(WORDS) == KEY_BYTES
    pairing = tmp_path / "news.pairing"
    host("add-server", "news", "--to", str(pairing), "--from", "203.0.113.5")
    assert (pairing.stat().st_mode & 0o777, (folder / "key").stat().st_mode & 0o777) == (0o600, 0o600)
    service = PairedService.paired(pairing)
    assert service.address == f"{address}:{port}"
    certificate = ssl.PEM_cert_to_DER_cert(host.store.pem("service.pem").partition("-----BEGIN P")[0])
    assert service.pairing.certificate == hashlib.sha256(certificate).hexdigest()
    assert "may ask from" in host("status") and "203.0.113.5/32" in host("status")
    assert "server_added  news" in host("log")
    assert "known already" in host("add-server", "news", "--to", str(tmp_path / "x"), code=1)
    assert "like newsletter-1" in host("add-server", "No Name", "--to", str(tmp_path / "x"), code=1)
    assert not (tmp_path / "x").exists()
    assert "nothing is overwritten" in host(
        "init", "--address", "x", "--key-file", str(tmp_path / "data.key"), "--passphrase-file", str(words), code=1
    )
