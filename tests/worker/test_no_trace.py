"""T3: sign up, confirm, leave and come back from a known address and program, and look for them everywhere.

The real process tree, asked over the network; then every file of the data folder, everything the database holds and
both streams are searched.
"""

import re
import socket
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.worker.conftest import Instance, until

# Addresses nobody else uses here: one is forwarded by a proxy, one is the real peer (all of 127/8 is this machine).
FORWARDED, PEER = "203.0.113.77", "127.77.66.55"
AGENT = "Zweifuss/7.25 (unmistakable)"
FORM = "application/x-www-form-urlencoded"


def ask(instance: Instance, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """One request from PEER, byte by byte, with everything a proxy and a browser would tell."""
    with socket.create_connection(("127.0.0.1", instance.ports[1]), 10, (PEER, 0)) as connection:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nUser-Agent: {AGENT}\r\n"
            f"X-Forwarded-For: {FORWARDED}\r\nForwarded: for={FORWARDED}\r\nX-Real-IP: {FORWARDED}\r\n"
            f"Referer: https://webmail.example/?from={FORWARDED}\r\nCookie: id={FORWARDED}\r\n"
            f"Content-Type: {FORM}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return int(answer.split()[1]), answer


def test_no_address_and_no_program_of_a_reader_is_anywhere(peopled: Instance) -> None:
    peopled.start()
    live(peopled)
    peopled.stop()
    wanted = [FORWARDED.encode(), PEER.encode(), AGENT.encode(), b"Zweifuss"]
    for name, held in everything(peopled).items():
        for needle in wanted:
            assert needle not in held, (name, needle)
    # And no word about a request at all.
    assert not re.search(r"/[ucflq]/|POST|GET", peopled.log.read_text())


def live(instance: Instance) -> None:
    """The whole life of a reader, with their mistakes."""
    token = instance.made["token"]
    assert ask(instance, "GET", f"/u/{token}")[0] == 200
    assert ask(instance, "GET", "/a/")[0] == 200
    for method in ("GET", "HEAD"):
        status, answer = ask(instance, method, f"/l/{instance.made['click']}")
        assert status == 302 and b"location: https://paper.example/\r\n" in answer.lower() and b"cookie" not in answer
    status, head = ask(instance, "HEAD", f"/u/{token}")
    assert status == 200 and head.endswith(b"\r\n\r\n")
    assert b"server:" not in head.lower()
    shown = ask(instance, "GET", f"/q/{instance.made['answer']}")[1].decode()
    given = re.search(r'name="stamp" value="([a-z2-7]{39})"', shown)
    assert given is not None
    thanks = ask(instance, "POST", f"/q/{instance.made['answer']}", urlencode({"stamp": given[1]}).encode())
    assert thanks[0] == 200 and b"Your answer is counted." in thanks[1] and b"cookie:" not in thanks[1].lower()
    assert ask(instance, "GET", "/nowhere")[0] == 404
    assert ask(instance, "POST", "/u/nonsense", b"x")[0] == 404
    assert ask(instance, "POST", f"/u/{token}", b"x" * 20_000)[0] == 413
    assert ask(instance, "BREW", f"/u/{token}")[0] == 405
    # A post without a stamp is asked for once more, with one.
    again = ask(instance, "POST", "/f/thursday", urlencode({"email": "eva@example.org"}).encode())[1].decode()
    stamp = re.search(r'id="stamp" value="([a-z2-7]{39})"', again)
    assert stamp is not None
    words = {"email": "eva@example.org", "stamp": stamp[1]}
    assert ask(instance, "POST", "/f/thursday", urlencode(words).encode())[0] == 200
    (mail,) = until(lambda: list(Path(instance.made["out"]).rglob("*.eml")))
    text = mail.read_bytes().replace(b"=\r\n", b"").decode()
    confirm = re.search(r"/c/([a-z2-7]{52})", text)
    assert confirm is not None
    assert ask(instance, "POST", f"/c/{confirm[1]}")[0] == 200
    until(lambda: b"This link was already used" in ask(instance, "GET", f"/c/{confirm[1]}")[1])
    assert ask(instance, "POST", f"/u/{token}", b"List-Unsubscribe=One-Click")[0] == 200
    until(lambda: "You’re unsubscribed".encode() in ask(instance, "GET", f"/u/{token}")[1])
    assert ask(instance, "POST", f"/u/{token}/back")[0] == 200
    until(lambda: "You’re unsubscribed".encode() not in ask(instance, "GET", f"/u/{token}")[1])
    with socket.create_connection(("127.0.0.1", instance.ports[1]), 10, (PEER, 0)) as broken:
        broken.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        broken.recv(1000)


def everything(instance: Instance) -> dict[str, bytes]:
    found = {str(path): path.read_bytes() for path in instance.folder.rglob("*") if path.is_file()}
    found["streams"] = instance.log.read_bytes() if instance.process else b""
    url = instance.environment.get("DATABASE_URL")
    if url:
        found["database"] = dumped(url)
    return found


def dumped(url: str) -> bytes:
    """Every row of every table as PostgreSQL writes it; bytes are shown as they are, not as hexadecimal."""
    import psycopg

    rows: list[Any] = []
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'publicdb')"
        ).fetchall()
        for schema, table in tables:
            for row in connection.execute(f'SELECT * FROM "{schema}"."{table}"').fetchall():
                rows += [value if isinstance(value, bytes) else str(value).encode() for value in row]
    return b"\n".join(rows)


def test_the_search_would_find_what_it_looks_for(peopled: Instance) -> None:
    planted = peopled.folder / "planted"
    planted.write_bytes(b"\0" + FORWARDED.encode())
    assert any(FORWARDED.encode() in held for held in everything(peopled).values())
    assert subprocess.run(["grep", "-q", FORWARDED, planted], check=False).returncode == 0
