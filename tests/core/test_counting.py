"""Which links of a letter may be counted, and what becomes of their addresses in both parts."""

from datetime import UTC, datetime

import pytest

from samizdat.core.letter import Content, Letter, render
from samizdat.core.letter.content import Piece
from samizdat.core.letter.counting import countable, direct, location, through

pytestmark = pytest.mark.once

OWN = "https://lantern.example"
NOW = datetime(2026, 11, 26, tzinfo=UTC)


def letter(body: str, format: str = "markdown") -> Letter:
    content = Content(
        subject="News", body=body, format=format, from_name="Lantern", from_address="news@lantern.example",  # type: ignore[arg-type]
        website=OWN, archive_url=f"{OWN}/a/news", fields={"FNAME": ""},
    )  # fmt: skip
    return render(content, now=NOW)


def said(pieces: tuple[Piece, ...]) -> str:
    return "".join(piece if isinstance(piece, str) else "{}" for piece in pieces)


@pytest.mark.parametrize(
    ("body", "counted", "why"),
    [
        ("[Read](https://paper.example/a?b=1&c=2)", "https://paper.example/a?b=1&c=2", ""),
        ("[Read](http://paper.example/)", "http://paper.example/", ""),
        ("[Read](https://paper.example/?for={{ FNAME | url }})", "", "reader"),
        ("[paper.example/a](https://paper.example/a)", "", "words"),
        ("See <https://paper.example/a>.", "", "words"),
        ("[Read](https://ada:secret@paper.example/)", "", "odd"),
        ("[Read](http://10.0.0.1/)", "", "odd"),
        ("[Write](mailto:ada@paper.example)", "", ""),
        ("[Call](tel:+37120000000)", "", ""),
        (f"[Our forms]({OWN}/f/thursday)", "", ""),
        ("[Leave]({{ unsubscribe }}) [Choose]({{ preferences }}) [Browser](*|ARCHIVE|*)", "", ""),
    ],
)
def test_a_link_is_counted_or_it_is_said_why_not(body: str, counted: str, why: str) -> None:
    found = letter(body)
    assert countable(found, OWN) == ((counted,) if counted else ())
    assert [one.why for one in direct(found, OWN)] == ([why] if why else [])


def test_both_parts_lead_through_the_public_host_and_nothing_else_changes() -> None:
    body = (
        '<p><a class="x" href="https://paper.example/a?b=1&amp;c=2" title="a > b">Read <b>this</b></a>, '
        '<a href="https://paper.example/a?b=1&amp;c=2"><img src="https://lantern.example/m/aa.png" alt="Sea"></a>, '
        '<a href="https://paper.example/a">https://paper.example/a</a></p>'
    )
    before = letter(body, "html")
    to = {url: f"{OWN}/l/{place}" for place, url in enumerate(countable(before, OWN))}
    assert list(to) == ["https://paper.example/a?b=1&c=2"]
    after = through(before, OWN, to)
    assert said(after.html) == said(before.html).replace("https://paper.example/a?b=1&amp;c=2", f"{OWN}/l/0")
    text = said(after.text)
    assert f"Read this <{OWN}/l/0>" in text.replace("\n", " ") and f"[Sea] <{OWN}/l/0>" in text.replace("\n", " ")
    assert "https://paper.example/a\n" in text and "c=2" not in text
    assert after.links == before.links


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://müll.example/путь?a=б#c", "https://xn--mll-hoa.example/%D0%BF%D1%83%D1%82%D1%8C?a=%D0%B1#c"),
        ("https://paper.example:8443/a%20b?x[]=1", "https://paper.example:8443/a%20b?x[]=1"),
        ("https://paper.example/\nSet-Cookie: a", None),
        ("javascript:alert(1)", None),
        ("https://[x/", None),
        ("https://paper.example/" + "a" * 2000, None),
    ],
)
def test_a_redirect_leads_to_plain_addresses_alone(url: str, told: str | None) -> None:
    assert location(url) == told
