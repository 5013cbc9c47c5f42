"""Processes of our own program that begin where importing ends.

To start Python and to import Django and samizdat takes half a second of computing, and the tests start hundreds of
processes. So one process imports everything, opens nothing, and splits off a copy (fork) for each command: a process
with a number, streams, an environment, a folder and an end of its own, which reads its settings anew.

    done = warm.run(["-m", "samizdat.cli", "list", "ls"], cwd=folder, env=environment)
    with warm.Process(["-m", "tests.delivery.child", ...], cwd=folder, env=environment, stdout=PIPE) as child: ...

What a copy cannot show is that a command imports all it needs: for that tests/cli/test_start.py starts each cold.
"""

import atexit
import contextlib
import functools
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

ROOT = Path(__file__).parent.parent
_length = struct.Struct(">I")
# Of samizdat, what a command may need. The public process is another program, and no command serves pages.
PARTS = (
    "core",
    "vault",
    "accounts",
    "audience",
    "campaigns",
    "delivery",
    "events",
    "publicdb",
    "importers",
    "transports",
)
DOORS = ("cli", "worker")


# -- the test's side ------------------------------------------------------------------------------------------------


class Process:
    """What subprocess.Popen is, as far as tests need it. `words` are what would stand after `python`."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        cwd: Path | str,
        env: Mapping[str, str],
        stdin: Any = subprocess.DEVNULL,
        stdout: Any = None,
        stderr: Any = None,
        text: bool = False,
    ) -> None:
        assert env.get("DATABASE_URL", "").partition(":")[0] == os.environ.get("DATABASE_URL", "").partition(":")[0]
        self.args = list(words)
        self.stdout: IO[Any] | None = None
        self.returncode: int | None = None
        with contextlib.ExitStack() as ours:
            nothing = ours.enter_context(open(os.devnull, "r+b"))
            if stdout == subprocess.PIPE:
                read, write = os.pipe()
                self.stdout = open(read, "r" if text else "rb")  # noqa: SIM115  closed by whoever reads it.
                stdout = ours.enter_context(open(write, "wb"))
            files = [nothing if one in (None, subprocess.DEVNULL) else one for one in (stdin, stdout, stderr)]
            self._line, theirs = socket.socketpair()
            ours.enter_context(theirs)
            order = json.dumps({"words": [str(word) for word in words], "cwd": str(cwd), "env": dict(env)}).encode()
            descriptors = [theirs.fileno(), *(file if isinstance(file, int) else file.fileno() for file in files)]
            socket.send_fds(_mother(), [_length.pack(len(order))], descriptors)
            _mother().sendall(order)
        self.pid = self._hear(None) or 0
        assert self.pid > 0, "The process could not be split off."

    def _hear(self, seconds: float | None) -> int | None:
        """The next number that the mother says, None when nothing comes within so many seconds."""
        self._line.settimeout(seconds)
        try:
            said = self._line.recv(4, socket.MSG_WAITALL)
        except (BlockingIOError, TimeoutError):
            return None
        return struct.unpack(">i", said)[0] if len(said) == 4 else -signal.SIGKILL

    def poll(self) -> int | None:
        if self.returncode is None:
            self._ended(self._hear(0))
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._ended(self._hear(timeout))
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self.returncode

    def _ended(self, code: int | None) -> None:
        if code is not None:
            self.returncode = code
            self._line.close()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.stdout is not None:
            self.stdout.close()
        self.wait()


def run(
    words: Sequence[str], *, cwd: Path | str, env: Mapping[str, str], feed: str = "", timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """Runs to the end; what it said as text. subprocess.TimeoutExpired, and it is killed, when that takes too long
    for a busy machine."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as error:
        given.write(feed.encode())
        given.seek(0)
        process = Process(words, cwd=cwd, env=env, stdin=given, stdout=out, stderr=error)
        try:
            code = process.wait(timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
        said = []
        for file in (out, error):
            file.seek(0)
            said.append(file.read().decode())
    return subprocess.CompletedProcess(process.args, code, *said)


@functools.cache
def _mother() -> socket.socket:
    """The line to the process that has imported everything: one for each worker of xdist, gone when we are."""
    ours, theirs = socket.socketpair()
    folder = tempfile.mkdtemp(prefix="warm-", dir=os.environ.get("SAMIZDAT_TEST_ROOT"))
    environment = {
        **os.environ,
        "SAMIZDAT_DATA": folder,
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "samizdat.settings",
    }
    command = [sys.executable, "-m", "tests.warm", str(theirs.fileno())]
    process = subprocess.Popen(
        command, pass_fds=[theirs.fileno()], env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait(10)

    atexit.register(end)
    return ours


# -- the mother's side ----------------------------------------------------------------------------------------------


class Mother:
    """Splits off a copy for each order; tells its number, and how it ended, on the line that came with the order."""

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self._lines: dict[int, socket.socket] = {}
        self._bell, self._rope = socket.socketpair()
        self._bell.setblocking(False)
        self._rope.setblocking(False)
        signal.set_wakeup_fd(self._rope.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def work(self) -> None:
        """Until whoever orders is gone; then nobody is left behind."""
        with selectors.DefaultSelector() as both:
            both.register(self._orders, selectors.EVENT_READ)
            both.register(self._bell, selectors.EVENT_READ)
            while True:
                for key, _events in both.select():
                    if key.fileobj is self._bell:
                        self._bury()
                    elif not self._order():
                        return self._end()

    def _order(self) -> bool:
        head, descriptors, _flags, _from = socket.recv_fds(self._orders, _length.size, 4)
        if len(head) < _length.size:
            return False
        order = json.loads(self._orders.recv(_length.unpack(head)[0], socket.MSG_WAITALL))
        number = os.fork()
        if number == 0:
            self._become(order, descriptors)
        for descriptor in descriptors[1:]:
            os.close(descriptor)
        line = self._lines[number] = socket.socket(fileno=descriptors[0])
        line.sendall(struct.pack(">i", number))
        return True

    def _become(self, order: dict[str, Any], descriptors: list[int]) -> None:
        """Never returns."""
        code = 1
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for number, descriptor in enumerate(descriptors[1:]):
                os.dup2(descriptor, number)
            # Nobody else's line may stay open in here, or its end would not be heard.
            os.closerange(3, 1024)
            os.chdir(order["cwd"])
            os.environ.clear()
            os.environ.update(order["env"])
            _forget_settings()
            code = _run(order["words"])
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _bury(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._bell.recv(4096)
        with contextlib.suppress(ChildProcessError):
            while True:
                number, status = os.waitpid(-1, os.WNOHANG)
                if number == 0:
                    break
                with contextlib.suppress(OSError), self._lines.pop(number) as line:
                    line.sendall(struct.pack(">i", os.waitstatus_to_exitcode(status)))

    def _end(self) -> None:
        for number in self._lines:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


def _forget_settings() -> None:
    """As if nobody had asked for a setting yet: they come from the environment, which is another one now."""
    from django.conf import empty, settings
    from django.db import connections

    settings._wrapped = empty
    for name in ("samizdat.settings", "tests.audience.settings"):
        sys.modules.pop(name, None)
    connections.__dict__.pop("settings", None)
    connections._settings = None
    for alias in ("default", "publicdb"):
        with contextlib.suppress(AttributeError):
            delattr(connections._connections, alias)


def _run(words: list[str]) -> int:
    """`python WORDS`: -m module or -c code. The code that Python would end with."""
    how, what, *rest = words
    sys.path[0] = os.getcwd()
    sys.argv = [what if how == "-m" else "-c", *rest]
    try:
        if how == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102  our own tests' code.
        code: Any = 0
    except SystemExit as ended:
        code = ended.code
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    # An interpreter that ends lets go of everything, and SQLite then takes its log in.
    from django.db import connections

    for alias in ("default", "publicdb"):
        if hasattr(connections._connections, alias):
            connections[alias].close()
    if code is None or isinstance(code, int):
        return code or 0
    print(code, file=sys.stderr)
    return 1


def import_everything() -> None:
    import django

    django.setup()
    import samizdat

    for part in (*PARTS, *DOORS):
        package = importlib.import_module(f"samizdat.{part}")
        for module in pkgutil.walk_packages(package.__path__, f"samizdat.{part}."):
            if not module.name.endswith(".__main__"):
                # What cannot be imported is for the command that needs it to say.
                with contextlib.suppress(ImportError):
                    importlib.import_module(module.name)
    assert samizdat
    from django.db.migrations.loader import MigrationLoader

    MigrationLoader(None)
    importlib.import_module("django.core.management.commands.migrate")


if __name__ == "__main__":
    line = socket.socket(fileno=int(sys.argv[1]))
    import_everything()
    from samizdat.worker.processes import zygote

    zygote.share()
    Mother(line).work()
