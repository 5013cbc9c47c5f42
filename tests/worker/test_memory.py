"""Who takes an image of the public process's memory reads nobody's address in it, once their request is answered."""

import os
import re
import socket
from urllib.parse import urlencode

import pytest

from tests.sealed.memory import mappings
from tests.worker.conftest import Instance, until

WORD = b"kittiwake"
FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=b"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may read the memory of another process"),
    pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="only glibc writes over what is freed"),
]


def test_the_public_process_forgets_who_signed_up(peopled: Instance) -> None:
    peopled.start()
    for number in range(12):
        sign_up(peopled, f"{WORD.decode()}{number}@ptarmigan.example")
    (process,) = peopled.children()["public"]
    until(lambda: not remembered(process), seconds=60.0, most=2.0)


def test_the_public_process_forgets_what_was_asked_wrongly(peopled: Instance) -> None:
    """An address in a path, a query, a host, a header, a form that is too long, not a form, or not HTTP."""
    peopled.start()
    for number in range(12):
        address = f"{WORD.decode()}{number}@ptarmigan.example"
        for path in (f"/f/{address}", f"/nowhere/{address}", f"/u/{address}", f"/f/thursday?email={address}"):
            peopled.ask(path)
            peopled.ask(path, urlencode({"email": address}).encode(), Content_Type=FORM)
        peopled.ask("/f/thursday", urlencode({"email": address[:-8]}).encode(), Content_Type=FORM)
        peopled.ask("/f/thursday", address.encode() * 1000, Content_Type=FORM)
        peopled.ask("/f/thursday", part("email", address), Content_Type=PARTS)
        for line in (f"{address}\r\n\r\n", f"GET / HTTP/1.1\r\nHost: {address}\r\nReferer: {address}\r\n\r\n", address):
            with socket.create_connection(("127.0.0.1", peopled.ports[1]), 60) as connection:
                connection.sendall(line.encode())
                connection.shutdown(socket.SHUT_WR)
                connection.recv(100)
    (process,) = peopled.children()["public"]
    until(lambda: not remembered(process), seconds=60.0, most=2.0)


def part(name: str, value: str) -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n--b--\r\n'.encode()


def sign_up(instance: Instance, address: str) -> None:
    """Once without a stamp, once as it should be."""
    words = {"email": address}
    again = instance.ask("/f/thursday", urlencode(words).encode(), Content_Type=FORM)[1].decode()
    stamp = re.search(r'id="stamp" value="([a-z2-7]{39})"', again)
    assert stamp is not None and address in again
    form = urlencode(words | {"stamp": stamp[1]}).encode()
    assert instance.ask("/f/thursday", form, Content_Type=FORM)[0] == 200


def remembered(process: int) -> list[str]:
    held = mappings(process)
    assert any("[heap]" in place for place in held)
    return [place for place, bytes_ in held.items() if WORD in bytes_]
