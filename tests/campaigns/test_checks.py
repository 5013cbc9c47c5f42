"""Checks that need the database, a program or the network: asked, kept with the draft, and refused by the engine."""

import ipaddress
import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from samizdat.accounts.actions import change_settings, found_organization
from samizdat.accounts.models import Organization
from samizdat.audience import actions as audience
from samizdat.audience import missing_values, sealed_subscribers
from samizdat.audience.actions import new_list
from samizdat.audience.models import Subscriber, Tag, row_id
from samizdat.campaigns import ab_test, actions, brand, translations
from samizdat.campaigns.ab_test import VersionChange
from samizdat.campaigns.actions import create
from samizdat.campaigns.checks import broken_links, fetch, organization_rules, results, spelling
from samizdat.campaigns.checks import missing_values as empties
from samizdat.campaigns.content import proof_of
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.errors import CampaignError, ContentHasProblems
from samizdat.campaigns.freezing import freeze
from samizdat.campaigns.models import Campaign, CheckResult
from samizdat.campaigns.opened import open_campaign
from samizdat.campaigns.templates import starter_templates
from samizdat.core.content.blocks import dumps
from samizdat.core.content.blocks.merge_versions import numbered_body
from samizdat.core.crypto import seal
from samizdat.delivery.campaign_checks import look
from tests.conftest import NOW, TODAY
from tests.delivery.conftest import House

SENDER = {"subject": "The river", "from_name": "Lantern", "from_email": "news@lantern.example"}


def letter(organization: Any, body: str, **changes: Any) -> Campaign:
    list_ = changes.pop("list", None) or new_list(organization, "News", now=NOW)
    return create(organization, list_, Draft(**(SENDER | changes | {"body": body})), by=None, now=NOW)


def codes(campaign: Campaign) -> set[str]:
    return {finding.code for finding in look(campaign, NOW).findings if not finding.accepted}


# --- starter templates ---


def test_a_starter_as_it_came_is_sample_text_and_none_of_its_placeholders_is_a_problem(lantern: Organization) -> None:
    list_ = new_list(lantern, "News", now=NOW)
    for name in starter_templates.NAMES:
        fresh = letter(lantern, numbered_body(starter_templates.body_of(name, "en")), format="blocks", list=list_)
        found = [finding for finding in look(fresh, NOW).findings if finding.place in ("block", "body")]
        assert [(finding.code, finding.severity) for finding in found] == [("body_sample", "stop")], name
        with pytest.raises(ContentHasProblems):
            freeze(open_campaign(fresh), NOW)


def test_once_something_is_written_each_placeholder_that_is_left_is_named(lantern: Organization) -> None:
    body = starter_templates.body_of("letter", "en").replace("Your headline: what this email is about", "The river")
    found = codes(letter(lantern, body, format="blocks"))
    assert {"left_over", "picture_none", "button_empty"} <= found and "body_sample" not in found


def test_headings_of_a_starter_are_named_like_its_paragraphs(lantern: Organization) -> None:
    list_ = new_list(lantern, "News", now=NOW)
    for language, title in (("en", "Headline of the main story"), ("ru", "Заголовок главной новости")):
        body = starter_templates.body_of("digest", language).replace(title, "The river")
        campaign = letter(lantern, body, format="blocks", list=list_)
        left = [finding.sentence for finding in look(campaign, NOW).findings if finding.code == "left_over"]
        assert len(left) == 4, left


def test_a_digest_with_words_picture_and_button_has_no_findings_of_its_own(lantern: Organization) -> None:
    """Whoever fills in what is there is done: nothing in it has to be found and deleted."""
    document = starter_templates.document_of("digest", "en")
    heading, intro, _picture, button, columns = document["content"]
    kinds = [block["type"] for block in document["content"]]
    assert kinds == ["heading", "paragraph", "picture", "button", "columns"]
    for number, text in enumerate(
        (heading, intro, *(cell for column in columns["content"] for cell in column["content"]))
    ):
        text["content"][0]["text"] = f"The river rose by {number} meters."
    button["attrs"]["link"] = "https://example.org/river"
    body = dumps({**document, "content": [heading, intro, button, columns]})
    found = look(letter(lantern, body, format="blocks"), NOW).findings
    assert not [finding.sentence for finding in found if finding.place in ("block", "body")]


