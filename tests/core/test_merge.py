"""Both merge languages become one tree, and nothing that looks like a tag is left in its texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.content.merge import IfBlock, MergeCondition, MergeTag, Node, Text, parse, resolve, walk, without
from samizdat.core.content.problems import SENTENCES, ContentProblem, fill

FIELDS = ["FNAME", "LNAME", "CITY", "AGE", "INTERESTED:Topics"]


def names(source: str) -> list[str]:
    tree = parse(source, FIELDS)
    assert tree.flaws == ()
    return [item.name for item in walk(tree.nodes) if isinstance(item, MergeTag)]


def codes(source: str, **options: bool) -> list[tuple[int, str]]:
    return [(flaw.line, flaw.code) for flaw in parse(source, FIELDS, **options).flaws]


def texts(nodes: tuple[Node, ...]) -> str:
    written = ""
    for node in nodes:
        match node:
            case Text():
                written += node.text
            case IfBlock():
                written += "".join(texts(branch.nodes) for branch in node.branches)
            case MergeTag():
                pass
    return written


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("{{ FNAME }}", "FNAME"),
        ("{{fname}}", "FNAME"),
        ("*|FNAME|*", "FNAME"),
        ("*|HTML:FNAME|*", "FNAME"),
        ("*|EMAIL|*", "EMAIL"),
        ("{{ unsubscribe }}", "UNSUB_URL"),
        ("*|UNSUB|*", "UNSUB_URL"),
        ("*|UPDATE_PROFILE|*", "PREFERENCES_URL"),
        ("*|ARCHIVE|*", "ARCHIVE_URL"),
        ("*|MC:SUBJECT|*", "subject"),
        ("*|MC_PREVIEW_TEXT|*", "preheader"),
        ("*|LIST:NAME|*", "list"),
        ("*|LIST:COMPANY|*", "organization"),
        ("*|LIST:DESCRIPTION|*", "description"),
        ("*|LIST:ADDRESS|*", "postal_address"),
        ("*|HTML:LIST_ADDRESS_HTML|*", "postal_address"),
        ("*|HTML:LIST:ADDRESS_HTML|*", "postal_address"),
        ("*|LIST:PHONE|*", "phone"),
        ("*|LIST:URL|*", "website"),
        ("*|CURRENT_YEAR|*", "year"),
        ("*|DATE:F j, Y|*", "date"),
        ('{{ date: "j F Y" }}', "date"),
    ],
)
def test_both_languages_lead_to_one_name(source: str, name: str) -> None:
    assert names(source) == [name]


def test_a_default_may_hold_a_bar_and_quotes_of_the_other_kind() -> None:
    (tag,) = parse("""{{ FNAME | default: "dear | 'friend'" }}""", FIELDS).nodes
    assert isinstance(tag, MergeTag)
    assert tag.default == "dear | 'friend'"


def test_url_asks_for_percent_encoding_in_both_languages() -> None:
    for source in ("*|URL:EMAIL|*", "{{ EMAIL | url }}"):
        (tag,) = parse(source).nodes
        assert isinstance(tag, MergeTag)
        assert tag.url


def test_tags_inside_of_attributes_are_tags() -> None:
    assert names('<a href="*|UNSUB|*" title="{{ FNAME }}">x</a>') == ["UNSUB_URL", "FNAME"]


def test_tags_may_touch() -> None:
    tree = parse("*|IF:FNAME|**|FNAME|**|ELSE:|*friend*|END:IF|*", FIELDS)
    assert tree.flaws == ()
    (choice,) = tree.nodes
    assert isinstance(choice, IfBlock)
    assert [branch.condition for branch in choice.branches] == [MergeCondition("FNAME", "has"), None]


@pytest.mark.parametrize(
    ("source", "condition"),
    [
        ("*|IF:CITY=Riga|*x*|END:IF|*", MergeCondition("CITY", "=", "Riga")),
        ("*|IF:CITY != Riga|*x*|END:IF|*", MergeCondition("CITY", "!=", "Riga")),
        ("*|IF:AGE >= 18|*x*|END:IF|*", MergeCondition("AGE", ">=", "18")),
        ("*|IF:AGE &gt; 18|*x*|END:IF|*", MergeCondition("AGE", ">", "18")),
        ("*|IFNOT:CITY|*x*|END:IF|*", MergeCondition("CITY", "lacks")),
        ("*|INTERESTED:Topics:Law,Water|*x*|END:INTERESTED|*", MergeCondition("INTERESTED:Topics", "any", "Law,Water")),
        ('{% if CITY == "Riga" %}x{% endif %}', MergeCondition("CITY", "=", "Riga")),
        ("{% if not CITY %}x{% endif %}", MergeCondition("CITY", "lacks")),
        ("{% if AGE < 18 %}x{% endif %}", MergeCondition("AGE", "<", "18")),
    ],
)
def test_conditions_of_both_languages(source: str, condition: MergeCondition) -> None:
    tree = parse(source, FIELDS)
    assert tree.flaws == ()
    assert list(walk(tree.nodes)) == [condition]


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        (MergeCondition("X", "has"), " ", False),
        (MergeCondition("X", "lacks"), "", True),
        (MergeCondition("X", "=", "Riga"), "Riga ", True),
        (MergeCondition("X", "=", "Riga"), "riga", False),
        (MergeCondition("X", ">", "9"), "10", True),
        (MergeCondition("X", ">", "9"), "ten", False),
        (MergeCondition("X", "<=", "1.5"), "1,5", True),
        (MergeCondition("X", "any", "Law,Water"), "Birds, Water", True),
        (MergeCondition("X", "any", r"Food\, drink"), r"Food\, drink,Law", True),
        (MergeCondition("X", "any", "Law"), "Lawyers", False),
    ],
)
def test_a_condition_holds_or_not(condition: MergeCondition, value: str, holds: bool) -> None:
    assert condition.holds(value) is holds


def test_conditions_nest() -> None:
    tree = parse("{% if CITY %}a*|IF:AGE>1|*b*|ELSEIF:AGE=1|*c*|ELSE:|*d*|END:IF|*{% else %}e{% endif %}", FIELDS)
    assert tree.flaws == ()
    assert texts(tree.nodes) == "abcde"


def test_a_condition_in_a_comment_takes_the_comment_with_it() -> None:
    tree = parse('<!-- *|IFNOT:ARCHIVE_PAGE|* --><a href="*|ARCHIVE|*">x</a><!-- *|END:IF|* -->', FIELDS)
    assert tree.flaws == ()
    assert len(tree.nodes) == 1
    assert "<!--" not in texts(tree.nodes)


def test_other_comments_are_dropped_with_their_tags_and_lines_keep_their_numbers() -> None:
    tree = parse("<!-- *|NONSENSE|*\n\n{{ x }} -->\n*|NOBODY|*", FIELDS)
    assert [(flaw.line, flaw.values["tag"]) for flaw in tree.flaws] == [(4, "*|NOBODY|*")]


def test_comments_are_text_where_html_is_not_spoken() -> None:
    assert codes("<!-- *|NONSENSE|* -->", comments=False) == [(1, "tag_unknown")]


def test_outlook_conditions_are_kept() -> None:
    assert texts(parse("<!--[if mso]>x<![endif]-->").nodes) == "<!--[if mso]>x<![endif]-->"


@pytest.mark.parametrize(
    ("source", "flaws"),
    [
        ("one\n*|NAMEE|*", [(2, "tag_near")]),
        ("{{ quux }}", [(1, "tag_unknown")]),
        ("{{ surname }}", [(1, "tag_unknown")]),
        ("a\nb {{ FNAME", [(2, "tag_endless")]),
        ("*|FNAME is nice *|LNAME|*", [(1, "tag_endless")]),
        ("*|FNAME\n|*", [(1, "tag_endless"), (2, "tag_stray_end")]),
        ("x\n*|IF:FNAME|* y", [(2, "if_endless")]),
        ("\n\n{% if FNAME %} y", [(3, "if_endless")]),
        ("*|ELSE:|*", [(1, "else_alone")]),
        ("*|END:IF|*", [(1, "else_alone")]),
        ("{% if FNAME %}{% else %}{% elif CITY %}{% endif %}", [(1, "else_late")]),
        ("{% if FNAME and CITY %}x{% endif %}", [(1, "if_unread")]),
        ("{% if NOBODY %}x{% endif %}", [(1, "tag_unknown")]),
        ("*|UNIQID|*", [(1, "tag_personal")]),
        ("{{ FNAME | upper }}", [(1, "filter_unknown")]),
        ("{{ FNAME.__class__ }}", [(1, "tag_unread")]),
        ("{% include 'x' %}", [(1, "tag_unread")]),
        ("<!-- x", [(1, "comment_endless")]),
        ("50%} and a { brace }", []),
    ],
)
def test_what_cannot_be_read_is_a_flaw_with_its_line(source: str, flaws: list[tuple[int, str]]) -> None:
    assert codes(source) == flaws


def test_every_flaw_has_a_sentence_without_holes() -> None:
    for source in ("*|NAMEE|*", "{{ FNAME", "*|IF:FNAME|*", "{% if A and B %}{% endif %}", "*|FORWARD|*"):
        for flaw in parse(source, FIELDS).flaws:
            assert "%(" not in flaw.sentence
            assert flaw.sentence.endswith((".", "?"))


def test_a_sentence_with_a_percent_sign_of_its_own_can_be_filled() -> None:
    assert fill(SENTENCES["if_unread"], {"tag": "{% if %}"}).startswith("We can’t read the condition {% if %}.")


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ("a *|FORWARD|* b", "a  b"),
        ('a <a class="x" href="*|FORWARD|*" style="y">Send <b>on</b></a> b', "a  b"),
        ("a [Send on](*|FORWARD|*) b", "a  b"),
        ('<a href="https://x.org">one</a> *|REWARDS|*', '<a href="https://x.org">one</a> '),
        ("x *|NAMEE|* y", "x  y"),
    ],
)
def test_removing_a_tag_takes_a_link_that_leads_to_it_along(source: str, left: str) -> None:
    (flaw,) = parse(source, FIELDS).flaws
    assert without(source, flaw) == left


def test_what_cannot_be_removed_says_so() -> None:
    (flaw,) = parse("{{ FNAME", FIELDS).flaws
    with pytest.raises(ValueError, match="by hand"):
        without("{{ FNAME", flaw)


def test_known_conditions_are_settled_and_the_others_stay() -> None:
    source = "*|IFNOT:ARCHIVE_PAGE|*a*|IF:CITY|*b*|END:IF|**|ELSE:|*c*|END:IF|**|IF:REWARDS|*d*|END:IF|*"
    tree = parse(source, FIELDS)
    assert tree.flaws == ()
    mail = resolve(tree.nodes, {"archive_page": "", "rewards": ""})
    assert texts(mail) == "ab"
    assert [item.name for item in walk(mail)] == ["CITY"]
    assert texts(resolve(tree.nodes, {"archive_page": "yes", "rewards": ""})) == "c"


def test_a_branch_that_is_surely_taken_ends_the_choice() -> None:
    tree = parse("{% if CITY %}a{% elif not ARCHIVE_PAGE %}b{% else %}c{% endif %}", FIELDS)
    assert texts(resolve(tree.nodes, {"archive_page": ""})) == "ab"


def test_a_thousand_conditions_inside_of_each_other_are_a_flaw_and_no_crash() -> None:
    source = "{% if CITY %}" * 1_000 + "x" + "{% endif %}" * 1_000
    assert "if_deep" in {code for _, code in codes(source)}


def test_a_hundred_thousand_openers_are_read_quickly_enough_to_be_refused() -> None:
    for piece in ("<!--", "*|", "{{", "{% if CITY %}", '<a href="*|FORWARD|*">'):
        assert parse(piece * 100_000, FIELDS).flaws


PIECES = st.sampled_from(
    [
        "*|",
        "|*",
        "{{",
        "}}",
        "{%",
        "%}",
        "FNAME",
        "IF:",
        "ELSE:",
        "END:IF",
        "if ",
        "else",
        "endif",
        " ",
        "\n",
        "<!--",
        "-->",
        "|",
        ":",
        '"',
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=60))
def test_no_opening_of_a_tag_is_ever_left_in_a_text(source: str) -> None:
    tree = parse(source, FIELDS)
    for opener in ("*|", "{{"):
        # Two texts may meet in the middle of a removed tag; what matters is what one run of text shows.
        assert all(opener not in text for text in _runs(tree.nodes)) or tree.flaws


def _runs(nodes: tuple[Node, ...]) -> list[str]:
    return [node.text for node in nodes if isinstance(node, Text)]


# Section 5 of what was written down about Mailchimp's files, line by line: what a tag is here, or why it is a flaw.
MAILCHIMPS_TABLE = {
    # fields
    "FNAME": "FNAME", "LNAME": "LNAME", "EMAIL": "EMAIL", "PHONE": "PHONE", "ADDRESS": "ADDRESS",
    "BIRTHDAY": "BIRTHDAY", "MMERGE7": "MMERGE7", "MMERGE8": "tag_place", "MERGE3": "tag_place",
    "CUSTOM": "tag_unknown",
    "URL:EMAIL": "EMAIL", "HTML:ADDRESS": "ADDRESS", "URL:LIST:NAME": "list",
    # campaign
    "MC:SUBJECT": "subject", "MC_PREVIEW_TEXT": "preheader", "ARCHIVE": "ARCHIVE_URL", "CAMPAIGN_UID": "tag_number",
    "MC:DATE": "date", "CURRENT_YEAR": "year", "DATE:F j, Y": "date", "DATE:d/m/y": "date", "MC_LANGUAGE": "language",
    "MC_LANGUAGE_LABEL": "language_label", "MC:TRANSLATE": "tag_translate", "TRANSLATE:ru": "tag_translate",
    "MC:TOC": "tag_contents", "MC:TOC_TEXT": "tag_contents", "LIST:RECENT5": "tag_recent", "REWARDS": "tag_rewards",
    "REWARDS_TEXT": "tag_rewards", "HTML:REWARDS": "tag_rewards", "POLL:RATING:x": "tag_survey",
    "END:POLL": "tag_survey", "SURVEY": "tag_survey", "PROMO_CODE:[$store_id=1]": "tag_shop",
    # person links
    "UNSUB": "UNSUB_URL", "UPDATE_PROFILE": "PREFERENCES_URL", "FORWARD": "tag_forward", "ABUSE_EMAIL": "sender",
    "ABOUT_LIST": "tag_about", "UNIQID": "tag_personal", "EMAIL_UID": "tag_personal",
    # list
    "LIST:NAME": "list", "LIST:COMPANY": "organization", "LIST:DESCRIPTION": "description",
    "LIST:ADDRESS": "postal_address", "LIST:ADDRESSLINE": "postal_line", "HTML:LIST_ADDRESS_HTML": "postal_address",
    "HTML:LIST:ADDRESS_HTML": "postal_address", "LIST:ADDRESS_VCARD": "tag_card",
    "LIST:ADDRESS_VCARD_HREF": "tag_card", "LIST:PHONE": "phone", "LIST:URL": "website", "LIST:UID": "tag_number",
    "LIST:SUBSCRIBE": "signup", "LIST:SUBSCRIBERS": "tag_count", "USER:COMPANY": "organization",
    # social
    "TWITTER:PROFILEURL": "tag_social", "FACEBOOK:PROFILEURL": "tag_social", "TWITTER:TWEET [$text=x]": "tag_social",
    # feeds
    "RSSITEMS:": "tag_feed", "RSSITEMS:[$count=3]": "tag_feed", "END:RSSITEMS": "tag_feed",
    "RSSITEM:TITLE": "tag_feed", "RSSITEM:DATE:F j": "tag_feed", "RSSFEED:URL": "tag_feed",
    "FEEDBLOCK:https://x": "tag_feed", "END:FEEDBLOCK": "tag_feed", "FEED:https://x [$count=1]": "tag_feed",
}  # fmt: skip


def test_every_tag_of_mailchimps_table_works_or_is_a_flaw_with_a_hint() -> None:
    fields = ["FNAME", "LNAME", "PHONE", "ADDRESS", "BIRTHDAY", "MMERGE7"]
    found = {}
    for written in MAILCHIMPS_TABLE:
        tree = parse(f"*|{written}|*", fields)
        (one,) = tree.flaws or tree.nodes
        assert isinstance(one, ContentProblem | MergeTag)
        found[written] = one.code if isinstance(one, ContentProblem) else one.name
        if isinstance(one, ContentProblem):
            assert one.fix == "remove" and len(one.sentence.split(". ")) > 1, "what is wrong, and what to do instead"
    assert found == MAILCHIMPS_TABLE


def test_a_condition_about_a_place_of_mailchimps_says_which_tag_to_write() -> None:
    (flaw,) = parse("*|IF:MMERGE4=Yes|*a*|END:IF|*", ["CITY"]).flaws
    assert (
        flaw.code == "tag_place" and flaw.sentence.startswith("MMERGE4 is a field number") and "CITY" in flaw.sentence
    )


@pytest.mark.parametrize(
    ("condition", "yes", "no"),
    [
        ("IF:X", "a", ""),
        ("IF:X=v", "v", "w"),
        ("IF:X != v", "w", "v"),
        ("IF:X > 3", "4", "3"),
        ("IF:X<3", "2", "3"),
        ("IF:X >= 3", "3", "2"),
        ("IF:X<=3", "3", "4"),
        ("IFNOT:X", "", "a"),
        ("INTERESTED:Topics:Law,Water", "Water", "Birds"),
    ],
)
def test_every_condition_of_mailchimps_table_is_asked(condition: str, yes: str, no: str) -> None:
    end = "INTERESTED" if condition.startswith("INTERESTED") else "IF"
    tree = parse(f"*|{condition}|**|X|**|ELSE:|*no*|END:{end}|*", ["X", "INTERESTED:Topics"])
    assert tree.flaws == ()
    (choice,) = tree.nodes
    assert isinstance(choice, IfBlock)
    asked = choice.branches[0].condition
    assert asked is not None and asked.holds(yes) and not asked.holds(no)


def test_a_tag_of_a_subscriber_is_a_condition_of_ours() -> None:
    tree = parse(
        """{% if tagged "Food, drink" %}a{% elif not tagged 'law' %}b{% endif %}""",
        ["TAGGED:food, drink", "TAGGED:law"],
    )
    assert tree.flaws == ()
    first, second = walk(tree.nodes)
    assert isinstance(first, MergeCondition) and isinstance(second, MergeCondition)
    assert first.holds(r"Law,Food\, drink") and not first.holds("Food")
    assert second.holds("Food") and not second.holds("Food,Law")
    assert [flaw.code for flaw in parse('{% if tagged "Lwa" %}x{% endif %}', ["TAGGED:law"]).flaws] == [
        "tagged_unknown"
    ]


def test_a_name_that_was_nearly_right_is_told() -> None:
    (flaw,) = parse("*|FNAM|*", ["FNAME"]).flaws
    assert flaw.sentence == "There is no merge tag or field called *|FNAM|*. Did you mean *|FNAME|*?"
    (flaw,) = parse("{{ unsubscrib }}").flaws
    assert flaw.sentence.endswith("Did you mean {{ unsubscribe }}?")


def test_a_group_that_nobody_is_in_is_a_flaw() -> None:
    (flaw,) = parse("*|INTERESTED:Tpics:Law|*x*|END:INTERESTED|*", ["INTERESTED:Topics"]).flaws
    assert (flaw.code, flaw.values["group"]) == ("group_unknown", "Tpics")
