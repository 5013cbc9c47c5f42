"""campaign send, pause, resume, undo, cancel, resolve."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from math import inf
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from samizdat.cli import bootstrap
from samizdat.cli.campaign.drafts import campaign, campaign_numbered, size_of
from samizdat.cli.campaign.status import books, headline, look_for_fence, say_changed, status_of, with_sentences
from samizdat.cli.labels import ENDED, QUIET
from samizdat.cli.output import CommandFailed, ProgressLine, common, confirm, note, progress, say
from samizdat.cli.secret_arguments import WANTED
from samizdat.options import data_folder

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization
    from samizdat.campaigns.models import Campaign


@campaign.command("send")
@click.argument("number", metavar="ID", type=int)
@click.option("--at", "when", metavar="TIME", help="ISO 8601, in the organization's time zone unless it has an offset.")
@click.option("--hold", "minutes", type=click.IntRange(0, 24 * 60), default=0, help="Undo window, in minutes.")
@click.option(
    "--quiet-hours",
    "quiet",
    default="",
    metavar=QUIET,
    help="Nothing is sent during these hours; none: no quiet hours.",
)
@click.option("--first-wave", "percent", type=click.IntRange(1, 99), help="First batch, percent.")
@click.option("--wave-hold", type=click.IntRange(0), help="Minutes until the rest is sent (default 30).")
@click.option(
    "--stop-above", type=click.FloatRange(0, 100), help="Pause if more than this percent bounces (default 5)."
)
@click.option(
    "--unsure",
    type=click.Choice(["resend", "hold"]),
    help="Emails whose outcome is unknown: send them again (resend, the default), or hold them until you decide.",
)
@click.option("--wait", is_flag=True, help="Wait until sending finishes. Sends by itself if no worker runs.")
@click.option(
    "--wait-limit", type=float, metavar="SECONDS", help="With --wait: after this, don't wait for deferred emails."
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
    """Send a campaign: lock text and recipients, then send."""
    campaign_row = campaign_numbered(number)
    from samizdat.delivery.engine.locks import check_sessions

    check_sessions()
    if look_for_fence(campaign_row):
        status = status_of(campaign_row)
        raise CommandFailed(ENDED["fenced"], "fenced", status, books(status))
    if campaign_row.welcome and (wait or campaign_row.state == "draft"):
        text = "This is the welcome email of a list. Switch it on and follow it with: samizdat list welcome NAME --on"
        raise CommandFailed(text, "welcome")
    _refuse_idle(campaign_row, when, minutes, quiet, **wave)
    if campaign_row.state == "draft":
        campaign_row = _release(
            campaign_row, time_of(when, campaign_row.organization.timezone), minutes, quiet, unsure, **wave
        )
    elif unsure and unsure != campaign_row.unsure_policy:
        note(f"It's already scheduled or sent. Change that with: samizdat campaign resolve {number} --unsure {unsure}")
    if not wait:
        say(status_of(campaign_row), headline(campaign_row))
        _say_who_sends()
        return
    _wait(campaign_row, wait_limit)


def _refuse_idle(
    campaign: "Campaign",
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
    if campaign.state == "draft":
        if percent is None and not (wave_hold is None and stop_above is None):
            text = "--wave-hold and --stop-above need a first batch. Add its size: --first-wave PERCENT."
            raise CommandFailed(text, "no_wave")
        return
    from samizdat.delivery.actions.wait_reasons import read_quiet

    released = campaign.released or bootstrap.now()
    hours = "none" if quiet.strip().lower() == "none" else read_quiet(quiet)
    asked = {
        "--at": when is not None and moment_of(when, campaign.organization.timezone) != campaign.not_before,
        "--hold": bool(minutes) and campaign.not_before != released + timedelta(minutes=minutes),
        "--quiet-hours": bool(hours) and hours != campaign.quiet_hours,
        "--first-wave": percent is not None and percent != campaign.canary_percent,
        "--wave-hold": wave_hold is not None and wave_hold != campaign.canary_hold,
        "--stop-above": stop_above is not None and stop_above != campaign.canary_stop,
    }
    idle = ", ".join(option for option, differs in asked.items() if differs)
    if idle:
        text = f"Campaign {campaign.pk} is already scheduled or sent, so {idle} has no effect. Leave it out."
        raise CommandFailed(text, "released_already")


def _say_who_sends() -> None:
    from samizdat.vault.socket_source import SocketSource

    if SocketSource.running(data_folder()) is None:
        note("Nothing is sending from this data folder. Start `samizdat serve`, or run this with --wait.")


def _release(
    campaign: "Campaign",
    at: datetime | None,
    minutes: int,
    quiet: str,
    unsure: str | None,
    percent: int | None,
    wave_hold: int | None,
    stop_above: float | None,
) -> "Campaign":
    from samizdat.delivery.actions import release
    from samizdat.delivery.actions.releasing import ReleaseWave

    usual = ReleaseWave()
    wave = ReleaseWave(
        percent or 0,
        usual.hold_minutes if wave_hold is None else wave_hold,
        usual.stop_above if stop_above is None else stop_above,
    )
    size = size_of(campaign)
    from samizdat.delivery.queries import sent_lately

    lately = sent_lately(campaign, bootstrap.now())
    if lately is not None:
        _confirm_twice(lately.pk)
    if size > 1000:
        confirm(f"Send to {size:,} subscribers?")
    return release(campaign, now=bootstrap.now(), at=at, hold_minutes=minutes, unsure=unsure, quiet=quiet, wave=wave)


def _confirm_twice(number: int) -> None:
    """A person is asked; a script, which sends what it was told to send, goes on."""
    sentence = f"The same campaign was sent to this list within a day, as campaign {number}."
    if sys.stdin.isatty():
        confirm(f"{sentence} Send it again?")
    else:
        note(sentence)


def time_of(text: str | None, zone: str) -> datetime | None:
    if text is None:
        return None
    at = moment_of(text, zone)
    if at < bootstrap.now():
        raise CommandFailed(f"{text} is in the past. Enter a later time, or leave out --at.", "bad_time")
    return at


def moment_of(text: str, zone: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise CommandFailed(f"{text} isn't a time. Write it like 2026-11-26T10:00.", "bad_time") from None
    from samizdat.dbclock import YEARS, in_zone

    if parsed.year not in YEARS:
        raise CommandFailed(f"{text} can't be scheduled. Enter a year from {YEARS[0]} to {YEARS[-1]}.", "bad_time")
    at = parsed if parsed.tzinfo else in_zone(parsed.date(), parsed.time(), ZoneInfo(zone))
    if at is None:
        sentence = f"The clocks go forward then: {text} doesn't exist in {zone}. Enter another time."
        raise CommandFailed(sentence, "bad_time")
    return at


def _wait(campaign: "Campaign", limit: float | None) -> None:
    from samizdat.delivery.engine.sender import run_campaign
    from samizdat.worker.inbox import preferences

    number = campaign.id
    with progress("Sending", "messages") as shown, _watched(number, shown):
        result = with_sentences(run_campaign(number, limit, take_up=preferences.take_everything), campaign)
    ended = result.pop("ended", result["state"])
    if ended == "finished":
        say(result, *books(result))
        return
    raise CommandFailed(ENDED.get(ended, ended).replace("ID", str(number)), ended, result, books(result))


@contextmanager
def _watched(number: int, shown: ProgressLine) -> Iterator[None]:
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
    """Pause sending. Emails under way are finished."""
    campaign_row = campaign_numbered(number)
    from samizdat.delivery import actions

    say_changed(actions.pause(campaign_row, now=bootstrap.now()))


@campaign.command("resume")
@click.argument("number", metavar="ID", type=int)
@common
def campaign_resume(number: int) -> None:
    """Resume a paused campaign, the rest after a first batch, or sending to mailbox providers that rejected it."""
    campaign_row = campaign_numbered(number)
    look_for_fence(campaign_row)
    from samizdat.delivery import actions

    say_changed(actions.resume(campaign_row, now=bootstrap.now()))


@campaign.command("suppress-bounced")
@click.argument("number", metavar="ID", type=int)
@common
def campaign_suppress_bounced(number: int) -> None:
    """Suppress addresses that a mailbox provider, or emails that came back, called nonexistent, though there were too
    many to be believed. The worker does it within seconds.
    """
    campaign_row = campaign_numbered(number)
    from samizdat.delivery.actions import bounces

    count = bounces.believe(campaign_row, now=bootstrap.now())
    say({"id": number, "count": count}, f"{count:,} addresses are being added to the suppression list.")


@campaign.command("resume-list")
@click.argument("number", metavar="ID", type=int)
@click.option("--reason", required=True, help="Why; goes into the activity log.")
@common
def campaign_resume_list(number: int, reason: str) -> None:
    """Send to the list of a campaign again that stopped because too many subscribers reported its emails as spam.
    Campaigns that were paused for it go on.
    """
    campaign_row = campaign_numbered(number)
    look_for_fence(campaign_row)
    from samizdat.delivery.actions import complaints

    count = complaints.resume_list(campaign_row, reason, now=bootstrap.now())
    say({"id": number, "count": count}, "The list is sent to again.", f"Campaigns that go on: {count:,}")


@campaign.command("undo")
@click.argument("number", metavar="ID", type=int)
@common
def campaign_undo(number: int) -> None:
    """Undo sending before anyone got an email: back to draft. For scheduled campaigns, or those paused before the
    first email.
    """
    campaign_row = campaign_numbered(number)
    from samizdat.delivery import actions

    say_changed(actions.take_back(campaign_row, now=bootstrap.now()))


@campaign.command("cancel")
@click.argument("number", metavar="ID", type=int)
@common
def campaign_cancel(number: int) -> None:
    """Cancel a campaign. Recipients not emailed yet count as cancelled."""
    row = campaign_numbered(number)
    from samizdat.delivery import actions

    if row.state not in ("finished", "cancelled"):  # Those are refused below; there is nothing to be sure about.
        confirm(f"Cancel campaign {number}? This can't be undone.")
    say_changed(actions.cancel(row, now=bootstrap.now(), seconds=inf))


@campaign.command("resolve")
@click.argument("number", metavar="ID", type=int)
@click.option("--unsure", "how", required=True, type=click.Choice(["resend", "hold"]))
@click.option(
    "--subscriber",
    "wanted",
    type=WANTED,
    multiple=True,
    metavar="ADDRESS|NUMBER",
    help="Only for this subscriber. Once per subscriber; default: all.",
)
@common
def campaign_resolve(number: int, how: str, wanted: tuple[str, ...]) -> None:
    """Resolve emails whose outcome is unknown: send them again, or leave them."""
    campaign_row = campaign_numbered(number)
    look_for_fence(campaign_row)
    from samizdat.delivery import actions

    if wanted:
        numbers = [_subscriber_number(campaign_row.organization, text) for text in wanted]
        say_changed(actions.settle(campaign_row, how, numbers=numbers, now=bootstrap.now()))
        return
    doubtful = campaign_row.unsure
    settled = actions.settle(campaign_row, how, now=bootstrap.now())
    if not doubtful:
        note("No outcome is unknown. This applies to those that become unknown later.")
    say_changed(settled)


def _subscriber_number(organization: "Organization", text: str) -> int:
    """A number as it is; an address is looked up, which is written to the log."""
    if text.isascii() and text.isdecimal() and len(text) <= 15:
        return int(text)
    from samizdat.audience.queries import subscriber_at
    from samizdat.events.actions import record

    subscriber = subscriber_at(organization, text)
    if subscriber is None:
        raise CommandFailed(f"There's no subscriber {text}. Check the spelling.", "no_such_subscriber")
    record("subscriber.opened", organization, now=bootstrap.now(), about=subscriber.id)
    return subscriber.number
