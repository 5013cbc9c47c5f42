"""A key service on another host, or two of them (docs/key-service.md): asked at the start, and from then on again and
again whether the key may still be used."""

import contextlib
import hashlib
import os
import socket
import ssl
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

import h11
import msgspec

from samizdat.core.crypto import fingerprint, seal
from samizdat.core.crypto.key_service import (
    MOST_PAIRING,
    MOST_SAID,
    KeyAnswer,
    KeyRequest,
    KeyServiceBroken,
    Pairing,
    Why,
    address_text,
    decoded,
)
from samizdat.core.crypto.passphrase import from_base32
from samizdat.options import BadOption, option
from samizdat.vault.errors import KeyFileBroken, KeyServiceStopped, KeyServiceUnreachable, KeyWrong
from samizdat.vault.sources.service_stops import was_stopped

# Seconds for an answer of all of them together.
PATIENCE = 5.0
_MOST = 2
# Seconds after which a command asks again, and before the end of an answer.
_AGAIN, _BEFORE = 10.0, 6.0

# What they said when this process got the key from them; None: it didn't.
at_start: "KeyStanding | None" = None

# Of this start of this process, for the log of the service.
START = os.urandom(8).hex()

STOPPED: dict[Why, str] = {
    "stopped": "The key service was stopped. On its server: samizdat keyservice start",
    "not_confirmed": "The key service stopped because nobody confirmed. On its server: samizdat keyservice start",
    "removed": (
        "The key service doesn't know this server, or not at this address. On its server: samizdat keyservice "
        "add-server NAME --to FILE"
    ),
}


# -- pairing files -----------------------------------------------------------------------------------------------------


def is_set() -> bool:
    return bool(option("SAMIZDAT_KEY_SERVICE"))


def services() -> list["PairedService"]:
    """As the option names them. Errors: VaultError, BadOption."""
    if option("SAMIZDAT_KEY_FILE") or option("SAMIZDAT_KEY_COMMAND"):
        raise BadOption(
            "SAMIZDAT_KEY_SERVICE is set, and SAMIZDAT_KEY_FILE or SAMIZDAT_KEY_COMMAND too. Remove what isn't used."
        )
    paths = option("SAMIZDAT_KEY_SERVICE").split()
    if len(paths) > _MOST:
        raise BadOption("SAMIZDAT_KEY_SERVICE names more than two pairing files. Name one or two.")
    paired = [PairedService.paired(Path(path)) for path in paths]
    if len({each.pairing.fingerprint for each in paired}) > 1:
        raise KeyWrong(
            "The two pairing files in SAMIZDAT_KEY_SERVICE belong to different installations. Pair both services with "
            "the key of this one."
        )
    return paired


class PairedService:
    """A service that this server was paired with."""

    def __init__(self, pairing: Pairing, tls: ssl.SSLContext) -> None:
        self.pairing, self._tls = pairing, tls
        self.address = address_text(pairing.host, pairing.port)

    @classmethod
    def paired(cls, path: Path) -> "PairedService":
        """Errors: KeyFileBroken."""
        pairing = _pairing(path)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.minimum_version = ssl.TLSVersion.TLSv1_3
        tls.check_hostname = False  # It is known by its certificate, wherever it is.
        try:
            tls.load_verify_locations(cadata=pairing.authority)
            tls.load_cert_chain(path)
        except (ssl.SSLError, OSError, ValueError):
            raise _damaged(path) from None
        return cls(pairing, tls)

    def ask(self, path: str, question: KeyRequest, seconds: float = PATIENCE) -> KeyAnswer:
        """Errors: KeyServiceUnreachable, also for an answer that isn't one."""
        deadline = time.monotonic() + seconds
        try:
            return decoded(self._exchange(path, msgspec.json.encode(question), deadline), KeyAnswer)
        except ssl.SSLError as error:
            why = f"TLS: {error.reason or 'the connection was ended'}"
        except (OSError, h11.ProtocolError) as error:
            late = isinstance(error, TimeoutError)
            why = "no answer in time" if late else getattr(error, "strerror", None) or "no answer"
        except KeyServiceBroken:
            why = "its answer isn't understood"
        raise KeyServiceUnreachable(f"The key service at {self.address} can't be asked ({why}).")

    def _exchange(self, path: str, body: bytes, deadline: float) -> bytes:
        place = self.pairing.host, self.pairing.port
        with socket.create_connection(place, max(0.1, deadline - time.monotonic())) as line:
            line.settimeout(max(0.1, deadline - time.monotonic()))
            with self._tls.wrap_socket(line) as secured:
                certificate = hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()
                if certificate != self.pairing.certificate:
                    raise KeyServiceBroken("another certificate")
                return _posted(secured, path, body, deadline)


