"""log check: what somebody changed past Samizdat is found, and where."""

from tests.cli.conftest import House

CHAIN = "from samizdat.events import chain; chain.append(); "
MODELS = "from samizdat.audience.models import ConsentRecord; from samizdat.events.models import Event, ChainHead; "
NOTE = "from samizdat.delivery import database_progress; database_progress.note(); "
SECOND = MODELS + "row = ConsentRecord.objects.order_by('id')[1]; "
ANEW = (
    "ConsentRecord.objects.update(position=None); Event.objects.update(position=None); "
    "ChainHead.objects.all().delete(); "
)


def test_what_was_changed_past_samizdat_is_found_at_its_place(house: House) -> None:
    house.say("list", "new", "Letter")
    words = ("subscribers", "add", "-", "--list", "Letter", "--consent", "at the market")
    house.say(*words, feed="one@market.example\ntwo@market.example\nthree@market.example\n")
    house.django(CHAIN)
    well = house.say("log", "check")
    assert well["whole"] and well["length"] > 5
    assert house.say("log", "check", "--mark", well["mark"])["mark"] == well["mark"]

    house.django(SECOND + "ConsentRecord.objects.filter(pk=row.pk).update(kind=3)")
    wrong = house("log", "check", "--json")
    assert (wrong.code, wrong.json["error"], wrong.json["reason"]) == (1, "log_changed", "digest")
    assert "audience_consentrecord, row " in wrong.json["sentence"]
    house.django(SECOND + "ConsentRecord.objects.filter(pk=row.pk).update(kind=1)")
    assert house.say("log", "check")["whole"]
    kept = f"kept = pathlib.Path('{house.data}/kept'); "
    take = "kept.write_bytes(row.sealed); ConsentRecord.objects.filter(pk=row.pk).update(sealed=b''); "
    forgotten = "from samizdat.events.actions import record; from samizdat import dbclock; "
    forgotten += "record('subscriber.forgotten', row.organization, about=row.subscriber_id, now=dbclock.now()); "
    house.django("import pathlib; " + SECOND + kept + take + forgotten + CHAIN)
    assert house("log", "check", "--json").json["reason"] == "digest", "no event excuses words that somebody took away"
    back = "ConsentRecord.objects.filter(pk=row.pk).update(sealed=kept.read_bytes()); "
    erase = "from samizdat.audience.models import Subscriber; from samizdat.audience import consent_writer; "
    erase += "consent_writer.remove(Subscriber.objects.get(pk=row.subscriber_id))"
    house.django("import pathlib; " + SECOND + kept + back + erase)
    assert house.say("log", "check")["whole"], "what we erased has no say any more"

    house.django(SECOND + "row.delete()")
    assert "is missing" in house("log", "check", "--json").json["sentence"]
    house.django(NOTE + MODELS + ANEW + CHAIN)
    assert house("log", "check", "--json").json["reason"] == "mark", "the worker counted it anew, but not to the note"
    (house.data / "newest").unlink()
    assert house.say("log", "check")["whole"], "whoever may write there and here leaves nothing that tells"
    anew = house("log", "check", "--mark", well["mark"], "--json")
    assert (anew.code, anew.json["reason"]) == (1, "mark"), "but the mark that lies elsewhere"
    assert house("log", "check", "--mark", "7:no").code == 1


def test_doctor_says_that_an_event_was_deleted(house: House) -> None:
    for name in ("Monthly", "Digest", "Board"):
        house.say("list", "new", name)
    house.django(CHAIN + MODELS + "Event.objects.filter(kind='list.created')[1].delete()")
    signs = house("doctor", "--json").json["signs"]
    assert any("samizdat log check" in sign["sentence"] for sign in signs if sign["state"] == "red")


def test_a_signed_log_is_checked_by_itself_and_against_the_log_here(house: House) -> None:
    for name in ("Weekly", "Court diary"):
        house.say("list", "new", name)
    house.django(MODELS + ANEW + CHAIN)  # Tests before this one may have altered it.
    file = house.data / "log.jsonl"
    written = house.say("log", "export", str(file))
    assert written["entries"] > 2 and len(written["key"]) == 64
    assert house.say("log", "check", "--file", str(file))["length"] == written["entries"]
    assert house("log", "export", str(file), "--json").json["error"] == "file_exists"
    house.django(MODELS + "Event.objects.filter(kind='list.created').delete(); " + ANEW + CHAIN)
    assert house("log", "check", "--file", str(file), "--json").json["reason"] == "here"
    file.write_text(file.read_text().replace("list.created", "list.renamed", 1))
    wrong = house("log", "check", "--file", str(file), "--json")
    assert (wrong.code, wrong.json["reason"]) == (1, "digest") and "as Samizdat wrote it" in wrong.json["sentence"]
