"""The table of merge tags, as the handbook prints it and the editor offers them.

What each one means to the reader of a letter is decided in core/content/merge; a test holds the two against each other.
"""

from dataclasses import dataclass

from samizdat.core.content import problems


@dataclass(frozen=True, slots=True)
class MergeTagRow:
    """One thing a letter can say. `ours` and `mailchimp`: how it is written; `mailchimp` is "" where there is none.

    group: field, reader, letter, organization, condition. `about`: a code of WORDS.
    """

    group: str
    ours: str
    mailchimp: str
    about: str


WORDS: dict[str, str] = {
    "field": "a field of the reader, by its tag",
    "default": "and what stands there for whoever has none",
    "url": "made ready to stand inside of an address",
    "day": "a field that is a day, in the language of the letter",
    "email": "the address of the reader",
    "unsubscribe": "the way out of the list",
    "preferences": "the page with the reader's settings",
    "archive": "the letter on the web, without anything of the reader's",
    "stay": "the page to say that one wants to stay on the list",
    "subject": "the subject of the letter",
    "preheader": "the line beside the subject",
    "date": "the day of the letter, in its language",
    "date_as": "the same, as its letters say",
    "year": "the year of the letter",
    "language": "the sign of the letter's language, such as en",
    "language_label": "the name of that language",
    "list": "the name of the list",
    "description": "why readers get the letter",
    "organization": "the name of the organization",
    "postal_address": "the postal address, in lines",
    "postal_line": "the postal address, on one line",
    "phone": "the telephone number",
    "website": "the address of the public pages",
    "signup": "the page to sign up",
    "sender": "the address that answers go to",
    "if": "only for readers who have a value",
    "if_else": "one or the other",
    "if_not": "only for readers who have none",
    "if_is": "by what the value is",
    "if_more": "by the order of numbers",
    "group": "for readers in one of these groups",
    "tagged": "for readers who carry a tag",
    "if_archive": "not on the web",
}

ROWS: tuple[MergeTagRow, ...] = (
    MergeTagRow("field", "{{ FNAME }}", "*|FNAME|*", "field"),
    MergeTagRow("field", '{{ FNAME | default: "friend" }}', "", "default"),
    MergeTagRow("field", "{{ EMAIL | url }}", "*|URL:EMAIL|*", "url"),
    MergeTagRow("field", '{{ BIRTHDAY | date: "j F" }}', "", "day"),
    MergeTagRow("reader", "{{ email }}", "*|EMAIL|*", "email"),
    MergeTagRow("reader", "{{ unsubscribe }}", "*|UNSUB|*", "unsubscribe"),
    MergeTagRow("reader", "{{ preferences }}", "*|UPDATE_PROFILE|*", "preferences"),
    MergeTagRow("reader", "{{ archive }}", "*|ARCHIVE|*", "archive"),
    MergeTagRow("reader", "{{ stay }}", "", "stay"),
    MergeTagRow("letter", "{{ subject }}", "*|MC:SUBJECT|*", "subject"),
    MergeTagRow("letter", "{{ preheader }}", "*|MC_PREVIEW_TEXT|*", "preheader"),
    MergeTagRow("letter", "{{ date }}", "*|MC:DATE|*", "date"),
    MergeTagRow("letter", '{{ date: "j F Y" }}', "*|DATE:j F Y|*", "date_as"),
    MergeTagRow("letter", "{{ year }}", "*|CURRENT_YEAR|*", "year"),
    MergeTagRow("letter", "{{ language }}", "*|MC_LANGUAGE|*", "language"),
    MergeTagRow("letter", "{{ language_label }}", "*|MC_LANGUAGE_LABEL|*", "language_label"),
    MergeTagRow("organization", "{{ list }}", "*|LIST:NAME|*", "list"),
    MergeTagRow("organization", "{{ description }}", "*|LIST:DESCRIPTION|*", "description"),
    MergeTagRow("organization", "{{ organization }}", "*|LIST:COMPANY|*", "organization"),
    MergeTagRow("organization", "{{ postal_address }}", "*|HTML:LIST_ADDRESS_HTML|*", "postal_address"),
    MergeTagRow("organization", "{{ postal_line }}", "*|LIST:ADDRESSLINE|*", "postal_line"),
    MergeTagRow("organization", "{{ phone }}", "*|LIST:PHONE|*", "phone"),
    MergeTagRow("organization", "{{ website }}", "*|LIST:URL|*", "website"),
    MergeTagRow("organization", "{{ signup }}", "*|LIST:SUBSCRIBE|*", "signup"),
    MergeTagRow("organization", "{{ sender }}", "*|ABUSE_EMAIL|*", "sender"),
    MergeTagRow("condition", "{% if CITY %}…{% endif %}", "*|IF:CITY|*…*|END:IF|*", "if"),
    MergeTagRow("condition", "{% if CITY %}…{% else %}…{% endif %}", "*|IF:CITY|*…*|ELSE:|*…*|END:IF|*", "if_else"),
    MergeTagRow("condition", "{% if not CITY %}…{% endif %}", "*|IFNOT:CITY|*…*|END:IF|*", "if_not"),
    MergeTagRow("condition", '{% if CITY == "Riga" %}…{% elif CITY != "Oslo" %}…{% endif %}',
        "*|IF:CITY=Riga|*…*|ELSEIF:CITY!=Oslo|*…*|END:IF|*", "if_is"),
    MergeTagRow("condition", "{% if AGE >= 18 %}…{% endif %}", "*|IF:AGE >= 18|*…*|END:IF|*", "if_more"),
    MergeTagRow("condition", '{% if tagged "Volunteer" %}…{% endif %}', "", "tagged"),
    MergeTagRow("condition", "", "*|INTERESTED:Topics:Law,Water|*…*|ELSE:|*…*|END:INTERESTED|*", "group"),
    MergeTagRow("condition", "", "*|IFNOT:ARCHIVE_PAGE|*…*|END:IF|*", "if_archive"),
)  # fmt: skip

