"""Our merge language and Mailchimp's, read into one tree.

    {{ FNAME }}  {{ FNAME | default: "friend" }}  {% if CITY == "Riga" %} .. {% elif .. %} .. {% else %} .. {% endif %}
    *|FNAME|*    *|URL:EMAIL|*                    *|IF:CITY=Riga|* .. *|ELSEIF:..|* .. *|ELSE:|* .. *|END:IF|*

`parse` gives nodes with line numbers, and flaws. Nothing that looks like a tag is ever left in a text node:
a tag that we do not know would otherwise be sent as it stands. Mailchimp's language is described in its own help
pages; which of its tags mean what here stands in three tables below.
"""

import difflib
import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["stop", "care", "note"]

# One English sentence for each code that a flaw can have, here and in the modules behind. The doors translate the
# template and fill in `values`.
SENTENCES: dict[str, str] = {
    "tag_unknown": "There is no merge tag or field called %(tag)s. Correct the name, or add the field to the list.",
    "tag_gone": "%(tag)s works only inside Mailchimp. Remove it.",
    "tag_forward": "%(tag)s leads to Mailchimp's page for forwarding. Remove it, or write: forward this letter to whom "
    "you like.",
    "tag_rewards": "%(tag)s is an advertisement for Mailchimp. Remove it.",
    "tag_about": "%(tag)s leads to Mailchimp's page about the list. Remove it, or link {{ website }} or {{ signup }}.",
    "tag_number": "%(tag)s is a number of Mailchimp's, and readers have no use for it. Remove it.",
    "tag_translate": "%(tag)s sends the letter to a translation service that then knows who reads it. Remove it, or "
    "write the letter in each language.",
    "tag_contents": "%(tag)s makes a table of contents inside Mailchimp. Write the contents as a list.",
    "tag_recent": "%(tag)s lists earlier letters inside Mailchimp. Link them by hand, or your archive.",
    "tag_survey": "%(tag)s asks by a page of Mailchimp's. Put in a question of ours, or ask for an answer by mail.",
    "tag_shop": "%(tag)s needs Mailchimp's shop. Write the code or the goods into the letter.",
    "tag_card": "%(tag)s is Mailchimp's business card. Write {{ postal_address }} for the postal address.",
    "tag_count": "%(tag)s counts the list in each letter, and whoever gets one learns how many you are. Remove it.",
    "tag_social": "%(tag)s needs a social network connected to Mailchimp. Link your page there by its address.",
    "tag_feed": "%(tag)s fills in a feed inside Mailchimp. Paste what the letter should say.",
    "tag_raw": "%(tag)s has an end of its own that does not exist here. Remove it.",
    "tag_place": "%(tag)s is the place of a field in Mailchimp, and here every field has a name. "
    "Write its tag instead: %(known)s.",
    "tag_near": "There is no merge tag or field called %(tag)s. Probably %(near)s was meant.",
    "group_unknown": "Nobody here is in a group of “%(group)s”. Groups come in as tags like “%(group)s: Name”; look at "
    "the spelling.",
    "tag_personal": "%(tag)s would give each reader a number of her own in the letter. Remove it.",
    "tag_endless": "The tag that begins with %(tag)s never ends. Close it with %(end)s.",
    "tag_stray_end": "%(tag)s closes a tag that was never opened. Remove it, or open the tag before it.",
    "tag_unread": "The tag %(tag)s cannot be read. Write it like {{ FNAME }} or *|FNAME|*.",
    "filter_unknown": "The tag %(tag)s asks for %(filter)s, which does not exist. Use default:, date: or url.",
    "if_endless": "The condition %(tag)s never ends. Add %(end)s where it should stop.",
    "if_unread": "The condition %(tag)s cannot be read. Compare one field with one value, "
    'like {% if CITY == "Riga" %}; there is no and, no or.',
    "if_deep": "Conditions are nested more than %(limit)s deep. Take some of them apart.",
    "else_alone": "%(tag)s stands outside of any condition. Remove it, or put the condition before it.",
    "else_late": "%(tag)s comes after the else of its condition. Put the else last.",
    "comment_endless": "The comment that begins here never ends. Close it with -->.",
    "tag_many": "There are more than %(limit)s merge tags. Shorten the letter.",
    "tagged_unknown": "No subscriber here has a tag called “%(group)s”. Look at the spelling.",
    # the letter
    "body_empty": "There is no text yet. Write the letter.",
    "body_long": "There are %(size)s characters here; %(limit)s is the most. Move a part to a web page.",
    "body_deep": "The HTML is nested more than %(limit)s deep. Paste it again without the surrounding tables.",
    "html_big": "The HTML is %(size)s KB; Gmail cuts a letter off above 102 KB. Shorten it.",
    "style_big": "The styles for phones and dark mode are %(size)s characters; "
    "Gmail drops them above 8,192. Shorten them.",
    "css_broken": "The styles could not be read, so they are left as they are. Look for a missing bracket.",
    "mjml_broken": "The template is not correct MJML: %(reason)s. Correct it, or take the standard template.",
    "mjml_include": "A template cannot take in other files. Copy the part that mj-include names into the template.",
    "template_no_content": "The template has no place for the letter. Put {{ content }} where it should stand.",
    "image_no_alt": "A picture has no description. Say what it shows, for readers who do not see it.",
    "image_inline": "A picture is pasted into the text itself; mail programs do not show those. Upload it instead.",
    "image_per_reader": "The address of a picture holds %(tag)s, so each reader would fetch her own. Remove the tag.",
    "image_counter": "A picture of one pixel counts readers. It is taken out: we do not record who opens.",
    "picture_none": "This block has no picture yet. Choose one, or remove the block.",
    "picture_gone": "The picture %(name)s is not in the library. Choose another one.",
    "button_empty": "A button has no words or leads nowhere. Give it both, or remove it.",
    "question_empty": "The question has no words, or fewer than two answers. Write them, or remove the block.",
    "question_second": "This is a second question, and a letter asks one. Keep the other for the next letter.",
    "question_tag": "The question and its answers are the same for all readers. Take the merge tag out.",
    "html_taken_out": "%(what)s cannot be in a letter and is taken out.",
    "pictures_heavy": "The pictures inside the letter weigh %(size)s kB, and %(limit)s is the most. Make them smaller.",
    "image_http": "The picture %(url)s is fetched without encryption. Use https.",
    "image_foreign": "A picture comes from %(host)s, and that host sees who reads. Upload it here instead.",
    "image_nowhere": "The picture %(url)s cannot be fetched by mail programs. Upload it, or write its whole address.",
    "link_http": "The link %(url)s is not encrypted. Use https if the page has it.",
    "link_empty": "A link leads nowhere. Give it an address, or make it plain text.",
    "link_relative": "The link %(url)s has no site in it and leads nowhere in a letter. Write it out with https://.",
    "link_scheme": "The link %(url)s cannot be used in a letter. Use https, mailto or tel.",
    "tag_in_style": "%(tag)s stands inside of style rules, where no value can go. Move it into the text.",
    "if_broken": "The condition on this line cuts through an HTML tag. Put whole elements between its parts.",
    "names_reader": "%(tag)s puts something about the reader into the letter. "
    "Look whether it must be there: whoever finds or gets the letter forwarded reads it, too.",
    "tag_nothing": "%(tag)s is empty here, because nobody has set it. Set it under Settings, or write it out.",
    "no_unsubscribe": "The letter has no link to unsubscribe. Put {{ unsubscribe }} into it.",
    # a letter of blocks (core/document)
    "doc_no_json": "The letter cannot be read: it is no JSON from character %(number)s on. "
    "Reload the page, or correct the file.",
    "doc_no_doc": 'The letter is no document of blocks: it must begin with {"type":"doc". Choose another file.',
    "doc_version": "The letter is of version %(version)s, which this house does not know. Bring Samizdat up to date.",
    "doc_big": "The letter has %(size)s bytes; %(limit)s is the most. Move a part to a web page.",
    "doc_blocks": "Block %(block)s is one too many: a letter has %(limit)s at most. Move a part to a web page.",
    "doc_deep": "Block %(block)s lies more than %(limit)s deep in others. Take it out of some of them.",
    "doc_no_block": "Block %(block)s is none. Remove it, or give it a type.",
    "doc_type": "Block %(block)s: there is no block called %(type)s. Remove it, or use another one.",
    "doc_attr": "Block %(block)s: %(type)s has no setting called %(attr)s. Remove it.",
    "doc_value": "Block %(block)s: the setting %(attr)s of %(type)s cannot be %(value)s. Correct it.",
    "doc_mark": "Block %(block)s: text cannot be marked as %(mark)s. Use bold, italic or link.",
    "doc_place": "Block %(block)s: %(type)s cannot stand inside of %(parent)s. Move it out.",
    "doc_last": "Block %(block)s: the footer stands once, as the last block. Move it to the end.",
    "doc_item": "Block %(block)s: an item of a list holds one paragraph, and after it one list at most.",
    "doc_count": "Block %(block)s: %(type)s cannot hold %(count)s of what it is made of. Add some, or remove it.",
    "doc_script": "Block %(block)s: the address %(url)s could run a program. Use https, mailto or tel.",
    # checks of the compiled letter (core/checks, campaigns/checks)
    "subject_trial": "“%(word)s” stands here, as in a trial. Take it out before the letter goes to everybody.",
    "left_over": "“%(word)s” looks like something left over from a template. Write what should stand there.",
    "date_weekday": "“%(date)s” cannot be: %(whole)s is a %(day)s. Readers who trust the weekday come on another day.",
    "date_none": "There is no such day: “%(date)s”. Look into the calendar.",
    "date_year": "“%(date)s” is long past, and the same day comes soon. Probably %(year)s was meant.",
    "date_far": "“%(date)s” is many years ahead. It is %(year)s now; look whether the year is right.",
    "year_old": "“%(written)s” was right once; it is %(year)s. Write {{ year }}, and it is right every year.",
    "link_counter": "The link to %(host)s goes through a click counter of %(whose)s, which learns who reads this, "
    "when and from where. Link the page itself.",
    "link_short": "The link to %(host)s only leads on to another page: whoever runs it sees your readers, and spam "
    "filters distrust it. Link the page itself.",
    "link_person": "The link to %(host)s carries %(names)s, a mark of %(whose)s that belongs to one person: whoever "
    "copied it, or each reader. Cut it off.",
    "link_letter": "The link to %(host)s carries %(names)s, which tell that site from which letter a reader comes. "
    "Cut them off, unless you want that.",
    "link_blocked": "%(host)s does not open where some of your readers live. Say the main thing in the letter "
    "itself, or add a link that opens.",
    "uncounted_reader": "The link %(url)s holds a value of the reader, so it stays direct and is not counted.",
    "uncounted_words": "The link %(url)s shows its own address, so it stays direct and is not counted: filters take a "
    "shown address that leads elsewhere for a fraud. Give it words of its own, and it is counted.",
    "uncounted_odd": "The link %(url)s is none that a redirect should lead to, so it stays direct and is not counted.",
    "link_dead": "The link %(url)s does not work: %(why)s. Correct it, or take it out.",
    "link_moved": "The link %(url)s leads on to %(to)s. Link that page, if it is the one you mean.",
    "link_inside": "The link %(url)s leads into a private network, where readers cannot follow. Link a public page.",
    "image_dead": "The picture %(url)s cannot be fetched: %(why)s. Upload it here instead.",
    "image_heavy": "The picture %(url)s has %(size)s KB, which is slow on a phone and costs readers money. Make it "
    "smaller.",
    "images_heavy": "The pictures have %(size)s KB together, which is slow on a phone. Leave some out, or make them "
    "smaller.",
    "donation_unwarned": "The letter asks for money and does not warn whom a gift can harm. Your organisation is at "
    "risk: write the warning beside it, such as not to give from a bank card there. Nothing goes out without it.",
    "donation_no_word": "The letter asks for money and says nothing of the risk that a gift can be for the giver. If "
    "it can be one where your readers live, warn them.",
    "contrast_low": "“%(text)s” is hard to read: %(ink)s on %(ground)s is %(ratio)s to 1, and 4.5 is the least. Make "
    "one darker or the other lighter.",
    "spelling": "“%(word)s” is in no dictionary. Perhaps: %(near)s.",
    "spelling_alone": "“%(word)s” is in no dictionary. Look at the spelling.",
    "no_signature": "Nobody signs for %(domain)s, so large mailboxes take the letter for forged or for spam. An "
    "admin adds the domain under Sending domains.",
    "second_today": "Another letter goes to this list today: “%(subject)s”. Two on one day make people leave.",
    "same_words": "The text is still the one of this version: %(language)s. Translate it, or remove this language.",
    "reach_large": "It goes to %(now)s; the letters before went to %(before)s at the most. Look whether list, tag "
    "and segment are the ones you mean.",
    "empty_values": "%(count)s of %(of)s have no %(field)s; they will read “%(default)s”.",
    "empty_nothing": "%(count)s of %(of)s have no %(field)s, and nothing will stand there for them. Write a default: "
    "%(hint)s.",
    # the headers
    "subject_empty": "The letter has no subject. Write one.",
    "subject_long": "The subject has %(size)s characters; %(limit)s is the most. Shorten it: phones show about 40.",
    "subject_lines": "The subject has a line break or control character in it. Write it on one line.",
    "name_lines": "The sender's name has a line break or control character in it. Write it on one line.",
    "name_long": "The sender's name has %(size)s characters; %(limit)s is the most. Shorten it.",
    "from_bad": "%(address)s is no address that a letter can come from. Write it like news@example.org.",
    "reply_bad": "%(address)s is no address that answers can go to. Write it like news@example.org.",
    "list_id_bad": "%(value)s is no list identity. Write it like a host name: thursday.lists.example.org.",
    "feedback_bad": "%(value)s is no Feedback-ID. Write up to four words with colons between them.",
}
# Sentences that show a tag of ours hold a literal percent sign, so formatting goes through this, not through %.
_HOLE = re.compile(r"%\((\w+)\)s")


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values into the `%(name)s` holes of a sentence; every other percent sign stays as it is."""
    return _HOLE.sub(lambda hole: values.get(hole[1], ""), template)


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something wrong in a letter, with the line it stands on (1 = first) and what to do.

    `severity` "stop" keeps the letter from going out, "care" is worth a look, "note" is good to know. `fix` "remove"
    means that `without(source, flaw)` gives the corrected source; `start` and `end` are what it would cut.
    `place` is where the line is counted: body, template, subject, preheader, to, from, reply_to, letter.
    """

    line: int
    code: str
    values: Mapping[str, str] = field(default_factory=dict)
    fix: str | None = None
    severity: Severity = "stop"
    place: str = "body"
    start: int = 0
    end: int = 0

    @property
    def template(self) -> str:
        return SENTENCES[self.code]

    @property
    def sentence(self) -> str:
        return fill(SENTENCES[self.code], self.values)


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    line: int = 1


