"""campaign new, check, test, send, pause, resume, cancel, status, settle."""

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from samizdat.cli import opening
from samizdat.cli.output import Failed, Progress, common, confirm, note, progress, say, table
from samizdat.cli.words import ENDED, QUIET, campaign_reason

COUNTERS = ("accepted", "refused", "unsure", "suppressed", "cancelled", "deferred", "pending")


@click.group()
def campaign() -> None:
    """Letters, from draft to the last answer."""


@campaign.command("new")
@click.option("--list", "list_name", required=True, metavar="NAME", help="The list it goes to.")
@click.option("--subject", required=True)
@click.option("--from", "sender", required=True, metavar='"Name <a@b>"')
@click.option(
    "--body",
    type=click.Path(),
    help="FILE.md, FILE.html or FILE.json (blocks); - reads Markdown from standard input. Left out: what the template "
    "begins with.",
)
@click.option("--preheader", default="", help="The line that mailboxes show beside the subject.")
@click.option("--reply-to", default="")
@click.option("--tag", "tag_name", help="Only subscribers with this tag.")
@click.option("--segment", "segment_name", metavar="NAME", help="Only subscribers in this segment.")
@click.option(
    "--template",
    "template_name",
    metavar="NAME",
    help="A letter to begin with (letter, digest, appeal, event, alert), or one of the organisation's own templates.",
)
@click.option("--language", metavar="CODE", help="Of the letter, such as ru or fa; else the organisation's.")
@click.option(
    "--pictures",
    type=click.Choice(["linked", "inside"]),
    default="linked",
    help="Of the library: fetched by the mail program, or carried in every message (1 MB at most).",
)
@click.option(
    "--links",
    type=click.Choice(["direct", "counted"]),
    default="direct",
    help="They lead where they say, or through the public pages, which keep one sum a link and day, of nobody.",
)
@common
def campaign_new(
    body: str | None,
    list_name: str,
    sender: str,
    tag_name: str | None,
    segment_name: str | None,
    template_name: str | None,
    **words: Any,
) -> None:
    """Write a draft."""
    opening.open_house()
    from samizdat.audience import queries as audience
    from samizdat.audience.segments.saved import segment_named
    from samizdat.campaigns.actions import create
    from samizdat.campaigns.draft import Draft

    organisation = opening.organisation()
    language = _language(words["language"])
    if not words["subject"].strip():
        raise Failed("The letter has no subject. Write one after --subject.", "no_subject")
    name, address = parseaddr(sender)
    if "@" not in address:
        raise Failed(f'{sender} is no sender. Write it like "Northern Lantern <letter@lantern.example>".', "bad_sender")
    draft = Draft(
        subject=words["subject"],
        preheader=words["preheader"],
        from_name=name,
        from_email=address,
        reply_to=words["reply_to"],
        body=_read(body) if body else "",
        format=_format_of(body) if body else "markdown",
        pictures=words["pictures"],
        links=words["links"],
    )
    template, begun = _template(organisation, template_name, language, draft)
    if not body and not begun.body:
        raise Failed("There is no letter. Give it with --body, or begin with --template letter.", "no_body")
    draft = draft if body else begun
    made = create(
        organisation,
        audience.list_named(organisation, list_name),
        draft,
        by=None,
        now=opening.now(),
        tag=_tag(organisation, tag_name),
        segment=segment_named(organisation, segment_name) if segment_name else None,
        template=template,
        language=language,
    )
    say({"id": made.id}, f"Draft {made.id} is written. Go on with: samizdat campaign check {made.id}")


def _language(code: str | None) -> str | None:
    from samizdat.core.languages import CODE, normal

    if code is not None and not CODE.fullmatch(normal(code)):
        raise Failed(f"{code} is no sign of a language. Write it like ru or pt-br.", "bad_language")
    return normal(code) if code is not None else None


def _format_of(file: str) -> str:
    """By the ending of its name; standard input is Markdown."""
    endings = {".html": "html", ".htm": "html", ".json": "blocks"}
    return endings.get(Path(file).suffix.lower(), "markdown")


def _tag(organisation: Any, name: str | None) -> Any:
    """A misspelt one must not become everybody."""
    from samizdat.audience.queries import tag_named

    found = tag_named(organisation, name) if name else None
    if name and found is None:
        raise Failed(f"There is no tag called {name}. Look at the spelling.", "no_such_tag")
    return found


