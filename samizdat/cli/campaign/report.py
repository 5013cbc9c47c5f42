"""campaign report: the sums of a letter, none of fewer than twenty."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from samizdat.cli.campaign.drafts import campaign, campaign_numbered
from samizdat.cli.output import CommandFailed, common, say
from samizdat.core import totals
from samizdat.core.totals import is_few

if TYPE_CHECKING:
    from samizdat.delivery.click_stats import Link, PollResult, VersionGroup


@campaign.command("report")
@click.argument("number", metavar="ID", type=int)
@common
def campaign_report(number: int) -> None:
    """Results as totals: clicks by link and day, answers, replies, complaints. No number of fewer than twenty.

    Clicks and answers are counted if at least 200 people who have been subscribed for 30 days get the campaign.
    Below 1,000 they are rounded to tens.
    """
    campaign_row = campaign_numbered(number)
    from samizdat.campaigns import translations
    from samizdat.campaigns.edition_details import counted_versions
    from samizdat.delivery import click_stats

    whole = translations.whole(campaign_row)
    if whole.state == "draft":
        raise CommandFailed(
            f"Campaign {whole.pk} is a draft, so it has no report yet. Try again after it was sent.", "not_released"
        )
    heard = click_stats.heard(whole)
    document = {
        "id": whole.pk,
        "counts_clicks": click_stats.counted(whole),
        "fewest": totals.FEWEST,
        "floor": totals.FLOOR,
        "counted": bool(counted_versions(whole.edition)),
        "links": [_link(row) for row in click_stats.links(whole)],
        "questions": [_question(row) for row in click_stats.questions(whole)],
        "replies": _sum(heard.replies, heard.few_replies),
        "languages": [_language(row) for row in click_stats.groups(whole)],
        "left_by_letter": _sum(whole.unsubscribes, totals.is_few(whole.unsubscribes)),
        "complaints_by_any_letter": _sum(heard.complaints, heard.few_complaints),
    }
    say(document, *_lines(document))


def _sum(count: int | None, few: bool) -> dict[str, object]:
    """count: None where nobody has counted, or where it is not said since few people are behind it."""
    return {"count": None if few else count, "few": few}


def _link(link: "Link") -> dict[str, object]:
    spans = [{"from": first.isoformat(), "to": last.isoformat(), "count": count} for first, last, count in link.spans]
    return {
        "number": link.number,
        "version": link.version,
        "url": link.url,
        **_sum(link.total, link.few),
        "days": spans,
    }


def _question(question: "PollResult") -> dict[str, object]:
    answers = [{"answer": answer, **_sum(count, few)} for answer, count, few in question.answers]
    return {"version": question.version, "question": question.question, "answers": answers, "total": question.total}


def _language(group: "VersionGroup") -> dict[str, object]:
    """Several that are few by themselves are one."""
    books = {state: _sum(count, is_few(count)) for state, count in group.counts.items() if count}
    return {"language": group.name, "people": group.people, **books}


def _lines(report: dict[str, Any]) -> list[str]:
    lines = [f"Campaign {report['id']}: totals, no number of fewer than {report['fewest']}."]
    lines += [] if report["counts_clicks"] else [f"{'':14}Clicks are not counted for this campaign."]
    if (report["links"] or report["questions"]) and not report["counted"]:
        sentence = "people who have been subscribed for 30 days got it, so no clicks or answers are counted."
        lines.append(f"{'':14}Fewer than {report['floor']} {sentence}")
    for link in report["links"]:
        lines.append(_line(link, f"clicks  {link['number']}. {link['url']}", link["version"]))
        lines += [f"{'':14}{day['from']} to {day['to']}: {day['count']:,}" for day in link["days"]]
    for asked in report["questions"]:
        lines.append(_line({"count": asked["total"], "few": True}, asked["question"], asked["version"]))
        lines += [_line(answer, f"answered  {answer['answer']}") for answer in asked["answers"]]
    for spoken in report["languages"]:
        books = {name: value for name, value in spoken.items() if isinstance(value, dict)}
        lines += [_line(value, f"{name}  {spoken['language']}") for name, value in books.items()]
    if report["replies"]["count"] is None and not report["replies"]["few"]:
        lines.append(f"{'':14}Replies are not counted yet.")
    else:
        lines.append(_line(report["replies"], "replies, counted by hand"))
    lines.append(_line(report["left_by_letter"], "unsubscribed"))
    return [*lines, _line(report["complaints_by_any_letter"], "spam complaints, about any campaign")]


def _line(entry: Mapping[str, object], text: str, version: str = "") -> str:
    few = "few" if entry["few"] else ""
    number = few if entry["count"] is None else f"{entry['count']:,}"
    return f"{number:>12}  {text[:160]}{f' ({version})' if version else ''}"
