"""`serve` as a whole process tree: who starts, who may know what, who is started again, and how it ends."""

import errno
import json
import os
import pwd
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from samizdat import processes, sandbox
from samizdat.vault.keyserver import ROLES
from samizdat.vault.socket_source import SocketSource
from samizdat.vault.source import InstanceSource
from samizdat.worker.processes import output_relay, supervisor
from samizdat.worker.processes.supervisor import Child
from tests import warm
from tests.conftest import INSTANCE_KEY
from tests.visitors import holding, page
from tests.worker.conftest import ROOT, Instance, free_port, tree, until

ROLES_OF_SERVE = {"desk", "public", "worker", "sender"}


def test_serve_starts_everybody_stops_in_ten_seconds_and_leaves_nobody(instance: Instance) -> None:
    instance.start()
    until(lambda: set(instance.children()) == ROLES_OF_SERVE)
    children = [number for numbers in instance.children().values() for number in numbers]
    assert instance.stop() <= 10
    assert instance.process is not None and instance.process.returncode == 0
    assert not any(Path(f"/proc/{number}").exists() for number in children)
    assert not list(instance.folder.glob("keys.*"))


def test_the_command_that_prints_the_key_runs_once_for_everybody(instance: Instance, tmp_path: Path) -> None:
    """A card is touched once: commands ask who runs."""
    away = instance.folder.with_name("data.key").rename(tmp_path / "away")
    script = tmp_path / "script"
    script.write_text(f"echo ran >> '{tmp_path / 'runs'}'; cat '{away}'")
    instance.environment["SAMIZDAT_KEY_COMMAND"] = f"sh '{script}'"
    instance.start()
    until(lambda: set(instance.children()) == ROLES_OF_SERVE)
    assert instance.python("from samizdat.vault import keyring; print(len(keyring.derive('log')))") == 32
    assert (tmp_path / "runs").read_text() == "ran\n"


def test_after_a_stop_the_database_file_alone_is_whole(instance: Instance) -> None:
    """Whoever copies it leaves nothing behind, and what is put in its place is not written over."""
    instance.start()
    until(lambda: set(instance.children()) == ROLES_OF_SERVE)
    if instance.environment.get("DATABASE_URL"):
        pytest.skip("PostgreSQL has no files of ours.")
    assert (instance.folder / "samizdat.sqlite3-wal").stat().st_size
    instance.stop()
    assert not [path for path in instance.folder.glob("*.sqlite3-wal") if path.stat().st_size]


def test_a_second_serve_on_the_same_folder_says_one_sentence(instance: Instance) -> None:
    instance.start()
    second = subprocess.run(
        [sys.executable, "-m", "samizdat.cli", "serve", f"--port={free_port()}", f"--public-port={free_port()}"],
        env=instance.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert "samizdat is already running on" in second.stderr and str(instance.process.pid) in second.stderr  # type: ignore[union-attr]
    assert len(second.stderr.splitlines()) == 1
    assert second.stdout == ""
    assert instance.answers()


def test_a_taken_port_is_one_sentence(instance: Instance) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "samizdat.cli", "serve", f"--port={free_port()}", f"--public-port={port}"],
            env=instance.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert f"Can’t use port {port}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_killed_child_is_started_again_and_nobody_is_turned_away_meanwhile(instance: Instance) -> None:
    instance.start()
    until(lambda: set(instance.children()) == ROLES_OF_SERVE)
    for role in ("public", "worker"):
        (before,) = instance.children()[role]
        os.kill(before, signal.SIGKILL)
        if role == "public":
            # The supervisor holds the listening socket: the question waits until the new process takes it.
            assert instance.ask("/robots.txt")[0] == 200
        until(lambda role=role, before=before: instance.children().get(role, [before]) != [before])
    assert "starts again in 0.02 s" in instance.log.read_text()
    assert instance.ask(f"/u/{instance.made['token']}")[0] == 200


