"""The command line is a contract: others' scripts lean on these words, documents and exit codes."""

import shlex
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from samizdat.vault import keyring
from samizdat.vault.source import InstanceSource
from samizdat.vault.sources.key_file import read_key_file
from tests.cli.conftest import House
from tests.importers.helping import zipped

PAYLOADS = Path(__file__).parent.parent / "payloads" / "subscribers-csv"
LETTER = "# Hello *|FNAME|*\n\nThe [whole story](https://lantern.example/story) is on our page.\n"


@pytest.fixture(scope="module")
def brought_in(house: House) -> House:
    """The real sample export of three files, on the list Letter, with a folder as the way out."""
    house.say("list", "new", "Letter")
    names = ("subscribed", "unsubscribed", "cleaned")
    for name in names:
        code = "0a1b2c3d4e"
        shutil.copy(PAYLOADS / f"mailchimp-{name}.csv", house.folder / f"{name}_members_export_{code}.csv")
    files = [str(house.folder / f"{name}_members_export_0a1b2c3d4e.csv") for name in names]
    house.counts = house.say("import", *files, "--list", "Letter")  # type: ignore[attr-defined]
    house.files = files  # type: ignore[attr-defined]
    (house.folder / "out").mkdir()
    house.say("route", "add", "paper", f"folder://{house.folder}/out")
    (house.folder / "letter.md").write_text(LETTER)
    return house


def new_campaign(house: House) -> str:
    sender = "Northern Lantern <letter@lantern.example>"
    words = ("--list", "Letter", "--subject", "News", "--from", sender, "--body", str(house.folder / "letter.md"))
    return str(house.say("campaign", "new", *words)["id"])


def test_an_import_adds_up_in_rows_and_in_statuses(brought_in: House) -> None:
    counts = brought_in.counts  # type: ignore[attr-defined]
    assert counts["added"] + counts["updated"] + counts["unchanged"] + counts["rejected"] == counts["rows"]
    statuses = sum(counts[word] for word in ("subscribed", "unsubscribed", "cleaned", "nonsubscribed", "pending"))
    assert statuses == counts["rows"] - counts["rejected"]
    assert (counts["subscribed"], counts["unsubscribed"], counts["cleaned"]) == (5, 5, 5)


def test_the_same_import_again_changes_nothing_and_says_so(brought_in: House) -> None:
    again = brought_in("import", *brought_in.files, "--list", "Letter")  # type: ignore[attr-defined]
    assert again.code == 0
    assert "Nothing was changed" in again.out


def test_a_dry_run_gives_the_counts_and_writes_nothing(brought_in: House) -> None:
    (brought_in.folder / "more.csv").write_text("email\nnew@reader.example\nnobody\n")
    file = str(brought_in.folder / "more.csv")
    seen = brought_in.say("import", file, "--list", "Letter", "--status", "subscribed", "--dry-run")
    assert (seen["rows"], seen["added"], seen["rejected"]) == (2, 1, 1)
    assert brought_in("subscribers", "show", "new@reader.example").code == 1


def test_what_of_an_export_is_not_subscribers_is_counted_in_the_document(brought_in: House) -> None:
    people = b"Email Address,OPTIN_TIME,LEID,EUID\nlena@reader.example,2018-02-05 19:28:23,1,a\n"
    content = {"1/lists/members/members_7_x.csv": people, "1/campaigns_content/1.html": b"<p>", "1/gallery/a.gif": b""}
    (brought_in.folder / "account.zip").write_bytes(zipped(content))
    words = ("import", "account.zip", "--list", "Letter", "--status", "subscribed")
    for more in (("--dry-run",), ()):
        told = brought_in.say(*words, *more)
        assert told["left_out"] == {"campaigns": 1, "images": 1}
        assert any("past campaigns (1)" in warning for warning in told["warnings"])


def test_what_was_assumed_about_a_file_is_said_with_and_without_writing(brought_in: House) -> None:
    file = brought_in.folder / "old.csv"
    file.write_bytes("email,name\nolga@reader.example,Ольга\nivan@reader.example,Иван\n".encode("cp1251"))
    words = ("import", str(file), "--list", "Letter", "--status", "unsubscribed")
    assumed = "old.csv doesn’t say which encoding it uses; "
    assert assumed in brought_in(*words, "--dry-run").err
    told = brought_in(*words)
    assert told.code == 0
    assert assumed in told.err
    assert brought_in.say(*words)["warnings"][0].startswith(assumed)