def _read(file: str) -> str:
    data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Failed(f"{file} is not UTF-8 text. Save it as UTF-8 and try again.", "bad_encoding") from None


def _template(organisation: Any, name: str | None, language: str | None, draft: Any) -> tuple[Any, Any]:
    """The own template of that name, and the draft with what it or a letter of that name begins with."""
    if not name:
        return None, draft
    from samizdat.campaigns.models import Template
    from samizdat.campaigns.queries import templates
    from samizdat.campaigns.starters import begun

    for number, known in templates(organisation):
        if known == name:
            return Template.objects.get(pk=number), begun(organisation, str(number), "", draft)[0]
    begins = begun(organisation, name, language or organisation.language, draft)[0]
    if begins is not draft:
        return None, begins
    raise Failed(f"There is no template {name}. Leave --template out for the built-in one.", "no_such_template")


def campaign_numbered(number: int) -> Any:
    opening.open_house()
    from samizdat.campaigns.queries import campaign_of

    return campaign_of(opening.organisation(), number)


def _where(finding: Any) -> str:
    if finding.place == "block":
        return f"block {finding.line}"
    return f"{finding.place}, line {finding.line}" if finding.line else finding.place


@campaign.command("check")
@click.argument("number", metavar="ID", type=int)
@click.option("--links", is_flag=True, help="Ask every link whether it works: up to 45 seconds.")
@click.option("--accept", "accepted", multiple=True, metavar="KEY", help="This finding may stay in this letter.")
@common
def campaign_check(number: int, links: bool, accepted: tuple[str, ...]) -> None:
    """What stands in the way and what is worth a look: the letter, its words and links, routes, the sender's domain."""
    found = campaign_numbered(number)
    from samizdat.campaigns.domain import check_domain
    from samizdat.campaigns.draft import draft_of
    from samizdat.campaigns.languages import versions
    from samizdat.cli.checking import line_of, looked, spelling_state
    from samizdat.core.address import BadAddress, domain, normalise
    from samizdat.delivery import signing
    from samizdat.delivery.queries import routes

    draft = draft_of(found)
    flaws = looked(found, links, accepted).findings
    others = [(one.language, looked(one, links, accepted).findings) for one in versions(found)]
    try:
        sender = domain(normalise(draft.from_email))
    except BadAddress:
        sender = ""  # The letter's own flaw names it already.
    signature = signing.signature_of(found.organisation, sender)
    waiting = signature.domain if signature.by == "waiting" else ""
    records = check_domain(sender, ours=signature.keys, waiting=waiting) if sender else []
    live = [route for route in routes(found.organisation) if route.state == "live"]
    size = _size(found)
    stops = [flaw.sentence for flaw in flaws if flaw.severity == "stop"]
    stops += [f"{code}: {flaw.sentence}" for code, told in others for flaw in told if flaw.severity == "stop"]
    if not live:
        stops.append("No route is live. Add one: samizdat route add NAME smtp://user:password@host:587")
    if not size:
        stops.append("Nobody on the list may be written to. Import or add subscribers first.")
    from samizdat.campaigns.approving import standing

    approval = standing(found)
    if found.organisation.second_person and approval.state != "given":
        stops.append("A second person has to agree to it. She does so at the desk, on its send page.")
    bounces = found.organisation.return_address or draft.from_email
    document = {
        "id": found.id,
        "ready": not stops,
        "recipients": size,
        "flaws": [flaw.document() for flaw in flaws],
        "domain": [record.document() for record in records],
        "signing": {"by": signature.by, "selectors": signature.selectors, "sentence": signature.sentence},
        "routes": [route.name for route in live],
        "bounces_go_to": bounces,
        "second_person": {"needed": found.organisation.second_person, "state": approval.state},
    }
    if others:
        document["languages"] = {code: [flaw.document() for flaw in told] for code, told in others}
    spelling = document["spelling"] = spelling_state()
    lines = [line_of(flaw, _where(flaw)) for flaw in flaws]
    lines += [line_of(flaw, f"{code}: {_where(flaw)}") for code, told in others for flaw in told]
    if spelling["install"]:
        lines.append(f"note  Spelling is not checked in every language. For all of it: {spelling['install']}")
    # Only the letter itself can stop it; a missing record costs trust.
    lines += [
        f"{'good' if record.state == 'good' else 'look':5} {record.name}: {record.sentence}" for record in records
    ]
    lines += [f"{'look' if signature.by in ('nobody', 'waiting') else 'good':5} Signature: {signature.sentence}"]
    lines += [f"{size:,} recipients. Bounces go to {bounces}."]
    if stops:
        raise Failed(" ".join(stops), "not_ready", document, lines)
    say(document, *lines, f"Nothing stands in the way. Go on with: samizdat campaign send {found.id}")