# --- the network ---


class _Site(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.server.seen.append(self.headers)  # type: ignore[attr-defined]
        status, where = {
            "/": (200, ""), "/gone": (404, ""), "/moved": (301, "/"), "/round": (302, "/round"),
            "/inside": (302, "http://intranet.example/"), "/head": (405, ""), "/shut": (403, ""),
            "/torn": (302, "http://["),
        }[self.path]  # fmt: skip
        status = 200 if self.path == "/head" and self.command == "GET" else status
        self.send_response(status)
        if where:
            self.send_header("Location", where)
        self.send_header("Set-Cookie", "who=ada")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD

    def log_message(self, *_words: object) -> None:
        """Silence."""


@pytest.fixture
def site() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    server.seen = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def asks(site: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], fetch.FetchedPage]:
    """Asks for a path of the site, which is public for this once; names are looked up here."""
    port = site.server_address[1]
    monkeypatch.setattr(fetch, "PORTS", fetch.PORTS | {port})
    names = {"site.example": ["127.0.0.1"], "intranet.example": ["10.0.0.7"]}

    def asked(path: str) -> fetch.FetchedPage:
        return fetch.ask(
            f"http://site.example:{port}{path}",
            resolve=lambda host, _port: names[host],
            permit=lambda address: address == ipaddress.ip_address("127.0.0.1"),
        )

    return asked


def test_links_are_followed_to_their_end(asks: Callable[[str], fetch.FetchedPage], site: ThreadingHTTPServer) -> None:
    told = {path: asks(path) for path in ("/", "/gone", "/moved", "/round", "/inside", "/head", "/shut", "/torn")}
    assert {path: (one.verdict, one.detail.rpartition(":")[2][-4:]) for path, one in told.items()} == {
        "/": ("good", ""), "/gone": ("dead", "404"), "/moved": ("moved", told["/moved"].detail[-4:]),
        "/round": ("dead", "loop"), "/inside": ("inside", ""), "/head": ("good", ""), "/shut": ("unsure", "403"),
        "/torn": ("dead", "ress"),
    }  # fmt: skip
    for headers in site.seen:  # type: ignore[attr-defined]
        assert not {"Cookie", "Referer", "Authorization"} & {*headers.keys()}


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "::1", "fe80::1", "fc00::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1",
     "2002:a00:1::1", "ff02::1", "::"],
)  # fmt: skip
def test_no_private_address_is_ever_connected_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object, **__: object) -> None:
        raise AssertionError("connected")

    monkeypatch.setattr(socket, "create_connection", connect)
    shown = f"[{address}]" if ":" in address else address
    assert fetch.ask(f"http://{shown}/").verdict == "inside"
    # A name with a public address as well is not taken for it: the second answer of a name server may be the other.
    both = fetch.ask("https://site.example/", resolve=lambda *_: ["93.184.216.34", address])
    assert both.verdict == "inside"


def test_a_silent_name_server_holds_nobody_longer_than_the_link_may_take() -> None:
    over, answered = threading.Event(), []

    def silent(host: str, port: int) -> list[str]:
        over.wait(30)
        answered.append(host)
        return []

    answer = fetch.ask("https://site.example/", seconds=0.2, resolve=silent)
    assert (answer.verdict, answer.detail, answered) == ("dead", "no_name", [])
    over.set()
    assert broken_links.why("no_name") == "DNS lookup timed out"


@pytest.mark.parametrize("url", ["http://site.example:22/", "https://site.example:5432/"])
def test_only_ports_of_the_web_are_asked(url: str) -> None:
    assert fetch.ask(url, resolve=lambda *_: ["93.184.216.34"]).verdict == "inside"