def test_children_do_not_outlive_a_killed_supervisor(instance: Instance) -> None:
    instance.start()
    until(lambda: set(instance.children()) == ROLES_OF_SERVE)
    children = [number for numbers in instance.children().values() for number in numbers]
    os.kill(instance.process.pid, signal.SIGKILL)  # type: ignore[union-attr]
    instance.process.wait(60)  # type: ignore[union-attr]
    until(lambda: not any(Path(f"/proc/{number}/cmdline").exists() and _lives(number) for number in children))


def _lives(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_thousand_who_say_nothing_keep_nobody_from_public_pages(instance: Instance) -> None:
    instance.start()
    with _many_files(1500), holding(instance.ports[1], 1200):
        assert instance.ask(f"/u/{instance.made['token']}")[0] == 200


@contextmanager
def _many_files(count: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], count), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("role", ["desk", "public"])
def test_a_process_that_stands_still_is_killed(role: str, caplog: pytest.LogCaptureFixture) -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        child = Child(role, process=process)
        tree = supervisor.Supervisor([child], None)
        child.pulse, pipe = tree._new_pipe(child)
        tree._listen(child, 1000.0)
        tree._listen(child, 2000.0)
        assert process.poll() is None, "it has not shown yet that it lives, so it may still be starting"
        os.write(pipe, b".")
        tree._listen(child, 3000.0)
        tree._listen(child, 3000.0 + supervisor.SILENT)
        tree._forgive()
        tree._listen(child, 4000.0)
        assert process.poll() is None, "we were asleep ourselves"
        os.write(pipe, b".")
        tree._listen(child, 4001.0)
        tree._listen(child, 4002.0 + supervisor.SILENT)
        assert process.wait(60) == -signal.SIGKILL
        os.close(pipe)
        os.close(child.pulse)
    assert f"The {role} process hangs; it is killed." in caplog.text


def test_a_desk_that_stands_still_is_started_again_and_nobody_is_turned_away(instance: Instance) -> None:
    instance.start()
    until(lambda: set(instance.children()) == ROLES_OF_SERVE)
    (before,) = instance.children()["desk"]
    port = instance.ports[0]
    assert page(port, "/sign-in") == 200
    os.kill(before, signal.SIGSTOP)
    until(lambda: "The desk process hangs; it is killed." in instance.log.read_text(), 120)
    assert page(port, "/sign-in") == 200
    assert instance.children()["desk"] != [before]


def test_the_public_process_is_told_nothing_of_the_house(instance: Instance) -> None:
    secrets = {"PGPASSWORD": "hunter2", "SAMIZDAT_METRICS_TOKEN": "hunter2", "BACKUP_PASSPHRASE": "hunter2"}
    instance.environment |= secrets
    instance.start()
    (public,) = until(lambda: instance.children().get("public"))
    told = dict(
        pair.split(b"=", 1) for pair in Path(f"/proc/{public}/environ").read_bytes().split(b"\0") if b"=" in pair
    )
    assert told[b"DJANGO_SETTINGS_MODULE"] == b"samizdat.public.settings"
    assert told[b"DATABASE_URL"] == b""
    assert b"hunter2" not in told.values()
    opened = {os.readlink(path) for path in Path(f"/proc/{public}/fd").iterdir()}
    assert not any("samizdat.sqlite3" in name or name.endswith(".key") for name in opened)
    if instance.environment.get("DATABASE_URL"):
        assert b"samizdat_public_" in told[b"SAMIZDAT_GATE_URL"]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_no_process_leaves_its_memory_on_the_disk_and_public_pages_start_nothing_with_more_rights(
    instance: Instance,
) -> None:
    instance.start()
    children = until(lambda: instance.children() if set(instance.children()) == ROLES_OF_SERVE else None)
    everybody = [(role, number) for role, numbers in children.items() for number in numbers]
    for role, number in [*everybody, ("supervisor", instance.process.pid)]:  # type: ignore[union-attr]
        limits = Path(f"/proc/{number}/limits").read_text()
        core = next(line.split() for line in limits.splitlines() if line.startswith("Max core file size"))
        assert core[4:6] == ["0", "0"], role
        held = "NoNewPrivs:\t1" in Path(f"/proc/{number}/status").read_text()
        # The sendmail command of Postfix writes its queue with rights of its own.
        assert held == (role in ("desk", "public")), role


