"""campaign status, ls: what became of letters."""

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from samizdat.cli import bootstrap
from samizdat.cli.campaign.drafts import campaign, campaign_numbered
from samizdat.cli.labels import ENDED, GATHERED, campaign_reason
from samizdat.cli.output import common, note, say, table
from samizdat.core.totals import is_few
from samizdat.health.words import at_terminal

if TYPE_CHECKING:
    from samizdat.campaigns.models import Campaign

COUNTERS = ("accepted", "refused", "unsure", "suppressed", "cancelled", "deferred", "pending")


@campaign.command("status")
@click.argument("number", metavar="ID", type=int)
@common
def campaign_status(number: int) -> None:
    """Results of a campaign: what became of every email, by route, mailbox provider and type of answer."""
    campaign_row = campaign_numbered(number)
    fenced = look_for_fence(campaign_row)
    status = status_of(campaign_row) | _more(campaign_row) | {"fenced": fenced}
    say(status, *books(status), *_more_lines(status), *([ENDED["fenced"]] if fenced else []))


def look_for_fence(campaign: "Campaign") -> bool:
    """Is everything of this organization held back? A copy that nobody has started yet learns here that it is one."""
    from samizdat.delivery.actions import copied_installation

    copied_installation.look(bootstrap.now())
    campaign.organization.refresh_from_db(fields=["sending_locked"])
    return bool(campaign.organization.sending_locked)


def _more(campaign: "Campaign") -> dict[str, object]:
    """What `status` alone tells: it opens what servers said."""
    from samizdat.delivery.monitoring import waits_for, waits_for_route
    from samizdat.delivery.queries import report

    seen = report(campaign)
    patience = waits_for_route(campaign, bootstrap.now())
    answers = [
        {
            "answer": answer.answer,
            "code": answer.code,
            "text": answer.text,
            "count": answer.count,
            "route": answer.route,
        }
        for answer in seen.answers
    ]
    spoken = campaign.edition.variants.exclude(language="") if campaign.frozen else ()
    return {
        "by_language": {row.language: row.people for row in spoken},
        "by_provider": dict(seen.providers),
        "answers": answers,
        "next_due": seen.next_due.isoformat() if seen.next_due else None,
        "waiting_again": seen.waiting_again,
        "waits_for": waits_for(campaign),
        "waits_for_route": {"route": patience[0], "until": patience[1].isoformat()} if patience else None,
    }


def _more_lines(status: dict[str, Any]) -> list[str]:
    lines = [
        f"{answer['count']:>12,}  {answer['answer']}: {answer['code']} {answer['text']}" for answer in status["answers"]
    ]
    if patience := status["waits_for_route"]:
        at = datetime.fromisoformat(patience["until"])
        lines.insert(
            0, f"{'':14}It waits for {patience['route']} until {at:%H:%M} UTC; the provider asked us to slow down."
        )
    for gone in status["waits_for"]:
        lines.append(
            f"{gone['messages']:>12,}  under way at worker {gone['worker']} on {gone['host']}, which has been "
            f"silent for {gone['silent']:,} s. Start it again there, or if it won't come back: samizdat "
            f"worker forget {gone['worker']}"
        )
    return [_line(line, 400) for line in lines]


@campaign.command("ls")
@common
def campaign_ls() -> None:
    """The newest campaigns."""
    bootstrap.open_house()
    from samizdat.campaigns.queries import newest

    rows = newest(bootstrap.organization())
    say(
        {"campaigns": [{"id": row.campaign.id, "subject": row.subject, "state": row.campaign.state} for row in rows]},
        *table(
            ("id", "state", "frozen", "accepted", "subject"),
            [(r.campaign.id, r.campaign.state, r.campaign.frozen, r.campaign.accepted, _line(r.subject)) for r in rows],
        ),
    )


def _line(text: str, most: int = 60) -> str:
    return re.sub(r"[\x00-\x1f\x7f]+", " ", text)[:most]


def status_of(campaign: "Campaign") -> dict[str, object]:
    """What `campaign status` prints."""
    from samizdat.delivery.queries import status

    return with_sentences(status(campaign), campaign)


