"""SIGKILL in the middle: what was done counts, the same command goes on, and nobody is written to twice on a guess."""

from collections import Counter
from email import message_from_bytes

import pytest

from tests.bad_input.saying import EXPORT, Process, count, draft, export, rows, rows_of, served, until
from tests.cli.conftest import House
from tests.smtp_server import Caught, ScriptedServer

PEOPLE = 40_000


def test_an_import_killed_twice_goes_on_and_adds_up(house: House) -> None:
    house.say("list", "new", "Big")
    (house.folder / EXPORT).write_text(export(PEOPLE) + "nobody,Ada,,,\n")
    least = 0
    for _kill in range(2):
        running = Process(house, "import", EXPORT, "--list", "Big")
        before = rows_of(house, "audience_subscriber")
        until(lambda before=before: rows_of(house, "audience_subscriber") > before)
        running.kill()
        running.end()
        # Whole slices only, and more of them each time.
        brought = rows_of(house, "audience_subscriber")
        assert rows_of(house, "audience_subscription") == count(house, "Big") == brought
        assert least < brought < PEOPLE
        least = brought
    said = house.say("import", EXPORT, "--list", "Big")
    assert (said["rows"], said["added"], said["rejected"]) == (PEOPLE + 1, PEOPLE, 1)
    assert said["added"] + said["updated"] + said["unchanged"] + said["rejected"] == said["rows"]
    assert count(house, "Big") == PEOPLE
    rejected = (house.folder / said["rejects_file"]).read_text().splitlines()
    assert len(rejected) == 2 and f",{PEOPLE + 2}," in rejected[1]
    before_again = rows_of(house, "audience_consentrecord")
    again = house.say("import", EXPORT, "--list", "Big")
    assert (again["unchanged"], again["rejected"]) == (PEOPLE, 1)
    assert rows_of(house, "audience_consentrecord") == before_again


def of_campaign(relay: ScriptedServer) -> list[Caught]:
    """Its messages to subscribers: what is mailed to the team about it is not the campaign."""
    return [message for message in list(relay.messages) if message.recipient.endswith("@killed.example")]


@pytest.mark.kill
def test_serve_killed_in_the_middle_of_a_send_loses_nobody(house: House) -> None:
    people = [f"reader{number}@killed.example" for number in range(300)]
    house.say("list", "new", "Killed")
    house.say("subscribers", "add", "-", "--list", "Killed", "--consent", "on paper", feed="\n".join(people))
    connections = 2
    # Slow, so that the kill falls into the middle however busy this machine is.
    with ScriptedServer(latency=0.05) as relay:
        house.say("route", "add", "harbour", f"{relay.url}?timeout=5", "--connections", str(connections))
        number = draft(house, "Killed")
        with served(house) as running:
            house.say("campaign", "send", number)
            until(lambda: len(relay.messages) > 50)
            running.kill()
        caught = len(relay.messages)
        assert caught < len(people)
        relay.latency = 0.0
        with served(house):
            until(lambda: {message.recipient for message in list(relay.messages)} >= set(people))
            until(lambda: house.say("campaign", "status", number)["state"] == "finished", every=0.5)
        books = house.say("campaign", "status", number)
        assert (books["accepted"], books["unsure"], books["frozen"]) == (len(people), 0, len(people))
        theirs = of_campaign(relay)
        copies = Counter(message.recipient for message in theirs)
        assert set(copies) == set(people)
        assert sum(copies.values()) - len(people) <= connections
        identities = {(m.recipient, message_from_bytes(m.content)["Message-ID"]) for m in theirs}
        assert len(identities) == len(people)
        # Called once more, everything is as it was.
        before = rows(house)
        assert house.say("campaign", "send", number, "--wait")["accepted"] == len(people)
        assert len(of_campaign(relay)) == len(theirs)
        assert rows(house) == before
