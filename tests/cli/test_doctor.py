"""doctor names each problem with its next step, and fails when one must be mended."""

import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from samizdat import sandbox
from samizdat.health import surroundings as looks
from tests.cli.conftest import House
from tests.dns_server import NameServer
from tests.pooler import needs_pooler, pgbouncer, url_by

ON_POSTGRESQL = "postgresql" in os.environ.get("DATABASE_URL", "")


def signs(house: House, code: int | None = None) -> dict[str, list[dict[str, Any]]]:
    """By subject; what is said of the public host is left out, since nobody has one here."""
    result = house("doctor", "--json")
    assert code is None or result.code == code, result.out
    found: dict[str, list[dict[str, Any]]] = {}
    for sign in result.json["signs"]:
        found.setdefault(sign["subject"], []).append(sign)
    assert result.json["well"] is (result.code == 0)
    return found


def act(house: House, code: str) -> str:
    head = "from samizdat.cli.bootstrap import open_house; open_house()\n"
    from tests import warm

    done = warm.run(["-c", head + code], cwd=house.folder, env=house.environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_new_house_is_well_and_the_database_says_what_it_is(house: House) -> None:
    found = signs(house, 0)
    assert ("PostgreSQL" if ON_POSTGRESQL else "SQLite") in found["database"][0]["sentence"]
    assert {sign["state"] for sign in found["key file"]} == {"good"}
    assert found["public database"][0]["state"] == "good"
    (spelling,) = found["spelling"]
    assert spelling["state"] == "good" or "apt-get install hunspell" in spelling["sentence"]
    assert "Start `samizdat serve`" in found["scheduled jobs"][0]["sentence"]


def test_a_folder_that_others_may_look_into_is_red_and_a_file_in_a_closed_one_amber(house: House) -> None:
    (house.data / "copy").touch()
    (house.data / "copy").chmod(0o644)
    (told,) = signs(house, 0)["data folder"]
    assert told["state"] == "amber" and "copy" in told["sentence"]
    house.data.chmod(0o755)
    (told,) = signs(house, 1)["data folder"]
    house.data.chmod(0o700)  # Other tests have this folder as well.
    (house.data / "copy").unlink()
    assert told["state"] == "red" and f"chmod -R go-rwx {house.data}" in told["sentence"]


@needs_pooler
def test_a_pooler_in_transaction_mode_is_named_and_nothing_that_sends_starts(house: House, tmp_path: Path) -> None:
    with pgbouncer(tmp_path, "transaction") as port:
        url = {"DATABASE_URL": url_by(port, house.environment["DATABASE_URL"])}
        for words in (("doctor",), ("worker",), ("serve", "--port", "0", "--public-port", "0")):
            refused = house(*words, **url)
            assert refused.code == 1 and "pool_mode=session" in refused.err
    with pgbouncer(tmp_path, "session") as port:
        url = {"DATABASE_URL": url_by(port, house.environment["DATABASE_URL"])}
        told = house("doctor", **url)
        assert told.code == 0 and "public database: It works" in told.out


def test_a_route_that_is_dead_says_why_and_who_has_to_act(house: House) -> None:
    house.say("route", "add", "wire", "smtp+plain://127.0.0.1:9", "--untested")
    house("route", "test", "wire", "--to", "ada@example.org")
    act(house, "from samizdat.delivery.models import Route; Route.objects.update(state='dead', reason='suspended')")
    (sign,) = signs(house, 1)["Northern Lantern, route wire"]
    assert sign["state"] == "red" and sign["sentence"].startswith("dead: ")
    act(house, "from samizdat.delivery.models import Route; Route.objects.update(state='paused', reason='person')")
    (sign,) = signs(house)["Northern Lantern, route wire"]
    assert "samizdat route resume wire" in sign["sentence"]
    house.say("route", "rm", "wire", "--yes")


@pytest.mark.parametrize(
    ("reason", "commands"),
    [
        ("login", ["samizdat route edit wire --url -", "samizdat route test wire --to -"]),
        ("folder_missing", ["samizdat route test wire --to -"]),
        ("authentication_records", ["samizdat domain records DOMAIN", "samizdat domain check DOMAIN"]),
    ],
)
def test_what_is_to_be_done_about_a_route_is_a_command_and_no_button(
    house: House, reason: str, commands: list[str]
) -> None:
    house.say("route", "add", "wire", "smtp+plain://127.0.0.1:9", "--untested")
    act(house, f"from samizdat.delivery.models import Route; Route.objects.update(state='dead', reason='{reason}')")
    said = [signs(house, 1)["Northern Lantern, route wire"][0]["sentence"], house("route", "ls").out]
    for command in commands:
        assert all(command in told for told in said), (command, said)
    assert not [word for told in said for word in ("press ", "under Routes", "under Domains") if word in told]
    house.say("route", "rm", "wire", "--yes")


def test_a_domain_that_a_provider_does_not_accept_is_named_until_the_route_is_resumed(house: House) -> None:
    house.say("route", "add", "wire", "smtp+plain://127.0.0.1:9", "--untested")
    act(
        house,
        "from samizdat.delivery.actions import condemn; from samizdat.core.mail.outcome import RouteVerdict\n"
        "from samizdat.delivery.models import Route; from samizdat import dbclock\n"
        "verdict = RouteVerdict('config', 'sender', {'host': 'mx.example', 'answer': '550 not verified'})\n"
        "condemn(Route.objects.get(name='wire').pk, verdict, dbclock.now(), ['lantern.example'])",
    )
    (sign,) = signs(house, 1)["Northern Lantern, route wire"]
    assert sign["state"] == "red" and "from lantern.example: mx.example doesn’t accept" in sign["sentence"]
    assert "samizdat route resume wire" in sign["sentence"]
    assert "wire can't send from lantern.example" in house("route", "ls").out
    (row,) = house("route", "ls", "--json").json["routes"]
    assert [(one["domain"], one["reason"], one["who"]) for one in row["barred"]] == [
        ("lantern.example", "sender", "account")
    ]
    house.say("route", "resume", "wire")
    assert house("route", "ls", "--json").json["routes"][0]["barred"] == []
    house.say("route", "rm", "wire", "--yes")


def test_a_spare_domain_without_its_records_is_named_with_what_to_publish(house: House) -> None:
    house.say("domain", "add", "beacon.example")
    house.say("domain", "spare", "beacon.example")
    with NameServer() as names:
        house.environment["SAMIZDAT_DNS"] = names.place
        [sign] = signs(house)["Northern Lantern, spare domain beacon.example"]
        assert sign["state"] == "amber" and "_dmarc.beacon.example" in sign["sentence"]
        assert "under Domains" not in sign["sentence"]
    house.say("domain", "rm", "beacon.example", "--yes")


def test_a_role_that_somebody_wrote_into_the_database_is_red_with_what_to_do(house: House) -> None:
    house.say("person", "add", "v@lantern.example", "--role", "viewer", "--password-file", str(_password(house)))
    raised = (
        "from samizdat.accounts.models import Membership; Membership.objects.filter(role='viewer').update(role='admin')"
    )
    act(house, raised)
    (sign,) = [sign for sign in signs(house, 1)["Northern Lantern"] if "role" in sign["sentence"]]
    assert sign["state"] == "red" and "samizdat person add -" in sign["sentence"]
    assert "v@lantern.example" not in house("person", "ls").out
    house.say("person", "add", "v@lantern.example", "--role", "viewer")
    assert "v@lantern.example" in house("person", "ls").out
    act(
        house,
        "import datetime; from samizdat.accounts.forged_rows import FORGED; from samizdat.events.models import Event\n"
        "from django.db.models import F\n"
        "Event.objects.filter(kind=FORGED).update(at=F('at') - datetime.timedelta(days=8))",
    )
    assert "role" not in house("doctor").out  # It is told for a week.


def test_two_organizations_with_one_host_are_red_with_what_to_do(house: House) -> None:
    house.say("organization", "set", "--url", "https://lantern.example")
    act(
        house,
        "from samizdat.accounts import actions, sealed_settings\n"
        "from samizdat.vault import keyring; from datetime import date; from django.db import transaction\n"
        "bell = actions.found_organization('Harbour Bell', source=keyring.open_source(), today=date(2026, 11, 1))\n"
        "with transaction.atomic(): sealed_settings.keep_settings(bell, {'public_url': 'https://lantern.example'})",
    )
    for name, other in (("Northern Lantern", "Harbour Bell"), ("Harbour Bell", "Northern Lantern")):
        (sign,) = [sign for sign in signs(house, 1)[name] if "the same address" in sign["sentence"]]
        assert sign["state"] == "red" and other in sign["sentence"]
    act(
        house,
        "from samizdat.accounts import actions; from samizdat.accounts.models import Organization\n"
        "from samizdat import dbclock; bell = Organization.objects.get(name='Harbour Bell')\n"
        "actions.change_settings(bell, by=None, now=dbclock.now(), public_url='https://bell.example')",
    )
    assert "the same address" not in house("doctor").out


def test_a_mailbox_that_is_not_read_is_named_with_what_to_do(house: House) -> None:
    subject = "Northern Lantern, mailbox bounces"
    (house.folder / "password").write_text("secret\n")
    (house.folder / "password").chmod(0o600)
    url = "imaps://bounces%40lantern.example@127.0.0.1:1/"
    password, whose = str(house.folder / "password"), "northern-lantern"
    house("mail", "add", "bounces", url, "--password-file", password, "--delete", "--organization", whose)
    (sign,) = signs(house)[subject]
    assert sign["state"] == "amber" and "heard from it: never" in sign["sentence"] and "worker" in sign["sentence"]
    for code, state, words in (("password", "red", "user name or password"), ("", "good", "last on")):
        act(
            house,
            "from samizdat.incoming.mailboxes import polling; from samizdat.incoming.models import PolledMailbox\n"
            f"from samizdat import dbclock; polling.note(PolledMailbox.objects.get().pk, dbclock.now(), '{code}')",
        )
        (sign,) = signs(house)[subject]
        assert sign["state"] == state and words in sign["sentence"]


def test_bounces_that_wait_for_a_decision_are_named(house: House) -> None:
    number = act(
        house,
        "from samizdat.accounts.models import Organization; from samizdat.campaigns.models import Campaign\n"
        "from samizdat import dbclock; from samizdat.events.actions import record\n"
        "lantern = Organization.objects.get(slug='northern-lantern'); now = dbclock.now()\n"
        "from samizdat.audience.actions import new_list; thursday = new_list(lantern, 'Thursday', now=now)\n"
        "facts = {'state': 'sending', 'created': now, 'changed': now, 'list': thursday}\n"
        "campaign = Campaign.objects.create(organization=lantern, **facts)\n"
        "detail = {'provider': 'gmail', 'count': 34, 'answered': 90}\n"
        "record('campaign.bounces_held', lantern, now=now, about=campaign.pk, detail=detail); print(campaign.pk)",
    ).strip()
    (sign,) = signs(house)[f"Northern Lantern, campaign {number}"]
    assert sign["state"] == "amber" and f"samizdat campaign suppress-bounced {number}" in sign["sentence"]


def _password(house: House) -> Path:
    path = house.folder / "password"
    path.write_text("correct horse battery staple\n")
    path.chmod(0o600)
    return path


def test_a_step_of_the_clock_that_breaks_is_red_with_its_place(house: House) -> None:
    act(
        house,
        "from samizdat.worker.schedule import scheduler; from samizdat import dbclock\n"
        "def broken(now): raise ValueError('ada@example.org')\n"
        "scheduler.tick(dbclock.now(), {'what follows': broken, 'imports': lambda now: None})",
    )
    (sign,) = signs(house, 1)["scheduled jobs"]
    assert '"what follows" has not finished ever' in sign["sentence"] and "ValueError in" in sign["sentence"]
    assert "ada" not in sign["sentence"]
    act(
        house,
        "from samizdat.delivery.models import SchedulerStep\n"
        "SchedulerStep.objects.filter(name='what follows').delete()",
    )
    assert signs(house)["scheduled jobs"][0]["state"] == "good"


def test_a_journal_that_nobody_holds_is_named(house: House) -> None:
    folder = house.data / "journals"
    folder.mkdir(exist_ok=True)
    (folder / "worker-77.0").write_bytes(bytes(2048))
    (sign,) = signs(house, 1)["journals"]
    assert (
        "The database has nothing about worker-77" in sign["sentence"]
        and "went back to an earlier state" in sign["sentence"]
    )
    (folder / "worker-77.0").unlink()


@pytest.mark.skipif(not ON_POSTGRESQL, reason="machines share a PostgreSQL")
def test_a_machine_that_is_gone_is_named_with_both_ways_out_and_can_be_forgotten(house: House) -> None:
    number = act(
        house,
        "from samizdat.delivery.models import Worker; from samizdat import dbclock; from datetime import timedelta\n"
        "at = dbclock.now() - timedelta(seconds=90)\n"
        "print(Worker.objects.create(boot=bytes(16), folder=bytes(16), journal='worker-9', host='far', started=at, "
        "beat=at).pk)",
    ).strip()
    (row,) = house.say("worker", "ls")["workers"]
    assert (row["state"], row["host"], row["here"]) == ("dead", "far", False) and 89 < row["silent"] < 150
    assert house("worker", "forget", "12345", "--yes").code == 1
    assert house.say("worker", "forget", number) == {"worker": int(number), "in_doubt": 0}
    assert house.say("worker", "ls")["workers"] == []


def test_a_public_host_without_an_answer_does_not_keep_anybody_waiting(house: House) -> None:
    began = time.monotonic()
    found = signs(house)["Northern Lantern"]
    assert time.monotonic() - began < 20
    assert any("doesn't answer from here" in sign["sentence"] for sign in found)


@pytest.mark.parametrize(("status", "next_step"), [(502, "Start `serve`"), (404, "Point the reverse proxy to")])
def test_a_proxy_with_nothing_behind_it_is_told_from_one_that_leads_elsewhere(status: int, next_step: str) -> None:
    (sign,) = looks._visited((status, None), "lantern.example", "Northern Lantern")
    assert next_step in sign.sentence


def test_a_listener_for_mail_that_does_not_answer_is_red_and_so_is_an_option_that_says_nothing(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    house.environment |= {"SAMIZDAT_LMTP": f"127.0.0.1:{port}", "SAMIZDAT_SMTP": "25"}
    found = signs(house, 1)
    assert [sign["state"] for sign in found["mail by LMTP"] + found["mail by SMTP"]] == ["red", "red", "amber"]
    assert str(port) in found["mail by LMTP"][0]["sentence"] and "0.0.0.0:25" in found["mail by SMTP"][0]["sentence"]
    del house.environment["SAMIZDAT_LMTP"], house.environment["SAMIZDAT_SMTP"]


def test_a_listener_that_the_kernel_does_not_isolate_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMIZDAT_LMTP", "unix:/nonexistent/lmtp.sock")
    monkeypatch.setattr(sandbox, "version", lambda: 0)
    sentences = [sign.sentence for sign in looks.listeners()]
    assert "/nonexistent/lmtp.sock" in sentences[0] and "doesn't isolate" in sentences[1]


def test_backups_older_than_a_month_are_named(house: House) -> None:
    (sign,) = signs(house)["backups"]
    assert sign["state"] == "amber" and "SAMIZDAT_BACKUPS" in sign["sentence"]
    kept = house.folder / "backups"
    kept.mkdir()
    (kept / "house.tar").write_text("new")
    os.utime(kept / "house.tar", (time.time(),) * 2)  # Times of files do not follow a moved clock.
    house.environment["SAMIZDAT_BACKUPS"] = str(kept)
    (sign,) = signs(house)["backups"]
    assert sign["state"] == "good"
    (kept / "old.tar").write_text("old")
    os.utime(kept / "old.tar", (time.time() - 31 * 86400,) * 2)
    (sign,) = signs(house, 1)["backups"]
    assert sign["state"] == "red" and "old.tar" in sign["sentence"]
    del house.environment["SAMIZDAT_BACKUPS"]


def test_an_event_that_somebody_wrote_into_the_database_is_red(house: House) -> None:
    act(
        house,
        "from samizdat.cli.bootstrap import now\n"
        "from samizdat.events.models import Event\n"
        "from samizdat.worker.schedule import event_handlers\n"
        "Event.objects.create(kind='publicdb.lost', at=now(), digest=bytes(32))\n"
        "event_handlers.follow(now())",
    )
    (sign,) = signs(house, 1)["events"]
    assert sign["state"] == "red" and "samizdat log check" in sign["sentence"]


def test_memory_that_may_be_written_to_a_swap_is_amber(tmp_path: Path) -> None:
    swaps, process, groups = (tmp_path / name for name in ("swaps", "process", "groups"))
    (groups / "system.slice/samizdat.service").mkdir(parents=True)
    process.mkdir()
    (process / "cgroup").write_text("0::/system.slice/samizdat.service\n")

    def state() -> str:
        (sign,) = looks.swap(swaps, process, groups)
        return sign.state

    heading = "Filename Type Size Used Priority\n"
    assert state() == "good", "there is no swap"
    swaps.write_text(f"{heading}/dev/zram0 partition 1 0 100\n")
    assert state() == "good", "it is in memory itself"
    swaps.write_text(f"{heading}/swapfile file 1 0 -2\n")
    assert state() == "amber"
    (groups / "system.slice/samizdat.service/memory.swap.max").write_text("max\n")
    assert state() == "amber"
    (groups / "system.slice/samizdat.service/memory.swap.max").write_text("0\n")
    assert state() == "good"