def test_people_of_whom_no_file_says_that_they_agreed_are_not_taken_for_subscribed(brought_in: House) -> None:
    file = brought_in.folder / "gone.csv"
    file.write_text("email\ngone@reader.example\n")
    words = ("import", str(file), "--list", "Letter")
    refused = brought_in(*words)
    assert refused.code == 1
    assert "--status" in refused.err
    assert brought_in.say(*words, "--status", "unsubscribed", "--dry-run")["unsubscribed"] == 1


def test_count_without_status_counts_every_status(brought_in: House) -> None:
    everybody = brought_in.say("subscribers", "count", "--list", "Letter")["count"]
    by_status = [
        brought_in.say("subscribers", "count", "--list", "Letter", "--status", status)["count"]
        for status in ("subscribed", "unsubscribed", "cleaned", "nonsubscribed", "pending")
    ]
    assert everybody == sum(by_status) >= 15


def test_a_campaign_goes_out_and_the_books_add_up(brought_in: House) -> None:
    number = new_campaign(brought_in)
    status = brought_in.say("campaign", "send", number, "--wait")
    assert status["state"] == "finished"
    assert status["accepted"] == status["frozen"] == len(list((brought_in.folder / "out").glob("*.eml")))
    assert status["by_route"]["paper"]["accepted"] == status["accepted"]
    again = brought_in.say("campaign", "send", number, "--wait")
    assert again["accepted"] == status["accepted"]
    after = brought_in.say("campaign", "status", number)
    assert (after["state"], after["left_by_letter"]) == ("finished", 0)
    assert "0  unsubscribed\n" in brought_in("campaign", "status", number).out


def test_a_letter_is_written_in_one_more_language_checked_and_counted(brought_in: House) -> None:
    number = new_campaign(brought_in)
    (brought_in.folder / "ru.md").write_text("Вода ушла.\n")
    body = str(brought_in.folder / "ru.md")
    assert brought_in.say("campaign", "translate", number, "--language", "RU", "--subject", "")["language"] == "ru"
    told = brought_in("campaign", "check", number, "--json")
    assert told.code == 1 and "ru: The campaign has no subject" in told.out
    brought_in.say("campaign", "translate", number, "--language", "ru", "--subject", "Река", "--body", body)
    assert "ru: subject" not in brought_in("campaign", "check", number).out
    assert len(brought_in.say("campaign", "test", number, "--to", "friend@post.example")["tests"]) == 2
    refused = brought_in("campaign", "translate", number, "--language", "fa", "--remove")
    assert refused.code == 1 and "no translation in fa" in refused.err
    brought_in.say("campaign", "send", number, "--wait")
    assert brought_in.say("campaign", "status", number)["by_language"] == {"ru": 0}