def test_answers_are_kept_with_the_draft_for_a_day(lantern: Any) -> None:
    campaign = letter(
        lantern,
        "one\n\n[a](https://a.example/x) [b](https://b.example) [us](https://lantern.example/y)\n\n"
        "![Large](https://c.example/large.png)\n![Gone](https://c.example/gone.png)",
    )
    looked = look(campaign, NOW)
    assert "links" in looked.waits
    answers = {
        "https://a.example/x": fetch.FetchedPage("dead", "404"),
        "https://b.example": fetch.FetchedPage("good"),
        "https://c.example/large.png": fetch.FetchedPage("good", "", 2_400_000),
        "https://c.example/gone.png": fetch.FetchedPage("dead", "no_host"),
    }
    broken_links.ask(
        campaign, looked.reading, NOW, asking=lambda urls: ((url, fetch.FetchedPage("unasked")) for url in urls)
    )
    assert "links" in look(campaign, NOW).waits, "the time was up before"
    told = broken_links.ask(campaign, looked.reading, NOW, asking=lambda urls: ((url, answers[url]) for url in urls))
    assert {*told} == {*answers}, "our own pages are not asked"
    looked = look(campaign, NOW)
    (found,) = (finding for finding in looked.findings if finding.code == "link_dead")
    assert (found.place, found.line) == ("body", 3) and "404" in found.sentence
    told = {one.code: (one.line, one.sentence) for one in looked.findings}
    assert told["image_heavy"][0] == 5 and "2,400 KB" in told["image_heavy"][1]
    assert told["image_dead"][0] == 6 and "site not found" in told["image_dead"][1]
    assert "links" not in looked.waits
    later = look(campaign, NOW + timedelta(days=1, minutes=1))
    assert "link_dead" not in {finding.code for finding in later.findings} and "links" in later.waits


# --- spelling ---

_HUNSPELL = """#!/bin/sh
for way; do :; done
[ "$way" = -l ] || echo "@(#) International Ispell Version 3.2.06 (but really Hunspell 1.7.2)"
while read -r line || [ "$line" ]; do case "$way $line" in
  "-l speling"|"-l Zhoplk") echo "${line}";; "-l half-speling") echo speling;; -l*) ;;
  *^speling) echo "& speling 2 1: spelling, spewing"; echo;; *) echo "# x 1"; echo;; esac
done
"""