def test_no_database_is_opened_before_serve_is_who_it_becomes(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def opened() -> None:
        order.append("opened")
        raise supervisor.CannotServe("That was all.")

    monkeypatch.setattr(supervisor.becoming, "become", lambda users: order.append("became"))
    monkeypatch.setattr(supervisor, "_zygote", nullcontext)  # Else a copy of this process.
    for begin in (supervisor.serve, supervisor.work):
        with pytest.raises(supervisor.CannotServe):
            begin(opened=opened)
    assert order == ["became", "opened"] * 2


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="root alone may lock whatever its limit")
@pytest.mark.parametrize("limit", [resource.RLIM_INFINITY, 8 * 1024 * 1024])
def test_the_memory_with_the_instance_key_is_locked_where_no_limit_keeps_it_from_growing(limit: int) -> None:
    locks = (
        f"import resource; resource.getrlimit = lambda which: ({limit}, {limit}); "
        "from samizdat import processes; processes.lock_memory(); held = [b'x' * (1 << 20) for _ in range(20)]; "
        "print(open('/proc/self/status').read())"
    )
    done = subprocess.run([sys.executable, "-c", locks], cwd=ROOT, capture_output=True, text=True, check=True)
    locked = int(next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("VmLck")))
    assert (locked > 20 * 1024) == (limit == resource.RLIM_INFINITY)


def test_no_role_but_the_inner_ones_may_ask_for_data_keys() -> None:
    assert ROLES["public"] == ((), ())
    assert "index" not in ROLES["sender"][0] and "box" not in ROLES["sender"][0]


def as_nobody(*words: object) -> subprocess.CompletedProcess[str]:
    user = pwd.getpwnam("nobody")
    return subprocess.run(
        [str(word) for word in words],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def test_started_by_root_nobody_stays_root_and_public_pages_read_the_publicdb_alone(split: Instance) -> None:
    split.start()
    children = until(lambda: split.children() if set(split.children()) == ROLES_OF_SERVE else None)
    page = f"/u/{split.made['token']}"
    until(lambda: split.ask(page, b"List-Unsubscribe=One-Click")[0] == 200)
    for role, numbers in {**children, "supervisor": [split.process.pid]}.items():  # type: ignore[union-attr]
        owner = pwd.getpwnam("nobody" if role == "public" else "daemon").pw_uid
        for number in numbers:
            status = Path(f"/proc/{number}/status").read_text()
            assert f"Uid:\t{owner}\t{owner}\t{owner}\t{owner}" in status, role
            assert "CapPrm:\t0000000000000000" in status, role
    (public,) = children["public"]
    assert "Groups:\t \n" in Path(f"/proc/{public}/status").read_text()
    secret = [split.folder.with_name("data.key"), split.folder / "serve.lock", split.folder / "desk-address"]
    if not split.environment.get("DATABASE_URL"):
        secret += [split.folder / name for name in ("samizdat.sqlite3", "samizdat.sqlite3-wal", "samizdat.sqlite3-shm")]
        assert as_nobody("cat", split.folder / "public.sqlite3-shm").returncode == 0
    for path in secret:
        assert as_nobody("cat", path).returncode != 0, path
    assert as_nobody("ls", split.folder).returncode != 0
    # It is ended and started again by a process of its own user, and stops with the rest.
    os.kill(public, signal.SIGKILL)
    until(lambda: split.children().get("public", [public]) != [public])
    until(lambda: split.ask(page)[0] == 200)
    left = [number for numbers in split.children().values() for number in numbers]
    assert split.stop() <= 10
    assert split.process.returncode == 0  # type: ignore[union-attr]
    assert not any(_lives(number) for number in left)


def _starter_of(public: int) -> int:
    return int(Path(f"/proc/{public}/stat").read_text().rpartition(")")[2].split()[1])


def test_whoever_ends_or_stops_those_that_start_public_pages_ends_nothing_else(split: Instance) -> None:
    split.start()
    children = until(lambda: split.children() if set(split.children()) == ROLES_OF_SERVE else None)
    (public,) = children.pop("public")
    os.kill(_starter_of(public), signal.SIGSTOP)  # It cannot even see that it should end.
    until(lambda: not _lives(public), 120)
    (again,) = until(lambda: split.children().get("public"))
    until(lambda: split.ask("/robots.txt")[0] == 200)
    os.kill(_starter_of(again), signal.SIGKILL)
    until(lambda: "both processes that start them" in split.log.read_text(), 120)
    # The others go on. While one ends, the kernel's list of children may leave out another.
    until(lambda: split.children() == children)
    assert page(split.ports[0], "/sign-in") == 200
    until(lambda: "can't be started" in _doctor(split))
    assert split.stop() <= 12
    assert split.process is not None and split.process.returncode == 0


def _doctor(instance: Instance) -> str:
    return warm.run(["-m", "samizdat.cli", "doctor"], env=instance.environment, cwd=ROOT, timeout=120).stdout


def test_public_pages_and_who_starts_them_end_with_serve_however_it_ends(split: Instance) -> None:
    split.start()
    (public,) = until(lambda: split.children().get("public"))
    left = [number for number in tree(split.process.pid) if number != split.process.pid]  # type: ignore[union-attr]
    os.kill(_starter_of(public), signal.SIGSTOP)
    os.kill(split.process.pid, signal.SIGKILL)  # type: ignore[union-attr]
    until(lambda: not any(_lives(number) for number in left))


def test_public_pages_are_the_first_to_go_and_have_no_terminal(split: Instance) -> None:
    split.start()
    (public,) = until(lambda: split.children().get("public"))
    limits = Path(f"/proc/{public}/limits").read_text()
    for name, most in (("Max processes", 256), ("Max data size", 512 << 20), ("Max file size", 0)):
        line = next(line for line in limits.splitlines() if line.startswith(name))
        assert line[len(name) :].split()[:2] == [str(most)] * 2, name
    assert Path(f"/proc/{public}/oom_score_adj").read_text().strip() == "500"
    assert os.readlink(f"/proc/{public}/fd/0") == os.devnull
    assert all(os.readlink(f"/proc/{public}/fd/{number}").startswith("pipe:") for number in (1, 2))
    sessions = {_session(number) for number in tree(split.process.pid)}  # type: ignore[union-attr]
    assert len(sessions) == len(tree(split.process.pid)), "each has a session of its own"  # type: ignore[union-attr]


def _session(number: int) -> int:
    return int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[3])