def send_until(house: House, number: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Waits as often as a busy machine needs until this is so of the campaign's status; the status then."""
    for _ in range(40):
        assert house("campaign", "send", number, "--wait", "--wait-limit", "2").code == 1
        if holds(status := house.say("campaign", "status", number)):
            return status
    raise AssertionError(status)


def test_a_first_wave_waits_and_the_rest_follows_when_it_is_let_go(brought_in: House) -> None:
    number = new_campaign(brought_in)
    alone = brought_in("campaign", "send", number, "--stop-above", "5")
    assert alone.code == 1 and "--first-wave" in alone.err
    asked = ("--first-wave", "30", "--wave-hold", "60", "--stop-above", "50", "--quiet-hours", "none")
    brought_in("campaign", "send", number, *asked)
    status = send_until(brought_in, number, lambda status: status["state"] == "waiting")
    assert (status["state"], status["reason"]) == ("waiting", "wave") and status["waits_until"]
    assert 0 < status["accepted"] < status["frozen"]
    assert "the first batch was sent" in brought_in("campaign", "status", number).out
    assert brought_in.say("campaign", "resume", number)["state"] == "sending"
    assert brought_in.say("campaign", "send", number, "--wait")["state"] == "finished"
    refused = brought_in("campaign", "send", new_campaign(brought_in), "--quiet-hours", "at night")
    assert refused.code == 1 and "aren’t valid quiet hours" in refused.err


def test_versions_are_tested_and_the_rest_gets_the_one_that_is_chosen(brought_in: House) -> None:
    number = new_campaign(brought_in)
    at = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    planned = brought_in.say("campaign", "versions", number, "--subject", "Other", "--share", "40", "--at", at)
    assert [row["name"] for row in planned["versions"]] == ["A", "B"] and planned["state"] == ""
    brought_in("campaign", "send", number, "--quiet-hours", "none")
    send_until(brought_in, number, lambda status: status["state"] == "waiting")
    assert "A/B test" in brought_in("campaign", "status", number).out
    brought_in.say("campaign", "replies", number, "--version", "B", "--count", "3")
    chosen = brought_in.say("campaign", "choose", number, "--version", "B")
    assert (chosen["winner"], chosen["versions"][1]["replies"]) == ("B", 3)
    sent = brought_in.say("campaign", "send", number, "--wait")
    told = brought_in.say("campaign", "versions", number)
    assert sum(one["accepted"] for one in [*told["versions"], told["rest"]]) == sent["accepted"] == sent["frozen"]
    assert brought_in("campaign", "choose", number, "--version", "A").code == 1
    mended = brought_in.say("campaign", "correct", number, "--wrong", "News", "--right", "Our news")
    assert mended["places"] >= 1
    assert brought_in("campaign", "resend", number).code == 1  # Everybody was reached.
    assert brought_in("campaign", "versions", new_campaign(brought_in), "--subject", "B").code == 1  # No time.


def test_a_route_has_several_limits_and_a_warm_up(house: House) -> None:
    way = "smtp://relay.example:587"
    house.say("route", "add", "fresh", way, "--limit", "10/s,5000/h,20000/d", "--warm-up", "50,100")
    (route,) = [route for route in house.say("route", "ls")["routes"] if route["name"] == "fresh"]
    assert (route["limits"], route["warm_up"], route["rate"]) == ("10/s,5000/h,20000/d", "50,100", 10.0)
    assert "10/s,5000/h,20000/d" in house("route", "ls").out
    told = house.say("route", "edit", "fresh", "--rate", "600/m", "--warm-up", "none")["changed"]
    assert told["rate"]["after"] == "10/s" and told["warm_up"]["after"] == ""
    refused = house("route", "edit", "fresh", "--limit", "10/s,20/s")
    assert refused.code == 1 and "uses the same unit twice" in refused.err
    house.say("route", "rm", "fresh", "--yes")


def test_a_route_is_edited_and_what_is_not_named_stays(house: House) -> None:
    house.say("route", "add", "wire", "smtp://ada:secret@relay.example:587", "--rate", "10/s")
    (number,) = [route["id"] for route in house.say("route", "ls")["routes"] if route["name"] == "wire"]
    told = house.say("route", "edit", "wire", "--rate", "none", "--priority", "3")
    assert told["changed"] == {"priority": {"before": "10", "after": "3"}, "rate": {"before": "10/s", "after": ""}}
    moved = house("route", "edit", str(number), "--name", "cable", "--url", "smtps://ada@relay.example:465")
    assert moved.code == 0 and "smtp://ada@relay.example:587 -> smtps://ada@relay.example:465" in moved.out
    assert "secret" not in moved.out
    assert house.say("route", "edit", "cable", "--priority", "3")["changed"] == {}
    refused = house("route", "edit", "cable", "--url", "smtp://ada@other.example")
    assert refused.code == 1 and "Enter the one for other.example" in refused.err
    (house.folder / "new-password").write_text("fresh\n")
    (house.folder / "new-password").chmod(0o600)
    given = ("--url", "smtp://ada@other.example", "--password-file", str(house.folder / "new-password"))
    assert set(house.say("route", "edit", "cable", *given)["changed"]) == {"url", "password"}
    house.say("route", "rm", "cable")


def test_a_route_whose_test_fails_rests_until_a_test_goes_well(house: House) -> None:
    (house.folder / "letters").mkdir()
    house.say("route", "add", "shelf", f"folder://{house.folder}/letters")
    to = ("--to", "clara@lantern.example")
    assert house.say("route", "test", "shelf", *to)["state"] == "live"
    (house.folder / "letters").rename(house.folder / "elsewhere")
    failed = house("route", "test", "shelf", *to, "--json")
    assert failed.code == 1
    assert (failed.json["state"], failed.json["error"]) == ("dead", "route_test")
    (shelf,) = [route for route in house.say("route", "ls")["routes"] if route["name"] == "shelf"]
    assert (shelf["state"], shelf["reason"]) == ("dead", failed.json["reason"])
    (house.folder / "elsewhere").rename(house.folder / "letters")
    assert house.say("route", "test", "shelf", *to)["state"] == "live"
    house.say("route", "rm", "shelf")


def test_a_route_with_blanks_in_its_name_is_tested_by_the_command_that_is_printed(house: House) -> None:
    (house.folder / "local").mkdir()
    said = house("route", "add", "Local mail", f"folder://{house.folder}/local").out
    words = shlex.split(said[said.index("route test") :])
    assert words == ["route", "test", "Local mail", "--to", "-"]
    house.say("route", "rm", "Local mail", "--yes")


def test_a_route_to_a_missing_folder_is_told_what_to_run_and_not_what_to_press(house: House) -> None:
    added = house("route", "add", "gone", f"folder://{house.folder}/nowhere")
    assert added.code == 1
    told = house("route", "ls").out
    assert "not working" in told and "dead" not in told, "the word of the app"
    for said in (added.err, told):
        assert "then run: samizdat route test gone --to -" in said and "press" not in said
    assert "of this house" not in told
    (row,) = [line for line in told.splitlines() if line.split()[2:3] == ["gone"]]
    assert row.endswith("folder_missing")
    assert "no route type pigeon://" in house("route", "add", "p", "pigeon://loft").err
    house.say("route", "rm", "gone")


def test_a_letter_with_a_flaw_is_not_sent_and_the_line_is_named(brought_in: House) -> None:
    (brought_in.folder / "flawed.md").write_text("Hello\n\n*|NOSUCHTAG|*\n")
    sender = "N <letter@lantern.example>"
    words = ("--list", "Letter", "--subject", "S", "--from", sender, "--body", str(brought_in.folder / "flawed.md"))
    number = str(brought_in.say("campaign", "new", *words)["id"])
    refused = brought_in("campaign", "send", number, "--json")
    assert refused.code == 1
    assert "NOSUCHTAG" in refused.json["sentence"]
    assert "3" in refused.json["sentence"]
    assert brought_in.say("campaign", "status", number)["frozen"] == 0


def _test_email(house: House, number: int) -> str:
    house.say("campaign", "test", number, "--to", "friend@post.example")
    newest = max((house.folder / "out").glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
    return newest.read_bytes().decode().replace("\r\n", "\n")


def test_a_campaign_comes_from_the_default_sender_of_its_list_or_organization(brought_in: House) -> None:
    words = ("campaign", "new", "--list", "Letter", "--subject", "River", "--body", "-")
    assert "The campaign has no sender." in brought_in(*words, feed="Water.").err
    kept = brought_in.say("organization", "sender", "--from", "Lantern <all@lantern.example>")
    assert kept == {"name": "Lantern", "email": "all@lantern.example", "reply_to": ""}
    letter = _test_email(brought_in, brought_in.say(*words, feed="Water.")["id"])
    assert "From: Lantern <all@lantern.example>\n" in letter
    brought_in.say(
        "list", "sender", "Letter", "--from", "Letter <letter@lantern.example>", "--reply-to", "us@lantern.example"
    )
    letter = _test_email(brought_in, brought_in.say(*words, feed="Water.")["id"])
    assert "From: Letter <letter@lantern.example>\n" in letter and "\nReply-To: <us@lantern.example>\n" in letter
    assert brought_in("list", "sender", "Letter", "--from", "none").out == "No default sender.\n"
    assert "isn't a sender" in brought_in("organization", "sender", "--from", "Lantern").err


def test_the_former_names_of_commands_still_work(brought_in: House) -> None:
    number = new_campaign(brought_in)
    assert brought_in.say("campaign", "whom", number) == brought_in.say("campaign", "audience", number)
    assert "whom" not in brought_in("campaign", "--help").out


def test_a_letter_that_nobody_sends_says_so(brought_in: House) -> None:
    number = new_campaign(brought_in)
    said = brought_in("campaign", "send", number)
    assert said.code == 0
    assert "samizdat serve" in said.err
    brought_in.say("campaign", "cancel", number)
    # Cancelled already: refused at once, and nobody is asked.
    refused = brought_in("campaign", "cancel", number)
    assert refused.code == 1
    assert "--yes" not in refused.err


def test_what_becomes_of_lost_answers_is_said_before_and_of_one_alone_after(brought_in: House) -> None:
    number = new_campaign(brought_in)
    brought_in.say("campaign", "send", number, "--unsure", "hold", "--hold", "60")
    assert "campaign resolve" in brought_in("campaign", "send", number, "--unsure", "resend").err  # The policy is hold.
    settle = ("campaign", "resolve", number, "--unsure", "resend", "--subscriber")
    refused = brought_in(*settle, "1")
    assert (refused.code, "Subscriber No. 1." in refused.err) == (1, True)
    assert "no subscriber nobody@" in brought_in(*settle, "nobody@reader.example").err
    brought_in.say("campaign", "cancel", number)


def test_a_paused_campaign_is_told_within_ten_seconds(brought_in: House) -> None:
    number = new_campaign(brought_in)
    brought_in.say("campaign", "send", number, "--hold", "60")
    held = brought_in.say("campaign", "status", number)
    assert held["state"] == "held"
    # What cannot do anything any more is not passed over; the same line called again is.
    idle = brought_in("campaign", "send", number, "--hold", "30", "--at", "2099-01-01", "--stop-above", "9")
    assert idle.code == 1 and "--at, --hold, --stop-above has no effect" in idle.err
    assert brought_in.say("campaign", "send", number, "--hold", "60")["state"] == "held"
    archive = brought_in.say("campaign", "archive", number)
    assert (archive["listed"], archive["public"], archive["address"]) == (True, False, "")
    assert brought_in.say("campaign", "archive", number, "--unlisted")["listed"] is False
    assert brought_in.say("campaign", "undo", number)["state"] == "draft"
    assert "This campaign hasn’t been sent yet" in brought_in("campaign", "archive", number, "--listed").err
    brought_in.say("campaign", "send", number, "--hold", "60")
    assert "readable by link only once" in brought_in("campaign", "archive", number).out
    brought_in.say("campaign", "pause", number)
    assert "paused by a teammate" in brought_in("campaign", "status", number).out
    waited = brought_in("campaign", "send", number, "--wait", "--json")
    assert waited.code == 1
    assert waited.json["state"] == "paused"
    assert brought_in.say("campaign", "cancel", number)["cancelled"] == held["frozen"]


def test_with_every_route_dead_send_says_so_and_keeps_everything(brought_in: House) -> None:
    number = new_campaign(brought_in)
    brought_in.say("route", "pause", "paper")
    stuck = brought_in("campaign", "send", number, "--wait", "--json")
    assert stuck.code == 1
    assert stuck.json["state"] == "waiting"
    assert stuck.json["pending"] == stuck.json["frozen"]
    brought_in.say("route", "resume", "paper")
    assert brought_in.say("campaign", "send", number, "--wait")["state"] == "finished"


def test_a_subscriber_is_added_left_and_erased_by_hand(brought_in: House) -> None:
    brought_in.say("subscribers", "add", "ada@reader.example", "--list", "Letter", "--consent", "On paper, 3 May")
    shown = brought_in.say("subscribers", "show", "ADA@reader.example")
    assert shown["lists"][0]["status"] == "subscribed"
    assert "On paper, 3 May" in str(shown["consent"])
    assert brought_in.say("subscribers", "unsubscribe", "ada@reader.example", "--list", "Letter")["unsubscribed"] == 1
    assert brought_in.say("subscribers", "erase", "ada@reader.example")["erased"]
    refused = brought_in("subscribers", "add", "ada@reader.example", "--list", "Letter", "--consent", "again", "--json")
    assert refused.code == 1


def test_addresses_come_from_standard_input(brought_in: House) -> None:
    words = ("subscribers", "add", "-", "--list", "Letter", "--consent", "at the market")
    assert brought_in.say(*words, feed="one@market.example\ntwo@market.example\n")["added"] == 2


def test_a_status_that_its_records_do_not_say_is_told_by_doctor_and_put_right(brought_in: House) -> None:
    brought_in.django(
        "from samizdat.audience.models import Subscription; from samizdat.audience import consistency; "
        "from samizdat.accounts.models import Organization; from django.utils import timezone; "
        "row = Subscription.objects.filter(status=2).first(); "
        "Subscription.objects.filter(pk=row.pk).update(status=1, mail_verdict=1); now = timezone.now(); "
        "found = consistency.check_projections(Organization.objects.get(), now); "
        "consistency.tell(Organization.objects.get(), found.subscribers, len(found.wrong), 0, now)"
    )
    told = brought_in("doctor")
    assert told.code == 1 and "samizdat subscribers settle" in told.out
    settled = brought_in.say("subscribers", "settle")
    assert (settled["wrong"], settled["mended"]) == (1, 1)
    assert "samizdat subscribers settle" not in brought_in("doctor").out
    assert brought_in.say("subscribers", "settle")["wrong"] == 0


def test_a_second_person_is_wanted_and_the_command_line_goes_no_other_way(brought_in: House) -> None:
    number = new_campaign(brought_in)
    assert brought_in.say("organization", "set", "--second-person", "on")["second_person"] is True
    refused = brought_in("campaign", "send", number, "--json")
    assert (refused.code, refused.json["error"]) == (1, "not_approved")
    checked = brought_in("campaign", "check", number, "--json")
    assert checked.json["second_person"] == {"needed": True, "state": "none"}
    assert brought_in.say("organization", "set", "--second-person", "off")["second_person"] is False


def test_quiet_hours_of_the_organization_are_set_where_the_desk_sets_them(brought_in: House) -> None:
    set_ = ("organization", "set", "--quiet-hours")
    assert brought_in.say(*set_, "22:00-07:00 Europe/Riga")["quiet_hours"] == "22:00-07:00 Europe/Riga"
    assert brought_in.say("organization", "show")["quiet_hours"] == "22:00-07:00 Europe/Riga"
    refused = brought_in(*set_, "22:00-07:00 Atlantis", "--json")
    assert refused.code == 1 and "Atlantis" in refused.json["sentence"]
    assert brought_in.say(*set_, "none")["quiet_hours"] == ""
    assert "quiet hours: none" in brought_in("organization", "show").out


def test_all_that_the_settings_page_has_is_set_on_the_command_line(house: House) -> None:
    words = {
        "--name": "Northern Lantern", "--language": "ru", "--timezone": "Europe/Riga", "--quiet-hours": "22:00-07:00",
        "--url": "https://letters.lantern.example", "--desk-url": "https://desk.lantern.example",
        "--content-url": "https://content.lantern.example", "--postal-address": "Box 5\nRiga",
        "--return-address": "bounces@Lantern.Example", "--unsubscribe-mailbox": "leave@lantern.example",
        "--hostile-state": "by", "--second-person": "on", "--color": "#1B6E53",
    }  # fmt: skip
    house.say("organization", "set", *[word for pair in words.items() for word in pair])
    told = house.say("organization", "show")
    assert (told["postal_address"], told["return_address"]) == ("Box 5\nRiga", "bounces@lantern.example")
    assert (told["unsubscribe_mailbox"], told["hostile_state"]) == ("leave@lantern.example", "by")
    assert (told["color"], told["second_person"], told["language"]) == ("#1b6e53", True, "ru")
    assert told["public_url"] == "https://letters.lantern.example"
    whole = house.say("organization", "set", "--return-address", "@Bounces.Lantern.Example")
    assert whole["return_address"] == "@bounces.lantern.example"
    refused = house("organization", "set", "--return-address", "@gmail.com", "--json")
    assert refused.code == 1 and "gmail.com is a mailbox provider" in refused.json["sentence"]
    long = house("organization", "set", "--return-address", "bounces-of-the-lantern@lantern.example", "--json")
    assert long.code == 1 and "at most 11 characters" in long.json["sentence"]
    back = [*[word for name in words for word in (name, "none") if name in CLEARED], "--second-person", "off"]
    cleared = house.say("organization", "set", *back, "--language", "en", "--timezone", "UTC")
    assert not any(cleared[word] for word in ("postal_address", "return_address", "unsubscribe_mailbox", "quiet_hours"))


CLEARED = (
    "--quiet-hours", "--url", "--desk-url", "--content-url", "--postal-address", "--return-address",
    "--unsubscribe-mailbox", "--hostile-state",
)  # fmt: skip


@pytest.mark.parametrize(
    ("option", "value", "needle"),
    [
        ("--return-address", "nobody", "nobody"),
        ("--unsubscribe-mailbox", "leave@", "leave@"),
        ("--postal-address", "Box\x1b[31m 5", "control characters"),
        ("--postal-address", "x" * 401, "400 characters"),
        ("--url", "https://lantern example", "isn’t a web address"),
        ("--url", "ftp://lantern.example", "isn’t a web address"),
        ("--color", "red", "six digits"),
        ("--timezone", "Europe/Atlantis", "Atlantis"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_a_sentence(
    house: House, option: str, value: str, needle: str
) -> None:
    refused = house("organization", "set", option, value, "--json")
    assert refused.code == 1 and needle in refused.json["sentence"]


def test_a_person_is_invited_or_added(brought_in: House) -> None:
    assert (
        "http://127.0.0.1:8000/invitation/"
        in brought_in.say("person", "add", "dmitri@lantern.example", "--role", "viewer")["invitation"]
    )
    people = brought_in.say("person", "ls")["people"]
    assert [person["role"] for person in people] == ["admin"]


@pytest.mark.parametrize(
    ("words", "code", "needle"),
    [
        (("import", "missing.csv", "--list", "Letter"), 1, "missing.csv"),
        (("subscribers", "count", "--list", "Nowhere"), 1, "Nowhere"),
        (("campaign", "status", "4711"), 1, "4711"),
        (("route", "add", "bad", "gopher://x"), 1, "gopher"),
        (("route", "edit", "nowhere", "--priority", "1"), 1, "nowhere"),
        (("route", "test", "nowhere", "--to", "a@b.example"), 1, "nowhere"),
        (("campaign", "send"), 2, ""),
        (("person", "add", "x@y.example", "--role", "king"), 2, ""),
    ],
)
def test_what_cannot_be_done_is_one_sentence(house: House, words: tuple[str, ...], code: int, needle: str) -> None:
    result = house(*words)
    assert result.code == code
    assert needle in result.err
    if code == 1:
        assert len(result.err.strip().splitlines()) == 1


def test_with_json_a_failure_is_one_document(house: House) -> None:
    failed = house("campaign", "status", "4711", "--json")
    assert failed.code == 1
    assert set(failed.json) >= {"error", "sentence"}


@pytest.mark.parametrize(
    ("content", "needle"),
    [
        (b"", ""),
        (b"PK\x03\x04torn", "zip"),
        (b"\x00\x01\x02\x03" * 100, ""),
        (b"name,city\nAda,Riga\n", ""),
        (b"%PDF-1.7 nothing here", ""),
    ],
)
def test_a_file_that_is_no_export_is_refused_and_nothing_is_written(house: House, content: bytes, needle: str) -> None:
    if not house("list", "new", "Bad").code:
        pass
    file = house.folder / ("bad.zip" if content.startswith(b"PK") else "bad.csv")
    file.write_bytes(content)
    refused = house("import", str(file), "--list", "Bad")
    assert refused.code == 1, refused.out
    assert len(refused.err.strip().splitlines()) == 1
    assert needle in refused.err
    assert house.say("subscribers", "count", "--list", "Bad")["count"] == 0


def test_the_key_file_lies_beside_the_data_folder_and_is_private(empty_house: House) -> None:
    empty_house.init()
    assert empty_house.key.stat().st_mode & 0o777 == 0o600
    assert not list(empty_house.data.rglob("*.key"))


@pytest.mark.parametrize("harm", ["lost", "open", "wrong", "garbled"])
def test_without_its_key_the_house_says_one_sentence(empty_house: House, harm: str) -> None:
    empty_house.init()
    key = empty_house.key
    if harm == "lost":
        key.rename(key.with_suffix(".away"))
    elif harm == "open":
        key.chmod(0o644)
    elif harm == "garbled":
        key.write_text("this is no key")
    else:
        lines = key.read_text().splitlines()
        key.write_text(f"{lines[0]}\n{lines[1][::-1]}\n")
    refused = empty_house("list", "ls")
    assert refused.code == 1
    assert len(refused.err.strip().splitlines()) == 1
    assert "key" in refused.err


def test_a_lost_key_is_never_replaced_by_a_new_one(empty_house: House) -> None:
    empty_house.init()
    empty_house.key.unlink()
    again = empty_house("init", "--organization", "Other", "--admin", "x@y.example", "--json")
    assert (again.code, again.json["error"]) == (1, "key_file_missing")
    assert not empty_house.key.exists()


def test_before_init_every_command_says_what_to_do(empty_house: House) -> None:
    refused = empty_house("list", "ls")
    assert refused.code == 1
    assert "samizdat init" in refused.err


def test_a_database_of_a_newer_version_is_left_alone(empty_house: House) -> None:
    empty_house.init()
    migrated(empty_house, "audience", "9999_tomorrow")
    for words in (("list", "ls"), ("upgrade",)):
        refused = empty_house(*words)
        assert refused.code == 1
        assert "newer" in refused.err


def test_a_database_from_before_the_first_release_is_refused_and_left_alone(empty_house: House) -> None:
    empty_house.init()
    migrated(empty_house, "rights", "0001_initial")
    migrated(empty_house, "audience", "0031_numbers")
    for words in (("serve", "--port", "0", "--public-port", "0"), ("upgrade",), ("doctor",), ("list", "ls")):
        refused = empty_house(*words, "--json")
        assert (refused.code, refused.json["error"]) == (1, "database_before_release"), words
        assert "before the first release" in refused.json["sentence"] and "samizdat init" in refused.json["sentence"]


def test_a_database_of_the_days_before_the_first_release_is_refused_though_its_migrations_are_called_alike(
    empty_house: House,
) -> None:
    empty_house.init()
    source = InstanceSource(read_key_file(empty_house.key))
    earlier = source.wrap(keyring.PROOF_LABEL, b"samizdat: this key belongs here.")
    blob = f"decode('{earlier.hex()}', 'hex')" if empty_house.environment.get("DATABASE_URL") else f"x'{earlier.hex()}'"
    run_sql(empty_house, f"UPDATE vault_proof SET wrapped = {blob}")
    for words in (("serve", "--port", "0", "--public-port", "0"), ("upgrade",), ("doctor",), ("list", "ls")):
        refused = empty_house(*words, "--json")
        assert (refused.code, refused.json["error"]) == (1, "database_before_release"), words


def migrated(house: House, app: str, name: str) -> None:
    """Notes in its database that this migration of some other version was made."""
    values = f"VALUES ('{app}', '{name}', CURRENT_TIMESTAMP)"
    run_sql(house, f"INSERT INTO django_migrations (app, name, applied) {values}")


def run_sql(house: House, sql: str) -> None:
    script = f'import django; django.setup(); from django.db import connection; connection.cursor().execute("{sql}")'
    import subprocess
    import sys

    environment = {**house.environment, "DJANGO_SETTINGS_MODULE": "samizdat.settings"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, cwd=house.folder)


def test_addresses_are_pasted_by_a_pipe_and_what_is_dropped_is_said(brought_in: House) -> None:
    words = ("import", "-", "--list", "Letter", "--status", "subscribed", "--basis", "They asked at the fair.")
    made = brought_in.say(*words, feed="Anna Berg <anna@pipe.example>, boris@pipe.example\nnobody\n")
    assert (made["added"], made["rejected"]) == (2, 1)
    shown = brought_in.say("subscribers", "show", "anna@pipe.example")
    assert shown["values"]["LNAME"] == "Berg"
    assert shown["consent"][0]["wording"] == "They asked at the fair."
    again = brought_in.say(*words, feed="Anna Berg <anna@pipe.example>, boris@pipe.example\nnobody\n")
    assert again["unchanged"] == 2
    assert not list(brought_in.folder.rglob("pasted.txt"))
    (brought_in.folder / "kit.csv").write_text("email,state,opens\nkit@pipe.example,active,7\n")
    seen = brought_in.say("import", "kit.csv", "--list", "Letter", "--map", "state=status", "--dry-run")
    assert seen["warnings"] == ["Left out: opens. It shows how or where people read. We don’t store it."]
