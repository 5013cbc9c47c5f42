"""What every command prints with --json: plain JSON, days and times as ISO 8601, and nothing as Python writes it."""

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import pytest

from samizdat.cli.__main__ import samizdat
from tests.cli.conftest import House
from tests.core.evidence import emails
from tests.dns_server import NameServer
from tests.importers.accounts import ACCOUNT, written

# What goes on, a script for a shell, what reads a message: they print no document, or one that tests of their own read.
OTHERS = {"serve", "worker", "demo", "completion", "init", "mail take", "keyservice serve"}
SENDER = "'Northern Lantern <letter@lantern.example>'"
NEW = f"campaign new --list Letter --from {SENDER} --body letter.md --subject"
# In the order in which they can be called. {name} is what an earlier command printed; a leading ! may end with 1.
SCENARIO = f"""
organization show
organization sender
organization set --quiet-hours 22:00-07:00
organization set --quiet-hours none
person add vera@lantern.example --role viewer
person add dmitri@lantern.example --role viewer --password-file password
person password dmitri@lantern.example --password-file password
person sign-in-link dmitri@lantern.example
person lock dmitri@lantern.example
person unlock dmitri@lantern.example
person ls
change ls
!change approve 4711
!change stop 4711
upgrade
keys show
keys passphrase --passphrase-file password
keys shares --threshold 2 --of 3
!keys practice
!keys recover --to {{folder}}/other.key
!doctor
log check
log export log.jsonl
!release
worker ls
!worker forget 4711
list new Letter
list digest Letter --when fri
list digest Letter --when off
list appeals Letter --words 'Ask me for money too'
list keep Letter --left-days 90 --dry-run
subscribers add ada@reader.example --list Letter --consent 'signed up at the fair'
subscribers add boris@reader.example --list Letter --consent 'signed up at the fair'
subscribers add ada@reader.example --list Letter --consent 'said so at the fair' --purpose fundraising
import readers.csv --list Letter --status subscribed --dry-run
import readers.csv --list Letter --status subscribed
rescue mailbox old.mbox --list Letter --own news@lantern.example --dry-run
rescue mailbox old.mbox --list Letter --own news@lantern.example
rescue show {{proposal}}
rescue confirm {{proposal}}
fundraiser ls
fundraiser new 'Dry the archive' --goal 4,200 --suggest '5, 15, 40'
fundraiser ls
fundraiser set {{fundraiser}} --no-end
fundraiser method add {{fundraiser}} Card --link 'https://pay.example/give' --never RU
fundraiser method set {{fundraiser}} Card --statement 'N L Kultur'
fundraiser method tested {{fundraiser}} Card
fundraiser method pause {{fundraiser}} Card
fundraiser method resume {{fundraiser}} Card
fundraiser method first {{fundraiser}} Card
fundraiser add {{fundraiser}} Card 12.50
fundraiser show {{fundraiser}}
fundraiser method rm {{fundraiser}} Card
fundraiser close {{fundraiser}}
fundraiser reopen {{fundraiser}}
rescue case ls
rescue case new --provider mailchimp --closed 2026-01-30 --country LV --reply-to clara@lantern.example
rescue case ls
rescue case set {{case}} --reason terms
rescue case request {{case}} return
rescue case request {{case}} complaint --language ru --to complaint.txt
rescue case sent {{case}} return --day 2026-02-02
rescue case answered {{case}} 1 --day 2026-02-03
rescue case evidence {{case}} letter.md --words 'What they wrote'
rescue case fetch {{case}} 1 --to evidence.md
rescue case show {{case}}
rescue case petition {{case}}
rescue case timeline {{case}} --language ru
rescue case publish {{case}} timeline.txt --title 'What happened'
rescue case unpublish {{case}}
rescue case finish {{case}}
rescue case providers
!rescue ask --list Letter
!standing-copy add mailchimp --key-file password
standing-copy status
!standing-copy run
!standing-copy restore --list Letter
!standing-copy remove 4711
import-account account.zip --dry-run
subscribers unsubscribe boris@reader.example --list Letter
subscribers show ada@reader.example
subscribers show boris@reader.example
subscribers correct ada@reader.example --address ada@lantern.example
subscribers access ada@lantern.example
subscribers access ada@lantern.example --to ada.json
subscribers object object@reader.example --reason 'She wrote to us'
subscribers show object@reader.example
subscribers erase erase@reader.example
subscribers count --list Letter
subscribers settle
mail status
!mail add bounces imaps://bounces:secret@127.0.0.1:9/INBOX --delete
mail ls
!mail test bounces
!mail edit bounces --move Read
mail pause bounces
mail ls
mail resume bounces
mail remove bounces
inbox ls
!inbox show 4711
!inbox done 4711
!seed add post seed@post.example imaps://seed:secret@127.0.0.1:9
seed ls
!seed test post
seed remove post
list ls
list new Spare
list archive Spare
list restore Spare
list sender Spare
list welcome Spare
list archive Spare
list rm Spare --yes
api-key add Website --scope subscribers:write --list Letter
api-key ls
api-key revoke 1
!api-key revoke 4711
webhook add https://lantern.example/hooks --event subscriber.confirmed --list Letter
webhook ls
webhook log 1
!webhook test 1
webhook secret 1
webhook enable 1
webhook remove 1 --yes
!webhook remove 4711
tag add Riga --addresses some.txt
tag ls
tag remove Riga --addresses some.txt
segment add Since --where '{{"joined": {{"op": "before", "day": "2100-01-31"}}}}'
segment show Since
segment count Since --list Letter
segment ls
form new Join --list Letter --words 'Write to me'
form ls
form show Join
form remove Join
paper record
paper notice
domain add lantern.example
domain records lantern.example
!domain check lantern.example
domain published lantern.example {{selector}}
domain activate lantern.example {{selector}}
domain ls
domain key lantern.example
domain rotate lantern.example
domain retire lantern.example {{selector}}
domain warm-up lantern.example 50,100
domain allow lantern.example --reason "a strike"
domain require lantern.example
domain spare lantern.example
!domain switch lantern.example --dry-run
domain rm lantern.example
route add paper folder://{{folder}}/out
route edit paper --priority 7 --rate 1000/s,20000/d
route test paper --to ada@lantern.example
route ls
route webhook paper --provider mailgun
route pause paper
route resume paper
bounce read back.eml
template import frame.html
template ls
template rename frame Frame
template rm Frame
{NEW} News
campaign ls
campaign audience {{id}}
seed show {{id}}
campaign check {{id}}
campaign test {{id}} --to ada@lantern.example
campaign translate {{id}} --language ru --subject Новости --body letter.md
campaign send {{id}} --at 2099-01-31T10:00
campaign status {{id}}
campaign undo {{id}}
campaign translate {{id}} --language ru --remove
campaign versions {{id}} --subject 'Other news' --share 50 --by hand --at {{soon}}
campaign send {{id}}
!campaign choose {{id}} --version A
!campaign pause {{id}}
!campaign resume {{id}}
campaign send {{id}} --wait --wait-limit 20
campaign status {{id}}
campaign report {{id}}
report --days 90
campaign replies {{id}} --version A --count 30
campaign correct {{id}} --wrong 'whole story' --right 'story'
campaign archive {{id}} --unlisted
!campaign resolve {{id}} --unsure hold
!campaign resend {{id}}
!campaign suppress-bounced {{id}}
!campaign resume-list {{id}} --reason "They were asked again"
archive pages
{NEW} Later
campaign send {{id}} --at 2099-01-31T10:00
campaign cancel {{id}}
move --to https://letters.beacon.example --domain beacon.example --keep-server --no-check
move --no-check
move --announce
move --redirect nginx
move --end
segment remove Since
export --to out.zip --plain --reason 'a look'
!export --whose nobody@lantern.example
backup --to {{folder}}/out
!backup place add {{folder}}/none
backup place add {{folder}}/out
backup place change 1 --days 14
backup place list
backup
backup place remove 1
backup test --from {{folder}}/out
!restore {{folder}}/out
!route rm paper
!keys lock-codes --count 2
keys rotate data
keys rotate index
keys rotate links
keys rotate instance
keys rotate status
!keys lock --practice
!keys destroy nobody --yes-destroy nobody
keys strict status
!keys strict add nobody@lantern.example
!keys strict change nobody@lantern.example
!keys strict remove nobody@lantern.example
!keys strict on
!keys strict off
!keys strict unlock
!keys strict shares --threshold 2 --of 3
!keys strict practice
!keys strict recover nobody@lantern.example
keys lock
keys unlock
keyservice init --address 127.0.0.1:8470 --passphrase-file password
keyservice add-server newsletter --to {{folder}}/newsletter.pairing --from 127.0.0.1
keyservice add-person olga --to {{folder}}/olga.p12
keyservice confirm
keyservice status
keyservice log
keyservice stop
!keyservice confirm
keyservice start
keyservice remove-server newsletter
keyservice remove-person olga
"""
MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d\S*)?")
# <Row: …>, Yes(reason='yes', …), datetime.date(2026, 11, 28), {'a': 1}, ['a'], b'…'
WRITTEN_BY_PYTHON = re.compile(r"<[\w.]+(?: object|:| at 0x).*>|[\w.]+\(.*\)|[\[({]'.*|b'.*'|None|True|False|Decimal.*")


