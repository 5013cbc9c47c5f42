"""Whoever takes the listener for mail has what it has: its spool, and those who connect to it."""

import errno
import os
import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from samizdat import mail_spool, processes, sandbox, system_calls
from samizdat.vault.socket_source import short

KERNEL = f"this kernel ({os.uname().release}, {os.uname().machine}) has Landlock {sandbox.version()}"
needs_landlock = pytest.mark.skipif(sandbox.version() < 4, reason=f"{KERNEL}, and files and TCP need 4")
needs_seccomp = pytest.mark.skipif(not system_calls.known(), reason="system calls of this machine are not known")

# Begins as a listener does, up to where it would answer its first connection.
TRIES = """
import os, signal, socket, sys, threading
from pathlib import Path
from samizdat import mail_spool, sandbox, system_calls
from samizdat.worker.processes import child
data, tcp, udp, other = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
if sys.argv[5] == "landlock":
    system_calls.known = lambda: False
elif sys.argv[5] == "seccomp":
    sandbox.version = lambda: 0

def tell(name, attempt):
    try:
        attempt()
        print(name, "done")
    except OSError as error:
        print(name, error.errno)

def connect(family, kind, place):
    with socket.socket(family, kind) as connection:
        connection.connect(place)

def datagram():
    ours, _theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.sendto(b"mail", str(data / "keys.sock"))

def thread():
    begun = threading.Thread(target=lambda: None)
    begun.start()
    begun.join()

def accept():
    with socket.socket(fileno=int(sys.argv[6])) as listener, listener.accept()[0] as connection:
        connection.sendall(b"220")
        connection.recv(3)

def tries(_role, _descriptor):
    spool = mail_spool.folder()
    tell("key", data.with_name("data.key").read_bytes)
    tell("database", (data / "samizdat.sqlite3").read_bytes)
    tell("list", lambda: os.listdir(data))
    tell("secret", (data / "keys.secret").read_bytes)
    tell("passwords", Path("/etc/passwd").read_bytes)
    tell("environment", Path(f"/proc/{other}/environ").read_bytes)
    tell("make", (data / "new").touch)
    tell("remove", (data / "samizdat.sqlite3").unlink)
    tell("move", lambda: (data / "samizdat.sqlite3").rename(spool / "samizdat.sqlite3"))
    tell("folder", (spool / "folder").mkdir)
    tell("link", lambda: (spool / "link").symlink_to(data))
    tell("tcp", lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", tcp)))
    tell("listen", lambda: socket.socket().bind(("127.0.0.1", 0)))
    tell("udp", lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", udp)))
    tell("keys", lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, str(data / "keys.sock")))
    tell("datagram", datagram)
    tell("start", lambda: os.posix_spawn("/bin/true", ["true"], {}))
    tell("become", lambda: os.execv("/bin/true", ["true"]))
    tell("fork", lambda: os.fork() or os._exit(0))
    tell("kill", lambda: os.kill(other, 0))
    tell("everybody", lambda: os.kill(-1, 0))
    tell("spool", lambda: mail_spool.MailSpool(spool).put(bytes(16), b"box"))
    tell("room", mail_spool.MailSpool(spool).is_full)
    tell("thread", thread)
    tell("accept", accept)
    return 0

child.DEEDS["lmtp"] = tries
sys.exit(child.main("lmtp"))
"""


@pytest.fixture(scope="module", params=["landlock", "seccomp", "both"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, str]]:
    """By which means of the kernel, and what became of each try: done, or the number of the error."""
    data = tmp_path_factory.mktemp("house") / "data"
    (data / mail_spool.FOLDER).mkdir(parents=True)
    for path in (data.with_name("data.key"), data / "samizdat.sqlite3", data / "keys.secret"):
        path.write_text("secret")
    with ExitStack() as stack:
        keys = stack.enter_context(socket.socket(socket.AF_UNIX))
        keys.bind(short(data / "keys.sock"))
        keys.listen()
        ours, others = (stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        client = stack.enter_context(socket.create_connection(ours.getsockname()))
        client.sendall(b"mail")
        other = subprocess.Popen(["sleep", "600"])
        stack.callback(other.kill)
        numbers = (others.getsockname()[1], udp.getsockname()[1], other.pid)
        done = subprocess.run(
            [sys.executable, "-c", TRIES, str(data), *map(str, numbers), request.param, str(ours.fileno())],
            env=processes.listener_environment() | {"SAMIZDAT_DATA": str(data)},
            pass_fds=[ours.fileno()],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return request.param, dict(line.split() for line in done.stdout.splitlines())


def of(told: tuple[str, dict[str, str]], *names: str) -> set[str]:
    return {told[1][name] for name in names}


REFUSED = {str(errno.EACCES)}
MISSING = {str(errno.EPERM), str(errno.ENOSYS)}


@needs_landlock
def test_it_reads_no_key_no_database_and_nothing_of_the_data_folder_but_its_spool(
    told: tuple[str, dict[str, str]],
) -> None:
    if told[0] != "seccomp":
        assert of(told, "key", "database", "list", "secret", "passwords", "environment") == REFUSED


@needs_landlock
def test_it_changes_no_file_outside_its_spool_and_makes_files_alone_there(told: tuple[str, dict[str, str]]) -> None:
    if told[0] != "seccomp":
        assert of(told, "make", "remove", "move", "folder", "link") <= REFUSED | MISSING | {str(errno.EXDEV)}


@needs_landlock
@needs_seccomp
def test_it_connects_to_nobody_over_the_network(told: tuple[str, dict[str, str]]) -> None:
    assert of(told, "tcp", "listen") <= REFUSED | MISSING


@needs_seccomp
def test_it_reaches_no_other_process_of_this_machine(told: tuple[str, dict[str, str]]) -> None:
    if told[0] != "landlock":
        assert of(told, "udp", "keys", "datagram", "kill", "everybody") <= MISSING


@needs_landlock
@needs_seccomp
def test_it_starts_no_program(told: tuple[str, dict[str, str]]) -> None:
    assert of(told, "start", "become") <= REFUSED | MISSING
    if told[0] != "landlock":
        assert of(told, "fork") <= MISSING


def test_it_takes_mail_in_all_the_same(told: tuple[str, dict[str, str]]) -> None:
    assert of(told, "spool", "room", "thread", "accept") == {"done"}