@dataclass(frozen=True, slots=True)
class Tag:
    """A value to be put in. `name` is canonical: a field "FNAME", a built-in "UNSUB_URL" or a known value "list"."""

    name: str
    default: str | None = None
    url: bool = False  # percent-encode, as *|URL:EMAIL|* asks
    argument: str = ""  # PHP letters: of DATE:, or of a field that is a day
    line: int = 1
    start: int = 0
    end: int = 0
    written: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """`name` compared with `value`. Operators: has, lacks, =, !=, <, >, <=, >=, any and none (of a comma list)."""

    name: str
    operator: str
    value: str = ""

    def holds(self, value: str) -> bool:
        """Whether the condition is true for one subscriber's value (empty when she has none)."""
        return OPERATORS[self.operator](value.strip(), self.value)


@dataclass(frozen=True, slots=True)
class Branch:
    condition: Condition | None  # None: else
    nodes: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class If:
    branches: tuple[Branch, ...]
    line: int = 1


type Node = Text | Tag | If


@dataclass(frozen=True, slots=True)
class Tree:
    nodes: tuple[Node, ...]
    flaws: tuple[Flaw, ...]


def _ordered(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    """Mailchimp orders number fields only; what is no number is never before or after anything."""

    def test(left: str, right: str) -> bool:
        try:
            return compare(float(left.replace(",", ".")), float(right.replace(",", ".")))
        except ValueError:
            return False

    return test


def _any(value: str, wanted: str) -> bool:
    """Upper and lower case alike, as tags are."""
    return bool(split_groups(value.casefold()) & split_groups(wanted.casefold()))


def split_groups(text: str) -> set[str]:
    r"""Names of a comma list; a comma inside a name is written `\,` (Mailchimp's way)."""
    return {part.replace("\\,", ",").strip() for part in re.split(r"(?<!\\),", text) if part.strip()}


OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "has": lambda value, _: value != "",
    "lacks": lambda value, _: value == "",
    "=": lambda value, wanted: value == wanted,
    "!=": lambda value, wanted: value != wanted,
    "<": _ordered(lambda a, b: a < b),
    ">": _ordered(lambda a, b: a > b),
    "<=": _ordered(lambda a, b: a <= b),
    ">=": _ordered(lambda a, b: a >= b),
    "any": _any,
    "none": lambda value, wanted: not _any(value, wanted),
}