@pytest.fixture
def hunspell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A program that speaks as hunspell does; the real one is not on every machine."""
    (tmp_path / "hunspell").write_text(_HUNSPELL)
    (tmp_path / "hunspell").chmod(0o755)
    (tmp_path / "en_US.aff").touch()
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("DICPATH", str(tmp_path))
    # A script is run by a program that hunspell has no need of.
    monkeypatch.setattr(spelling.processes, "confined", lambda program, _folders: [program])
    spelling.forget()
    yield
    spelling.forget()


def test_words_that_no_dictionary_has_are_found_at_their_place(lantern: Any, hunspell: None) -> None:
    campaign = letter(
        lantern, "The first line\n\nThe speling of Zhoplk, see https://speling.example", subject="speling"
    )
    looked = look(campaign, NOW)
    assert "spelling" in looked.waits
    spelling.check(lantern.pk, spelling.texts(looked.reading))
    looked = look(campaign, NOW)
    found = [(one.place, one.line, one.sentence) for one in looked.findings if one.code.startswith("spelling")]
    assert found == [
        ("body", 3, "“speling” isn’t in the dictionary. Did you mean: spelling, spewing?"),
        ("body", 3, "“Zhoplk” isn’t in the dictionary. Check the spelling."),
        ("subject", 1, "“speling” isn’t in the dictionary. Did you mean: spelling, spewing?"),
    ]
    assert "spelling" not in looked.waits
    organization_rules.learn(lantern, ["zhoplk"], by=None, now=NOW)
    assert "spelling_alone" not in codes(campaign)


def test_a_word_that_another_organization_asked_for_is_as_unknown_as_any_other(
    lantern: Any, vault: Any, hunspell: None
) -> None:
    """Or a list of candidate names, pasted into a draft, says which of them stand in the drafts of others."""
    theirs = letter(found_organization("Harbour Bell", source=vault, today=TODAY), "Zhoplk brings the papers.")
    spelling.check(theirs.organization.pk, spelling.texts(look(theirs, NOW).reading))
    assert "spelling_alone" in codes(theirs)
    mine = letter(lantern, "Zhoplk brings the papers.")
    assert "spelling_alone" not in codes(mine) and "spelling" in look(mine, NOW).waits
    assert spelling.unchecked(lantern.pk, "Zhoplk") == {"en_US": ["Zhoplk"]}


@pytest.mark.skipif(not spelling.tool()[1].get("en"), reason="hunspell is not installed")
def test_the_real_program_finds_words_while_it_is_closed_off_from_all_files_but_its_dictionaries() -> None:
    program, names = spelling.tool()
    said = spelling._ask(program, names["en"], ["letter", "speling"])
    assert said["letter"] is None and "spelling" in (said["speling"] or ())


@pytest.mark.skipif(not spelling.tool()[1].get("en"), reason="hunspell is not installed")
def test_british_spelling_is_right_where_its_dictionary_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, names = spelling.tool()
    near = spelling._near_by(program, names["en"].split(",")[0], ["programme"])["programme"]
    assert near and not any(" " in word for word in near), "two words in place of one are no suggestion"
    (tmp_path / "en_GB.aff").write_text("SET UTF-8\n")
    (tmp_path / "en_GB.dic").write_text("1\nkerb\n")
    monkeypatch.setenv("DICPATH", str(tmp_path))
    program, names = spelling.tool()
    assert "en_GB" in names["en"].split(",")
    answers = spelling._ask(program, names["en"], ["kerb", "program", "speling"])
    assert answers["kerb"] is None and answers["program"] is None and "spelling" in (answers["speling"] or ())


EVERYDAY = ["letter", "river", "people", "water", "Saturday", "morning", "boat", "thank", "helped", "together"]


@pytest.mark.skipif(not spelling.tool()[1].get("en"), reason="hunspell is not installed")
def test_british_spelling_is_right_where_only_the_american_dictionary_is_there() -> None:
    british = [
        "neighbours",
        "Neighbourhood",
        "organisation",
        "analysed",
        "theatres",
        "travelled",
        "defence",
        "programme",
    ]
    program, names = spelling.tool()
    answers = spelling._ask(program, names["en"].split(",")[0], [*british, *EVERYDAY, "neihbours", "wrongour"])
    assert [word for word, near in answers.items() if near is not None] == ["neihbours", "wrongour"]


def test_each_word_is_asked_of_the_dictionary_of_its_script(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, list[str]] = {}
    monkeypatch.setattr(spelling, "_ask", lambda _program, name, words: asked.setdefault(name, words) and {})
    monkeypatch.setattr(spelling, "tool", lambda: ("hunspell", {"en": "en_US", "ru": "ru_RU"}))
    spelling.forget()
    spelling.check(1, "Письмо and letter, воду")
    assert asked == {"en_US": ["and", "letter"], "ru_RU": ["Письмо", "воду"]}
    assert spelling.unchecked(1, "Письмо") == {}, "a program that gives no answer is off ever"
    spelling.forget()
    monkeypatch.setattr(spelling, "tool", lambda: ("hunspell", {"ru": "ru_RU"}))
    assert spelling.unchecked(1, "only English") == {}, "what no dictionary has is off again and again"


def test_what_is_near_is_not_looked_for_in_a_letter_of_another_language(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def run(_program: str, _name: str, way: str, typed: str) -> str:
        asked.append(way)
        return typed

    monkeypatch.setattr(spelling, "_run", run)
    german = "Liebe Freundinnen das Wasser nahm Kisten voller Briefe aus dem alten Keller"
    assert set(spelling._ask("hunspell", "en_US", german.split()).values()) == {()} and "-a" not in asked
    spelling._ask("hunspell", "en_US", ["teh"])
    assert asked[-1] == "-a"


def test_a_letter_in_a_language_without_a_dictionary_is_left_alone(
    lantern: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    german = "Liebe Freundinnen das Wasser nahm Kisten voller Briefe aus dem alten Keller"
    monkeypatch.setattr(spelling, "tool", lambda: ("hunspell", {"en": "en_US"}))
    monkeypatch.setattr(spelling, "_ask", lambda *asked: dict.fromkeys(asked[2], ()))
    spelling.check(lantern.pk, german)
    monkeypatch.setattr(spelling, "_ask", lambda *asked: dict.fromkeys(asked[2]))
    campaign = letter(lantern, german)
    spelling.check(lantern.pk, spelling.texts(look(campaign, NOW).reading))
    assert "spelling_alone" not in codes(campaign)
    mixed = draft_of(campaign).with_(body="The water took boxes of letters " * 3 + "Kisten")
    spelling.check(lantern.pk, mixed.body)
    assert "spelling_alone" in {one.code for one in look(campaign, NOW, mixed).findings}
    spelling.forget()


def test_without_the_program_it_is_said_how_to_install_it(
    lantern: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(spelling, "FOLDERS", ())
    spelling.forget()
    assert spelling.missing() == "apt-get install hunspell hunspell-en-us hunspell-ru"
    looked = look(letter(lantern, "The speling"), NOW)
    spelling.check(lantern.pk, spelling.texts(looked.reading))
    assert "spelling" not in looked.waits
    spelling.forget()


def test_addresses_numbers_and_names_in_capitals_are_no_words() -> None:
    text = "Go to www.a.example/b or mail x@a.example, OVD 3rd <https://c.example/d> don’t п.3 «Мемориал» #tag"
    assert spelling.words_of(text) == ("mail", "don't", "Мемориал")


# --- readers without a value ---


def test_readers_without_a_value_are_counted_in_pieces(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missing_values, "PAGE", 2)
    house = House(lantern)
    addresses = house.people(300)
    Organization.objects.update(next_number=house.number(addresses[-1]) + 1)
    for address, name in zip(addresses, ("", "", "", "closed: evil.example"), strict=False):
        number = house.number(address)
        values = {seal.ADDRESS: address} | ({house.field: name} if name else {})
        blob = sealed_subscribers.sealed(house.keys, values, number, house.keys.blind(address))
        Subscriber.objects.filter(id=row_id(lantern.id, number)).update(sealed=blob)
    house.leave(addresses[0])
    campaign = letter(lantern, 'Dear {{ FNAME | default: "friend" }}', list=house.list)
    proof = proof_of(campaign, NOW)
    known, pieces = results.kept(campaign), 0
    while not empties.finished(known, campaign, empties.views_of(campaign, proof.letter), NOW):
        known = empties.count_on(campaign, proof.letter, known, NOW, seconds=0)
        pieces += 1
    assert pieces > 1
    (found,) = (one for one in look(campaign, NOW).findings if one.code == "empty_values")
    assert (found.place, found.line) == ("body", 1)
    assert (found.severity, found.sentence) == ("note", "2 of 299 have no First name; they’ll see “friend”.")
    (unfit,) = (one for one in look(campaign, NOW).findings if one.code == "unfit_values")
    assert unfit.severity == "care" and unfit.sentence.startswith("1 of 299 have a First name that’s longer")
    bare = draft_of(campaign).with_(body="Dear {{ FNAME }}")
    (found,) = (one for one in look(campaign, NOW, bare).findings if one.code == "empty_nothing")
    assert found.severity == "care" and '{{ FNAME | default: "…" }}' in found.sentence
    russian, marked = translations.add(campaign, "ru", by=None, now=NOW), house.number(addresses[1])
    Subscriber.objects.filter(id=row_id(lantern.id, marked)).update(language="ru-RU")
    for version, told in ((campaign, "1 of 298"), (russian, "1 of 1")):
        assert "empties" in look(version, NOW).waits, "those of another language are counted anew"
        empties.count_on(version, proof_of(version, NOW).letter, results.kept(version), NOW, seconds=None)
        (found,) = (one for one in look(version, NOW).findings if one.code == "empty_values")
        assert found.sentence.startswith(told)
    campaign.tag = Tag.objects.create(organization=lantern, name_sealed=b"", name_index=b"1" * 16)
    assert "empties" in look(campaign, NOW).waits, "another audience is counted anew"


# --- what the house knows ---


def test_a_second_letter_on_one_day_and_a_much_larger_one_are_worth_a_look(
    lantern: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = letter(lantern, "Hello")
    assert "no_signature" in codes(campaign)
    earlier = letter(lantern, "Before", list=campaign.list, subject="This morning")
    Campaign.objects.filter(pk=earlier.pk).update(
        state="finished", not_before=NOW - timedelta(hours=3), frozen=200, accepted=200
    )
    monkeypatch.setattr("samizdat.delivery.campaign_checks.quick_count", lambda *_: 5_000)
    assert {"second_today", "reach_large"} <= codes(campaign)
    monkeypatch.setattr("samizdat.delivery.campaign_checks.quick_count", lambda *_: 450)
    assert "reach_large" not in codes(campaign)
    assert "second_today" not in {one.code for one in look(campaign, NOW + timedelta(days=1)).findings}


def test_a_digest_is_no_second_letter_but_to_a_few_of_those_who_get_it(
    lantern: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is one that nobody got by itself, or the letter whose unreached this one goes to."""
    monkeypatch.setattr("samizdat.delivery.campaign_checks.quick_count", lambda *_: 5)
    campaign = letter(lantern, "Hello")
    earlier = letter(lantern, "Before", list=campaign.list, subject="Gathered")
    today = Campaign.objects.filter(pk=earlier.pk)
    today.update(state="held", not_before=NOW, frozen=200, pending=200, is_digest=True)
    assert "second_today" not in codes(campaign)
    few = letter(lantern, "Hello", list=campaign.list)
    few.tag = lantern.tags.create(name_sealed=b"", name_index=b"x")
    assert "second_today" in codes(few)
    today.update(is_digest=False, frozen=0, pending=0)
    assert "second_today" not in codes(campaign)
    today.update(frozen=200, pending=200)
    assert "second_today" in codes(campaign)
    Campaign.objects.filter(pk=campaign.pk).update(resend_of=earlier)
    assert "second_today" not in codes(Campaign.objects.get(pk=campaign.pk))