def _posted(secured: ssl.SSLSocket, path: str, body: bytes, deadline: float) -> bytes:
    """Errors: OSError, ProtocolError, KeyServiceBroken."""
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=8192)
    headers = [("host", "key-service"), ("content-type", "application/json"), ("content-length", str(len(body)))]
    data = http.send(h11.Request(method="POST", target=path, headers=headers)) or b""
    data += http.send(h11.Data(data=body)) or b""
    secured.sendall(data + (http.send(h11.EndOfMessage()) or b""))
    answered = b""
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            secured.settimeout(left)
            http.receive_data(secured.recv(16384))
        elif isinstance(event, h11.Response) and event.status_code != 200:
            raise KeyServiceBroken("refused")
        elif isinstance(event, h11.Data):
            answered += event.data
            if len(answered) > MOST_SAID:
                raise KeyServiceBroken("too long")
        elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
            return answered


def _pairing(path: Path) -> Pairing:
    """Errors: KeyFileBroken."""
    try:
        mode, data = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise KeyFileBroken(
            f"The pairing file {path} can't be read ({os.strerror(error.errno or 0)}). Check SAMIZDAT_KEY_SERVICE."
        ) from None
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileBroken(f"Others may read the pairing file {path}. Run: chmod 600 {path}")
    try:
        return Pairing.parsed(data[: MOST_PAIRING + 1].decode("ascii"))
    except (UnicodeDecodeError, KeyServiceBroken):
        raise _damaged(path) from None


def _damaged(path: Path) -> KeyFileBroken:
    return KeyFileBroken(
        f"{path} isn't a whole pairing file. Bring a new one from the key service: samizdat keyservice add-server"
    )


# -- asking all of them ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeyStanding:
    """What they say together. until: by `clock`, how long the key may be used; 0.0: not at all. stopped: why one of
    them gives it no longer, which counts whatever the other says; unreachable: sentences of those that said nothing.
    stops: how often each of them was stopped so far, by its certificate (service_stops.py)."""

    until: float
    stopped: Why
    unreachable: tuple[str, ...]
    keys: tuple[bytes, ...] = ()
    asked: float = 0.0
    stops: Mapping[str, int] = field(default_factory=dict)


