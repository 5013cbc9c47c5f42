"""Each finding has one code, which the handbook explains, and states that scripts can rely on."""

import ast
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import transaction
from django.utils.translation import gettext, override
from django.utils.translation import gettext_lazy as lazy

from samizdat import dbclock
from samizdat.accounts.actions import found_organization
from samizdat.accounts.models import Organization
from samizdat.backup.restore_test import records
from samizdat.campaigns import sender_domain_check
from samizdat.core.backup.manifest import FULL
from samizdat.delivery import backup_places, backup_progress, sending_gate
from samizdat.delivery.actions import copied_installation, key_locks, spare_check
from samizdat.delivery.actions import domains as domain_actions
from samizdat.delivery.backup_places import CopyDetails, PlaceDetails, PlaceState
from samizdat.delivery.models import BackupPlace, DkimKey, SendingDomain
from samizdat.delivery.queries import RouteRow
from samizdat.events.actions import record
from samizdat.health import installation, machine, organizations, practice, recovery, server_files, words
from samizdat.health.findings import Finding
from samizdat.health.looks import FAILED, found_by
from samizdat.vault import instance_exchange, keyring, shares, strict
from samizdat.vault.actions import prove
from samizdat.vault.source import InstanceSource
from tests.conftest import NOW

ROOT = Path(__file__).parent.parent.parent
STATES = {"good", "amber", "red"}


def calls() -> Iterator[ast.Call]:
    for path in (ROOT / "samizdat/health").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
                yield node


def codes() -> set[str]:
    return {_code(call) for call in calls()}


def _code(call: ast.Call) -> str:
    """Of one constant alone it stands there by its name."""
    first = call.args[0]
    return FAILED if isinstance(first, ast.Name) else str(ast.literal_eval(first))


def explained() -> dict[str, str]:
    """Code -> what stands in the column of states; "good" of those under "All is well"."""
    found: dict[str, str] = {}
    for line in (ROOT / "docs/health.md").read_text("utf-8").splitlines():
        cells = line.split("|")
        if line.startswith("| `"):
            found |= dict.fromkeys(re.findall(r"`([a-z]+\.[a-z-]+)`", cells[1]), cells[2].strip())
        elif line.startswith("All is well:"):
            found |= dict.fromkeys(re.findall(r"`([a-z]+\.[a-z-]+)`", line), "good")
    return found


@pytest.mark.django_db
def test_what_differs_from_where_it_last_ran_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copied_installation, "look", lambda _now: ["path", "file", "born", "rewound"])
    finding = next(installation.place())
    assert (finding.code, finding.sentence) == (
        "place.other",
        "This isn’t where it last ran: another path; other files, as after a copy or a restore; its database is in an "
        "earlier state, as after restoring a backup. See what waits: samizdat release --dry-run",
    )


def test_the_handbook_explains_each_finding_and_no_other() -> None:
    assert set(explained()) == codes()


def test_the_handbook_says_how_urgent_each_finding_is() -> None:
    said = explained()
    for call in calls():
        code, state = _code(call), call.args[1]
        states = {node.value for node in ast.walk(state) if isinstance(node, ast.Constant) and node.value in STATES}
        assert states <= set(said[code].split(", ")), (code, states)


def test_a_sentence_has_holes_for_values_so_that_it_can_be_translated() -> None:
    for call in calls():
        assert not any(isinstance(text, ast.JoinedStr) for text in call.args[2:4]), _code(call)


def test_what_a_finding_is_about_can_be_translated_unless_it_is_a_proper_name() -> None:
    for call in calls():
        about = call.args[2]
        assert not isinstance(about, ast.Constant) or about.value[0].isupper(), _code(call)


def test_a_finding_is_told_in_the_language_of_whoever_reads_it_with_its_commands_marked() -> None:
    values = {"count": "3", "command": "samizdat log check", "why": lambda: gettext("Undo")}
    found = Finding("keys.open", "red", lazy("backups"), lazy("Why: %(why)s. Run: %(command)s"), values)
    with override("ru"):
        assert found.wording() == (
            "резервные копии",
            "Why: Отменить. Run: `samizdat log check`",
            ["samizdat log check"],
        )
        assert (found.subject, found.sentence) == ("backups", "Why: Undo. Run: samizdat log check")


def test_a_look_that_breaks_is_a_finding_without_what_it_was_working_on_and_the_others_go_on() -> None:
    def broken() -> Iterator[Finding]:
        yield Finding("disk.room", "good", "disk", "Room.")
        raise ValueError("ada@example.org")

    found = list(found_by([broken, lambda: [Finding("memory.room", "good", "memory", "Room.")]]))
    assert [each.code for each in found] == ["disk.room", FAILED, "memory.room"]
    assert "ValueError in test_findings.py" in found[1].sentence and "ada" not in found[1].sentence


