"""The instance key is replaced beside a running `serve`: it goes on with the new one, however the command ends."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from samizdat.cli.instance_key import is_in_memory, is_mounted
from samizdat.vault.sources.key_file import read_key_file
from tests import warm
from tests.smtp_server import ScriptedServer
from tests.worker.conftest import ROOT, Instance, until
from tests.worker.test_key_locks import CLI
from tests.worker.test_machines import RELEASE

ROTATE = (*CLI, "keys", "rotate", "instance", "--yes")
# Seconds: below mutate.LONGEST, so that a change which keeps it from happening is noticed.
SOONER = 100.0


def key_path(instance: Instance) -> Path:
    return instance.folder.with_name("data.key")


def unsubscribed(instance: Instance) -> int:
    code = "from samizdat.audience.models import Subscription; print(Subscription.objects.filter(status=2).count())"
    return int(instance.python(code))


def killed(instance: Instance, at: str) -> None:
    """The command ends at this function, as by a loss of power."""
    module, name = at.rsplit(".", 1)
    code = (
        f"import os, sys; import {module} as module; module.{name} = lambda *_, **__: os._exit(9);"
        "from samizdat.cli.__main__ import main; sys.argv = ['samizdat', 'keys', 'rotate', 'instance', '--yes']; main()"
    )
    done = warm.run(["-c", code], env=instance.environment, cwd=ROOT, timeout=120)
    assert done.returncode == 9, done.stderr


def test_serve_goes_on_with_the_new_key_and_what_was_linked_before_works(peopled: Instance) -> None:
    former = read_key_file(key_path(peopled))
    peopled.start()
    before = peopled.children()
    said = peopled.run(*ROTATE)
    assert "The instance key was replaced." in said
    assert read_key_file(key_path(peopled)) != former
    until(lambda: {"desk", "worker", "sender"} <= {*peopled.children()})
    assert not {*before["worker"]} & {*peopled.children()["worker"]}
    peopled.run(*CLI, "list", "ls")
    page = f"/u/{peopled.made['token']}"
    until(lambda: peopled.ask(page, b"List-Unsubscribe=One-Click")[0] == 200)
    until(lambda: unsubscribed(peopled) == 1)
    peopled.kill()
    peopled.start()
    peopled.run(*CLI, "list", "ls")
    assert "Traceback" not in peopled.log.read_text()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(latency=0.02) as running:
        yield running


def test_a_campaign_goes_on_with_the_new_key_and_so_does_the_next(instance: Instance, server: ScriptedServer) -> None:
    people = 300
    first = instance.python(RELEASE.format(people=people, url=server.url, connections=1))
    instance.start()
    until(lambda: len(server.messages) > 20)
    instance.run(*ROTATE)
    until(lambda: campaign_state(instance, first) == "finished", SOONER)
    assert len(server.counts()) == len(server.messages) == people
    second = instance.python(RELEASE_ANOTHER)
    until(lambda: campaign_state(instance, second) == "finished", SOONER)
    assert len(server.messages) == 2 * people


RELEASE_ANOTHER = """
from samizdat.accounts.models import Organization
from samizdat.audience.models import List
from tests.delivery.conftest import House
house = House.__new__(House)
house.organization, house.list, house.domain = Organization.objects.get(), List.objects.get(), "lantern.example"
print(json.dumps(house.released().pk))
"""


def campaign_state(instance: Instance, campaign: int) -> str:
    return str(json.loads(instance.run(*CLI, "campaign", "status", str(campaign), "--json"))["state"])


@pytest.mark.parametrize(
    "at",
    [
        "samizdat.vault.instance_exchange.exchange",
        "samizdat.cli.instance_key._put_in_place",
        "samizdat.vault.instance_exchange.finish",
    ],
)
@pytest.mark.parametrize("running", [True, False])
def test_killed_anywhere_it_opens_and_can_be_run_again(peopled: Instance, at: str, running: bool) -> None:
    if running:
        peopled.start()
    killed(peopled, at)
    peopled.run(*CLI, "list", "ls")
    if running:
        peopled.kill()
    peopled.run(*CLI, "list", "ls")
    peopled.run(*ROTATE)
    peopled.run(*CLI, "list", "ls")
    assert "was replaced" in peopled.run(*CLI, "keys", "rotate", "status")
    assert "still opens" not in peopled.run(*CLI, "keys", "rotate", "status")
    assert not key_path(peopled).with_name(f"{key_path(peopled).name}.next").exists()


def test_one_that_was_finished_says_so_before_it_replaces_the_key_once_more(peopled: Instance) -> None:
    """Whoever was cut off reads in the handbook to run it again."""
    assert "once more" not in peopled.run(*ROTATE)
    key = key_path(peopled).read_bytes()
    done = warm.run(["-m", "samizdat.cli", "keys", "rotate", "instance"], env=peopled.environment, cwd=ROOT)
    assert done.returncode == 1 and key_path(peopled).read_bytes() == key
    assert "The instance key was replaced once. The last replacement is finished, so this replaces" in done.stderr


def test_while_serve_has_the_key_no_command_says_that_all_is_lost(peopled: Instance) -> None:
    peopled.start()
    gone = key_path(peopled).rename(key_path(peopled).with_name("elsewhere"))
    for words in (("rotate", "instance", "--yes"), ("shares", "--threshold", "2", "--of", "3"), ("passphrase",)):
        done = warm.run(["-m", "samizdat.cli", "keys", *words], env=peopled.environment, cwd=ROOT)
        assert done.returncode == 1 and "`samizdat serve` still has the key in memory" in done.stderr, done.stderr
    gone.rename(key_path(peopled))


def refused(instance: Instance, patch: str = "pass") -> str:
    """Why it changes nothing. Nobody is waited for long."""
    before = key_path(instance).read_bytes(), sorted(path.name for path in instance.folder.parent.iterdir())
    code = (
        f"import os, sys; from samizdat.cli import instance_key; instance_key.PATIENCE = 0.1;"
        f"from samizdat.delivery.engine import key_users; key_users.PATIENCE = 0.1; {patch};"
        "from samizdat.cli.__main__ import main;"
        "sys.argv = ['samizdat', 'keys', 'rotate', 'instance', '--yes']; main()"
    )
    done = warm.run(["-c", code], env=instance.environment, cwd=ROOT, timeout=120)
    assert done.returncode == 1
    assert "Nothing was changed" in done.stderr or "being replaced" in done.stderr, done.stderr
    after = key_path(instance).read_bytes(), sorted(path.name for path in instance.folder.parent.iterdir())
    assert after == before
    return done.stderr


def test_another_command_that_has_keys_is_waited_for(peopled: Instance) -> None:
    held = os.open(peopled.folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert "Another command" in refused(peopled)
    finally:
        os.close(held)
    peopled.run(*ROTATE)


def test_two_commands_never_replace_it_at_once(peopled: Instance) -> None:
    with open(peopled.folder / "instance-key.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "being replaced already" in refused(peopled)


@pytest.mark.skipif("postgresql" not in os.environ.get("DATABASE_URL", ""), reason="one server has a data folder")
@pytest.mark.parametrize(
    ("lock", "sentence"),
    [("_shared(1397578293, 1)", "Another server"), ("(1397578293, 2)", "is being replaced")],
)
def test_commands_of_another_server_are_waited_for(peopled: Instance, lock: str, sentence: str) -> None:
    with psycopg.connect(peopled.environment["DATABASE_URL"], autocommit=True) as elsewhere:
        elsewhere.execute(f"SELECT pg_advisory_lock{lock}")
        assert sentence in refused(peopled)
    peopled.run(*ROTATE)


@pytest.mark.skipif("postgresql" not in os.environ.get("DATABASE_URL", ""), reason="one server has a data folder")
def test_whoever_begins_on_another_server_in_between_changes_nothing(peopled: Instance) -> None:
    looks = "from samizdat.delivery.engine import key_users; looks = iter([True, False]);"
    assert "Another server" in refused(peopled, f"{looks} key_users.is_alone = lambda: next(looks)")


@pytest.mark.skipif("postgresql" in os.environ.get("DATABASE_URL", ""), reason="there it gets another role as well")
def test_public_pages_go_on_without_a_restart(peopled: Instance) -> None:
    """Rows are signed anew at once; the process that shows them asks for the key that checks them."""
    peopled.start()
    page = f"/u/{peopled.made['token']}"
    until(lambda: peopled.ask(page)[0] == 200)
    code = (
        "import sys; from samizdat.worker.processes.supervisor import Supervisor;"
        "Supervisor._renew_public = lambda self: None"
    )
    peopled.kill()
    started_with(peopled, code)
    peopled.run(*ROTATE)
    until(lambda: peopled.ask(page)[0] == 200)


@pytest.mark.skipif("postgresql" not in os.environ.get("DATABASE_URL", ""), reason="the pages have no role there")
def test_clicks_of_the_last_minutes_are_saved_before_the_pages_start_again(peopled: Instance) -> None:
    """The former role can't sign in any more once the process with it has ended, and not before."""
    peopled.start()
    until(lambda: peopled.ask(f"/l/{peopled.made['click']}")[0] == 302)
    before = peopled.children()["public"]
    with psycopg.connect(peopled.environment["DATABASE_URL"], autocommit=True) as database:
        roles = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'samizdat\\_public\\_________' AND rolcanlogin"
        (former,) = [name for (name,) in database.execute(roles) if has_tables(database, name)]
        boxes = "SELECT last_value FROM publicdb.publicdb_intake_id_seq"
        [count] = database.execute(boxes).fetchone() or [0]
        peopled.run(*ROTATE)
        until(lambda: peopled.children().get("public") not in (None, before))
        assert (database.execute(boxes).fetchone() or [0])[0] > count
        until(lambda: former not in [name for (name,) in database.execute(roles)])
    assert "licks" not in peopled.log.read_text()


