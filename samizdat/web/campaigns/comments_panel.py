"""What stands beside a draft on its page: what colleagues said, and the blocks they can speak of."""

import json
from collections.abc import Iterable, Iterator

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from samizdat.accounts import queries as accounts
from samizdat.accounts.models import Organization
from samizdat.campaigns.drafts import comments
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.core.content.blocks.compare import lines
from samizdat.core.content.blocks.merge_versions import numbered
from samizdat.core.content.blocks.schema import Node
from samizdat.web.request import DeskRequest

QUOTED = 80


def names_of(organization: Organization) -> dict[int, str]:
    """People of the organization by their number."""
    return {member.person.pk: member.name for member in accounts.members(organization)}


def comment_facts(organization: Organization, campaign: Campaign) -> dict[str, object]:
    """For parts/comments.html: (comment, who, how its block is called now) each, and the blocks to choose from."""
    names, blocks, views = names_of(organization), named_blocks(campaign), comments.comments(campaign)
    called = dict(blocks)
    return {
        "open_comments": sum(not view.resolved for view in views),
        "comments": [(view, names.get(view.by_id or 0, ""), called.get(view.words.block, "")) for view in views],
        "blocks": blocks,
        "in_blocks": draft_of(campaign).format == "blocks",
    }


def named_blocks(campaign: Campaign) -> list[tuple[str, str]]:
    """(id, how it is called in a list: its number and how it begins) of each block, at the top and in columns."""
    draft = draft_of(campaign)
    if draft.format != "blocks" or not draft.body:
        return []
    return list(_named(numbered(json.loads(draft.body).get("content", ())), ""))


def _named(blocks: Iterable[Node], within: str) -> Iterator[tuple[str, str]]:
    """within: number of the column around them, like "4.2."."""
    for number, block in enumerate(blocks, 1):
        if name := (block.get("attrs") or {}).get("id"):
            yield name, f"{within}{number}. {' '.join(lines(block))[:QUOTED]}"
        if block["type"] == "columns":
            for column, inner in enumerate(block.get("content", ()), 1):
                yield from _named(inner.get("content", ()), f"{within}{number}.{column}.")


def unsaved(request: DeskRequest, href: str, sentence: str = "") -> HttpResponse:
    """The page for a text that was sent and has no place to be stored in any more: it is shown, to be copied. sentence:
    why; else because the letter is no draft any more.
    """
    sentence = sentence or _("This campaign is no longer a draft. Copy your text and paste it into a duplicate.")
    body, format_ = request.POST.get("body", ""), request.POST.get("format", "")
    facts = {"sentence": sentence, "href": href, "subject": request.POST.get("subject", ""), "body": body}
    return render(request, "web/campaigns/unsaved.html", facts | {"still": still(format_, body)}, status=422)


def still(format_: str, body: str) -> list[str]:
    """A letter of blocks as lines to read, for whoever has no script. Nothing for one that is no JSON."""
    if format_ != "blocks" or not body.strip():
        return []
    try:
        return lines(json.loads(body))
    except ValueError:
        return []