@campaign.command("test")
@click.argument("number", metavar="ID", type=int)
@click.option(
    "--to", "addresses", required=True, multiple=True, metavar="ADDRESS", help="- reads them from standard input."
)
@common
def campaign_test(number: int, addresses: tuple[str, ...]) -> None:
    """Send it to a few addresses as a test, in each of its languages; nobody is counted."""
    found = campaign_numbered(number)
    from samizdat.campaigns.languages import versions
    from samizdat.delivery.actions import send_test

    wanted = [line.strip() for line in sys.stdin if line.strip()] if addresses == ("-",) else list(addresses)
    results = [one for letter in (found, *versions(found)) for one in send_test(letter, wanted, now=opening.now())]
    document = {"tests": [{"to": one.address, "accepted": one.ok, "sentence": one.sentence} for one in results]}
    lines = [f"{one.address}: {one.sentence}" for one in results]
    lost = sum(not one.ok for one in results)
    if lost:
        sentence = f"{lost:,} of {len(results):,} test letters were not taken. The reason stands beside each."
        raise Failed(
            lines[0] if len(lines) == 1 else sentence, "test_refused", document, lines if len(lines) > 1 else ()
        )
    say(document, *lines)


@campaign.command("send")
@click.argument("number", metavar="ID", type=int)
@click.option("--at", "when", metavar="TIME", help="ISO 8601, in the organisation's zone unless it carries an offset.")
@click.option(
    "--hold", "minutes", type=click.IntRange(0, 24 * 60), default=0, help="Minutes in which it can be taken back."
)
@click.option("--quiet-hours", "quiet", default="", metavar=QUIET, help="Nothing leaves in them; none for none.")
@click.option("--first-wave", "percent", type=click.IntRange(1, 99), help="Per cent that get it first.")
@click.option("--wave-hold", type=click.IntRange(0), help="Minutes until the rest follows; 30.")
@click.option("--stop-above", type=click.FloatRange(0, 100), help="Per cent refused that keep the rest back; 5.")
@click.option(
    "--unsure",
    type=click.Choice(["resend", "hold"]),
    help="Messages whose answer is lost: send them again (resend, the default), or leave them until you decide.",
)
@click.option("--wait", is_flag=True, help="Stay until it has ended; sends by itself when nothing else does.")
@click.option(
    "--wait-limit", type=float, metavar="SECONDS", help="With --wait: leave deferred ones to the sender after this."
)
@common
def campaign_send(
    number: int,
    when: str | None,
    minutes: int,
    quiet: str,
    unsure: str | None,
    wait: bool,
    wait_limit: float | None,
    **wave: Any,
) -> None:
    """Release it: freeze letter and audience, and send."""
    found = campaign_numbered(number)
    _refuse_idle(found, when, minutes, quiet, **wave)
    if found.state == "draft":
        found = _release(found, time_of(when, found.organisation.timezone), minutes, quiet, unsure, **wave)
    elif unsure and unsure != found.unsure_policy:
        note(f"It is released already. Change that with: samizdat campaign settle {number} --unsure {unsure}")
    if not wait:
        say(_status(found), _headline(found))
        _say_who_sends()
        return
    _wait(found, wait_limit)


def _refuse_idle(
    found: Any,
    when: str | None,
    minutes: int,
    quiet: str,
    percent: int | None,
    wave_hold: int | None,
    stop_above: float | None,
) -> None:
    """Options that can do nothing: of a first wave that is not asked for, and of a release that has been, unless it was
    released with the same. The same line can be called again after it was killed.
    """
    if found.state == "draft":
        if percent is None and not (wave_hold is None and stop_above is None):
            text = "--wave-hold and --stop-above are about a first wave. Say how large it is: --first-wave PERCENT."
            raise Failed(text, "no_wave")
        return
    from samizdat.delivery.actions.holds import read_quiet

    hours = "none" if quiet.strip().lower() == "none" else read_quiet(quiet)
    asked = {
        "--at": when is not None and moment_of(when, found.organisation.timezone) != found.due,
        "--hold": bool(minutes) and found.due != found.released + timedelta(minutes=minutes),
        "--quiet-hours": bool(hours) and hours != found.quiet,
        "--first-wave": percent is not None and percent != found.wave_percent,
        "--wave-hold": wave_hold is not None and wave_hold != found.wave_hold,
        "--stop-above": stop_above is not None and stop_above != found.wave_stop,
    }
    idle = ", ".join(option for option, differs in asked.items() if differs)
    if idle:
        text = f"Campaign {found.pk} is released already, and {idle} cannot change that. Leave it out."
        raise Failed(text, "released_already")