LEAVES_SOMETHING_BEHIND = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(1, b"%d\\n" % os.getpid())
        time.sleep(600)
    os._exit(0)
os.wait()
time.sleep(600)
"""


def test_what_the_public_process_has_started_ends_with_it(tmp_path: Path) -> None:
    package = tmp_path / "samizdat" / "worker" / "processes"
    package.mkdir(parents=True)
    for folder in (package, *package.parents[:2]):
        (folder / "__init__.py").touch()
    (package / "child.py").write_text(LEAVES_SOMETHING_BEHIND)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    life, hold = os.pipe()
    words = processes.command("samizdat.worker.processes.public_starter", str(theirs.fileno()), str(life), "")
    with (
        subprocess.Popen(
            words, pass_fds=[theirs.fileno(), life], env=processes.environment(), stdout=subprocess.PIPE, cwd=ROOT
        ) as starter,
        ours,  # Closed first: without it the starter ends, also where something below is not so.
    ):
        theirs.close()
        os.close(life)
        ours.settimeout(60)
        assert json.loads(ours.recv(1024)) == {"reads": True}
        ask = json.dumps({"environment": processes.environment() | {"PYTHONPATH": str(tmp_path)}}).encode()
        with open(os.devnull, "rb") as nothing:
            socket.send_fds(ours, [ask], [nothing.fileno()] * 3)
        started = json.loads(ours.recv(1024))["pid"]
        assert starter.stdout is not None
        left = int(starter.stdout.readline())
        os.kill(started, signal.SIGKILL)
        until(lambda: not _lives(started))
        ours.send(b"{}")
        assert json.loads(ours.recv(1024))["code"] == -signal.SIGKILL
        assert not _lives(left)
        os.close(hold)  # As when the supervisor is gone.
        assert starter.wait(60) == -signal.SIGKILL


@pytest.mark.skipif(not sandbox.keeps_signals(), reason="Landlock of this kernel knows no signals")
def test_whoever_takes_the_public_process_reaches_no_other_with_a_signal() -> None:
    tries = (
        "import os; from samizdat.worker.processes import child\n"
        "def serve(*_):\n"
        "    try: os.kill(os.getppid(), 0)\n"
        "    except PermissionError: return 7\n"
        "child.DEEDS['public'] = serve; os._exit(child.main('public'))"
    )
    done = subprocess.run([sys.executable, "-c", tries], cwd=ROOT, env=processes.environment(), check=False)
    assert done.returncode == 7


def test_where_the_system_gives_no_process_serve_goes_on_and_tries_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(*_words: object, **_more: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "")

    child = Child("sender")
    tree = supervisor.Supervisor([child], None)
    monkeypatch.setattr(supervisor.subprocess, "Popen", none)
    for _time in range(4):
        child.again = 0.0
        tree._see_to(child)
    assert "gives no more" in tree.troubles()["sender"] and "TasksMax" in caplog.text
    monkeypatch.undo()
    with monkeypatch.context() as found:
        found.setattr(supervisor.Supervisor, "_process", lambda _tree, _child, _files: subprocess.Popen(["true"]))
        child.again = 0.0
        tree._see_to(child)
    assert child.process is not None
    child.process.wait()
    os.close(child.pulse)


def test_the_line_of_a_process_that_ended_gives_no_keys_to_what_it_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []

    def starts(_tree: object, _child: Child, files: tuple[int, ...]) -> subprocess.Popen[bytes]:
        kept.append(os.dup(files[0]))
        return subprocess.Popen(["true"])

    child = Child("public")
    tree = supervisor.Supervisor([child], None)
    monkeypatch.setattr(supervisor.Supervisor, "_process", starts)
    tree._see_to(child)
    assert child.process is not None
    child.process.wait()
    tree._see_to(child)
    with socket.socket(fileno=kept[0]) as line:
        line.settimeout(60)
        assert line.recv(1) == b""
    os.close(child.pulse)


def test_what_the_public_process_says_is_lines_of_text_and_not_without_end() -> None:
    (source, says), (reads, target) = os.pipe(), os.pipe()
    with open(says, "wb") as pipe, open(reads, "rb") as heard:
        pipe.write(b"one \x1b[2J\n" + b"x\n" * 2 * output_relay.AT_ONCE)
        pipe.close()
        output_relay.relay(source, target)
        os.close(target)
        lines = heard.read().splitlines()
    assert lines[0] == b"one ?[2J"
    assert len(lines) <= output_relay.AT_ONCE + 10


@pytest.mark.parametrize(
    ("own", "public", "said"),
    [
        ("", "nobody", "started as root"),
        ("daemon", "", "started as root"),
        ("no-such-user", "nobody", "User no-such-user doesn’t exist on this server"),
        ("daemon", "daemon", "Set another user for the public pages"),
        ("daemon", "nobody", "chown -R daemon"),
    ],
)
@pytest.mark.skipif(os.geteuid() != 0, reason="of an ordinary user nothing is asked")
def test_as_root_serve_is_refused_without_users_to_become(instance: Instance, own: str, public: str, said: str) -> None:
    for words in (["serve", f"--port={free_port()}", f"--public-port={free_port()}"], ["worker"]):
        if words == ["worker"] and (own, public) != ("", "nobody"):
            continue  # It has no public pages.
        environment = instance.environment | {"SAMIZDAT_USER": own, "SAMIZDAT_PUBLIC_USER": public}
        done = warm.run(["-m", "samizdat.cli", *words], env=environment, cwd=ROOT, timeout=60)
        assert (done.returncode, done.stdout) == (1, "")
        assert said in done.stderr and len(done.stderr.splitlines()) == 1


CUTS = """
import os, sys
for name in os.listdir(sys.argv[2]):
    for path in (os.path.join(sys.argv[1], name), os.path.join(sys.argv[1], name, "x")):
        for cut in (os.unlink, lambda path: os.truncate(path, 0), lambda path: os.open(path, os.O_CREAT | os.O_RDWR)):
            try:
                cut(path)
                print(path)
            except OSError:
                pass