# Of what works only inside Mailchimp: how it is written, by the code of its hint.
GONE: tuple[tuple[str, str], ...] = (
    ("tag_forward", "*|FORWARD|*"),
    ("tag_rewards", "*|REWARDS|*, *|REWARDS_TEXT|*, *|HTML:REWARDS|*"),
    ("tag_about", "*|ABOUT_LIST|*"),
    ("tag_number", "*|CAMPAIGN_UID|*, *|LIST:UID|*"),
    ("tag_personal", "*|UNIQID|*, *|EMAIL_UID|*"),
    ("tag_translate", "*|MC:TRANSLATE|*, *|TRANSLATE:xx|*"),
    ("tag_contents", "*|MC:TOC|*, *|MC:TOC_TEXT|*"),
    ("tag_recent", "*|LIST:RECENT5|*"),
    ("tag_survey", "*|SURVEY|*, *|POLL:RATING:x|*…*|END:POLL|*"),
    ("tag_shop", "*|PROMO_CODE:[…]|*"),
    ("tag_card", "*|LIST:ADDRESS_VCARD|*, *|LIST:ADDRESS_VCARD_HREF|*"),
    ("tag_count", "*|LIST:SUBSCRIBERS|*"),
    ("tag_social", "*|TWITTER:PROFILEURL|*, *|FACEBOOK:PROFILEURL|*"),
    ("tag_feed", "*|RSSITEMS:|*, *|RSSFEED:TITLE|*, *|FEEDBLOCK:url|*, *|FEED:url|*"),
)


def lines() -> list[str]:
    """What works, as a table of the handbook."""
    head = ["| ours | Mailchimp's | gives |", "|---|---|---|"]
    return head + [f"| {_code(row.ours)} | {_code(row.mailchimp)} | {WORDS[row.about]} |" for row in ROWS]


def gone_lines() -> list[str]:
    """What works only inside Mailchimp, with the hint of each."""
    rows = ["| Mailchimp's | what the check says |", "|---|---|"]
    for code, written in GONE:
        tags = ", ".join(_code(tag) for tag in written.split(", "))
        rows.append(f"| {tags} | {problems.SENTENCES[code].replace('%(tag)s ', '… ')} |")
    return rows


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|") if text else ""