def test_a_letter_that_asks_for_money_is_told_to_be_an_appeal_where_readers_agreed_to_those(lantern: Any) -> None:
    campaign = letter(lantern, "Help us: [give](https://boosty.to/lantern)")
    assert "donation_to_all" not in codes(campaign)
    ada = audience.add_subscriber(lantern, "ada@post.example", campaign.list, consent="Said so.", now=NOW)
    audience.agree_to_appeals_of(ada, [campaign.list], wording="Ask me.", now=NOW)
    assert "donation_to_all" in codes(campaign)
    actions.save(campaign, draft_of(campaign), version=1, by=None, now=NOW, purpose="fundraising")
    assert "donation_to_all" not in codes(campaign)


def test_what_was_accepted_stays_accepted_wherever_it_moves_and_no_longer_than_it_is_the_same(lantern: Any) -> None:
    campaign = letter(lantern, "[x](https://bit.ly/abc)")
    (found,) = (one for one in look(campaign, NOW).findings if one.code == "link_short")
    results.accept(campaign, found.key, by=None, now=NOW)
    assert "link_short" not in codes(campaign)
    moved = draft_of(campaign).with_(body="New first line\n\n[x](https://bit.ly/abc)")
    assert {one.accepted for one in look(campaign, NOW, moved).findings if one.code == "link_short"} == {True}
    other = moved.with_(body="[x](https://is.gd/abc)")
    assert {one.accepted for one in look(campaign, NOW, other).findings if one.code == "link_short"} == {False}
    results.accept(campaign, found.key, by=None, now=NOW, back=True)
    assert "link_short" in codes(campaign)