def _say_who_sends() -> None:
    from samizdat.options import data_folder
    from samizdat.vault.keyserver import SocketSource

    if SocketSource.running(data_folder()) is None:
        note("Nothing sends from this data folder now. Start `samizdat serve`, or call this with --wait.")


def _release(
    found: Any,
    at: datetime | None,
    minutes: int,
    quiet: str,
    unsure: str | None,
    percent: int | None,
    wave_hold: int | None,
    stop_above: float | None,
) -> Any:
    from samizdat.delivery.actions import release
    from samizdat.delivery.actions.releasing import Wave

    usual = Wave()
    wave = Wave(
        percent or 0,
        usual.hold_minutes if wave_hold is None else wave_hold,
        usual.stop_above if stop_above is None else stop_above,
    )
    size = _size(found)
    from samizdat.delivery.queries import sent_lately

    lately = sent_lately(found, opening.now())
    if lately is not None:
        _confirm_twice(lately.pk)
    if size > 1000:
        confirm(f"Send to {size:,} subscribers?")
    return release(found, now=opening.now(), at=at, hold_minutes=minutes, unsure=unsure, quiet=quiet, wave=wave)


def _confirm_twice(number: int) -> None:
    """A person is asked; a script, which sends what it was told to send, goes on."""
    sentence = f"The same letter went to this list within a day, as campaign {number}."
    if sys.stdin.isatty():
        confirm(f"{sentence} Send it once more?")
    else:
        note(sentence)


def _size(found: Any) -> int:
    from samizdat.campaigns.audience import reach_of

    return reach_of(found, opening.now()).may


def time_of(text: str | None, zone: str) -> datetime | None:
    if text is None:
        return None
    at = moment_of(text, zone)
    if at < opening.now():
        raise Failed(f"{text} is over already. Name a time to come, or leave --at out.", "bad_time")
    return at


