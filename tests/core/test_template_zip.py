"""A template as a zip: which page and pictures are meant, and what a zip cannot do."""

import io
import zipfile
from typing import Any

import pytest

from samizdat.core.content.templates.notes import TemplateRefused
from samizdat.core.content.templates.template_zip import (
    TemplateArchive,
    is_zip,
    pictures_in,
    replaced,
    unpacked,
    with_sheets,
)

PAGE = """<html><body><img src="images/a.png">
<td background='./images/b.jpg' style="background:url(images/a.png)"></body></html>"""


def zipped(files: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as box:
        for name, data in files.items():
            # Without the time of now: pytest names tests after these bytes, and its workers must agree on the names.
            box.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


@pytest.mark.parametrize(
    ("names", "page"),
    [
        (["index.html", "images/a.png"], "index.html"),
        (["Newsletter/index.html", "Newsletter/preview.html", "Newsletter/images/a.png"], "Newsletter/index.html"),
        (["email.html", "archive/old.html"], "email.html"),
        (["__MACOSX/._index.html", ".hidden.html", "mail.htm"], "mail.htm"),
        (["..\\evil.html", "/root.html", "C:\\x.html", "good.html"], "good.html"),
    ],
)
def test_the_page_of_a_zip_is_found(names: list[str], page: str) -> None:
    assert unpacked(zipped({name: f"<p>{name}</p>" for name in names})).page == f"<p>{page}</p>".encode()


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("images/a.png", "mail/images/a.png"),
        ("./images/a.png?x=1#y", "mail/images/a.png"),
        ("../logo.png", "logo.png"),
        ("images\\a.png", "mail/images/a.png"),
        ("images/big%20one.JPG", "mail/images/big one.jpg"),
        ("IMAGES/A.PNG", "mail/images/a.png"),
        ("file:///C:/Users/x/images/a.png", "mail/images/a.png"),
        ("elsewhere/logo.png", "logo.png"),
        ("../../../etc/passwd", ""),
        ("https://x.example/images/a.png", ""),
        ("//x.example/a.png", ""),
        ("data:image/png;base64,AA", ""),
        ("images/none.png", ""),
        ("twice.png", ""),
    ],
)
def test_the_page_says_which_picture_it_means(said: str, name: str) -> None:
    packed = unpacked(
        zipped({"mail/index.html": "<p>x</p>", "mail/images/a.png": "", "logo.png": "", "mail/images/big one.jpg": "",
                "x/twice.png": "", "y/twice.png": ""})
    )  # fmt: skip
    assert packed.meant(said) == name


def test_every_place_of_a_picture_has_its_new_address_and_sheets_come_along() -> None:
    sheet = ".a{background:url(../images/a.png)}</style>"
    packed = unpacked(zipped({"index.html": "", "images/a.png": b"1", "images/b.jpg": b"2", "css/s.css": sheet}))
    page = with_sheets(PAGE.replace("<body>", '<link rel="stylesheet" href="css/s.css"><body>'), packed)
    assert [name for _start, _end, name in pictures_in(page, packed)] == [
        "images/a.png", "images/a.png", "images/b.jpg", "images/a.png",
    ]  # fmt: skip
    here = {"images/a.png": "https://l.example/m/1.png", "images/b.jpg": "https://l.example/m/2.jpeg"}
    made = replaced(page, pictures_in(page, packed), here)
    assert made.count("https://l.example/m/1.png") == 3 and made.count("https://l.example/m/2.jpeg") == 1
    assert "images/" not in made and made.count("</style>") == 1
    assert is_zip(zipped({"a": ""})) and not is_zip(b"<html>")


def locked(data: bytes) -> bytes:
    """The bit that says that a file is encrypted, in both of its heads."""
    made = bytearray(data)
    made[6] |= 1
    made[data.rindex(b"PK\1\2") + 8] |= 1
    return bytes(made)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (zipped({"a.png": ""}), "template_zip_no_page"),
        (zipped({"a.html": "", "b.html": ""}), "template_zip_pages"),
        (zipped({"../index.html": ""}), "template_zip_elsewhere"),
        (zipped({"index.html": "x"})[:-30], "template_zip_torn"),
        (b"PK\3\4" + b"x" * 100, "template_zip_torn"),
        (locked(zipped({"index.html": "x"})), "template_zip_locked"),
        (zipped({"index.html": "0" * 5_000_000}), "template_zip_bomb"),
        (zipped({f"{number}.png": "" for number in range(501)} | {"index.html": ""}), "template_zip_many"),
        (b"PK\3\4" + bytes(20 * 1024 * 1024), "template_zip_large"),
    ],
    # The bytes of a zip hold the time it was made, and each process that collects has to name a test alike.
    ids=["no page", "two pages", "page outside", "cut off", "no zip", "locked", "bomb", "many files", "large"],
)  # fmt: skip
def test_a_zip_that_cannot_become_a_template_is_refused_with_a_sentence(data: bytes, code: str) -> None:
    with pytest.raises(TemplateRefused) as refused:
        unpacked(data)
    assert refused.value.code == code
    assert "%(" not in str(refused.value)


def test_a_picture_that_is_a_bomb_is_not_unpacked() -> None:
    packed = unpacked(zipped({"index.html": "<p>x</p>", "a.png": b"0" * 9_000_000}))
    with pytest.raises(TemplateRefused, match="too large"):
        packed.files["a.png"]()


def test_a_page_of_thousands_of_addresses_goes_through_no_file_for_each() -> None:
    class Files(dict[str, Any]):
        gone_through = 0

        def __iter__(self) -> Any:
            self.gone_through += 1
            return super().__iter__()

    files = Files({f"a/p{number}.png": lambda: b"x" for number in range(499)})
    packed = TemplateArchive(b"", "", files)
    page = "".join(f"<img src=x{number}.png><img src=P{number}.PNG>" for number in range(499))
    assert list(pictures_in(page, packed)) == []
    assert [name for _start, _end, name in pictures_in("<img src=p7.png>", packed)] == ["a/p7.png"]
    assert files.gone_through == 1


def test_style_sheets_that_make_the_page_larger_than_any_are_refused() -> None:
    page = "".join('<link rel="stylesheet" href="s.css">' for _number in range(40))
    packed = unpacked(zipped({"index.html": page, "s.css": "".join(f".c{n}{{}}" for n in range(30_000))}))
    with pytest.raises(TemplateRefused, match="the limit is"):
        with_sheets(page, packed)
