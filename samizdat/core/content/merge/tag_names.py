"""Which merge tags there are: ours, Mailchimp's, and those that work at Mailchimp only."""

import re

# Filled for each subscriber when their message is made out.
PERSONAL = frozenset({"EMAIL", "UNSUB_URL", "ARCHIVE_URL", "PREFERENCES_URL", "STAY_URL"})

# Mailchimp's word -> ours. Lower case: known when the letter is compiled. Upper case: a slot.
MAILCHIMP: dict[str, str] = {
    "UNSUB": "UNSUB_URL",
    "UPDATE_PROFILE": "PREFERENCES_URL",
    "ARCHIVE": "ARCHIVE_URL",
    "MC:SUBJECT": "subject",
    "SUBJECT": "subject",
    "MC_PREVIEW_TEXT": "preheader",
    "MC:DATE": "date",
    "DATE": "date",
    "CURRENT_YEAR": "year",
    "MC_LANGUAGE": "language",
    "MC_LANGUAGE_LABEL": "language_label",
    "LIST:NAME": "list",
    "LISTNAME": "list",
    "LIST:COMPANY": "organization",
    "LISTCOMPANY": "organization",
    "USER:COMPANY": "organization",
    "LIST:DESCRIPTION": "description",
    "LIST_DESCRIPTION": "description",
    "LIST:ADDRESS": "postal_address",
    "LIST_ADDRESS": "postal_address",
    "LIST:ADDRESSLINE": "postal_line",
    "LIST_ADDRESSLINE": "postal_line",
    "HTML:LIST_ADDRESS_HTML": "postal_address",
    "HTML:LIST_ADDRESS": "postal_address",
    "HTML:LIST:ADDRESS_HTML": "postal_address",
    "LIST:PHONE": "phone",
    "LIST:URL": "website",
    "LIST_URL": "website",
    "LIST:SUBSCRIBE": "signup",
    "LIST_SUBSCRIBE": "signup",
    "LIST:EMAIL": "sender",
    "LIST_EMAIL": "sender",
    "ABUSE_EMAIL": "sender",
}
OURS: dict[str, str] = {
    "email": "EMAIL",
    "unsubscribe": "UNSUB_URL",
    "preferences": "PREFERENCES_URL",
    "archive": "ARCHIVE_URL",
    "stay": "STAY_URL",  # The page on which they say that they want to go on getting this list.
    "content": "content",
    **{name: name for name in ("subject", "preheader", "date", "year", "language", "list", "organization")},
    "language_label": "language_label",
    **{
        name: name
        for name in (
            "description",
            "postal_address",
            "postal_line",
            "phone",
            "website",
            "signup",
            "sender",
            "direction",
            # the look of the organization (core/content/theme.py)
            "color_text",
            "color_paper",
            "color_ground",
            "color_link",
            "color_link_dark",
            "color_button",
            "color_on_button",
            "font_text",
            "font_heading",
            "logo",
            "logo_width",
            "logo_alt",
            "footer",
            # words in the language of the letter (core/content/phrases)
            "word_unsubscribe",
            "word_preferences",
            "word_archive",
            "word_signup",
        )
    },
}
KNOWN = frozenset({*MAILCHIMP.values(), *OURS.values()} - PERSONAL)

# What only Mailchimp's own machines can do, with what to do instead. Its removal is offered as a button.
_ONLY_THERE: tuple[tuple[str, str], ...] = (
    ("tag_forward", r"FORWARD"),
    ("tag_rewards", r"(?:MC_)?REWARDS(?:_TEXT)?"),
    ("tag_about", r"ABOUT_LIST"),
    ("tag_number", r"CAMPAIGN_UID|LIST:UID"),
    ("tag_translate", r"(?:MC:)?TRANSLATE"),
    ("tag_contents", r"MC:TOC(?:_TEXT)?"),
    ("tag_recent", r"LIST:RECENT\d*"),
    ("tag_survey", r"SURVEY|POLL|END:(?:POLL|SURVEY)"),
    ("tag_shop", r"PROMO_CODE|COUPON|CART|PRODUCT\w*|END:(?:PROMO_CODE|COUPON|CART|PRODUCT\w*)"),
    ("tag_card", r"LIST[:_]ADDRESS_VCARD(?:_HREF)?"),
    ("tag_count", r"LIST:SUBSCRIBERS"),
    ("tag_social", r"TWITTER|FACEBOOK|INSTAGRAM|LINKEDIN|PINTEREST|YOUTUBE|SHARE"),
    ("tag_feed", r"RSS\w*|FEED\w*|END:(?:RSS|FEED)\w*"),
    ("tag_raw", r"END(?::(?!IF$|INTERESTED$).*)?:?"),
)
_GONE = [(code, re.compile(rf"(?:HTML:)?(?:{words})(?:[:\s].*)?$")) for code, words in _ONLY_THERE]
NUMBERED = frozenset({"UNIQID", "EMAIL_UID", "MC_UID"})
BY_PLACE = re.compile(r"M?MERGE\d{1,3}$")


def gone(inner: str) -> str:
    """The code of what is only there inside Mailchimp; "" for a tag that may be known here."""
    return next((code for code, tag in _GONE if tag.match(inner)), "")


# Names that conditions may ask for besides fields, and that the compiler answers.
FLAGS = {"ARCHIVE_PAGE": "archive_page", "REWARDS": "rewards", "LIST": "list"}
