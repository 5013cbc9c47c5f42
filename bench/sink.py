"""An SMTP server that is faster than we are: it takes everything, keeps nothing, and does in between what it is told.

python -m bench sink [--port 2525] [--latency 20ms]

One process, one thread, epoll, one receive and one send a message. A body is not parsed: its end is looked for in the
last bytes of what arrives, which is right for every client that waits for the answer to DATA (RFC 2920, 3.1).
Benchmarks start it by `Fast` and talk to it by its standard input, one JSON object a line:

    {"answer": {"mail": "451 4.7.1 Slow down"}}   from now on, instead of the ordinary answer; null: ordinary again
                                                  (stages: mail, rcpt, data, final)
    {"latency": 0.02}                             seconds before the answer to a final dot
    {"dead": true} {"dead": false}                stop listening and cut every connection; listen again
    {"tell": true}                                answered by one line of JSON: taken, open, most_open, cpu, system
    {"names": "FILE"}                             writes who got a message, one a line for each copy (with --names)
"""

import argparse
import contextlib
import json
import os
import resource
import select
import socket
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from bench import common

# A message of 36 KB comes in one piece where the kernel has it whole.
ROOM = 1 << 17
# Where the end of a body may stand, from the end of a piece: the envelope of the next message follows it at most.
TAIL = 2048
BACKLOG = 1000
DOT = b"\r\n.\r\n"
HELLO = b"220 sink ESMTP\r\n"
EXTENSIONS = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 52428800\r\n"
FINAL = "250 2.0.0 Ok: queued as 4Zq1xN0abcz9"
ORDINARY = {"mail": b"250 2.1.0 Ok\r\n", "rcpt": b"250 2.1.5 Ok\r\n", "data": b"354 go ahead\r\n"}
ORDINARY["final"] = FINAL.encode() + b"\r\n"
# What our own client writes after a body, and what is answered to it, in one piece.
GROUP = ORDINARY["mail"] + ORDINARY["rcpt"] + ORDINARY["data"]
OUT_OF_ORDER = b"503 5.5.1 MAIL first\r\n"


class Connection:
    """One client. `start`: bytes at the front of the buffer that were not understood yet."""

    __slots__ = ("buffer", "closed", "content", "mail", "names", "owed", "rcpt", "socket", "start", "view")

    def __init__(self, client: socket.socket) -> None:
        self.socket = client
        self.buffer = bytearray(ROOM)
        self.view = memoryview(self.buffer)
        self.start = 0
        self.content = self.mail = self.rcpt = self.closed = False
        self.names: list[bytes] = []
        self.owed = 0  # Answers that wait for their moment; what follows them waits behind them.


