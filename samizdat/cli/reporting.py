"""campaign report: the sums of a letter, none of fewer than twenty."""

from typing import Any

import click

from samizdat.cli.campaigns import campaign, campaign_numbered
from samizdat.cli.output import Failed, common, say


@campaign.command("report")
@click.argument("number", metavar="ID", type=int)
@common
def campaign_report(number: int) -> None:
    """What readers did, as sums: clicks by link and days, answers, replies, complaints. None of fewer than twenty.

    Clicks and answers are counted where at least 200 people who have been subscribed for 30 days get the letter, and
    rounded to tens below 1,000.
    """
    found = campaign_numbered(number)
    from samizdat.campaigns import languages
    from samizdat.core import totals
    from samizdat.delivery import sums

    whole = languages.whole(found)
    if whole.state == "draft":
        raise Failed(
            f"Campaign {whole.pk} is a draft, so nobody has answered. Look again once it went.", "not_released"
        )
    heard = sums.heard(whole)
    document = {
        "id": whole.pk,
        "counts_clicks": sums.counted(whole),
        "fewest": sums.FEWEST,
        "floor": totals.FLOOR,
        "counted": bool(whole.edition.counted_places),
        "links": [_link(one) for one in sums.links(whole)],
        "questions": [_question(one) for one in sums.questions(whole)],
        "replies": _sum(heard.replies, heard.few_replies),
        "languages": [_language(one) for one in sums.groups(whole)],
        "left_by_letter": _sum(whole.left_by_letter, sums.is_few(whole.left_by_letter)),
        "complaints_by_any_letter": _sum(heard.complaints, heard.few_complaints),
    }
    say(document, *_lines(document))


def _sum(count: int | None, few: bool) -> dict[str, Any]:
    """count: None where nobody has counted, or where it is not said since few people are behind it."""
    return {"count": None if few else count, "few": few}


def _link(one: Any) -> dict[str, Any]:
    spans = [{"from": first.isoformat(), "to": last.isoformat(), "count": count} for first, last, count in one.spans]
    return {"number": one.number, "version": one.version, "url": one.url, **_sum(one.total, one.few), "days": spans}


def _question(one: Any) -> dict[str, Any]:
    answers = [{"answer": answer, **_sum(count, few)} for answer, count, few in one.answers]
    return {"version": one.version, "question": one.question, "answers": answers, "total": one.total}


def _language(one: Any) -> dict[str, Any]:
    """Several that are few by themselves are one."""
    from samizdat.delivery.sums import is_few

    books = {state: _sum(count, is_few(count)) for state, count in one.counts.items() if count}
    return {"language": one.name, "people": one.people, **books}


def _lines(told: dict[str, Any]) -> list[str]:
    lines = [f"Campaign {told['id']}: sums of everybody, none of fewer than {told['fewest']}."]
    lines += [] if told["counts_clicks"] else [f"{'':14}Its links lead where they say, so no clicks are counted."]
    if (told["links"] or told["questions"]) and not told["counted"]:
        sentence = "people who have been subscribed for 30 days got it, so no clicks or answers are counted."
        lines.append(f"{'':14}Fewer than {told['floor']} {sentence}")
    for link in told["links"]:
        lines.append(_line(link, f"clicks  {link['number']}. {link['url']}", link["version"]))
        lines += [f"{'':14}{day['from']} to {day['to']}: {day['count']:,}" for day in link["days"]]
    for asked in told["questions"]:
        lines.append(_line({"count": asked["total"], "few": True}, asked["question"], asked["version"]))
        lines += [_line(answer, f"answered  {answer['answer']}") for answer in asked["answers"]]
    for spoken in told["languages"]:
        books = {name: value for name, value in spoken.items() if isinstance(value, dict)}
        lines += [_line(value, f"{name}  {spoken['language']}") for name, value in books.items()]
    if told["replies"]["count"] is None and not told["replies"]["few"]:
        lines.append(f"{'':14}Nobody has counted the replies.")
    else:
        lines.append(_line(told["replies"], "replies, as somebody counted them"))
    lines.append(_line(told["left_by_letter"], "left by this letter"))
    return [*lines, _line(told["complaints_by_any_letter"], "reported as spam, by whatever letter")]


def _line(told: dict[str, Any], text: str, version: str = "") -> str:
    few = "few" if told["few"] else ""
    number = few if told["count"] is None else f"{told['count']:,}"
    return f"{number:>12}  {text[:160]}{f' ({version})' if version else ''}"