def test_a_topic_is_the_beginning_of_a_code() -> None:
    assert Finding("keys.open", "good", "key file", "It opens.").topic == "keys"


@pytest.mark.parametrize(("kilobytes", "state"), [(100_000, "amber"), (4_000_000, "good")])
def test_little_memory_is_worth_a_look(tmp_path: Path, kilobytes: int, state: str) -> None:
    facts = tmp_path / "meminfo"
    facts.write_text(f"MemTotal:        8000000 kB\nMemAvailable:    {kilobytes} kB\nHugePages_Total:       0\n")
    (found,) = machine.memory(facts)
    assert found.state == state
    assert list(machine.memory(tmp_path / "nothing")) == []


@pytest.mark.parametrize(("limit", "state"), [("0", "good"), ("unlimited", "amber")])
def test_a_serve_that_may_leave_its_memory_on_the_disk_is_named(tmp_path: Path, limit: str, state: str) -> None:
    (tmp_path / "limits").write_text(f"Max core file size        {limit}                    {limit}       bytes\n")
    (found,) = machine.core_dumps(tmp_path)
    assert found.state == state
    assert (state == "good") is ("LimitCORE=0" not in found.sentence)


@pytest.mark.django_db
def test_a_replacement_of_the_instance_key_that_is_not_finished_is_named(
    lantern: Organization, vault: InstanceSource
) -> None:
    prove(vault)
    assert [*installation.unfinished_key()] == []
    instance_exchange.exchange(vault, new := bytes(range(50, 82)), [])
    [finding] = installation.unfinished_key()
    assert (finding.code, finding.state) == ("keys.replacement-unfinished", "amber")
    assert "samizdat keys rotate instance" in finding.sentence
    with override("ru"):
        _about, sentence, commands = finding.wording()
        assert "прежний ключ" in sentence and commands == ["samizdat keys rotate instance"]
    instance_exchange.finish(InstanceSource(new))
    assert [*installation.unfinished_key()] == []


@pytest.mark.django_db
@pytest.mark.usefixtures("vault")
def test_shares_that_nobody_has_tried_for_a_year_are_named() -> None:
    now = dbclock.asked()
    details, _words = shares.make(bytes(range(32)), 2, 3, (now - timedelta(days=400)).date(), [])
    with transaction.atomic():
        shares.remember_new(details, keyring.open_source())
    (found,) = recovery.key_shares(now)
    assert (found.code, found.state) == ("keys.shares-unpracticed", "amber")
    assert "samizdat keys practice" in found.sentence and "never practiced" in found.sentence
    shares.remember_practice(details.identifier, now.date(), keyring.open_source())
    (found,) = recovery.key_shares(now)
    assert (found.code, found.state) == ("keys.shares", "good")


