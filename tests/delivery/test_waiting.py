"""A relay that dies when anything follows a final dot: noticed once, and from then on each answer is waited for."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from samizdat.delivery.actions import add_route, change_route
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.models import Delivery, Retry, Route
from samizdat.events.models import Event
from tests.delivery.conftest import House, until
from tests.delivery.test_kills import Child
from tests.delivery.test_sending import books_balance
from tests.smtp_server import ScriptedServer

DOVECOT = shutil.which("dovecot", path="/usr/sbin:/usr/bin:/usr/local/sbin")


def why_not() -> str:
    """Why the real one cannot be asked here; "" where it can."""
    folders = ("/usr/lib", "/usr/libexec", "/usr/local/libexec")
    if not DOVECOT or not any(Path(folder, "dovecot/submission").exists() for folder in folders):
        return "Dovecot is not installed: apt-get install dovecot-submissiond"
    if os.geteuid() != 0:
        return "Dovecot starts its workers as root alone"
    version = subprocess.run([DOVECOT, "--version"], capture_output=True, text=True, check=True).stdout
    return "" if version.startswith("2.4.") else f"its configuration is that of Dovecot 2.4, and here is {version}"


WHY_NOT = why_not()


def now() -> datetime:
    return datetime.now(UTC)


def test_a_relay_that_dies_behind_the_dot_leaves_one_in_doubt_and_nobody_gets_the_letter_twice(house: House) -> None:
    addresses = house.people(60)
    with ScriptedServer(dies_behind_dot=True) as server:
        route = house.route(server)
        campaign = house.released()
        ended = run_campaign(campaign.pk, 120)
        assert (ended["ended"], ended["accepted"], ended["unsure"], ended["refused"]) == ("finished", 59, 1, 0)
        assert server.counts() == dict.fromkeys(addresses, 1)
        assert not Retry.objects.exists(), "the policy is to resend, and that one was very likely taken"
        books_balance(campaign)
        route.refresh_from_db()
        assert route.waits
        assert Event.objects.filter(kind="route.awaits_approval", about=route.pk).count() == 1
        # Another process, another letter: it is known.
        again = house.released()
        assert run_campaign(again.pk, 120)["accepted"] == 60
        assert server.counts() == dict.fromkeys(addresses, 2)
        change_route(route, now=now(), priority=3)
        assert Route.objects.get().waits
        change_route(route, now=now(), url="smtp+plain://127.0.0.1:9")
        assert not Route.objects.get().waits


@pytest.mark.kill
def test_killed_before_it_is_booked_what_a_relay_that_died_was_given_is_for_a_person_all_the_same(
    house: House,
) -> None:
    addresses = house.people(20)
    with ScriptedServer(dies_behind_dot=True) as server:
        house.route(server, connections=1)
        campaign = house.released()
        child = Child(die=["before a result is written", 1, True])
        until(lambda: child.ended)
        child.kill()
        ended = run_campaign(campaign.pk, 60)
        assert ended["ended"] == "finished" and ended["unsure"] >= 1
        taken = server.counts()
        assert [taken[address] for address in server.died_behind[:1]] == [1], "very likely taken, and not resent"
        # The policy is to resend what was on its way when the sender died, one on each connection.
        assert set(taken) == set(addresses) and taken.total() <= len(addresses) + 1
        assert not Retry.objects.exists()
        books_balance(campaign)


def test_a_relay_that_copes_is_not_made_to_wait_by_a_connection_that_breaks(
    house: House, server: ScriptedServer
) -> None:
    from tests.smtp_server import HANG_UP

    addresses = house.people(60)
    server.on("final", HANG_UP, after=20, times=1)
    route = house.route(server, connections=2)
    campaign = house.released()
    ended = run_campaign(campaign.pk, 120)
    route.refresh_from_db()
    assert (ended["ended"], ended["unsure"], route.waits) == ("finished", 0, False)
    assert set(server.counts()) == set(addresses) and server.counts().total() == 61  # By policy: the same once more.


class Dovecot:
    """The real submission server, with folders of its own below one of the test's, handing on to a sink."""

    def __init__(self, folder: Path, sink: ScriptedServer) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        # Its workers run as somebody else, who has to get through.
        for one in (folder, *folder.parents):
            if one.stat().st_uid == os.getuid() and one != Path("/"):
                one.chmod(one.stat().st_mode | 0o011)
        for name in ("mail", "home"):
            (folder / name).mkdir()
            (folder / name).chmod(0o777)
        self.config = folder / "dovecot.conf"
        self.config.write_text(CONFIG.format(folder=folder, port=self.port, sink=sink.port))
        assert DOVECOT is not None
        # As in tests/incoming/dovecot.py.
        own = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        self.process = subprocess.Popen([DOVECOT, "-F", "-c", str(self.config)], env=own)
        end = time.monotonic() + 30
        while not self.answers():
            assert time.monotonic() < end and self.process.poll() is None, (folder / "log").read_text()

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                return connection.recv(4) == b"220 "
        except OSError:
            return False

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(30)


CONFIG = """
dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = submission
listen = 127.0.0.1
ssl = no
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = {folder}/mail
mail_home = {folder}/home
mail_uid = nobody
mail_gid = nogroup
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
passdb static {{
  password = secret
}}
userdb static {{
}}
submission_relay_host = 127.0.0.1
submission_relay_port = {sink}
submission_relay_trusted = yes
service submission-login {{
  chroot =
  inet_listener submission {{
    port = {port}
  }}
}}
service anvil {{
  chroot =
}}
"""


@pytest.fixture
def dovecot(tmp_path: Path, server: ScriptedServer) -> Iterator[Dovecot]:
    running = Dovecot(tmp_path, server)
    try:
        yield running
    finally:
        running.end()


@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
def test_all_of_a_campaign_go_out_by_dovecots_submission_server_and_none_twice(
    house: House, server: ScriptedServer, dovecot: Dovecot
) -> None:
    addresses = house.people(40)
    url = f"smtp+plain://ada:secret@127.0.0.1:{dovecot.port}?timeout=20"
    add_route(house.organization, "dovecot", url, now=now(), connections=4)
    campaign = house.released()
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["refused"], ended["deferred"]) == ("finished", 0, 0)
    assert ended["accepted"] + ended["unsure"] == 40 and ended["unsure"] <= 1
    assert server.counts() == dict.fromkeys(addresses, 1)
    assert Delivery.objects.count() == 40 and not Retry.objects.exists()
    books_balance(campaign)
