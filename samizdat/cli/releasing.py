"""campaign send, pause, resume, take-back, cancel, settle."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click

from samizdat.cli import opening
from samizdat.cli.books import books, headline, look_for_fence, say_changed, status_of, with_sentences
from samizdat.cli.campaigns import campaign, campaign_numbered, size_of
from samizdat.cli.output import Failed, Progress, common, confirm, note, progress, say
from samizdat.cli.private import WANTED
from samizdat.cli.words import ENDED, QUIET


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
    from samizdat.delivery.engine.locks import check_sessions

    check_sessions()
    if look_for_fence(found):
        status = status_of(found)
        raise Failed(ENDED["fenced"], "fenced", status, books(status))
    _refuse_idle(found, when, minutes, quiet, **wave)
    if found.state == "draft":
        found = _release(found, time_of(when, found.organisation.timezone), minutes, quiet, unsure, **wave)
    elif unsure and unsure != found.unsure_policy:
        note(f"It is released already. Change that with: samizdat campaign settle {number} --unsure {unsure}")
    if not wait:
        say(status_of(found), headline(found))
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
    size = size_of(found)
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
    from samizdat.worker import choosing

    number = found.id
    with progress("Sending", "messages") as shown, _watched(number, shown):
        result = with_sentences(run_campaign(number, limit, take_up=choosing.take_everything), found)
    ended = result.pop("ended", result["state"])
    if ended == "finished":
        say(result, *books(result))
        return
    raise Failed(ENDED.get(ended, ended).replace("ID", str(number)), ended, result, books(result))


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

    say_changed(actions.pause(found, now=opening.now()))


@campaign.command("resume")
@click.argument("number", metavar="ID", type=int)
@common
def campaign_resume(number: int) -> None:
    """Go on with a paused one, with the rest after a first wave, or to mailbox providers that refused it."""
    found = campaign_numbered(number)
    look_for_fence(found)
    from samizdat.delivery import actions

    say_changed(actions.resume(found, now=opening.now()))


@campaign.command("take-back")
@click.argument("number", metavar="ID", type=int)
@common
def campaign_take_back(number: int) -> None:
    """Undo a release of which nobody got anything: a draft again. Waits for its time, or was paused before it began."""
    found = campaign_numbered(number)
    from samizdat.delivery import actions

    say_changed(actions.take_back(found, now=opening.now()))


@campaign.command("cancel")
@click.argument("number", metavar="ID", type=int)
@common
def campaign_cancel(number: int) -> None:
    """Stop for good. Who was not reached yet is booked as cancelled."""
    found = campaign_numbered(number)
    from samizdat.delivery import actions

    if found.state not in ("finished", "cancelled"):  # Those are refused below; there is nothing to be sure about.
        confirm(f"Stop campaign {number} for good?")
    say_changed(actions.cancel(found, now=opening.now()))


@campaign.command("settle")
@click.argument("number", metavar="ID", type=int)
@click.option("--unsure", "how", required=True, type=click.Choice(["resend", "hold"]))
@click.option(
    "--subscriber",
    "wanted",
    type=WANTED,
    multiple=True,
    metavar="ADDRESS|NUMBER",
    help="Only theirs; once for each. Else of all.",
)
@common
def campaign_settle(number: int, how: str, wanted: tuple[str, ...]) -> None:
    """Decide about messages whose answer never came: send them again, or leave them."""
    found = campaign_numbered(number)
    look_for_fence(found)
    from samizdat.delivery import actions

    if wanted:
        numbers = [_subscriber_number(found.organisation, text) for text in wanted]
        say_changed(actions.settle(found, how, numbers=numbers, now=opening.now()))
        return
    doubtful = found.unsure
    settled = actions.settle(found, how, now=opening.now())
    if not doubtful:
        note("No message was unsure. This holds for those that may become so.")
    say_changed(settled)


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