"""


def test_who_takes_the_public_process_can_cut_off_no_file_that_others_have_mapped(
    split: Instance, tmp_path: Path
) -> None:
    split.start()
    children = until(lambda: split.children() if set(split.children()) == ROLES_OF_SERVE else None)
    page = f"/u/{split.made['token']}"
    until(lambda: split.ask(page, b"List-Unsubscribe=One-Click")[0] == 200)
    names = tmp_path / "names"  # The folder itself says none; whoever takes the process knows them from our code.
    names.mkdir()
    names.chmod(0o755)
    for path in split.folder.iterdir():
        (names / path.name).touch()
    done = as_nobody(sys.executable, "-I", "-c", CUTS, split.folder, names)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    if not split.environment.get("DATABASE_URL"):
        publicdb = split.folder / "public.sqlite3"
        before = publicdb.stat().st_ino
        os.truncate(publicdb, 4096)  # By a disk that fails.
        until(lambda: publicdb.exists() and publicdb.stat().st_ino != before)
        until(lambda: split.ask(page, b"List-Unsubscribe=One-Click")[0] == 200)
    assert split.children() == children


def test_the_key_server_gives_the_public_process_reading_keys_alone(instance: Instance) -> None:
    rows = instance.python(
        "from samizdat.worker.inbox.link_keys import reader_links; from samizdat.vault import keyring; "
        "from samizdat.vault.models import VaultKey; source = keyring.open_source(); rows = reader_links(source); "
        "row = VaultKey.objects.select_related('organization').get(kind='link'); "
        "secret = source.unwrap(keyring.label_of(row, row.organization), "
        "row.wrapped); import base64; "
        "given = {purpose: base64.b64decode(key) for purpose, key in rows[0]['keys'].items()}; "
        "print(json.dumps([{purpose: len(key) for purpose, key in given.items()}, secret in given.values()]))"
    )
    # 32 bytes say what a token says; only the other 32 prove one, and with them one can be made.
    assert rows == [
        {
            "asks": 32,
            "confirm": 32,
            "leave": 64,
            "preferences": 64,
            "stay": 32,
            "target": 32,
            "test": 64,
            "webhook": 64,
        },
        False,
    ]


def test_a_role_in_the_publicdb_url_keeps_the_place_and_drops_who_we_are() -> None:
    made = supervisor._with_role("postgresql://me:secret@db.example:5433/sam?host=/run/pg&user=me", "r", "p/w")
    assert made == "postgresql://r:p%2Fw@db.example:5433/sam?host=%2Frun%2Fpg"


def test_public_pages_whose_role_does_not_work_never_get_that_of_the_house(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the public process in hand can keep its role from working, and would be let in everywhere."""
    from samizdat.publicdb import actions

    monkeypatch.setenv("DATABASE_URL", "postgresql://house@db.example/sam")
    monkeypatch.setattr(actions, "make_public_role", lambda *_asked: True)
    monkeypatch.setattr(actions, "end_sessions", lambda *_asked: None)
    monkeypatch.setattr(supervisor, "_lets_in", lambda _enter: False)
    source = InstanceSource(INSTANCE_KEY)
    with pytest.raises(supervisor.CannotServe, match="samizdat_public_"):
        supervisor._publicdb_url(source, print)
    monkeypatch.setenv("SAMIZDAT_GATE_URL", "postgresql://public@db.example/sam")
    with pytest.raises(supervisor.CannotServe, match="RESET ALL"):
        supervisor._public_environment(source, print)


def test_systemd_is_told_when_everybody_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "n"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        supervisor.notify("READY=1")
        assert heard.recv(100) == b"READY=1"


def test_a_socket_source_without_a_supervisor_is_none(tmp_path: Path) -> None:
    assert SocketSource.running(tmp_path) is None
