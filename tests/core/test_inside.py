"""Pictures inside the message: email.message finds them, two judges believe it, and other letters stay the same."""

from collections.abc import Collection, Iterator

import pytest

from samizdat.core.compile import MAX_INSIDE, Inside, Proof, compile_letter
from samizdat.core.dkim import SigningMaker
from samizdat.core.message import MessageMaker, dumps, loads, slot_values
from tests.core.test_compile import NOW, VALUES, body_of, check_form, content, parsed
from tests.core.test_dkim import BOTH, judged

RIVER, BRIDGE, FOREIGN = (
    f"https://{name}.png" for name in ("lantern.example/m/aaaa", "lantern.example/m/bbbb", "x.example/c")
)
BODY = f"""Liebe {{{{ FNAME | default: "Freundin" }}}},

![Der Fluß]({RIVER}) und noch einmal ![Fluß]({RIVER})

{{% if CITY == "Riga" %}}
![Brücke]({BRIDGE})
{{% endif %}}

![Fremd]({FOREIGN})

[Das Bild allein]({RIVER})
"""
# All bytes there are, and lines that a server would take for its own.
DATA = bytes(range(256)) * 40 + b"\r\n.\r\nFrom here\r\n"


def carries(urls: Collection[str]) -> Iterator[Inside]:
    for url in urls:
        if url in (RIVER, BRIDGE):
            yield Inside(url, f"{url[-8:-4]}@lantern.example", "png", DATA + url.encode())


def made(body: str = BODY, form: str = "markdown") -> Proof:
    return compile_letter(content(body=body, format=form), now=NOW, boundary="abcdefgh1234", carries=carries)


@pytest.mark.parametrize("city", ["Riga", "Vilnius"])
def test_the_pictures_are_where_the_letter_looks_for_them(city: str) -> None:
    proof = made()
    assert proof.compiled is not None
    raw = MessageMaker(loads(dumps(proof.compiled)))(VALUES | {"CITY": city})
    check_form(raw)
    message = parsed(raw)
    assert message.get_content_type() == "multipart/alternative"
    text, related = message.iter_parts()
    assert (text.get_content_type(), related.get_content_type()) == ("text/plain", "multipart/related")
    _html, *pictures = related.iter_parts()
    inside = {part["Content-ID"].strip("<>"): part for part in pictures}
    assert {part.get_content_type() for part in pictures} == {"image/png"}
    assert inside["aaaa@lantern.example"].get_content() == DATA + RIVER.encode()
    page = body_of(message, "html")
    assert page.count('src="cid:aaaa@lantern.example"') == 2
    assert page.count('src="cid:bbbb@lantern.example"') == (city == "Riga")
    assert f'src="{FOREIGN}"' in page and f'href="{RIVER}"' in page
    assert sum(len(part.get_payload()) for part in pictures) <= proof.inside + 100


def test_the_signature_is_believed_and_all_readers_get_the_same_bytes() -> None:
    proof = made(BODY.partition("{% if")[0])
    assert proof.compiled is not None
    maker = SigningMaker(proof.compiled, BOTH)
    assert not maker._uneven, "the body is hashed as it is sent"
    judged(maker(VALUES))
    ada, boris = (
        slot_values(proof.compiled, MessageMaker(proof.compiled)(VALUES | who)) for who in ({}, {"FNAME": "B"})
    )
    assert ada is not None and boris is not None and len(ada) == len(boris)


def test_more_than_a_million_bytes_stop_the_letter() -> None:
    def heavy(urls: Collection[str]) -> Iterator[Inside]:
        yield Inside(RIVER, "a@b", "png", bytes(MAX_INSIDE))

    proof = compile_letter(content(body=BODY), now=NOW, boundary="abcdefgh1234", carries=heavy)
    assert proof.compiled is None
    [flaw] = [flaw for flaw in proof.flaws if flaw.severity == "stop"]
    assert (flaw.code, flaw.values) == ("pictures_heavy", {"size": "1,368", "limit": "1,000"})


def test_a_letter_without_such_pictures_is_the_same_byte_by_byte() -> None:
    def nothing(urls: Collection[str]) -> list[Inside]:
        return []

    ways = (None, nothing)
    one, other = (compile_letter(content(), now=NOW, boundary="abcdefgh1234", carries=way).compiled for way in ways)
    assert one == other


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_what_travels_inside_is_fetched_by_nobody_whatever_its_address(form: str) -> None:
    own, other = f"http://{'lantern' * 10}.example/m/aaaa.png", "http://x.example/c.png"
    written = {"markdown": "![A]({})\n\n![A]({})", "html": '<img alt="A" src="{}"><img alt="A" src="{}">'}[form]

    def carried(urls: Collection[str]) -> Iterator[Inside]:
        return (Inside(url, "a@lantern.example", "png", b"A") for url in urls if url == own)

    told = content(body=written.format(own, other), format=form)
    proofs = [compile_letter(told, now=NOW, boundary="abcdefgh1234", carries=how) for how in (None, carried)]
    said = [[flaw.values["url"] for flaw in proof.flaws if flaw.code == "image_http"] for proof in proofs]
    assert [len(urls) for urls in said] == [2, 1] and said[1] == [other]
