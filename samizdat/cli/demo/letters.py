"""The invented campaigns of the demo's invented organization."""

import json
from typing import Any

from samizdat.campaigns.drafts.draft import Draft

SITE = "https://northern-lantern.example"
SENDER, ADDRESS = "Northern Lantern", "letter@northern-lantern.example"
REMINDER = "You subscribed to The Thursday Letter on our page."
CONSENT = "I’d like to get The Thursday Letter by email, every fourth Thursday. I can unsubscribe at any time."
ON_PAPER = "Signed our paper list at a reading."

# A year of them, the oldest first: subject, preview text, first sentence, last part of its link.
YEAR = (
    ("A lamp in the window", "Why we write to you on paper’s behalf.", "this is the first letter of a year.", "lamp"),
    ("Nobody signed for the parcel", "It came back with its ribbon.", "parcel 118 came back unopened.", "118"),
    ("The interpreter’s silence", "What she would not translate.", "she stood up, and sat down again.", "silence"),
    ("Forty-one envelopes", "A count, and one surprise.", "we counted the post of the whole winter.", "envelopes"),
    ("Visiting hours", "Four hours by train for thirty minutes.", "the train leaves at 05:12.", "visit"),
    ("The judge who asked a question", "The first this year.", "for once somebody asked why.", "question"),
    ("A reading list for cell 9", "Eleven books that were let in.", "eleven of sixty books got through.", "books"),
    ("What a stamp costs", "Our accounts for half a year.", "here is every stamp that you paid for.", "accounts"),
    ("Summer, behind glass", "Heat, water and a petition.", "it was 34 degrees in the corridor.", "summer"),
    ("Two came home", "And what they asked for first.", "both of them asked for the same soup.", "home"),
    ("The school that lost its name", "A street, a sign, a teacher.", "the sign was taken down at night.", "school"),
    ("September’s post", "Who answered, and who was not allowed to.", "nineteen letters were answered.", "september"),
)


def of_the_year(number: int) -> Draft:
    """A short campaign in Markdown: `number` from 0, of YEAR."""
    subject, preview, sentence, page = YEAR[number]
    body = f"""# {subject}

Good morning{{% if FNAME %}}, {{{{ FNAME }}}}{{% endif %}},

{sentence} [Read the whole story]({SITE}/{page}), or [write to somebody who gets no post]({SITE}/write).

Until next time,
the editors
"""
    return _draft(subject, preview, body, "markdown")


def finished(picture: str) -> Draft:
    """picture: an image of Media."""
    return _blocks(
        "Letters they did not let through",
        "What the prison censor crossed out in October, and one line he missed.",
        _heading("Letters they did not let through"),
        _paragraph("Good morning{% if FNAME %}, {{ FNAME }}{% endif %},"),
        _picture(picture, "A lighthouse at night; its beam crosses the water."),
        _paragraph(
            "in October forty-one letters came back to us. The censor had stamped every one of them; on thirty-eight "
            "he gave no reason at all. We have put the envelopes on the table and read what could still be read."
        ),
        _button("See the envelopes", "envelopes"),
        _heading("What was crossed out", 2),
        _paragraph(
            "The weather. The name of a dog. A recipe for bread that a grandmother had dictated by telephone. A chess "
            "move. We asked the administration why, and were told that figures and letters together may be a code."
        ),
        {"type": "blockquote", "content": [_paragraph("I can see the tops of three birches from here.")]},
        _columns(
            ("Write", "There are people who get no post at all.", "Choose somebody", "write"),
            ("Read", "A letter in the right form is harder to stop.", "The rules of the post", "rules"),
        ),
        _paragraph("Until next time,\nthe editors"),
    )


def under_way(picture: str) -> Draft:
    return _blocks(
        "Thursday: what the court heard, hour by hour",
        "Nine hours in room 214, with the interpreter who would not translate.",
        _heading("Nine hours in room 214"),
        _paragraph("Hello{% if FNAME %} {{ FNAME }}{% endif %},"),
        _paragraph(
            "the hearing began at ten with a question about a comma. Our notes of the whole day are as long as a short "
            "novel; here is what matters."
        ),
        _picture(picture, "A window with bars, and the sun behind it."),
        _columns(
            ("10:04", "The defense asks for the file. It is in another building.", "Morning", "214"),
            ("12:30", "The interpreter says that she will not translate this.", "Noon", "214-noon"),
            ("17:15", "The judge reads for forty minutes. Nobody can hear him.", "Evening", "214-evening"),
        ),
        {"type": "divider"},
        _heading("The next day in court is in two weeks", 2),
        _button("Come with us", "next"),
    )


def draft(picture: str) -> Draft:
    return _blocks(
        "A parcel for the winter",
        "Socks, tea, a thermos, and paper with lines.",
        _heading("A parcel for the winter"),
        _paragraph('Dear {{ FNAME | default: "friend" }},'),
        _paragraph("socks, tea, a thermos, paper with lines: this is what people ask for when it gets cold."),
        _picture(picture, "A parcel tied with string, in the snow."),
        _columns(
            ("What fits", "Up to five kilograms, once a month.", "The whole list", "list"),
            ("What does not", "Anything in glass, and anything green.", "Ask the lawyers", "lawyers"),
        ),
        _button("Pack one with us", "parcel"),
    )


def _draft(subject: str, preview: str, body: str, format: str) -> Draft:
    return Draft(subject, preview, SENDER, ADDRESS, body=body, format=format)


def _blocks(subject: str, preview: str, *blocks: dict[str, Any]) -> Draft:
    document = {"type": "doc", "attrs": {"version": 1}, "content": list(blocks)}
    return _draft(subject, preview, json.dumps(document), "blocks")


def _text(text: str) -> list[dict[str, Any]]:
    first, *rest = text.split("\n")
    content: list[dict[str, Any]] = [{"type": "text", "text": first}]
    for line in rest:
        content += [{"type": "hardBreak"}, {"type": "text", "text": line}]
    return content


def _heading(text: str, level: int = 1) -> dict[str, Any]:
    return {"type": "heading", "attrs": {"level": level}, "content": _text(text)}


def _paragraph(text: str) -> dict[str, Any]:
    return {"type": "paragraph", "content": _text(text)}


def _picture(name: str, alt: str) -> dict[str, Any]:
    return {"type": "picture", "attrs": {"src": name, "alt": alt}}


def _button(text: str, page: str) -> dict[str, Any]:
    return {"type": "button", "attrs": {"text": text, "link": f"{SITE}/{page}"}}


def _columns(*columns: tuple[str, str, str, str]) -> dict[str, Any]:
    """Each: heading, a sentence, words of the button and last part of its link."""
    return {
        "type": "columns",
        "content": [
            {"type": "column", "content": [_heading(title, 3), _paragraph(sentence), _button(words, page)]}
            for title, sentence, words, page in columns
        ],
    }