# A reader's groups, as conditions ask for them: INTERESTED:Category; with no category all her tags.
GROUPS = "INTERESTED:"
# Among the fields that are known: a tag by its name, in small letters.
TAGGED = "TAGGED:"


def escaped_group(name: str) -> str:
    """A name as it stands in a comma list."""
    return name.replace(",", "\\,")


# Filled for each subscriber when her message is made out.
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
    "LIST:COMPANY": "organisation",
    "LISTCOMPANY": "organisation",
    "USER:COMPANY": "organisation",
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
    "stay": "STAY_URL",  # The page on which she says that she wants to go on getting this list.
    "content": "content",
    **{name: name for name in ("subject", "preheader", "date", "year", "language", "list", "organisation")},
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
            # the look of the organisation (core/look.py)
            "colour_text",
            "colour_paper",
            "colour_ground",
            "colour_link",
            "colour_link_dark",
            "colour_button",
            "colour_on_button",
            "font_text",
            "font_heading",
            "logo",
            "logo_width",
            "logo_alt",
            "footer",
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
_BY_PLACE = re.compile(r"M?MERGE\d{1,3}$")


def gone(inner: str) -> str:
    """The code of what is only there inside Mailchimp; "" for a tag that may be known here."""
    return next((code for code, tag in _GONE if tag.match(inner)), "")


