"""A name server on loopback that knows the records it is given; for everything else there is no such name."""

import socket
import threading
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset


class NameServer:
    """records: name -> TXT values; one of more than 255 characters goes out in several strings, as real ones do.
    hosts: (name, type) -> values of A, AAAA, MX and PTR. failing: for these names it answers that it failed.
    has_zone: it answers as a server of the zone, not as a resolver."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, has_zone: bool = False) -> None:
        self.records: dict[str, list[str]] = {}
        self.hosts: dict[tuple[str, str], list[str]] = {}
        self.failing: set[str] = set()
        self.broken = False  # Answers that it failed, to everything.
        self.silent = False  # Answers nothing.
        self.asked = 0
        self.has_zone = has_zone
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self._thread = threading.Thread(target=self._serve, name="name server", daemon=True)

    @property
    def place(self) -> str:
        """For SAMIZDAT_DNS."""
        return f"{self.host}:{self.port}"

    @property
    def host(self) -> str:
        return str(self._socket.getsockname()[0])

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join(60)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(4096)
            if not data:
                return
            self.asked += 1
            if not self.silent:
                self._socket.sendto(self._answer(data), peer)

    def _answer(self, data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA if self.has_zone else dns.flags.RA
        name = query.question[0].name
        text, kind = name.to_text(omit_final_dot=True), query.question[0].rdtype
        values = self.records.get(text)
        if self.broken or text in self.failing:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif hosts := self.hosts.get((text, dns.rdatatype.to_text(kind))):
            answer.answer.append(dns.rrset.from_text_list(name, 60, dns.rdataclass.IN, kind, hosts))
        elif values is None and text not in {known for known, _type in self.hosts}:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif values is not None and kind == dns.rdatatype.TXT:
            texts = [" ".join(f'"{text[at : at + 255]}"' for at in range(0, len(text), 255)) for text in values]
            answer.answer.append(dns.rrset.from_text_list(name, 60, dns.rdataclass.IN, dns.rdatatype.TXT, texts))
        return answer.to_wire(max_size=65535)
