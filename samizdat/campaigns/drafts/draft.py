"""What is being written, as one value; sealed in the campaign's row."""

from datetime import UTC, datetime

from msgspec import Struct, structs

from samizdat.campaigns.models import Campaign
from samizdat.vault import keyring

FORMATS = ("markdown", "html", "blocks")
# Whether readers' programs fetch the pictures, or the message carries them.
PICTURES = ("linked", "inside")
# Whether links lead where they say, or through the public host, which counts how often (counted_links.py).
LINKS = ("direct", "counted")
# What all versions of a letter have in common.
ENVELOPE = ("from_name", "from_email", "reply_to", "links")


class Draft(Struct, frozen=True):
    """A letter as typed. from_email and reply_to are bare addresses; reply_to empty means From.

    body: Markdown, HTML, or in the format "blocks" the JSON of core/content/blocks, in its canonical spelling.
    """

    subject: str = ""
    preheader: str = ""
    from_name: str = ""
    from_email: str = ""
    reply_to: str = ""
    body: str = ""
    format: str = "markdown"
    pictures: str = "linked"
    links: str = "direct"
    design: str = "carbon"  # core/content/theme.DESIGNS; the frame of a campaign without a template.

    def with_(self, **changes: str) -> "Draft":
        return structs.replace(self, **changes)


def draft_of(campaign: Campaign, letter: Draft | None = None) -> Draft:
    """letter: as of addressed."""
    keys = keyring.keys(campaign.organization)
    return addressed(campaign, keys.open_json(campaign.draft_sealed, *_place(campaign), Draft), letter)


def place_of(number: int, created: datetime, version_of: int | None) -> tuple[str, str, int]:
    """What a draft is sealed to: its number, when it was made, and of which letter it is a version. Whoever writes the
    database can have a number given again and lead a version to another letter; who has a link to that letter would
    read it (archive/share_links.py)."""
    return "campaign", f"draft {created.astimezone(UTC).isoformat()} {version_of or ''}", number


def _place(campaign: Campaign) -> tuple[str, str, int]:
    return place_of(campaign.id, campaign.created, campaign.version_of_id)


def addressed(campaign: Campaign, draft: Draft, letter: Draft | None = None) -> Draft:
    """A version in another language comes from the sender of its letter, and counts as it does, whatever was stored
    with it. letter: what is written there, where that is open already.
    """
    if campaign.version_of is None:
        return draft
    letter = letter or draft_of(campaign.version_of)
    return draft.with_(**{name: getattr(letter, name) for name in ENVELOPE})


def sealed(campaign: Campaign, draft: Draft) -> bytes:
    return keyring.keys(campaign.organization).seal_json(draft, *_place(campaign))