def moment_of(text: str, zone: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise Failed(f"{text} is no time. Write it like 2026-11-26T10:00.", "bad_time") from None
    from samizdat.hours import YEARS, in_zone

    if parsed.year not in YEARS:
        raise Failed(f"{text} is no time to plan for. Name a year from {YEARS[0]} to {YEARS[-1]}.", "bad_time")
    at = parsed if parsed.tzinfo else in_zone(parsed.date(), parsed.time(), ZoneInfo(zone))
    if at is None:
        sentence = f"The clocks are put forward then: {text} does not exist in {zone}. Name another time."
        raise Failed(sentence, "bad_time")
    return at


def _wait(found: Any, limit: float | None) -> None:
    from samizdat.delivery.engine import run_campaign

    number = found.id
    with progress("Sending", "messages") as shown, _watched(number, shown):
        result = _with_sentences(run_campaign(number, limit), found)
    ended = result.pop("ended", result["state"])
    if ended == "finished":
        say(result, *_books(result))
        return
    raise Failed(ENDED.get(ended, ended).replace("ID", str(number)), ended, result, _books(result))


@contextmanager
def _watched(number: int, shown: Progress) -> Iterator[None]:
    """Shows the ledger twice a second while somebody sends: the books are the only truth about progress."""
    from django.db import connection

    from samizdat.campaigns.models import Campaign

    over = threading.Event()

    def look() -> None:
        while shown.on and not over.wait(0.5):
            row = Campaign.objects.get(pk=number)
            done = row.frozen - row.pending - row.deferred
            shown.show(done, row.frozen, done)
        connection.close()

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@campaign.command("pause")
@click.argument("number", metavar="ID", type=int)
@common
def campaign_pause(number: int) -> None:
    """Stop sending for now. What is in flight is finished."""
    found = campaign_numbered(number)
    from samizdat.delivery import actions

    _changed(actions.pause(found, now=opening.now()))


@campaign.command("resume")
@click.argument("number", metavar="ID", type=int)
@common
def campaign_resume(number: int) -> None:
    """Go on with a paused one, or with the rest after a first wave."""
    found = campaign_numbered(number)
    from samizdat.delivery import actions

    _changed(actions.resume(found, now=opening.now()))


@campaign.command("cancel")
@click.argument("number", metavar="ID", type=int)
@common
def campaign_cancel(number: int) -> None:
    """Stop for good. Who was not reached yet is booked as cancelled."""
    found = campaign_numbered(number)
    from samizdat.delivery import actions

    if found.state not in ("finished", "cancelled"):  # Those are refused below; there is nothing to be sure about.
        confirm(f"Stop campaign {number} for good?")
    _changed(actions.cancel(found, now=opening.now()))


@campaign.command("settle")
@click.argument("number", metavar="ID", type=int)
@click.option("--unsure", "how", required=True, type=click.Choice(["resend", "hold"]))
@click.option(
    "--subscriber", "wanted", multiple=True, metavar="ADDRESS|NUMBER", help="Only hers; once for each. Else of all."
)
@common
def campaign_settle(number: int, how: str, wanted: tuple[str, ...]) -> None:
    """Decide about messages whose answer never came: send them again, or leave them."""
    found = campaign_numbered(number)
    from samizdat.delivery import actions

    if wanted:
        numbers = [_subscriber_number(found.organisation, text) for text in wanted]
        _changed(actions.settle(found, how, numbers=numbers, now=opening.now()))
        return
    doubtful = found.unsure
    settled = actions.settle(found, how, now=opening.now())
    if not doubtful:
        note("No message was unsure. This holds for those that may become so.")
    _changed(settled)


def _subscriber_number(organisation: Any, text: str) -> int:
    """A number as it is; an address is looked up, which is written to the log."""
    if text.isascii() and text.isdecimal() and len(text) <= 15:
        return int(text)
    from samizdat.audience.queries import subscriber_at
    from samizdat.events.actions import record

    found = subscriber_at(organisation, text)
    if found is None:
        raise Failed(f"{text} is not known here. Look at the spelling.", "no_such_subscriber")
    record("subscriber.opened", organisation, now=opening.now(), about=found.id)
    return found.number


@campaign.command("status")
@click.argument("number", metavar="ID", type=int)
@common
def campaign_status(number: int) -> None:
    """The books: what became of every message, by route, mailbox provider and class of answer."""
    found = campaign_numbered(number)
    status = _status(found) | _more(found)
    say(status, *_books(status), *_more_lines(status))


def _more(found: Any) -> dict[str, Any]:
    """What `status` alone tells: it opens what servers said."""
    from samizdat.delivery.queries import report
    from samizdat.delivery.watching import waits_for, waits_for_route

    seen = report(found)
    patience = waits_for_route(found, opening.now())
    answers = [
        {"answer": said.answer, "code": said.code, "text": said.text, "count": said.count, "route": said.route}
        for said in seen.answers
    ]
    spoken = found.edition.variants.exclude(language="") if found.frozen else ()
    return {
        "by_language": {row.language: row.people for row in spoken},
        "by_provider": dict(seen.providers),
        "answers": answers,
        "next_due": seen.next_due.isoformat() if seen.next_due else None,
        "waiting_again": seen.waiting_again,
        "waits_for": waits_for(found),
        "waits_for_route": {"route": patience[0], "until": patience[1].isoformat()} if patience else None,
    }


def _more_lines(status: dict[str, Any]) -> list[str]:
    lines = [f"{said['count']:>12,}  {said['answer']}: {said['code']} {said['text']}" for said in status["answers"]]
    if patience := status["waits_for_route"]:
        at = datetime.fromisoformat(patience["until"])
        lines.insert(0, f"{'':14}It waits for {patience['route']} until {at:%H:%M} UTC, which asked for patience.")
    for gone in status["waits_for"]:
        lines.append(
            f"{gone['messages']:>12,}  on their way at worker {gone['worker']} on {gone['host']}, which has been "
            f"silent for {gone['silent']:,} s. Start it again there, or say that it is gone: samizdat worker forget "
            f"{gone['worker']}"
        )
    return [_line(line, 400) for line in lines]


@campaign.command("ls")
@common
def campaign_ls() -> None:
    """The newest campaigns."""
    opening.open_house()
    from samizdat.campaigns.queries import newest

    rows = newest(opening.organisation())
    say(
        {"campaigns": [{"id": row.campaign.id, "subject": row.subject, "state": row.campaign.state} for row in rows]},
        *table(
            ("id", "state", "frozen", "accepted", "subject"),
            [(r.campaign.id, r.campaign.state, r.campaign.frozen, r.campaign.accepted, _line(r.subject)) for r in rows],
        ),
    )


def _line(text: str, most: int = 60) -> str:
    return re.sub(r"[\x00-\x1f\x7f]+", " ", text)[:most]


def _status(found: Any) -> dict[str, Any]:
    """What `campaign status` prints."""
    from samizdat.delivery.queries import status

    return _with_sentences(status(found), found)


def _with_sentences(status: dict[str, Any], found: Any) -> dict[str, Any]:
    """`sentence` beside each route's reason: why it does not send and what to do, empty where it does. `left_by_letter`
    is null where few left: they are not shown by what they did.
    """
    from samizdat.delivery.queries import bars_against, routes
    from samizdat.delivery.sums import is_few

    if is_few(status["left_by_letter"]):
        status["left_by_letter"] = None
    sentences = {route.name: route.sentence for route in routes(found.organisation)}
    for name, route in status["by_route"].items():
        route["sentence"] = sentences.get(name, "")
    if status["reason"] == "barred":
        status["barred"] = [
            {"route": row.route, "domain": row.domain, "reason": row.reason, "sentence": row.sentence, "who": row.who}
            for row in bars_against(found.organisation, found.edition.message_id_domain)
        ]
    return status


def _changed(found: Any) -> None:
    say(_status(found), _headline(found))


def _headline(found: Any) -> str:
    reason = campaign_reason(found.reason)
    due = ""
    if found.due and found.state in ("scheduled", "held"):
        zone = ZoneInfo(found.organisation.timezone)
        due = f", goes out {found.due.astimezone(zone):%Y-%m-%d %H:%M} {found.organisation.timezone}"
    if found.waits_until:
        due = f" until {found.waits_until.astimezone(ZoneInfo(found.organisation.timezone)):%Y-%m-%d %H:%M}"
    return f"Campaign {found.id} is {found.state}{due}{': ' + reason if reason else ''}; {found.frozen:,} frozen."


def _at_number(sentence: str, number: int) -> str:
    return sentence.replace("ID", str(number))


def _books(status: dict[str, Any]) -> list[str]:
    from samizdat.delivery.sums import FEW

    lines = [f"Campaign {status['id']} is {status['state']}."]
    if status["state"] == "waiting" and status["waits_until"]:
        at = datetime.fromisoformat(status["waits_until"])
        lines.append(f"{'':14}{campaign_reason(status['reason'])}; it goes on by itself at {at:%Y-%m-%d %H:%M} UTC.")
    elif status["state"] in ("paused", "waiting") and status["reason"]:
        lines.append(f"{'':14}{_at_number(campaign_reason(status['reason']), status['id'])}.")
    for bar in status.get("barred", ()):
        lines.append(f"{'':14}{bar['route']} takes no letters from {bar['domain']}: {bar['sentence']}")
    lines += [f"{status[word]:>12,}  {word}" for word in COUNTERS if status[word]]
    lines += [f"{status['frozen']:>12,}  frozen"]
    if not status["frozen"] and status["state"] not in ("draft", "cancelled"):
        lines.append(f"{'':14}Its readers want the letters of this list gathered: it stands in their digest.")
    left = FEW if status["left_by_letter"] is None else f"{status['left_by_letter']:,}"
    lines += [f"{left:>12}  left by this letter"]
    for name, route in status["by_route"].items():
        lines.append(f"{route['accepted']:>12,}  accepted by {name} ({route['state']})")
        lines += [f"{'':14}{route['sentence']}"] if route["sentence"] else []
    if status["unsure"]:
        note(f"The answer to {status['unsure']:,} was lost.{_to_decide(status)}")
    return lines


def _to_decide(status: dict[str, Any]) -> str:
    """What a person may do about the unsure ones, where it is hers to decide."""
    from samizdat.delivery.queries import left_in_doubt

    if status["state"] == "cancelled":
        return " It was stopped, so they stay as they are."
    if not left_in_doubt(status["id"]):
        return " They are sent again by themselves."
    return f" Decide with: samizdat campaign settle {status['id']} --unsure resend|hold"
