"""The running program: it opens the key, closes itself off, and answers until it is told to end."""

import logging
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack

from samizdat import processes, sandbox
from samizdat.core.crypto.passphrase import WrappedKey
from samizdat.keyservice.service import KeyService
from samizdat.keyservice.serving import KeyListener, context
from samizdat.keyservice.store import Clock, ServiceStore, StoreError, utc_now

log = logging.getLogger("samizdat.keyservice")


def serve(
    store: ServiceStore,
    host: str,
    port: int,
    *,
    opened: Callable[[WrappedKey], bytes],
    ready: Callable[[str, int], object],
    clock: Clock = utc_now,
) -> None:
    """Until TERM or INT. opened: asks for the passphrase; nobody is asked where it is stopped, and servers are told so
    all the same. Errors: StoreError, and those of `opened`."""
    processes.close_memory()
    processes.lock_memory()
    processes.keep_privileges_low()
    store.check_log()
    why = store.state().why_not(clock())
    key = None if why else bytearray(opened(store.wrapped_key()))
    tls = context(store)
    with ExitStack() as stack:
        listener = stack.enter_context(_listening(host, port))
        service = KeyService(store, key, clock)
        service.look()
        with store.changing(clock(), "program_started", "" if key else f"no key is given: {why}"):
            pass
        door = KeyListener(listener, service, tls)
        # After the first use of everything: what a library opens late is closed to it.
        sandbox.write_one_folder(store.folder, [store.folder])
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: door.end())
        ready(*listener.getsockname()[:2])
        door.run()
        service.forget()


def _listening(host: str, port: int) -> socket.socket:
    """Errors: StoreError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StoreError(
            f"Can't use port {port} of {host} ({error.strerror}). Choose another one with --listen."
        ) from None
    listener.listen(128)
    return listener