@pytest.fixture
def furnished(empty_house: House, names: NameServer) -> House:
    house = empty_house
    house.init()
    house.environment["SAMIZDAT_DNS"] = names.place
    (house.folder / "out").mkdir()
    (house.folder / "letter.md").write_text("# Hello\n\nThe [whole story](https://lantern.example/story).\n")
    (house.folder / "back.eml").write_text("From: ada@reader.example\nSubject: Re: News\n\nThank you!\n")
    (house.folder / "timeline.txt").write_text("2026-01-30 Our account was closed.\n")
    (house.folder / "some.txt").write_text("ada@lantern.example\nnobody@reader.example\n")
    (house.folder / "frame.html").write_text("<html><body><h1>Lantern</h1>{{ content }}</body></html>")
    people = ("erase", "object", *(f"reader{number}" for number in range(8)))
    rows = "".join(f"{name}@reader.example,Vera,2026-11-25\n" for name in people)
    (house.folder / "old.mbox").write_bytes(b"From x@y Mon Jan  3 10:00:00 2022\n" + emails.left("gone@reader.example"))
    written(house.folder / "account.zip", ACCOUNT)
    (house.folder / "readers.csv").write_text("Email,First Name,Signed up\n" + rows + "nobody,,\n")
    return house


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as running:
        yield running