def test_the_engine_refuses_an_appeal_without_its_warning_whatever_was_accepted(lantern: Any) -> None:
    change_settings(lantern, by=None, now=NOW, hostile_state="ru")
    campaign = letter(lantern, "Help us: [give](https://boosty.to/lantern)")
    (found,) = (one for one in look(campaign, NOW).findings if one.code == "donation_unwarned")
    results.accept(campaign, found.key, by=None, now=NOW)
    with pytest.raises(
        ContentHasProblems, match="This campaign can’t be sent yet: body, line 1: This email asks for money"
    ):
        freeze(open_campaign(campaign), NOW)
    assert not hasattr(campaign, "edition")
    warned = draft_of(campaign).body + "\n\nDon’t donate from a Russian bank card or account."
    actions.save(campaign, draft_of(campaign).with_(body=warned), version=1, by=None, now=NOW)
    assert freeze(open_campaign(campaign), NOW)[0].pk


def test_an_appeal_needs_its_warning_whatever_state_somebody_wrote_into_the_database(lantern: Any) -> None:
    change_settings(lantern, by=None, now=NOW, hostile_state="ru")
    campaign = letter(lantern, "Help us: [give](https://boosty.to/lantern)")
    Organization.objects.update(hostile_state="")
    assert "donation_unwarned" in codes(Campaign.objects.get(pk=campaign.pk))