@pytest.mark.parametrize("shared", [False, True])
def test_shares_of_a_strict_key_that_nobody_has_tried_are_named_to_its_admins(
    lantern: Organization, vault: InstanceSource, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    if shared:
        found_organization("Harbor Bell", source=vault, today=NOW.date())
    now, uid = dbclock.asked(), bytes(lantern.uid).hex()
    details, _words = shares.make(bytes(range(32)), 2, 3, (now - timedelta(days=400)).date(), [], uid)
    shares.remember_new(details, keyring.open_source())
    assert list(recovery.key_shares(now)) == [], "of an organization that isn't strict any more"
    monkeypatch.setattr(strict, "owners", lambda: [lantern.pk])
    (found,) = recovery.key_shares(now)
    assert (found.code, found.state, found.organization) == ("keys.shares-unpracticed", "amber", lantern.pk)
    assert found.subject == "Northern Lantern, shares of its strict key" and "never practiced" in found.sentence
    which = f" --organization {lantern.slug}" if shared else ""
    assert found.sentence.endswith(f"samizdat keys strict practice{which}")
    shares.remember_practice(details.identifier, now.date(), keyring.open_source(), uid)
    (found,) = recovery.key_shares(now)
    assert (found.code, found.state) == ("keys.shares", "good")


def test_why_a_route_stopped_is_said_in_the_language_of_whoever_reads_it() -> None:
    values = {"answer": "550 closed", "host": "mx.example"}
    row = RouteRow(1, "wire", "smtp", 1, 1, None, "dead", "suspended", values, None, "mx.example", NOW)
    found = next(each for each in organizations._routes("Northern Lantern", [row]) if each.code == "sending.route")
    assert found.sentence.startswith("dead: mx.example suspended or closed this account (550 closed).")
    with override("ru"):
        text = found.wording().sentence
        assert text.startswith("не работает: ") and "550 closed" in text and "account" not in text


def test_without_a_backup_place_no_backup_is_made_by_itself(db: None) -> None:
    (found,) = recovery.places(NOW)
    assert (found.code, found.state) == ("backup.no-place", "amber") and "backup place add" in found.sentence


def test_the_last_restore_test_of_each_place_is_said_and_an_old_one_is_worth_a_look(lantern: Organization) -> None:
    kept = backup_places.add(PlaceDetails("folder:///srv/copies", NOW))
    assert list(recovery.restore_tests(NOW)) == [], "there is nothing to test yet"
    backup_places.note_copy(kept.number, CopyDetails("sets/1.age", NOW, FULL, 10, 1))

    def state(days: int) -> tuple[str, str]:
        (found,) = recovery.restore_tests(NOW + timedelta(days=days))
        assert "/srv/copies" not in found.sentence
        return found.code, found.state

    assert (state(1), state(20)) == (("backup.untested", "good"), ("backup.untested", "amber"))
    place = {"place": records.mark("folder:///srv/copies")}
    detail = {**place, "code": "damaged", "what": "pieces/01/01ab.age"}
    record(records.PASSED, lantern, now=NOW + timedelta(days=2), detail={**place, "opened": True, "facts": {}})
    assert (state(3), state(20)) == (("backup.tested", "good"), ("backup.untested", "amber"))
    record(records.FAILED, lantern, now=NOW + timedelta(days=9), detail=detail)
    assert state(10) == ("backup.test-failed", "red")
    (found,) = recovery.restore_tests(NOW + timedelta(days=10))
    assert "pieces/01/01ab.age is damaged. Delete this file and back up again" in found.sentence
    assert "Test it again: samizdat backup test" in found.sentence


@pytest.mark.parametrize(
    ("detail", "sentence"),
    [
        ({"opened": True, "facts": {"locked": 0}}, "A backup there was restored as a test on 2026-11-25 12:00 UTC."),
        ({"opened": True, "facts": {"locked": 2}}, "emails of locked organizations (2) couldn’t be checked."),
        ({"opened": False, "facts": {"pieces": 9}}, "it wasn’t restored as a test: its key isn’t on this server."),
    ],
)
def test_what_a_restore_test_could_not_look_at_is_said(
    lantern: Organization, detail: dict[str, object], sentence: str
) -> None:
    kept = backup_places.add(PlaceDetails("folder:///srv/copies", NOW))
    backup_places.note_copy(kept.number, CopyDetails("sets/1.age", NOW, FULL, 10, 1))
    record(records.PASSED, lantern, now=NOW, detail={"place": records.mark("folder:///srv/copies"), **detail})
    (found,) = recovery.restore_tests(NOW)
    assert (found.code, found.state) == ("backup.tested", "good") and sentence in found.sentence


def test_a_lock_that_nobody_practiced_is_named_once_there_was_time_to(lantern: Organization) -> None:
    def state(days: int) -> list[tuple[str, str]]:
        return [(found.code, found.state) for found in practice.of_organization(lantern, NOW + timedelta(days=days))]

    Organization.objects.update(created=NOW.date())
    lantern.refresh_from_db()
    assert state(1) == []
    assert state(40) == [("keys.lock-unpracticed", "amber")]
    record(key_locks.PRACTICED, lantern, now=NOW + timedelta(days=41))
    assert state(42) == [("keys.lock-practiced", "good")]
    assert state(500) == [("keys.lock-unpracticed", "amber")]


def test_a_locked_organization_is_told_what_unlocks_it_and_a_destroyed_one_that_nothing_is_left(
    lantern: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> list[tuple[str, str, object]]:
        found = organizations._of_organization(lantern, organizations._NameServers())
        return [(each.code, each.state, each.values.get("command")) for each in found]

    key_locks.lock(lantern, by=None, now=NOW)
    assert told() == [("organization.locked", "amber", "samizdat keys unlock")]
    monkeypatch.setattr(strict, "is_strict", lambda _organization: True)
    assert told() == [("organization.locked", "amber", "samizdat keys strict unlock")]
    key_locks.destroy(lantern, by=None, now=NOW)
    assert told() == [("organization.destroyed", "good", None)]


@pytest.mark.parametrize(("people", "codes"), [(0, []), (1, ["keys.strict-few"]), (2, ["keys.strict"])])
def test_how_many_can_open_the_keys_of_a_strict_organization_is_said(
    lantern: Organization, monkeypatch: pytest.MonkeyPatch, people: int, codes: list[str]
) -> None:
    monkeypatch.setattr(strict, "people", lambda _organization: [object()] * people)
    found = list(practice.of_organization(lantern, NOW))
    assert [each.code for each in found if each.code.startswith("keys.strict")] == codes


@pytest.mark.parametrize(
    ("mode", "size", "code"),
    [(0o600, 10, "logs.kept"), (0o644, 10, "logs.open"), (0o600, (1 << 30) + 1, "logs.long")],
)
def test_a_log_that_others_may_open_or_nobody_shortens_is_named(
    tmp_path: Path, mode: int, size: int, code: str
) -> None:
    log = tmp_path / "serve.log"
    log.touch()
    os.truncate(log, size)  # Takes no room.
    log.chmod(mode)
    (tmp_path / "fd").mkdir()
    (tmp_path / "fd/2").symlink_to(log)
    (found,) = server_files.log_file(tmp_path)
    assert found.code == code and str(log) in found.sentence


def test_a_log_that_the_system_keeps_is_no_file_of_ours(tmp_path: Path) -> None:
    (tmp_path / "fd").mkdir()
    (tmp_path / "fd/2").symlink_to("/dev/null")
    assert list(server_files.log_file(tmp_path)) == []
    assert list(server_files.log_file(tmp_path / "ended")) == []


@pytest.mark.parametrize(
    ("days", "code", "state"),
    [
        (1, "mail.certificate-ends", "red"),
        (9, "mail.certificate-ends", "amber"),
        (60, "mail.certificate-valid", "good"),
    ],
)
def test_a_certificate_for_incoming_mail_that_ends_soon_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, code: str, state: str
) -> None:
    monkeypatch.setenv("SAMIZDAT_SMTP", "127.0.0.1:2525")
    monkeypatch.setenv("SAMIZDAT_MAIL_CERTIFICATE", str(tmp_path / "mail.pem"))
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mx.lantern.example")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(NOW - timedelta(days=9)).not_valid_after(NOW + timedelta(days=days))
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (tmp_path / "mail.pem").write_bytes(pem)
    (found,) = server_files.mail_certificate(NOW)
    assert (found.code, found.state) == (code, state) and str(days) in found.sentence
    (tmp_path / "mail.pem").write_text("nothing")
    (found,) = server_files.mail_certificate(NOW)
    assert (found.code, found.state) == ("mail.certificate", "red")
    monkeypatch.delenv("SAMIZDAT_SMTP")
    assert list(server_files.mail_certificate(NOW)) == []


@pytest.mark.parametrize(
    ("is_ready", "code", "state"),
    [(True, "domain.ready", "good"), (None, "domain.unanswered", "amber"), (False, "domain.incomplete", "red")],
)
def test_a_domain_that_campaigns_are_sent_from_and_that_lacks_its_records_is_red(
    lantern: Organization, monkeypatch: pytest.MonkeyPatch, is_ready: bool | None, code: str, state: str
) -> None:
    monkeypatch.setattr(spare_check, "is_ready", lambda _row, _ask: is_ready)
    monkeypatch.setattr(spare_check, "missing", lambda _row, _ask: ["Publish an SPF record."])
    assert list(organizations._domains(lantern, organizations._NameServers())) == [], "none is in use"
    domain_actions.add_domain(lantern, "lantern.example", now=NOW)
    DkimKey.objects.update(state="active")
    (found,) = organizations._domains(lantern, organizations._NameServers())
    assert (found.code, found.state) == (code, state)
    assert found.subject == "Northern Lantern, domain lantern.example"


@pytest.mark.django_db
@pytest.mark.parametrize(("answers", "asked"), [([], 3), (["d2.example"], 6), ([f"d{n}.example" for n in range(8)], 8)])
def test_while_no_name_server_answers_not_all_domains_are_asked_for(
    lantern: Organization, vault: InstanceSource, monkeypatch: pytest.MonkeyPatch, answers: list[str], asked: int
) -> None:
    """Each takes 12 s: 50 domains would take ten minutes. What isn't known is said of each organization."""
    harbor = found_organization("Harbor", source=vault, today=NOW.date(), public_url="https://harbor.example")
    for number in range(8):
        domain_actions.add_domain(lantern if number < 6 else harbor, f"d{number}.example", now=NOW)
    DkimKey.objects.update(state="active")
    looked = []

    def is_ready(row: SendingDomain, _ask: object) -> bool | None:
        looked.append(row.name)
        return True if row.name in answers else None

    monkeypatch.setattr(spare_check, "is_ready", is_ready)
    servers = organizations._NameServers()
    seen = [finding for each in (lantern, harbor) for finding in organizations._domains(each, servers)]
    assert len(looked) == asked
    left = [finding.values["left"] for finding in seen if finding.about == "%(organization)s, other domains"]
    assert sum(map(int, map(str, left))) == 8 - asked
    assert all("weren’t checked" in finding.sentence for finding in seen if "left" in finding.values)


@pytest.mark.django_db
@pytest.mark.usefixtures("vault")
def test_once_they_took_too_long_nobody_is_asked(lantern: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    domain_actions.add_domain(lantern, "lantern.example", now=NOW)
    DkimKey.objects.update(state="active")
    monkeypatch.setattr(organizations, "DNS_SECONDS", 0.0)
    (found,) = organizations._domains(lantern, organizations._NameServers())
    assert found.code == "domain.unanswered" and found.values["left"] == 1


@pytest.mark.django_db
def test_each_question_to_name_servers_is_asked_once(lantern: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    """In each language the finding says what is missing."""
    questions = []

    def look_up(name: str, kind: str, _patience: float) -> list[str]:
        questions.append((name, kind))
        return []

    monkeypatch.setattr(sender_domain_check, "look_up", look_up)
    monkeypatch.setattr(sending_gate, "applies", lambda *_facts: True)
    domain_actions.add_domain(lantern, "lantern.example", now=NOW)
    DkimKey.objects.update(state="active")
    (found,) = organizations._domains(lantern, organizations._NameServers())
    before = len(questions)
    assert found.code == "domain.incomplete" and before
    for language in ("en", "ru"):
        with override(language):
            assert found.wording().sentence
    assert len(questions) == before


@pytest.mark.django_db
@pytest.mark.usefixtures("vault")
def test_a_backup_place_that_fails_or_is_late_or_was_changed_is_named() -> None:
    now = dbclock.asked()
    kept = backup_places.add(PlaceDetails("folder:///srv/copies", now - timedelta(days=5)))

    def state() -> tuple[str, str]:
        (found,) = recovery.places(now)
        assert "/srv/copies" not in found.sentence, "where it is stays sealed"
        return found.code, found.state

    assert state() == ("backup.place-late", "amber")
    assert [found.state for found in recovery.places(now + timedelta(days=4))] == ["red"]
    # What was written while the clock ran ahead is no new backup for ever.
    backup_places.note_copy(kept.number, CopyDetails("sets/1.age", now + timedelta(days=300), "full", 1, 1))
    assert state() == ("backup.place-late", "amber")
    backup_places.note_copy(kept.number, CopyDetails("sets/1.age", now - timedelta(days=1), FULL, 10, 1))
    assert state() == ("backup.place", "good")
    backup_places.set_state(kept.number, PlaceState(failures=2, error="The server doesn't answer."))
    assert state() == ("backup.place-fails", "amber")
    assert [found.state for found in recovery.places(now + timedelta(hours=13))] == ["red"]
    backup_places.set_state(kept.number, PlaceState(undeleted=3))
    assert state() == ("backup.place-undeleted", "amber")
    BackupPlace.objects.update(wrapped=bytes(60))
    assert state() == ("backup.place-broken", "red")


@pytest.mark.django_db
@pytest.mark.usefixtures("vault")
def test_changes_that_do_not_reach_a_place_are_named() -> None:
    now = dbclock.asked()
    kept = backup_places.add(PlaceDetails("file:///srv/copies", now))

    def state(after: timedelta = timedelta(0)) -> list[tuple[str, str]]:
        return [(found.code, found.state) for found in recovery.places(now + after)][1:]

    assert state() == [], "there is no backup yet"
    backup_progress.note_tail(kept.number, now)
    assert state() == [("backup.tail", "good")]
    backup_progress.note_tail_failing(kept.number, now)
    assert state() == [("backup.tail", "good")], "a place may be away for a moment"
    assert state(timedelta(minutes=11)) == [("backup.tail-fails", "amber")]
    assert state(timedelta(hours=7)) == [("backup.tail-fails", "red")]


def test_a_copy_elsewhere_is_not_said_to_have_overwritten_anything() -> None:
    assert words.differences(["path", "file", "born", "note"]) == (
        "another path; other files, as after a copy or a restore"
    )
    assert words.differences(["note"]) == "its data folder was overwritten with a copy"
