"""One child of the supervisor: `python -m samizdat.worker.processes.child desk|public|worker|sender [descriptor]`."""

import contextlib
import gc
import importlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from samizdat import logs, mail_spool, processes, sandbox, wakeups
from samizdat.logs import where_it_broke
from samizdat.options import option
from samizdat.vault.errors import VaultError
from samizdat.worker.stopping import stopping

KEYS_VARIABLE, PULSE_VARIABLE = "SAMIZDAT_KEYS_FD", "SAMIZDAT_PULSE_FD"
# Seconds a child has after TERM or after its supervisor's death; then it ends without ceremony.
LAST = 9.5
# Open files of a sender. A route has up to 500 connections, and systemd's default is 1,024: two routes to mail servers
# that don't answer would leave none for the others.
SENDER_FILES = 20_000
# Between two signs of life.
SIGN_SECONDS = 3.0

# Desk and public hold nothing that a kill could spoil, and their port must be free at once for the next supervisor.
# Worker and sender finish what is in flight.
WITH_PARENT = {
    **dict.fromkeys(("desk", "public", "lmtp", "smtp"), signal.SIGKILL),
    **dict.fromkeys(("worker", "sender"), signal.SIGTERM),
}


def main(role: str, descriptor: int | None = None) -> int:
    processes.close_memory()
    processes.name(role)
    if role in ("desk", "public", "lmtp", "smtp"):
        processes.keep_privileges_low()
    if role == "public":
        sandbox.signal_own_alone()
        gc.disable()  # It imports for half a second, a tenth of which would be looking for garbage.
    parent = ask_for_end_with_parent(role)
    if role in ("lmtp", "smtp"):
        # Mail servers wait and try again, so a flood at this door gets what senders and pages leave of the machine.
        processes.come_behind()
        sandbox.write_one_folder(mail_spool.folder(), _certificates())
    end_with(parent)
    logs.configure()  # Django does it again; what fails before that is said in the same form.
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The supervisor sees to us.
    threading.excepthook = lambda broken: _say_where(role, broken.exc_value)
    try:
        return DEEDS[role](role, descriptor)
    except Exception as error:
        _say_where(role, error)
        return 1


def _say_where(role: str, error: BaseException | None) -> None:
    """One line, without the values that a traceback's last line would show."""
    if error is not None:
        what = str(error) if isinstance(error, VaultError) else where_it_broke(error)
        logging.getLogger("samizdat.worker").error("The %s process failed: %s", role, what)


def ask_for_end_with_parent(role: str) -> int:
    """The kernel tells us when the supervisor is gone, whose number is returned. Asked for here and not before exec,
    since a change of user takes it back."""
    parent = os.getppid()
    # Linux only; elsewhere end_with() sees it a bit later.
    processes.prctl(processes.PR_SET_PDEATHSIG, WITH_PARENT[role])
    if os.getppid() != parent or parent == 1:
        os._exit(1)
    return parent


def end_with(parent: int) -> None:
    """The same in a thread, where the kernel knows no such request, and after TERM was ignored for too long."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(wakeups.until_next())
        time.sleep(LAST)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _on_term(stop: Callable[[], None]) -> None:
    def handle(_signal: int, _frame: object) -> None:
        stop()
        timer = threading.Timer(LAST, os._exit, (1,))
        timer.daemon = True
        timer.start()

    signal.signal(signal.SIGTERM, handle)


def _serve(role: str, descriptor: int | None) -> int:
    import uvicorn

    from samizdat import asgi, connections

    module = importlib.import_module({"desk": "samizdat.web.asgi", "public": "samizdat.public.asgi"}[role])
    sign = LifeSign()

    class Server(connections.ConnectionServer):
        """Without uvicorn's own signal handlers, which raise the signal again after a clean stop."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            _on_term(lambda: setattr(self, "should_exit", True))
            yield

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if role == "public":  # The desk was forked from where all was imported.
                gc.enable()
                module.begin_forgetting()
                processes.let_go_of_code()

        async def on_tick(self, counter: int) -> bool:
            """Called each second while connections are looked after."""
            if module.application.moves:
                sign()
            if role == "public":
                module.forget()
            return await super().on_tick(counter)

    assert descriptor is not None
    most = connections.room(module.CONNECTIONS)
    settings = module.UVICORN | asgi.serving(most) | {"timeout_graceful_shutdown": 5}
    Server(uvicorn.Config(module.application, **settings)).run(sockets=[socket.socket(fileno=descriptor)])
    if role == "public":
        module.closing()
    return 0


def _open_house(with_django_secret: bool) -> None:
    import django

    django.setup()
    from django.db import connections

    from samizdat.vault import keyring

    keyring.open_source()
    if with_django_secret:
        keyring.open_for_django()
    connections.close_all()  # The work is done in threads with sessions of their own.


class LifeSign:
    """Our sign of life for the supervisor: a byte now and then into the pipe that it has given us."""

    def __init__(self) -> None:
        self._pipe = int(os.environ.get(PULSE_VARIABLE, "-1"))
        self._next = 0.0
        if self._pipe >= 0:
            os.set_blocking(self._pipe, False)
            os.set_inheritable(self._pipe, False)

    def __call__(self) -> None:
        if self._pipe >= 0 and time.monotonic() >= self._next:
            self._next = time.monotonic() + SIGN_SECONDS
            with contextlib.suppress(OSError):
                os.write(self._pipe, b".")


def _work(_role: str, _descriptor: int | None) -> int:
    _open_house(with_django_secret=True)
    from samizdat.worker.processes.background import run_worker

    _on_term(stopping.set)
    run_worker(LifeSign())
    return 0


def _send(_role: str, _descriptor: int | None) -> int:
    _open_house(with_django_secret=False)
    from samizdat.delivery.engine.sender import run_sender
    from samizdat.worker.processes import sender

    processes.raise_open_files(SENDER_FILES)
    stop = threading.Event()
    _on_term(stop.set)
    run_sender(stop, **sender.surroundings(stop, LifeSign()))
    return 0


def _certificates() -> list[Path]:
    named = option("SAMIZDAT_MAIL_CERTIFICATE")
    return [Path(named)] if named else []


def _take_mail(role: str, descriptor: int | None) -> int:
    importlib.import_module("samizdat.listener.server").serve(role, descriptor, _on_term, LifeSign())
    return 0


DEEDS: dict[str, Callable[[str, int | None], int]] = {
    "desk": _serve,
    "public": _serve,
    "worker": _work,
    "sender": _send,
    "lmtp": _take_mail,
    "smtp": _take_mail,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None))