# Names that conditions may ask for besides fields, and that the compiler answers.
FLAGS = {"ARCHIVE_PAGE": "archive_page", "REWARDS": "rewards", "LIST": "list"}

MAX_TAGS = 2_000  # a letter has some thirty; the chain behind is quick, the page of flaws would not be
MAX_DEPTH = 20

_TOKEN = re.compile(
    # a condition in a comment takes the comment with it; any other comment is skipped whole, tags and all
    r"(?P<wrapped><!--[ \t]*\*\|(?P<comment>(?:(?!\*\||-->)[^\n])*?)\|\*[ \t]*-->)"
    r"|(?P<hidden><!--(?!\s*\[if|\s*<!\[|>))"
    r"|\*\|(?P<mailchimp>(?:(?!\*\|)[^\n])*?)\|\*"
    r"|\{\{(?P<value>(?:(?!\{\{)[^\n])*?)\}\}"
    r"|\{%(?P<block>(?:(?!\{%)[^\n])*?)%\}"
    r"|(?P<open>\*\||\{\{|\{%)|(?P<close>\|\*|%\})",
    re.DOTALL,
)
_CLOSER = {"*|": "|*", "{{": "}}", "{%": "%}"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}$")
_MAILCHIMP_CONDITION = re.compile(r"([A-Za-z][\w:]*)\s*(?:(!=|<=|>=|=|<|>)\s*(.*))?$", re.DOTALL)
_OUR_CONDITION = re.compile(
    r"(not\s+)?([A-Za-z]\w*)\s*(?:(==|!=|<=|>=|=|<|>)\s*(\"[^\"]*\"|'[^']*'|[-+]?\d+(?:[.,]\d+)?))?$"
)
_OUR_GROUP = re.compile(r"(not\s+)?tagged\s+(\"[^\"]+\"|'[^']+')$")
_FILTER = re.compile(r"(default|date)\s*(?::\s*|\(\s*)(\"[^\"]*\"|'[^']*')\s*\)?$|(url)$")
_DATE_OF_OURS = re.compile(r"date\s*:\s*(\"[^\"]*\"|'[^']*')$")