def test_an_organization_keeps_its_own_list_of_hosts_that_do_not_open(lantern: Any) -> None:
    campaign = letter(lantern, "[x](https://meduza.io/a) [y](https://blocked.example/b)")
    assert "link_blocked" not in codes(campaign)
    change_settings(lantern, by=None, now=NOW, hostile_state="ru")
    assert organization_rules.rules_of(lantern).blocked("ru") >= {"meduza.io"}
    organization_rules.save(lantern, [], "https://blocked.example/\nother.example", by=None, now=NOW)
    (found,) = (one for one in look(campaign, NOW).findings if one.code == "link_blocked")
    assert "blocked.example" in found.sentence
    with pytest.raises(CampaignError, match="“no” isn’t a site address"):
        organization_rules.save(lantern, [], "no host!", by=None, now=NOW)
    with pytest.raises(CampaignError, match="isn’t a single word"):
        organization_rules.save(lantern, ["two words"], None, by=None, now=NOW)


def test_a_draft_that_is_thrown_away_takes_its_checks_along(lantern: Any) -> None:
    campaign = letter(lantern, "Hello")
    results.accept(campaign, "a" * 18, by=None, now=NOW)
    actions.delete_draft(campaign, by=None, now=NOW)
    assert not CheckResult.objects.exists()


def test_a_letter_of_blocks_is_checked_with_the_numbers_of_its_blocks(lantern: Any) -> None:
    change_settings(lantern, by=None, now=NOW, hostile_state="ru")
    blocks = [
        {"type": "paragraph", "content": [{"type": "text", "text": "Come on Friday, 26 November."}]},
        {"type": "button", "attrs": {"text": "Read", "link": "https://bit.ly/abc"}},
        {"type": "donation", "attrs": {"title": "Help", "link": "https://boosty.to/lantern", "label": "Give"}},
    ]
    body = json.dumps({"type": "doc", "attrs": {"version": 1}, "content": blocks})
    campaign = letter(lantern, body, format="blocks")
    found = {one.code: (one.place, one.line) for one in look(campaign, NOW).findings}
    assert found["date_weekday"] == ("block", 1) and found["link_short"] == ("block", 2)
    assert not {"donation_unwarned", "donation_no_word"} & {*found}, "the block brings its warning along"


def test_every_version_of_a_test_is_refused_without_its_warning(lantern: Any) -> None:
    change_settings(lantern, by=None, now=NOW, hostile_state="ru")
    campaign = letter(lantern, "Read us.")
    appeal = letter(lantern, "Help us: [give](https://boosty.to/lantern)", list=campaign.list)
    ab_test.plan(
        campaign, [VersionChange(letter=appeal)], share=20, way="hand", at=NOW + timedelta(hours=2), by=None, now=NOW
    )
    with pytest.raises(ContentHasProblems, match=r"Version B.*asks for money"):
        freeze(open_campaign(campaign), NOW)


def test_the_organizations_own_warning_counts_as_one(lantern: Any) -> None:
    change_settings(lantern, by=None, now=NOW, hostile_state="ru")
    campaign = letter(lantern, "Help: [give](https://boosty.to/lantern)\n\nLook out where you live.")
    assert "donation_unwarned" in codes(campaign)
    brand.keep(lantern, brand.BrandSettings(warning="Look out where you live."), by=None, now=NOW)
    assert "donation_unwarned" not in codes(campaign)