def has_tables(database: "psycopg.Connection[Any]", role: str) -> bool:
    """Whether this role is the one of the database's public pages."""
    asked = "SELECT has_table_privilege(%s, 'publicdb.publicdb_site', 'SELECT')"
    return bool((database.execute(asked, [role]).fetchone() or [False])[0])


def started_with(instance: Instance, code: str) -> None:
    """`serve`, with a part of it taken out."""
    from tests.worker import conftest

    before = conftest.SERVE
    conftest.SERVE = f"{code}; {before}"
    try:
        instance.start()
    finally:
        conftest.SERVE = before


def test_a_link_to_the_key_file_stays_one(peopled: Instance) -> None:
    key, vault = key_path(peopled), peopled.folder.with_name("vault")
    vault.mkdir()
    key.rename(vault / "the.key")
    key.symlink_to(vault / "the.key")
    former = key.read_bytes()
    peopled.run(*ROTATE)
    assert key.is_symlink() and (vault / "the.key").read_bytes() != former
    assert [path.read_bytes() for path in vault.glob("*.former-1")] == [former]
    assert sorted(path.name for path in vault.iterdir()) == ["the.key", "the.key.former-1"]


NO_LINKS = """
import os, sys, types
from samizdat.cli import instance_key
def link(*_): raise PermissionError(1, "no")
instance_key.os = types.SimpleNamespace(**{**vars(os), "link": link})
"""