def parse(source: str, fields: Iterable[str] = (), *, comments: bool = True, place: str = "body") -> Tree:
    """Read a source into nodes and flaws.

    `fields` are the merge fields of the organisation in upper case; every other name that is not built in is a
    flaw. `comments` says whether `<!-- -->` is a comment here (HTML) or ordinary text (Markdown, a subject).
    """
    return _Reader(source, frozenset(fields), comments, place).read()


def written(source: str) -> Iterator[tuple[str, int, int]]:
    """Every tag as it stands in a page, without the comment around it; and where it begins and ends."""
    for found in _TOKEN.finditer(source):
        if found.lastgroup in ("wrapped", "comment", "mailchimp", "value", "block"):
            yield re.sub(r"^<!--\s*|\s*-->$", "", found[0]), found.start(), found.end()


def without(source: str, flaw: Flaw) -> str:
    """The source with the flaw's tag cut out: what the button "remove" does. A link around it goes along."""
    if flaw.fix != "remove" or not 0 <= flaw.start < flaw.end <= len(source):
        raise ValueError("This flaw cannot be removed by itself. Change the line by hand.")
    return source[: flaw.start] + source[flaw.end :]


def walk(nodes: Iterable[Node]) -> Iterator[Tag | Condition]:
    """Every tag and condition of a tree, in order."""
    for node in nodes:
        if isinstance(node, Tag):
            yield node
        elif isinstance(node, If):
            for branch in node.branches:
                if branch.condition is not None:
                    yield branch.condition
                yield from walk(branch.nodes)


def resolve(nodes: Iterable[Node], known: Mapping[str, str]) -> tuple[Node, ...]:
    """The tree with every condition settled that asks for a known value (archive_page, rewards, list …)."""
    settled: list[Node] = []
    for node in nodes:
        if isinstance(node, If):
            settled.extend(_settle(node, known))
        else:
            settled.append(node)
    return tuple(settled)