class Sink:
    """The server's own process."""

    def __init__(self, latency: float, names: bool) -> None:
        self.latency = latency
        self.keeps_names = names
        self.names: list[bytes] = []
        self.taken = self.most_open = self.connected = 0
        self.answers = dict(ORDINARY)
        self.ordinary = True
        self.late: deque[tuple[float, Connection, bytes, list[bytes]]] = deque()
        self.connections: dict[int, Connection] = {}
        self.epoll = select.epoll()
        self.listener: socket.socket | None = None

    def listen(self, port: int) -> int:
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(BACKLOG)
        self.listener.setblocking(False)
        self.epoll.register(self.listener, select.EPOLLIN)
        return int(self.listener.getsockname()[1])

    def run(self, port: int, orders: int | None) -> None:
        """Until the orders end."""
        self.port = port
        self.orders = orders
        if orders is not None:
            os.set_blocking(orders, False)
            self.epoll.register(orders, select.EPOLLIN)
        self.said = b""
        receive = self.receive
        connections = self.connections
        poll = self.epoll.poll
        while True:
            for descriptor, _event in poll(self.patience()):
                connection = connections.get(descriptor)
                if connection is not None:
                    receive(connection)
                elif descriptor == orders:
                    if not self.obey():
                        return
                else:
                    self.accept()
            if self.late:
                self.answer_late()

    # -- connections ------------------------------------------------------------------------------------------------

    def accept(self) -> None:
        while self.listener is not None:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections[client.fileno()] = Connection(client)
            self.epoll.register(client, select.EPOLLIN)
            self.connected += 1
            self.most_open = max(self.most_open, len(self.connections))
            self.send(self.connections[client.fileno()], HELLO)

    def leave(self, connection: Connection) -> None:
        if not connection.closed:
            connection.closed = True
            del self.connections[connection.socket.fileno()]
            connection.socket.close()

    def send(self, connection: Connection, answer: bytes) -> None:
        try:
            connection.socket.send(answer)
        except OSError:  # Gone, or it does not read its answers.
            self.leave(connection)

    def receive(self, connection: Connection) -> None:
        start = connection.start
        try:
            count = connection.socket.recv_into(connection.view[start:])
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if not count:
            self.leave(connection)
            return
        end = start + count
        buffer = connection.buffer
        if connection.content:
            dot = buffer.rfind(DOT, max(0, end - TAIL), end)
            if dot < 0:
                # The dot may come in two pieces.
                kept = min(end, len(DOT) - 1)
                buffer[:kept] = buffer[end - kept : end]
                connection.start = kept
                return
            connection.content = False
            self.final(connection, bytes(connection.view[dot + len(DOT) : end]))
            return
        self.talk(connection, bytes(connection.view[:end]), b"")

    # -- what is said -----------------------------------------------------------------------------------------------

    def final(self, connection: Connection, rest: bytes) -> None:
        """A whole message is here; `rest` follows it, mostly the envelope of the next one."""
        taken = self.answers["final"][:1] == b"2"
        names, connection.names = connection.names, []
        connection.mail = connection.rcpt = False
        if self.latency:
            self.late.append((time.monotonic() + self.latency, connection, self.answers["final"], names))
            connection.owed += 1
        elif taken:
            self.taken += 1
            self.names += names
        self.talk(connection, rest, b"" if self.latency else self.answers["final"])

    def talk(self, connection: Connection, said: bytes, answer: bytes) -> None:
        """Answers every whole line of `said`, after `answer`; keeps what is not whole."""
        *lines, left = said.split(b"\r\n")
        connection.buffer[: len(left)] = left
        connection.start = len(left)
        if len(lines) == 3 and self.ordinary and lines[2] == b"DATA" and lines[0][:4] == b"MAIL":
            connection.content = True
            answer += GROUP
            if self.keeps_names:
                connection.names = [_address(lines[1])]
        else:
            for line in lines:
                answer += self.command(connection, line)
        # The first line of a body may stand behind DATA only where a client does not wait: ours and smtp-source do.
        if connection.owed and answer:
            moment = self.late[-1][0] if self.late else 0.0
            self.late.append((moment, connection, answer, []))
            connection.owed += 1
        elif answer:
            self.send(connection, answer)

    def command(self, connection: Connection, line: bytes) -> bytes:
        word = line[:4].upper()
        if word == b"MAIL":
            connection.mail = self.answers["mail"][:1] == b"2"
            return self.answers["mail"]
        if word == b"RCPT":
            if not connection.mail:
                return OUT_OF_ORDER
            connection.rcpt = self.answers["rcpt"][:1] == b"2"
            if connection.rcpt and self.keeps_names:
                connection.names.append(_address(line))
            return self.answers["rcpt"]
        if word == b"DATA":
            if not connection.rcpt:
                return OUT_OF_ORDER
            connection.content = self.answers["data"][:1] == b"3"
            return self.answers["data"]
        if word == b"RSET":
            connection.mail = connection.rcpt = False
            connection.names.clear()
            return b"250 2.0.0 Ok\r\n"
        if word == b"QUIT":
            self.send(connection, b"221 2.0.0 bye\r\n")
            self.leave(connection)
            return b""
        return {b"EHLO": EXTENSIONS, b"HELO": b"250 sink\r\n"}.get(word, b"500 5.5.2 what?\r\n")

    def answer_late(self) -> None:
        now = time.monotonic()
        while self.late and self.late[0][0] <= now:
            _, connection, answer, names = self.late.popleft()
            connection.owed -= 1
            if connection.closed:
                continue  # Its answer was never given, so it counts as not taken.
            if answer is self.answers["final"] and answer[:1] == b"2":
                self.taken += 1
                self.names += names
            self.send(connection, answer)

    def patience(self) -> float | None:
        return max(0.0, self.late[0][0] - time.monotonic()) if self.late else None

    # -- orders -----------------------------------------------------------------------------------------------------

    def obey(self) -> bool:
        assert self.orders is not None
        data = os.read(self.orders, ROOM)
        if not data:
            return False
        *lines, self.said = (self.said + data).split(b"\n")
        for line in lines:
            self.order(json.loads(line))
        return True

    def order(self, order: dict[str, Any]) -> None:
        for stage, answer in order.get("answer", {}).items():
            self.answers[stage] = ORDINARY[stage] if answer is None else answer.encode() + b"\r\n"
            self.ordinary = self.answers == ORDINARY
        self.latency = order.get("latency", self.latency)
        if "dead" in order:
            self.die() if order["dead"] else self.listen(self.port)
        if "names" in order:
            Path(order["names"]).write_bytes(b"".join(name + b"\n" for name in self.names))
        if "tell" in order or "names" in order:
            print(json.dumps(self.told()), flush=True)

    def die(self) -> None:
        if self.listener is not None:
            self.listener.close()
            self.listener = None
        for connection in list(self.connections.values()):
            self.leave(connection)

    def told(self) -> dict[str, Any]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "taken": self.taken,
            "open": len(self.connections),
            "most_open": self.most_open,
            "connected": self.connected,
            "cpu": used.ru_utime + used.ru_stime,
            "system": used.ru_stime,
            "at": time.monotonic(),
        }