def clock() -> float:
    """Goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def ask_all(paired: Sequence[PairedService], with_key: bool = False, seconds: float = PATIENCE) -> KeyStanding:
    """Each in a thread of its own: one that answers nothing holds nobody up. Errors: KeyWrong, for another key."""
    asked = clock()
    answers = dict(_answers(paired, with_key, seconds))
    answered = [answer for answer in answers.values() if isinstance(answer, KeyAnswer)]
    unreachable = tuple(str(answer) for answer in answers.values() if isinstance(answer, Exception))
    unreachable += tuple(
        "A key service was restarted and hasn't its passphrase yet."
        for a in answered
        if not a.given and a.why == "no_key"
    )
    stopped: Why = next((answer.why for answer in answered if not answer.given and answer.why in STOPPED), "")
    given = [answer for answer in answered if answer.given and answer.seconds > 0]
    until = max((asked + min(answer.seconds, 3600) for answer in given), default=0.0)
    keys = tuple({_key_in(answer, paired[0].pairing.fingerprint) for answer in given if answer.key})
    stops = {
        paired[number].pairing.certificate: answer.stops
        for number, answer in answers.items()
        if isinstance(answer, KeyAnswer) and answer.why != "removed"
    }
    return KeyStanding(0.0 if stopped else until, stopped, unreachable, keys, asked, stops)


def _answers(
    paired: Sequence[PairedService], with_key: bool, seconds: float
) -> Iterator[tuple[int, KeyAnswer | KeyServiceUnreachable]]:
    """By the place of each service among them."""
    answers: SimpleQueue[tuple[int, KeyAnswer | KeyServiceUnreachable]] = SimpleQueue()

    def ask(number: int, service: PairedService) -> None:
        question = KeyRequest(service.pairing.fingerprint, START, with_key)
        try:
            answers.put((number, service.ask("/key", question, seconds)))
        except KeyServiceUnreachable as error:
            answers.put((number, error))
        except Exception as error:  # What a library makes of nonsense.
            sentence = f"The key service at {service.address} can't be asked ({type(error).__name__})."
            answers.put((number, KeyServiceUnreachable(sentence)))

    for number, service in enumerate(paired):
        threading.Thread(target=ask, args=(number, service), name="key service", daemon=True).start()
    missing, until = {*range(len(paired))}, time.monotonic() + seconds + 1
    with contextlib.suppress(Empty):
        while missing:
            number, answer = answers.get(timeout=max(0.0, until - time.monotonic()))
            missing.discard(number)
            yield number, answer
    for number in missing:  # A name that isn't resolved, for one.
        yield number, KeyServiceUnreachable(f"The key service at {paired[number].address} doesn't answer.")


def _key_in(answer: KeyAnswer, expected: str) -> bytes:
    try:
        key = from_base32(answer.key)
    except ValueError:
        key = b""
    if len(key) != 32 or fingerprint.text(seal.derive(key, fingerprint.PURPOSE)) != expected:
        raise KeyWrong("The key service gave a key of another installation. Pair this server with it anew.")
    return key


def instance_key(paired: Sequence[PairedService]) -> tuple[bytes, KeyStanding]:
    """For a start. Errors: VaultError."""
    global at_start
    standing = ask_all(paired, with_key=True)
    if standing.stopped:
        raise KeyServiceStopped(STOPPED[standing.stopped])
    if not standing.keys:
        raise KeyServiceUnreachable(f"{' '.join(standing.unreachable)} Check that it runs, then start this again.")
    at_start = replace(standing, keys=())
    return standing.keys[0], standing


def is_over() -> bool:
    """For a command that has the key itself: whether it may use it no longer. Asks again before that is so."""
    global at_start
    if at_start is None:
        return False
    if clock() >= at_start.until - _BEFORE or clock() - at_start.asked >= _AGAIN:
        standing = ask_all(services())
        if standing.stopped or was_stopped(at_start.stops, standing.stops):
            return True
        if standing.until:
            at_start = standing
    return clock() >= at_start.until


# -- epochs ------------------------------------------------------------------------------------------------------------


class EpochPlace:
    """Records of epochs at a service, as at a backup place. Errors: KeyServiceUnreachable."""

    def __init__(self, service: PairedService) -> None:
        self._service = service

    def names(self, folder: str) -> Iterator[tuple[str, int]]:
        answer = self._asked("/epochs")
        yield from ((name, 0) for name in answer.names if name.startswith(f"{folder}/"))

    def read(self, name: str) -> bytes:
        return self._asked("/epoch", name).record.encode("ascii", "replace")

    def write(self, name: str, data: bytes) -> None:
        self._asked("/epoch", name, data.decode("ascii"))

    def close(self) -> None:
        """Each question is a connection of its own."""

    def _asked(self, path: str, name: str = "", record: str = "") -> KeyAnswer:
        answer = self._service.ask(path, KeyRequest(self._service.pairing.fingerprint, START, name=name, record=record))
        if not answer.given:
            raise KeyServiceUnreachable(f"The key service at {self._service.address} didn't take the epoch record.")
        return answer


def epoch_openers() -> list[Callable[[], EpochPlace]]:
    """One for each service: what is wrong with its pairing file, it says when it is called."""
    return [partial(_epoch_place, number) for number in range(len(option("SAMIZDAT_KEY_SERVICE").split()))]


def _epoch_place(number: int) -> EpochPlace:
    """Errors: VaultError, BadOption."""
    return EpochPlace(services()[number])