def _settle(choice: If, known: Mapping[str, str]) -> tuple[Node, ...]:
    open_branches: list[Branch] = []
    for branch in choice.branches:
        condition = branch.condition
        inner = resolve(branch.nodes, known)
        if condition is not None and condition.name not in known:
            open_branches.append(Branch(condition, inner))
            continue
        if condition is not None and not condition.holds(known[condition.name]):
            continue
        # A branch that is surely taken ends the choice; what comes after it can never be read.
        if not open_branches:
            return inner
        open_branches.append(Branch(None, inner))
        break
    return (If(tuple(open_branches), choice.line),) if open_branches else ()


@dataclass(slots=True)
class _Open:
    """A condition being read: finished branches, and the nodes of the one that is open."""

    written: str
    line: int
    closer: str
    condition: Condition | None
    nodes: list[Node] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)

    def turn(self, condition: Condition | None) -> None:
        self.branches.append(Branch(self.condition, tuple(self.nodes)))
        self.condition, self.nodes = condition, []

    def close(self) -> If:
        self.turn(None)
        return If(tuple(self.branches), self.line)


class _Reader:
    def __init__(self, source: str, fields: frozenset[str], comments: bool, place: str) -> None:
        self.source, self.fields, self.comments, self.place = source, fields, comments, place
        self.nodes: list[Node] = []
        self.stack: list[_Open] = []
        self.flaws: list[Flaw] = []
        self.line = 1
        self.at = 0

    def read(self) -> Tree:
        tags = 0
        position = 0
        while match := _TOKEN.search(self.source, position):
            kind = match.lastgroup or ""
            if kind in ("wrapped", "hidden", "comment") and not self.comments:
                # Here `<!--` is text: step over it and look at the tag inside on its own.
                self._text(match.start() + 4)
                position = match.start() + 4
                continue
            self._text(match.start())
            position = self._take(match)
            self._count(position)
            tags += 1
            if tags > MAX_TAGS:
                self._flaw("tag_many", limit=str(MAX_TAGS))
                break
        self._text(len(self.source))
        for left in self.stack:
            self.flaws.append(
                Flaw(left.line, "if_endless", {"tag": left.written, "end": left.closer}, place=self.place)
            )
        while self.stack:
            self._close()
        return Tree(tuple(self.nodes), tuple(self.flaws))

    def _text(self, end: int) -> None:
        if end > self.at:
            self._add(Text(self.source[self.at : end], self.line))
            self._count(end)

    def _count(self, end: int) -> None:
        self.line += self.source.count("\n", self.at, end)
        self.at = end

    def _add(self, node: Node) -> None:
        (self.stack[-1].nodes if self.stack else self.nodes).append(node)

    def _flaw(self, code: str, match: re.Match[str] | None = None, *, fix: str | None = None, **values: str) -> None:
        start, end = match.span() if match else (0, 0)
        if match:
            values.setdefault("tag", _short(match[0]))
        if fix == "remove":
            start, end = _link_around(self.source, start, end)
        self.flaws.append(Flaw(self.line, code, values, fix, "stop", self.place, start, end))

    def _take(self, match: re.Match[str]) -> int:
        """Take up one token; where reading goes on."""
        if match.lastgroup == "hidden":
            return self._comment(match)
        self._tag_or_block(match)
        return match.end()

    def _comment(self, match: re.Match[str]) -> int:
        end = self.source.find("-->", match.end())
        if end < 0:
            self._flaw("comment_endless", match)
            return match.end()
        # Comments are not sent, so what stands in them is nobody's business. Lines keep their numbers.
        self._add(Text("\n" * self.source.count("\n", match.start(), end), self.line))
        return end + 3

    def _tag_or_block(self, match: re.Match[str]) -> None:
        match match.lastgroup:
            case "open":
                self._flaw("tag_endless", match, tag=_short(self._rest(match.start())), end=_CLOSER[match[0]])
            case "close":
                # Lone closers are ordinary in text and CSS ("50%}"), so only Mailchimp's is worth a word.
                if match[0] == "|*":
                    self._flaw("tag_stray_end", match, fix="remove")
                else:
                    self._add(Text(match[0], self.line))
            case "value":
                self._value(match, html.unescape(match["value"]).strip())
            case "block":
                self._block(match, html.unescape(match["block"]).strip())
            case _:
                inner = match["comment"] if match["wrapped"] else match["mailchimp"]
                self._mailchimp(match, html.unescape(inner).strip())

    def _rest(self, start: int) -> str:
        return self.source[start : start + 60].split("\n", 1)[0]

    # --- values ---

    def _value(self, match: re.Match[str], inner: str) -> None:
        name, *filters = _split_filters(inner)
        if dated := _DATE_OF_OURS.match(name):
            self._tag(match, "date", argument=dated[1][1:-1])
            return
        if not _NAME.match(name):
            self._flaw("tag_unread", match)
            return
        default: str | None = None
        argument = ""
        url = False
        for words in filters:
            found = _FILTER.match(words)
            if not found:
                self._flaw("filter_unknown", match, filter=_short(words))
                return
            if found[1] == "default":
                default = found[2][1:-1]
            elif found[1]:
                argument = found[2][1:-1]
            else:
                url = True
        canonical = OURS.get(name) or self._field(name)
        if canonical is None:
            self._unknown(match, name, "{{ %s }}")
        else:
            self._tag(match, canonical, default, url, argument)

    def _unknown(self, match: re.Match[str], name: str, shape: str) -> None:
        """A name that nobody knows: with the one that was probably meant, where one is near."""
        known = sorted(name for name in self.fields if ":" not in name)
        values = {"tag": _short(name if shape == "{{ %s }}" else match[0])}
        if _BY_PLACE.match(name):
            self._flaw("tag_place", match, fix="remove", known=", ".join(known[:12]) or "EMAIL", **values)
            return
        words = [*known, "EMAIL", *(MAILCHIMP if shape != "{{ %s }}" else OURS)]
        near = difflib.get_close_matches(name.upper() if shape != "{{ %s }}" else name, words, 1, 0.75)
        near = near or difflib.get_close_matches(name.upper(), known, 1, 0.75)
        if near:
            self._flaw("tag_near", match, fix="remove", near=shape % near[0], **values)
        else:
            self._flaw("tag_unknown", match, fix="remove", **values)

    def _field(self, name: str) -> str | None:
        upper = name.upper()
        return upper if upper in self.fields or upper == "EMAIL" else None

    def _tag(
        self, match: re.Match[str], name: str, default: str | None = None, url: bool = False, argument: str = ""
    ) -> None:
        self._add(Tag(name, default, url, argument, self.line, match.start(), match.end(), match[0]))

    # --- Mailchimp ---

    def _mailchimp(self, match: re.Match[str], inner: str) -> None:
        word, _, rest = inner.partition(":")
        if word in ("IF", "IFNOT", "ELSEIF", "ELSE", "INTERESTED") or inner in ("END:IF", "END:INTERESTED"):
            self._mailchimp_condition(match, word, rest)
        elif inner in MAILCHIMP:
            self._tag(match, MAILCHIMP[inner])
        elif word == "DATE":
            self._tag(match, "date", argument=rest)
        elif code := gone(inner):
            self._flaw(code, match, fix="remove")
        elif inner in NUMBERED:
            self._flaw("tag_personal", match, fix="remove")
        else:
            url = word == "URL"
            # *|HTML:TAG|* asks for raw HTML from a subscriber's field; that door stays shut, her text is escaped.
            asked = rest if word in ("URL", "HTML") and rest else inner
            name = MAILCHIMP.get(asked) or self._field(asked)
            if name is None:
                self._unknown(match, asked, "*|%s|*")
            else:
                self._tag(match, name, url=url)

    def _mailchimp_condition(self, match: re.Match[str], word: str, rest: str) -> None:
        if word == "END":
            self._end(match)
        elif word == "ELSE":
            self._turn(match, None)
        else:
            condition = self._mailchimp_test(word, rest)
            if isinstance(condition, str):
                values = {"group": _short(rest.partition(":")[0])} if condition == "group_unknown" else {}
                self._unreadable(match, condition, word != "ELSEIF", _mailchimp_end(word), **values)
            elif word == "ELSEIF":
                self._turn(match, condition)
            else:
                self._open(match, condition, _mailchimp_end(word))

    def _mailchimp_test(self, word: str, rest: str) -> Condition | str:
        """A condition, or the code of what is wrong with it."""
        if word == "INTERESTED":
            category, _, groups = rest.partition(":")
            name = f"{GROUPS}{category.strip()}"
            if not groups.strip():
                return "if_unread"
            return Condition(name, "any", groups) if name in self.fields else "group_unknown"
        found = _MAILCHIMP_CONDITION.match(rest.strip())
        if not found or (word == "IFNOT" and found[2]):
            return "if_unread"
        return self._condition(found[1], found[2] or "", (found[3] or "").strip(), word == "IFNOT")

    def _condition(self, name: str, operator: str, value: str, negated: bool) -> Condition | str:
        canonical = FLAGS.get(name) or MAILCHIMP.get(name) or OURS.get(name) or self._field(name)
        if canonical is None:
            return "tag_unknown"
        if negated and operator:
            return "if_unread"
        return Condition(canonical, operator or ("lacks" if negated else "has"), value)

    # --- conditions ---

    def _block(self, match: re.Match[str], inner: str) -> None:
        word, _, rest = inner.partition(" ")
        if word in ("endif", "end"):
            self._end(match)
        elif word == "else" and not rest.strip():
            self._turn(match, None)
        elif word in ("if", "elif", "elsif", "elseif"):
            found = _OUR_CONDITION.match(rest.strip())
            condition: Condition | str = "if_unread"
            if tagged := _OUR_GROUP.match(rest.strip()):
                condition = self._tagged(tagged[2][1:-1], bool(tagged[1]))
            elif found:
                value = found[4] or ""
                condition = self._condition(
                    found[2], (found[3] or "").replace("==", "="), value.strip("\"'"), bool(found[1])
                )
            if isinstance(condition, str):
                values = {"group": _short(tagged[2][1:-1])} if tagged else {}
                self._unreadable(match, condition, word == "if", "{% endif %}", **values)
            elif word == "if":
                self._open(match, condition, "{% endif %}")
            else:
                self._turn(match, condition)
        else:
            self._flaw("tag_unread", match)

    def _tagged(self, name: str, negated: bool) -> Condition | str:
        known = f"{TAGGED}{name.casefold()}" in self.fields
        return Condition(GROUPS, "none" if negated else "any", escaped_group(name)) if known else "tagged_unknown"

    def _unreadable(self, match: re.Match[str], code: str, opens: bool, closer: str, **values: str) -> None:
        """Note the flaw, and go on as if the condition were there, so that its end is not called stray as well."""
        self._flaw(code, match, **values)
        if opens:
            self._open(match, Condition("", "has"), closer)
        elif self.stack:
            self.stack[-1].turn(Condition("", "has"))

    def _open(self, match: re.Match[str], condition: Condition, closer: str) -> None:
        if len(self.stack) == MAX_DEPTH:
            self._flaw("if_deep", match, limit=str(MAX_DEPTH))
        # Deeper ones are still kept on the stack, a flaw stops the letter; MAX_TAGS bounds the depth.
        self.stack.append(_Open(_short(match[0]), self.line, closer, condition))

    def _turn(self, match: re.Match[str], condition: Condition | None) -> None:
        if not self.stack:
            self._flaw("else_alone", match, fix="remove")
        elif self.stack[-1].condition is None:
            self._flaw("else_late", match)
        else:
            self.stack[-1].turn(condition)

    def _end(self, match: re.Match[str]) -> None:
        if self.stack:
            self._close()
        else:
            self._flaw("else_alone", match, fix="remove")

    def _close(self) -> None:
        closed = self.stack.pop().close()
        if len(self.stack) < MAX_DEPTH:
            self._add(closed)