def _address(line: bytes) -> bytes:
    """`RCPT TO:<a@b>` as b'a@b'."""
    return line[line.find(b"<") + 1 : line.find(b">")]


# --- the benchmarks' side ---


class Fast:
    """A sink in a process of its own, told what to do."""

    def __init__(self, latency: float = 0.0, names: bool = False) -> None:
        self._words = ["--latency", str(latency), "--obey", *(["--names"] if names else [])]

    def __enter__(self) -> "Fast":
        self._process = common.child("bench.sink", *self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.pid = self._process.pid
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def say(self, **order: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def tell(self) -> dict[str, Any]:
        """taken, open, most_open, connected, cpu and system in seconds, at: its own moment."""
        self.say(tell=True)
        return self._hear()

    def names(self, path: Path) -> list[str]:
        """Who got a message, once for each copy."""
        self.say(names=str(path))
        self._hear()
        return path.read_text().splitlines()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("The sink has ended.")
        told: dict[str, Any] = json.loads(line)
        return told


class Postfix:
    """Postfix's smtp-sink on a free port."""

    def __enter__(self) -> "Postfix":
        self.port = common.free_port()
        user = ["-u", "nobody"] if os.geteuid() == 0 else []  # It refuses to run as root.
        self._process = subprocess.Popen([common.tool("smtp-sink"), *user, f"127.0.0.1:{self.port}", "1000"])
        self.pid = self._process.pid
        common.wait_for_port(self.port)
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        self._process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench sink", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=common.seconds, default=0.0, help="before each final answer: 20ms, 0.1s")
    parser.add_argument("--names", action="store_true", help="remember who got a message")
    parser.add_argument("--obey", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sink = Sink(options.latency, options.names)
    port = sink.listen(options.port)
    print(port, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        sink.run(port, sys.stdin.fileno() if options.obey else None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
