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
    "field": "a field of the subscriber, by its merge tag",
    "default": "the same, with a fallback",
    "url": "encoded for use in a link",
    "day": "a date field, in the language of the email",
    "email": "the subscriber’s address",
    "unsubscribe": "the unsubscribe link",
    "preferences": "the subscriber’s email preferences",
    "archive": "the web version, without personal data",
    "stay": "the page to confirm that they want to stay subscribed",
    "subject": "the subject",
    "preheader": "the preview text",
    "date": "the date of the email, in its language",
    "date_as": "the same, in the given format",
    "year": "the year of the email",
    "language": "the language code of the email, such as en",
    "language_label": "the name of that language",
    "list": "the name of the list",
    "description": "why subscribers get the email",
    "organization": "the name of the organization",
    "postal_address": "the postal address, in lines",
    "postal_line": "the postal address, on one line",
    "phone": "the phone number",
    "website": "the address of the public pages",
    "signup": "the sign-up page",
    "sender": "the reply-to address",
    "if": "only for subscribers who have a value",
    "if_else": "one or the other",
    "if_not": "only for subscribers who have none",
    "if_is": "depending on the value",
    "if_more": "comparing numbers",
    "group": "for subscribers in one of these groups",
    "tagged": "for subscribers with a tag",
    "if_archive": "not in the web version",
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