def _mailchimp_end(word: str) -> str:
    return "*|END:INTERESTED|*" if word == "INTERESTED" else "*|END:IF|*"


def _split_filters(inner: str) -> list[str]:
    """`FNAME | default: "a|b"` -> `FNAME`, `default: "a|b"`: bars inside quotes do not count."""
    return [part.strip() for part in re.findall(r"(?:[^|\"']|\"[^\"]*\"|'[^']*'|[\"'])+", inner)] or [""]


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."


_ANCHOR_OPEN = re.compile(r"<a\b[^<>]*$", re.IGNORECASE)
_ANCHOR_CLOSE = re.compile(r"[^<>]*>(?:(?!<a\b).){0,2000}?</a\s*>", re.IGNORECASE | re.DOTALL)
_MARKDOWN_OPEN = re.compile(r"!?\[[^\[\]\n]{0,500}\]\(\s*<?$")
_MARKDOWN_CLOSE = re.compile(r">?[^()\n]{0,200}\)")


def _link_around(source: str, start: int, end: int) -> tuple[int, int]:
    """Widen the cut to the whole link when the tag is its address: a link to nowhere helps nobody."""
    before = source[max(0, start - 2_000) : start]
    offset = start - len(before)
    for opening, closing in ((_ANCHOR_OPEN, _ANCHOR_CLOSE), (_MARKDOWN_OPEN, _MARKDOWN_CLOSE)):
        if (opened := opening.search(before)) and (closed := closing.match(source, end)):
            return offset + opened.start(), closed.end()
    return start, end
