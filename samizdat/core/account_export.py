"""What the export of a whole account holds besides its subscribers, as its reader hands it over.

Values alone: importers/mailchimp_account.py reads them out of a zip, portability/account/ stores them. They come out of
a process that reads what strangers wrote, so each says within which bounds it may be.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

# Bytes of one page and of one image; characters of a name.
LARGEST_PAGE, LARGEST_IMAGE, LONGEST_NAME = 5 << 20, 10 << 20, 500
LONGEST_URL = 2_000

type Name = Annotated[str, Meta(max_length=LONGEST_NAME)]
type Count = Annotated[int, Meta(ge=0, lt=1 << 40)]
# Of what stays out of it: why, as a door says it in words.
type LeftKind = Literal[
    "activity",
    "places",
    "surveys",
    "events",
    "texts",
    "unmatched",
    "other_files",
    "large",
    "unreadable",
    "other",
    "missing",
    "uncopied",
]
# Numbers that the service says of a campaign.
TOTALS = ("recipients", "delivered", "bounced", "unsubscribed", "complaints", "clicks")


class LeftBehind(Struct, frozen=True):
    """Files that stay out for one reason: how many, and the names of some."""

    kind: LeftKind
    count: Count
    names: tuple[Name, ...] = ()


class AccountAudience(Struct, frozen=True):
    """Subscribers of one audience. `key`: as DetectedFile.audience of its files."""

    key: Name
    name: Name


class AccountContents(Struct, frozen=True):
    """What is in an export. `account`: whose it is, as the addresses of its images say it; "" where none does."""

    audiences: tuple[AccountAudience, ...] = ()
    images: Count = 0
    templates: Count = 0
    drafts: Count = 0
    sent: Count = 0
    left: tuple[LeftBehind, ...] = ()
    account: Name = ""

    @property
    def has_more_than_people(self) -> bool:
        return bool(self.images or self.templates or self.drafts or self.sent)


class ShownImage(Struct, frozen=True):
    """Where a page says the address of an image of the account: bytes, and the name of its file."""

    start: Count
    end: Count
    name: Annotated[str, Meta(max_length=LONGEST_URL)]


class AccountItem(Struct, frozen=True):
    """One image, template or campaign. `key`: what it is in every export of the account. `page`: an image's bytes, else
    HTML or plain text. `sent_at`: of a sent campaign, like 2019-05-19T18:00:00 in the time zone of the account, or with
    another one. `shown_as`: how pages call an image, where not by its name. `from_email`, "" for the usual sender."""

    kind: Literal["image", "template", "draft", "sent"]
    key: Name
    name: Name
    page: bytes
    is_html: bool = True
    subject: Name = ""
    audience: Name = ""
    sent_at: Annotated[str, Meta(max_length=40)] = ""
    totals: dict[str, Count] = {}
    images: tuple[ShownImage, ...] = ()
    shown_as: Annotated[str, Meta(max_length=LONGEST_URL)] = ""
    preheader: Name = ""
    from_name: Name = ""
    from_email: Name = ""