def with_sentences(status: dict[str, Any], campaign: "Campaign") -> dict[str, Any]:
    """`sentence` beside each route's reason: why it does not send and what to do, empty where it does. `left_by_letter`
    is null where few left: they are not shown by what they did.
    """
    from samizdat.campaigns.archive import sent_elsewhere
    from samizdat.core.mail.suppression_rules import HELD
    from samizdat.delivery.queries import bars_against, held_bounces, provider_refusals, routes

    if is_few(status["left_by_letter"]):
        status["left_by_letter"] = None
    sentences = {route.name: at_terminal(route.sentence, route.name) for route in routes(campaign.organization)}
    for name, route in status["by_route"].items():
        route["sentence"] = sentences.get(name, "")
    if status["reason"] == "barred":
        status["barred"] = [
            {"route": row.route, "domain": row.domain, "reason": row.reason, "sentence": row.sentence, "who": row.who}
            for row in bars_against(campaign.organization, campaign.edition.message_id_domain)
        ]
    status["provider_refusals"] = [
        {
            "provider": row.provider,
            "reason": row.reason,
            "answer": row.answer,
            "count": row.count,
            "waiting": row.waiting,
            "since": row.since.isoformat(),
            "sentence": at_terminal(row.sentence),
        }
        for row in provider_refusals(campaign)
    ]
    sent = sent_elsewhere.of(campaign)
    status["sent_elsewhere"] = {"service": sent.service, "totals": sent.totals} if sent else None
    status["held_bounces"] = [
        {
            "provider": row.provider,
            "count": row.count,
            "answered": row.answered,
            "sentence": HELD[row.cause].format(
                provider=row.provider, count=f"{row.count:,}", answered=f"{row.answered:,}"
            ),
        }
        for row in held_bounces(campaign)
    ]
    return status


def say_changed(campaign: "Campaign") -> None:
    say(status_of(campaign), headline(campaign))


def headline(campaign: "Campaign") -> str:
    reason = campaign_reason(campaign.reason)
    due = ""
    if campaign.not_before and campaign.state in ("scheduled", "held"):
        zone = ZoneInfo(campaign.organization.timezone)
        due = f", goes out {campaign.not_before.astimezone(zone):%Y-%m-%d %H:%M} {campaign.organization.timezone}"
    if campaign.waits_until:
        due = f" until {campaign.waits_until.astimezone(ZoneInfo(campaign.organization.timezone)):%Y-%m-%d %H:%M}"
    return (
        f"Campaign {campaign.id} is {campaign.state}{due}{': ' + reason if reason else ''}; "
        f"{campaign.frozen:,} recipients."
    )


def _at_number(sentence: str, number: int) -> str:
    return sentence.replace("ID", str(number))


def books(status: dict[str, Any]) -> list[str]:
    from samizdat.delivery.click_stats import FEW

    lines = [f"Campaign {status['id']} is {status['state']}."]
    if status["state"] == "waiting" and status["waits_until"]:
        at = datetime.fromisoformat(status["waits_until"])
        lines.append(f"{'':14}{campaign_reason(status['reason'])}; sending continues at {at:%Y-%m-%d %H:%M} UTC.")
    elif status["state"] in ("paused", "waiting") and status["reason"]:
        lines.append(f"{'':14}{_at_number(campaign_reason(status['reason']), status['id'])}.")
    for bar in status.get("barred", ()):
        lines.append(
            f"{'':14}{bar['route']} can't send from {bar['domain']}: {at_terminal(bar['sentence'], bar['route'])}"
        )
    refusals = status.get("provider_refusals", ())
    lines += [f"{'':14}{_line(refusal['sentence'], 600)}" for refusal in refusals]
    if refusals:
        waiting = f"{'':14}{refusals[0]['waiting']:,} subscribers are waiting for this; none was marked as bounced."
        resume = "" if status["reason"] == "provider" else f" Then: samizdat campaign resume {status['id']}"
        lines.append(waiting + resume)
    held = status.get("held_bounces", ())
    lines += [f"{'':14}{_line(row['sentence'], 600)}" for row in held]
    lines += [f"{'':14}To suppress them: samizdat campaign suppress-bounced {status['id']}"] if held else []
    lines += [f"{status[word]:>12,}  {word}" for word in COUNTERS if status[word]]
    lines += [f"{status['frozen']:>12,}  recipients"]
    if sent := status.get("sent_elsewhere"):
        totals = ", ".join(f"{count:,} {name}" for name, count in sent["totals"].items())
        lines.append(f"{'':14}Sent by {sent['service']}, not from here. Its export says: {totals or 'no numbers'}.")
    elif not status["frozen"] and status["state"] not in ("draft", "cancelled"):
        lines.append(f"{'':14}{GATHERED}")
    left = FEW if status["left_by_letter"] is None else f"{status['left_by_letter']:,}"
    lines += [f"{left:>12}  unsubscribed"]
    for name, route in status["by_route"].items():
        lines.append(f"{route['accepted']:>12,}  accepted by {name} ({route['state']})")
        lines += [f"{'':14}{route['sentence']}"] if route["sentence"] else []
    if status["unsure"]:
        note(f"The outcome of {status['unsure']:,} is unknown.{_to_decide(status)}")
    return lines


def _to_decide(status: dict[str, Any]) -> str:
    """What a person may do about the unsure ones, where it is theirs to decide."""
    from samizdat.delivery.queries import left_in_doubt

    if status["state"] == "cancelled":
        return " The campaign was cancelled, so they stay as they are."
    if not left_in_doubt(status["id"]):
        return " They are sent again automatically."
    return f" Decide with: samizdat campaign resolve {status['id']} --unsure resend|hold"