def test_every_command_prints_json_types_and_iso_days(furnished: House) -> None:
    wrong: list[str] = []
    soon = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    told = {"folder": str(furnished.folder), "id": "", "selector": "", "soon": soon}
    for line in SCENARIO.strip().splitlines():
        words = [word.replace("{", "{{").replace("}", "}}") if '"' in word else word for word in shlex.split(line)]
        words = [word.format(**told).removeprefix("!") for word in words]
        result = furnished(*words, "--json")
        assert result.code == 0 or line.startswith("!"), f"{line}: {result.out}{result.err}"
        document = result.json
        wrong += [f"{' '.join(words[:2])}: {found}" for found in leaks(document)]
        if line.startswith("campaign new"):
            told["id"] = str(document["id"])
        if line.startswith("domain add"):
            told["selector"] = document["keys"][0]["selector"]
        if line.startswith("rescue mailbox"):
            told["proposal"] = str(document.get("proposal"))
        if line.startswith("rescue case new"):
            told["case"] = str(document["id"])
        if line.startswith("fundraiser new"):
            told["fundraiser"] = str(document["id"])
    assert wrong == []


def leaks(value: Any, place: str = "") -> Iterator[str]:
    """Where a text is not what it says it is: a value of Python written out, or a moment that is not ISO 8601."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from leaks(name, f"{place}.{name} (its name)")
            yield from leaks(one, f"{place}.{name}")
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from leaks(one, f"{place}[{number}]")
    elif isinstance(value, str):
        if WRITTEN_BY_PYTHON.fullmatch(value):
            yield f"{place} is {value}"
        if MOMENT.fullmatch(value) and not _iso(value):
            yield f"{place} is {value}"


def _iso(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return " " not in text


def test_every_command_is_in_that_scenario() -> None:
    called = {" ".join(line.split()[:2]).lstrip("!") for line in SCENARIO.strip().splitlines()}
    called |= {" ".join(line.split()[:3]).lstrip("!") for line in SCENARIO.strip().splitlines()}
    called |= {line.split()[0].lstrip("!") for line in SCENARIO.strip().splitlines()}
    assert {
        name
        for name in _commands(samizdat, "")
        if name not in OTHERS and (name.split()[0] not in OTHERS or " " in name)
    } <= called


def _commands(group: click.Group, before: str) -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        whole = f"{before} {name}".strip()
        if isinstance(command, click.Group):
            yield from _commands(command, whole)
        else:
            yield whole


@pytest.mark.parametrize(
    ("value", "leak"),
    [("2026-11-28 19:00:00+00:00", True), ("2026-11-28T19:00:00+00:00", False), ("2026-11-28", False),
     ("Yes(reason='yes', record=Record())", True), ("datetime.date(2026, 11, 28)", True), ("{'a': 1}", True),
     ("Only (a) sentence.", False), ("paper (folder)", False)],
)  # fmt: skip
def test_a_leak_is_told_from_a_sentence(value: str, leak: bool) -> None:
    assert bool(list(leaks({"a": [value]}))) == leak