def test_where_files_have_no_second_name_the_former_one_is_copied(peopled: Instance) -> None:
    former = key_path(peopled).read_bytes()
    code = (
        f"exec({NO_LINKS!r}); from samizdat.cli.__main__ import main; sys.argv = {['samizdat', *ROTATE[2:]]!r}; main()"
    )
    done = warm.run(["-c", code], env=peopled.environment, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    kept = key_path(peopled).with_name("data.key.former-1")
    assert kept.read_bytes() == former and kept.stat().st_mode & 0o777 == 0o600
    peopled.run(*CLI, "list", "ls")


def test_a_file_that_cannot_be_replaced_is_named_before_anything_changes(peopled: Instance) -> None:
    assert "mounted" in refused(peopled, "instance_key.is_mounted = lambda _path: True")
    assert "gone when this server stops" in refused(
        peopled, f"{ELSEWHERE}; instance_key.is_in_memory = lambda _path: True"
    )
    key_path(peopled).with_name("data.key.former-1").mkdir()
    full = "def full(*_): raise OSError(28, 'full')\ninstance_key._link = full"
    assert "No space" in refused(peopled, f"exec({full!r})")


# The data folder is on another file system than the key file.
ELSEWHERE = "instance_key.data_folder = lambda: __import__('pathlib').Path('/proc')"


def test_a_key_that_comes_from_elsewhere_at_each_start_is_put_there_by_hand(peopled: Instance) -> None:
    key, new = key_path(peopled), peopled.folder.with_name("new.key")
    patch = "from samizdat.cli import instance_key; instance_key._fixed = lambda: 'It comes from a vault.'"
    rotate = ["-c", f"{patch}; from samizdat.cli.__main__ import main; main()", "keys", "rotate", "instance", "--yes"]

    def run(*more: str) -> str:
        done = warm.run([*rotate, *more], env=peopled.environment, cwd=ROOT, timeout=120)
        return done.stdout + done.stderr

    assert "from a vault. Nothing was changed. Name a file" in run()
    former = key.read_bytes()
    assert "Put it where" in run("--to", str(new))
    assert key.read_bytes() == former and new.exists()
    peopled.run(*CLI, "list", "ls")
    new.replace(key)
    assert "is finished" in run()
    assert "still opens" not in peopled.run(*CLI, "keys", "rotate", "status")


def test_it_starts_in_a_process_of_its_own(peopled: Instance) -> None:
    """Where nothing has loaded Django before, as in a terminal."""
    command = [sys.executable, *ROTATE]
    done = subprocess.run(command, env=peopled.environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "The instance key was replaced." in done.stdout, done.stderr


def test_a_key_file_here_needs_no_other_place(peopled: Instance) -> None:
    done = warm.run([*ROTATE, "--to", "elsewhere"], env=peopled.environment, cwd=ROOT, timeout=120)
    assert done.returncode == 1 and "Nothing was changed. Run this without --to" in done.stderr, done.stderr


def test_a_passphrase_is_asked_for_once(peopled: Instance) -> None:
    """A pipe gives it once."""
    key, words = key_path(peopled), "a lamp that nobody can blow out"
    peopled.folder.with_name("words").write_text(words)
    peopled.folder.with_name("words").chmod(0o600)
    peopled.run(*CLI, "keys", "passphrase", "--passphrase-file", str(peopled.folder.with_name("words")))
    key.with_name(f"{key.name}.new").replace(key)
    environment = {**peopled.environment, "SAMIZDAT_PASSPHRASE_FILE": "/dev/stdin"}
    done = warm.run([*ROTATE], env=environment, cwd=ROOT, timeout=120, feed=f"{words}\n")
    assert "The instance key was replaced." in done.stdout, done.stderr


BREAKS_ONCE = """
from samizdat.worker.processes import supervisor
signs, calls = supervisor.instance_exchange.sign_public_rows, []
def breaks():
    calls.append(1)
    if len(calls) == 2:
        raise RuntimeError("not now")
    signs()
    if len(calls) == 3:
        print("signed after all", flush=True)
supervisor.instance_exchange.sign_public_rows = breaks
"""


def test_serve_goes_on_although_it_could_not_at_first(peopled: Instance) -> None:
    started_with(peopled, f"exec({BREAKS_ONCE!r})")
    before = peopled.children()
    peopled.run(*ROTATE)
    until(lambda: {"desk", "worker", "sender"} <= {*peopled.children()})
    assert not {*before["worker"]} & {*peopled.children()["worker"]}
    assert "can't go on with the present instance key" in peopled.log.read_text()
    until(lambda: "signed after all" in peopled.log.read_text(), SOONER)
    peopled.run(*CLI, "list", "ls")
    until(lambda: peopled.ask(f"/u/{peopled.made['token']}")[0] == 200)


def test_a_mounted_file_is_known_by_the_list_of_mounts(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw\n"
        "51 22 254:1 /srv/key /run/secrets/the\\040key rw,relatime - ext4 /dev/vda1 rw\n"
    )
    assert is_mounted(Path("/run/secrets/the key"), mounts)
    assert not is_mounted(Path("/run/secrets/another"), mounts)
    other = tmp_path / "key"
    other.touch()
    assert not is_mounted(other, tmp_path / "missing")
    device = f"{os.major(other.stat().st_dev)}:{os.minor(other.stat().st_dev)}"
    mounts.write_text(f"22 1 {device} / /run rw,nosuid - tmpfs tmpfs rw\n23 1 0:999 / / rw - ext4 /dev/vda1 rw\n")
    assert is_in_memory(other, mounts)
    mounts.write_text(f"22 1 {device} / / rw,nosuid - ext4 /dev/vda1 rw\n23 1 0:999 / /run rw - tmpfs tmpfs rw\n")
    assert not is_in_memory(other, mounts)


def test_while_it_is_not_finished_the_former_key_says_what_to_run(peopled: Instance) -> None:
    key, words = key_path(peopled), peopled.folder.with_name("words")
    words.write_text("a lamp that nobody can blow out")
    words.chmod(0o600)
    shares = peopled.run(*CLI, "keys", "shares", "--threshold", "2", "--of", "2", "--json")
    killed(peopled, "samizdat.cli.instance_key._put_in_place")
    for command in (("shares", "--threshold", "2", "--of", "2"), ("passphrase", "--passphrase-file", str(words))):
        done = warm.run([*CLI, "keys", *command], env=peopled.environment, cwd=ROOT, timeout=120)
        assert done.returncode == 1 and "samizdat keys rotate instance" in done.stderr, done.stderr
    key.unlink()
    feed = "\n".join(json.loads(shares)["shares"])
    done = warm.run([*CLI, "keys", "recover"], env=peopled.environment, cwd=ROOT, timeout=120, feed=feed)
    assert "samizdat keys rotate instance" in done.stdout, done.stderr
    peopled.run(*ROTATE)
    assert "still opens" not in peopled.run(*CLI, "keys", "rotate", "status")
