"""What readers see and press (T10, T11, T12, T15, RFC 8058)."""

import json
import re
import struct
from datetime import date, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from django.test import Client
from django.utils import timezone

from samizdat.audience.actions.forms import dated
from samizdat.core.content.theme import contrast
from samizdat.core.crypto import seal, tokens
from samizdat.public import style
from samizdat.public.envelopes import info
from samizdat.publicdb import actions
from samizdat.publicdb.models import EditionName, Form, Intake, Page, PublicPicture, Site, TokenState
from tests.public.conftest import BOX, KEY, OTHER_KEY, OTHER_UID, UID, publish, sign_up

pytestmark = pytest.mark.django_db

ONE_CLICK = "List-Unsubscribe=One-Click"
FORM = "application/x-www-form-urlencoded"
LIMIT = 14 * 1024
ATOM = "{http://www.w3.org/2005/Atom}"


def token(purpose: str = "leave", edition: int = 4, number: int = 9) -> str:
    return tokens.make(KEY, purpose, edition, number)


def opened() -> list[dict[str, Any]]:
    found = []
    for row in Intake.objects.order_by("id"):
        box = bytes(row.box)
        assert struct.unpack(">I", box[:4]) == (5,)
        found.append(json.loads(seal.open_sealed(BOX, box[4:], info(bytes(row.place_id)))))
    return found


def everything() -> list[Any]:
    return [
        list(model.objects.order_by("pk").values())
        for model in (Site, Form, Page, EditionName, PublicPicture, TokenState, Intake)
    ]


@pytest.mark.usefixtures("lantern_place")
class TestLeaving:
    def test_a_get_or_head_on_any_address_changes_nothing(self, reader: Client) -> None:
        before = everything()
        for address in (
            f"/u/{token()}",
            f"/u/{token()}?List-Unsubscribe=One-Click",
            f"/u/{token()}/back",
            f"/p/{token('preferences')}",
            f"/c/{token('confirm', 3)}",
            "/f/thursday",
            "/f/thursday?email=ada@example.org",
            "/",
            "/a/",
            "/style.css",
            "/work.js",
            "/robots.txt",
        ):
            assert reader.get(address).status_code == 200, address
            assert reader.head(address).status_code == 200, address
        assert everything() == before

    def test_one_click_leaves_without_cookie_and_without_redirect(self, reader: Client) -> None:
        answer = reader.post(f"/u/{token()}", ONE_CLICK, FORM)
        assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain")
        assert not answer.cookies
        (said,) = opened()
        assert (said["kind"], said["token"], said["way"], said["purpose"]) == ("leave", token(), "one-click", "leave")

    def test_one_click_may_be_sent_as_multipart(self, reader: Client) -> None:
        answer = reader.post(f"/u/{token()}", {"List-Unsubscribe": "One-Click"})
        assert answer["Content-Type"] == "text/plain"
        assert opened()[0]["way"] == "one-click"

    @pytest.mark.parametrize(
        ("body", "kind"), [(b"\xff\x00", "multipart/form-data; boundary=x"), (b"{}", "application/json")]
    )
    def test_a_body_that_is_no_form_still_leaves(self, reader: Client, body: bytes, kind: str) -> None:
        assert reader.post(f"/u/{token()}", body, kind).status_code == 200
        assert [said["kind"] for said in opened()] == ["leave"]

    def test_the_button_of_the_page_leaves_and_offers_one_way_back(self, reader: Client) -> None:
        page = reader.get(f"/u/{token()}").content.decode()
        assert "Unsubscribe from the Thursday Letter?" in page
        left = reader.post(re.search(r'action="([^"]+)"', page)[1]).content.decode()  # type: ignore[index]
        assert "You’re unsubscribed" in left
        assert left.count("<button") == 1
        again = reader.post(re.search(r'action="([^"]+)"', left)[1]).content.decode()  # type: ignore[index]
        assert "You’re subscribed again" in again and "We’ll process this, usually within a minute" in again, (
            "the worker may see it otherwise"
        )
        assert [(said["kind"], said.get("way")) for said in opened()] == [("leave", "form"), ("back", None)]

    def test_the_link_of_an_appeal_leaves_appeals_or_all_as_the_reader_chooses_and_a_mail_program_leaves_all(
        self, reader: Client
    ) -> None:
        actions.publish_letter(UID, 4, list_name="the Thursday Letter", language="en", appeal=True)
        page = reader.get(f"/u/{token()}").content.decode()
        assert "Stop fundraising appeals from the Thursday Letter?" in page and 'name="whole"' in page
        assert "anymore, but you’ll still get its other emails" in reader.post(f"/u/{token()}").content.decode()
        assert "You’re unsubscribed" in reader.post(f"/u/{token()}", {"whole": "yes"}).content.decode()
        for kind in (FORM, "text/plain", "application/octet-stream"):
            assert reader.post(f"/u/{token()}", ONE_CLICK, kind)["Content-Type"] == "text/plain", kind
        reader.post(f"/u/{token('preferences')}")
        assert [said.get("only") for said in opened()] == ["appeals", None, None, None], "one box of each kind"
        actions.set_token_state(token(), "left-appeals")
        assert "Unsubscribe from the other emails too" in reader.get(f"/u/{token()}").content.decode()
        assert "you’ll get emails and fundraising appeals from" in reader.post(f"/u/{token()}/back").content.decode()

    def test_a_link_of_another_language_keeps_it_through_all_pages(self, reader: Client) -> None:
        page = reader.get(f"/u/{token()}?ru").content.decode()
        assert 'lang="ru"' in page and f'action="/u/{token()}?ru"' in page
        left = reader.post(f"/u/{token()}?ru").content.decode()
        assert 'lang="ru"' in left and f'action="/u/{token()}/back?ru"' in left
        assert 'lang="en"' in reader.get(f"/u/{token()}?fa").content.decode()  # These pages have none in Persian.
        assert reader.post(f"/u/{token()}?fa", ONE_CLICK, FORM)["Content-Type"] == "text/plain"

    def test_the_page_remembers_that_the_reader_left(self, reader: Client) -> None:
        actions.set_token_state(token().upper(), "left")
        assert "You’re unsubscribed" in reader.get(f"/u/{token()}").content.decode()

    def test_one_click_on_the_preferences_link_leaves_as_well(self, reader: Client) -> None:
        for kind in (FORM, "text/plain"):
            assert reader.post(f"/p/{token('preferences')}", ONE_CLICK, kind)["Content-Type"] == "text/plain"
        assert (opened()[0]["kind"], opened()[0]["purpose"]) == ("leave", "preferences")

    def test_the_link_of_a_test_letter_shows_the_page_and_changes_nothing(self, reader: Client) -> None:
        assert "test email" in reader.get(f"/u/{token('test')}").content.decode()
        assert reader.post(f"/u/{token('test')}", ONE_CLICK, FORM).status_code == 200
        assert not Intake.objects.exists()

    @pytest.mark.parametrize(
        "bad",
        ["x", "a" * 52, "a" * 60, tokens.make(KEY, "return", 4, 9), tokens.make(KEY, "confirm", 4, 9), "%00", "ü"],
    )
    def test_what_is_no_leave_token_is_one_sentence(self, reader: Client, bad: str) -> None:
        for answer in (reader.get(f"/u/{bad}"), reader.post(f"/u/{bad}", ONE_CLICK, FORM)):
            assert answer.status_code == 404
            page = answer.content.decode()
            assert "<h1>Page not found</h1>" in page and "<p>Copy the whole link from the email.</p>" in page
        assert not Intake.objects.exists()

    def test_the_box_tells_nothing_by_its_length(self, reader: Client) -> None:
        sign_up(reader, {"email": "a@example.org"})
        sign_up(reader, {"email": f"{'a' * 60}@{'long.' * 20}example.org"})
        assert len({len(bytes(row.box)) for row in Intake.objects.all()}) == 1


@pytest.mark.usefixtures("lantern_place")
class TestSigningUp:
    def test_an_address_is_sealed_at_once_and_the_answer_never_tells_who_is_known(self, reader: Client) -> None:
        first = sign_up(reader, {"email": " Ada@Example.org "})
        second = sign_up(reader, {"email": "Ada@Example.org"})
        assert first.content == second.content
        said = opened()[0]
        assert (said["kind"], said["address"], said["list"]) == ("signup", "Ada@example.org", "3")
        assert said["wording"] == "One story a week."
        assert b"xample.org" not in bytes(Intake.objects.first().box)  # type: ignore[union-attr]

    def test_the_form_catches_programs_that_fill_in_everything(self, reader: Client) -> None:
        answer = sign_up(reader, {"email": "ada@example.org", "website": "https://spam.example"})
        assert answer.content == sign_up(reader, {"email": "boris@example.org"}).content
        assert len(opened()) == 1

    @pytest.mark.parametrize("written", ["", "nobody", "a@b@c", "a@b\r\nBcc: x@y.example", '"><script>@x.example'])
    def test_what_is_no_address_is_said_beside_the_field(self, reader: Client, written: str) -> None:
        answer = sign_up(reader, {"email": written})
        assert answer.status_code == 422
        assert "This isn’t a valid email address" in answer.content.decode()
        assert "<script>" not in answer.content.decode()
        assert not Intake.objects.exists()

    def test_confirming_takes_a_press(self, reader: Client) -> None:
        address = f"/c/{token('confirm', 3)}"
        actions.set_token_state(token("confirm", 3), "pending")
        assert "Confirm your subscription" in reader.get(address).content.decode()
        page = reader.post(address).content.decode()
        assert (
            "Thank you" in page
            and "You’re now subscribed to" in page
            and "If it’s complete and from us, you’ll be subscribed to" not in page
        )
        assert (opened()[0]["kind"], opened()[0]["token"]) == ("confirm", token("confirm", 3))

    def test_a_link_that_only_the_house_can_prove_promises_nothing_before_it_has(self, reader: Client) -> None:
        """One of another house that came here with its keys; or one whose end was copied wrongly."""
        whole = token("confirm", 3)
        for text in (whole, whole[:-4] + ("aaaa" if whole[-4:] != "aaaa" else "baaa")):
            assert "If it’s complete and from us, you’ll be subscribed to" in reader.post(f"/c/{text}").content.decode()
        assert [said["kind"] for said in opened()] == ["confirm", "confirm"]

    @pytest.mark.parametrize("bad", ["x", "a" * 52, token("leave", 3), "aaaaatk" + token("confirm", 3)[7:-2] + "ba"])
    def test_what_cannot_confirm_anything_is_not_here(self, reader: Client, bad: str) -> None:
        assert reader.get(f"/c/{bad}").status_code == reader.post(f"/c/{bad}").status_code == 404
        assert not Intake.objects.exists()

    def test_a_link_that_confirmed_before_promises_no_letters(self, reader: Client) -> None:
        """They may have left since; it brings nobody back."""
        address = f"/c/{token('confirm', 3)}"
        actions.set_token_state(token("confirm", 3), "confirmed")
        for page in (reader.get(address).content.decode(), reader.post(address).content.decode()):
            assert "If you’ve unsubscribed since" in page and "You’re now subscribed" not in page
            assert 'href="/f/thursday"' in page, "the way to sign up again"


@pytest.mark.usefixtures("lantern_place")
def test_a_letter_to_a_few_is_read_by_its_address_and_listed_nowhere(reader: Client) -> None:
    told: dict[str, Any] = {"list_name": "L", "language": "en", "html": "<p>x</p>", "day": date(2026, 11, 26)}
    actions.publish_letter(UID, 5, **told, slug="few", title="To the crew", listed=False)
    assert "To the crew" in reader.get("/a/few").content.decode()
    for page in ("/", "/a/", "/a/feed.xml"):
        assert "crew" not in reader.get(page).content.decode()


@pytest.mark.usefixtures("lantern_place")
class TestHosts:
    def test_a_group_with_its_own_host_is_shown_there_alone(self, reader: Client) -> None:
        publish(host="lantern.example")
        publish(OTHER_UID, host="harbour.example", name="Harbour")
        actions.publish_letter(
            UID, 4, list_name="L", language="en", slug="abc", title="T", html="<p>x</p>", day=date(2026, 11, 26)
        )
        for address in ("/f/thursday", "/a/abc"):
            assert reader.get(address, headers={"host": "lantern.example:8443"}).status_code == 200
            assert reader.get(address, headers={"host": "harbour.example"}).status_code == 404
            assert reader.get(address, headers={"host": "elsewhere.example"}).status_code == 404
        assert b"Lantern" not in reader.get("/a/", headers={"host": "harbour.example"}).content
        assert reader.get("/a/", headers={"host": "elsewhere.example"}).status_code == 404

    def test_a_way_out_works_on_an_old_name_but_never_on_another_groups(self, reader: Client) -> None:
        publish(host="new.example")
        publish(OTHER_UID, host="harbour.example", name="Harbour")
        assert reader.get(f"/u/{token()}", headers={"host": "old.example"}).status_code == 200
        assert reader.get(f"/u/{token()}", headers={"host": "harbour.example"}).status_code == 404
        foreign = tokens.make(OTHER_KEY, "leave", 4, 9)
        assert "Harbour" in reader.get(f"/u/{foreign}", headers={"host": "harbour.example"}).content.decode()

    def test_pages_lead_from_a_former_host_to_the_one_of_now(self, reader: Client) -> None:
        publish(host="new.example", former=["old.example", "older.example", "new.example", "127.0.0.1"])
        for host in ("old.example", "older.example:8443"):
            for address in ("/", "/a/", "/a/abc?light", "/f/thursday?next=//evil.example"):
                answer = reader.get(address, headers={"host": host})
                assert (answer.status_code, answer["Location"]) == (308, f"https://new.example{address}")
            assert reader.get(f"/u/{token()}", headers={"host": host}).status_code == 200
            pressed = reader.post(f"/u/{token()}", {"List-Unsubscribe": "One-Click"}, headers={"host": host})
            assert pressed.status_code == 200, "mail services follow no redirect there"
            assert reader.get("/robots.txt", headers={"host": host}).status_code == 200
        for host in ("elsewhere.example", "example", "old.example older.example"):
            assert reader.get("/a/", headers={"host": host}).status_code == 404
        assert reader.get("/a/", headers={"host": "new.example"}).status_code == 200

    def test_a_former_host_that_another_group_has_or_had_too_leads_nowhere(self, reader: Client) -> None:
        publish(host="new.example", former=["old.example", "shared.example"])
        publish(OTHER_UID, host="old.example", name="Harbour", former=["shared.example"])
        assert "Harbour" in reader.get("/a/", headers={"host": "old.example"}).content.decode()
        assert reader.get("/a/", headers={"host": "shared.example"}).status_code == 404

    def test_a_foreign_token_never_names_our_list(self, reader: Client) -> None:
        publish(OTHER_UID, name="Harbour")
        page = reader.get(f"/u/{tokens.make(OTHER_KEY, 'leave', 4, 9)}").content.decode()
        assert "Thursday" not in page
        assert "Unsubscribe from Harbour?" in page

    def test_two_groups_without_a_host_are_not_listed_together(self, reader: Client) -> None:
        publish(OTHER_UID, name="Harbour")
        assert reader.get("/a/").status_code == 404

    @pytest.mark.parametrize("host", ["", "[", "a b", "x" * 300, "lantern.example:99999", "ü.example"])
    def test_a_nonsense_host_is_no_error(self, reader: Client, host: str) -> None:
        assert reader.get("/f/thursday", HTTP_HOST=host).status_code in (200, 404)


HOME = "https://lantern.example"
SHOWN = (
    f'<h1>River</h1><p><img src="{HOME}/m/0a1b2c.png" alt="A table" width="540"></p>'
    '<a href="https://b.example/" style="display:inline-block;background:#000">'
    '<img src="https://b.example/x.png" alt="B">'
    "</a><p>Words</p>"
    '<table><tr><td><div class="x b-col"><h2>One</h2></div><div class="b-col"><p>Two</p></div></td></tr></table>'
    '<td class="b-warn"><p>Careful</p></td><p>The end</p>'
)


def shown(reader: Client, address: str = "/a/abc", html: str = SHOWN, **more: Any) -> str:
    publish(host="lantern.example", **more)
    told: dict[str, Any] = {"list_name": "L", "language": "en", "slug": "abc", "title": "River", "own": HOME}
    actions.publish_letter(UID, 4, **told, html=html, day=date(2026, 11, 20))
    return reader.get(address, headers={"host": "lantern.example"}).content.decode()


@pytest.mark.usefixtures("lantern_place")
class TestWebVersion:
    def test_it_shows_pictures_of_ours_buttons_and_columns_and_its_title_once(self, reader: Client) -> None:
        page = shown(reader)
        assert '<img src="/m/0a1b2c.png" alt="A table" width="540" loading="lazy">' in page
        assert '<a href="https://b.example/" class="btn">Picture: B</a>' in page and "b.example/x.png" not in page
        assert '<div class="cols"><div><h2>One</h2></div><div><p>Two</p></div></div>' in page
        assert '<div class="care"><p>Careful</p></div>' in page
        assert page.count("River</h1>") == 1 and "<h2>River</h2>" not in page

    def test_a_link_around_a_picture_that_only_decorates_has_a_name(self, reader: Client) -> None:
        page = shown(reader, html=f'<a href="https://b.example/"><img src="{HOME}/m/0a1b2c.png" alt=""></a>')
        assert '<a href="https://b.example/"><img src="/m/0a1b2c.png" alt="Picture" loading="lazy"></a>' in page

    def test_a_light_variant_beside_it_has_links_in_place_of_pictures(self, reader: Client) -> None:
        assert 'href="/a/abc?light"' in shown(reader)
        light = shown(reader, "/a/abc?light")
        assert "<img" not in light and '<a href="/m/0a1b2c.png">Picture: A table</a>' in light
        assert "With images" in light
        assert "?light" not in shown(reader, html="<p>Words alone</p>")

    def test_who_shares_its_link_shows_title_beginning_and_picture(self, reader: Client) -> None:
        page = shown(reader, html='<div style="display:none">Three families</div>' + SHOWN)
        for line in (
            '<meta property="og:title" content="River">',
            '<meta property="og:description" content="Three families">',
            '<meta property="og:image" content="https://lantern.example/m/0a1b2c.png">',
        ):
            assert line in page
        begins = shown(reader, html="<p>The <b>water</b> came &amp; went.</p>")
        assert '<meta property="og:description" content="The water came &amp; went.">' in begins
        assert "og:image" not in begins
        archive = reader.get("/a/", headers={"host": "lantern.example"}).content.decode()
        assert "Three families" not in archive
        shown(reader, html='<div style="display:none">Three families</div>' + SHOWN)
        archive = reader.get("/a/", headers={"host": "lantern.example"}).content.decode()
        assert '<p class="soft">Three families</p>' in archive

    def test_pictures_come_from_this_host_alone(self, reader: Client) -> None:
        page = reader.get("/a/", headers={"host": "lantern.example"})
        assert "img-src 'self'" in page["Content-Security-Policy"]
        assert not re.search(r"(?:src|url\()[=\"']*https?:", shown(reader))


def test_logo_and_colors_of_the_organization_are_on_every_page(lantern_place: bytes, reader: Client) -> None:
    look = actions.PublicLook("ab12.webp", 120, 40, "102030-ffffff-eef2f7-0b5cad-0b5cad")
    publish(look=look)
    mark = '<img src="/m/ab12.webp" alt="Northern Lantern" width="120" height="40">'
    for address in ("/", "/a/", "/f/thursday", f"/p/{token('preferences')}", f"/u/{token()}"):
        page = " ".join(reader.get(address).content.decode().split())
        assert mark in page and 'href="/style.css?1b6e53-102030-ffffff-eef2f7-0b5cad-0b5cad"' in page, address
        assert "samizdat" not in page.lower(), "no product name"
    sheet = reader.get("/style.css?1b6e53-102030-ffffff-eef2f7-0b5cad-0b5cad").content.decode()
    assert "--ink: #102030" in sheet and "--paper: #eef2f7" in sheet and "--btn: #0b5cad; --on: #ffffff" in sheet
    publish()
    assert "<img" not in reader.get("/a/").content.decode()


def test_colors_that_would_hide_words_are_not_taken_for_pages(lantern_place: bytes) -> None:
    night = style.sheet("b3261e-ffffff-101010-000000-ffff00-ffff00")
    assert "--paper: #f3efe6" in night and "--ink: #1b1d22" in night, "dark paper is for emails alone"
    link = re.search(r"--copy: (#[0-9a-f]{6})", night)[1]  # type: ignore[index]
    assert contrast(link, "#f3efe6") >= 4.5
    assert not re.search(r"#[A-Z]{3,}", night)


def test_a_letter_that_was_corrected_says_on_which_day(lantern_place: bytes, reader: Client) -> None:
    told = {"list_name": "Thursday", "language": "en", "slug": "0a1b", "title": "River", "html": "<p>x</p>"}
    actions.publish_letter(lantern_place, 4, **told, day=date(2026, 11, 20))
    assert "Corrected on" not in reader.get("/a/0a1b").content.decode()
    actions.publish_letter(lantern_place, 4, **told, day=date(2026, 11, 20), corrected=date(2026, 11, 25))
    assert "Corrected on 25 November 2026." in reader.get("/a/0a1b").content.decode()


def test_a_letter_in_several_languages_leads_to_the_others(lantern_place: bytes, reader: Client) -> None:
    told = {"list_name": "Thursday", "language": "en", "html": "<p>x</p>", "day": date(2026, 11, 20)}
    actions.publish_letter(lantern_place, 4, **told, slug="0a1b", title="River", spoken="en")
    actions.publish_letter(lantern_place, 4, **told, slug="0a1b-fa", title="رود", spoken="fa", version=1)
    page = reader.get("/a/0a1b-fa").content.decode()
    assert '<html lang="fa" dir="rtl">' in page and "English" in page
    assert re.search(r'href="/a/0a1b"\s+hreflang="en"', page)
    assert re.search(r'href="/a/0a1b-fa"\s+hreflang="fa"', reader.get("/a/0a1b").content.decode())
    for list_of in ("/a/", "/a/feed.xml"):
        assert "0a1b" in (said := reader.get(list_of).content.decode()) and "0a1b-fa" not in said


def test_a_sign_up_that_was_forgotten_says_so_and_offers_the_form(lantern_place: bytes, reader: Client) -> None:
    late, last = (token("confirm", dated(3, timezone.now().date() - timedelta(days=ago))) for ago in (9, 8))
    actions.set_token_state(late, "pending")
    for answer in (reader.get(f"/c/{late}"), reader.post(f"/c/{late}")):
        page = answer.content.decode()
        assert "This link has expired" in page and 'href="/f/thursday"' in page
    assert not Intake.objects.exists()
    assert "Confirm your subscription" in reader.get(f"/c/{last}").content.decode()


FORMS = ("/f/thursday", "wrong")


def longest(reader: Client) -> dict[str, Any]:
    publish(name="С" * 200, mailbox=f"{'leave' * 12}@{'long.' * 37}example")
    actions.publish_form(UID, "thursday", list=3, name="П" * 200, purpose="Ж" * 5000, language="en")
    actions.publish_letter(UID, 4, list_name="П" * 200, language="en")
    for number in range(30):
        words = {"name": "П" * 200, "purpose": "", "language": "en"}
        actions.publish_form(UID, f"{number:040}", list=100 + number, **words)
    paragraph = "Вода пришла в четыре часа утра. " * 400
    html = f"<p>{paragraph}</p><ul>{'<li>пункт списка</li>' * 900}</ul>" + f"<p>{paragraph[:900]}</p>" * 30
    for number in range(40):
        actions.publish_letter(
            UID,
            10 + number,
            list_name="П" * 200,
            language="en",
            slug=f"s{number}",
            title="Ы" * 900,
            html=html,
            day=date(2026, 1, 1),
        )
    for version, code in enumerate(("ar", "de", "es-419", "fa", "fr", "hy", "ka", "pt-br", "ru", "uk", "zh-hant"), 1):
        told = {"list_name": "L", "language": "en", "slug": f"s1-{code}", "title": "Ы", "html": "", "spoken": code}
        actions.publish_letter(UID, 11, **told, version=version, day=date(2026, 1, 1))
    pages = {
        name: reader.get(name)
        for name in (f"/u/{token()}", f"/c/{token('confirm', 3)}", "/f/thursday", "/", "/a/", "/a/?page=1", "/nowhere")
    }
    pages["left"] = reader.post(f"/u/{token()}")
    pages["back"] = reader.post(f"/u/{token()}/back")
    pages["asked"] = sign_up(reader, {"email": "ada@example.org"})
    pages["wrong"] = sign_up(reader, {"email": "nonsense " * 100})
    pages["confirmed"] = reader.post(f"/c/{token('confirm', 3)}")
    actions.set_token_state(token("confirm", 3), "confirmed")
    pages["confirmed before"] = reader.get(f"/c/{token('confirm', 3)}")
    pages["forgotten"] = reader.get(f"/c/{token('confirm', dated(3, date(2026, 1, 1)))}")
    for number in range(30):
        pages[f"/a/s1?page={number}"] = reader.get(f"/a/s1?page={number}")
    return pages


def test_every_page_with_its_stylesheet_is_at_most_14_kb_even_at_its_longest(
    lantern_place: bytes, reader: Client
) -> None:
    sheet, script = len(style.sheet("#b3261e").encode()), len(reader.get("/work.js").content)
    sizes = {name: len(page.content) + sheet + script * (name in FORMS) for name, page in longest(reader).items()}
    assert max(sizes.values()) <= LIMIT, sizes


def test_no_page_holds_a_script_a_style_a_picture_or_a_foreign_address(lantern_place: bytes, reader: Client) -> None:
    for name, page in longest(reader).items():
        # The form has one script of ours, which it works without.
        text = page.content.decode().replace('<script src="/work.js" defer></script>', "", name in FORMS)
        assert not re.search(r"<script|<style|style=|<img|\bon\w+=|https?://|samizdat", text, re.IGNORECASE), name
        assert page["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'; form-action 'self'")
        assert not page.cookies
        assert page["Referrer-Policy"] == "no-referrer"


def test_the_archive_shows_a_letter_as_plain_text_with_links(lantern_place: bytes, reader: Client) -> None:
    letter = (
        "<html><head><title>no</title><style>p{}</style></head><body>"
        '<div style="display:none">preheader</div><table><tr><td><h1>River &amp; sea</h1></td></tr></table>'
        '<p onclick="x()">One <b>bold</b> <a href="https://lantern.example/a?b=1&amp;c=2">link</a>'
        '<a href="javascript:alert(1)">bad</a></p><img src="https://lantern.example/m/x.png" alt="A table">'
        "<ul><li>first<li>second</ul><script>alert(1)</script></body></html>"
    )
    actions.publish_letter(
        UID, 4, list_name="L", language="en", slug="abc", title="River <i>", html=letter, day=date(2026, 11, 26)
    )
    text = reader.get("/a/abc").content.decode()
    for wanted in (
        "<h1>River &lt;i&gt;</h1>",
        "<h2>River &amp; sea</h2>",
        'One <strong>bold</strong> <a href="https://lantern.example/a?b=1&amp;c=2">link</a>bad',
        '<a href="https://lantern.example/m/x.png">Picture: A table</a>',
        "<ul><li>first</li><li>second</li></ul>",
        "26 November 2026",
    ):
        assert wanted in text
    assert not re.search(r"alert|onclick|<title>no", text)
    assert text.count("preheader") == 1 and '<meta property="og:description" content="preheader">' in text
    assert "River" in reader.get("/a/").content.decode()


def test_the_archive_is_a_feed_as_well_small_and_without_a_host(lantern_place: bytes, reader: Client) -> None:
    empty = ElementTree.fromstring(reader.get("/a/feed.xml").content)  # noqa: S314 - our own
    assert empty.findtext(f"{ATOM}title") == "Northern Lantern" and empty.find(f"{ATOM}entry") is None
    corrected = date(2026, 11, 25)
    for edition in range(1, 31):
        title, day = "Река & <море>\x0b " + "о" * 900, date(2026, 10, edition)
        told: dict[str, Any] = {"slug": f"abc{edition}", "title": title, "html": "<p>x</p>", "day": day}
        actions.publish_letter(UID, edition, list_name="L", language="ru", corrected=corrected, **told)
    answer = reader.get("/a/feed.xml")
    assert answer["Content-Type"] == "application/atom+xml; charset=utf-8" and len(answer.content) < LIMIT
    read = ElementTree.fromstring(answer.content)  # noqa: S314 - our own
    first = read.find(f"{ATOM}entry")
    assert first is not None and (first.findtext(f"{ATOM}title") or "").startswith("Река & <море> о")
    assert first.find(f"{ATOM}link").attrib["href"] == "/a/abc30"  # type: ignore[union-attr]
    assert first.findtext(f"{ATOM}published") == "2026-10-30T00:00:00Z"
    assert read.findtext(f"{ATOM}updated") == first.findtext(f"{ATOM}updated") == "2026-11-25T00:00:00Z"
    ids = [one.text for one in read.iter(f"{ATOM}id")]
    assert len({*ids}) == len(ids) == 16
    assert b"testserver" not in answer.content and reader.post("/a/feed.xml").status_code == 405


def test_the_front_door_says_what_the_host_is_for(lantern_place: bytes, reader: Client) -> None:
    page = reader.get("/").content.decode()
    assert "newsletters from Northern Lantern" in page and 'href="/f/thursday"' in page and 'href="/a/"' in page
    assert "mailto:" not in page


def test_a_host_that_speaks_for_several_groups_names_none(lantern_place: bytes, reader: Client) -> None:
    publish(OTHER_UID, name="Harbour Bell", mailbox="leave@bell.example")
    page = reader.get("/").content.decode()
    assert "Subscribe to our newsletters, read past emails or unsubscribe" in page
    assert all(word not in page for word in ("Lantern", "Harbour", "mailto:", "/f/", "amizdat"))


def test_a_host_of_its_own_shows_its_group_alone(lantern_place: bytes, reader: Client) -> None:
    publish(OTHER_UID, host="news.bell.example", name="Harbour Bell", language="ru", mailbox="leave@bell.example")
    page = reader.get("/", headers={"host": "news.bell.example"}).content.decode()
    assert 'lang="ru"' in page and "Harbour Bell" in page and "Lantern" not in page
    assert 'href="mailto:leave@bell.example?subject=leave"' in page


def test_a_mailbox_for_leaving_is_named_where_somebody_wants_to_leave(lantern_place: bytes, reader: Client) -> None:
    publish(mailbox="leave@lantern.example")
    page = reader.get(f"/u/{token()}").content.decode()
    assert f'href="mailto:leave+{token()}@lantern.example?subject=leave">leave@lantern.example</a>' in page
    for answer in (reader.get("/u/broken"), reader.get("/nowhere"), reader.put("/a/")):
        assert answer.status_code in (404, 405)
        assert "write to" in answer.content.decode() and "leave@lantern.example" in answer.content.decode()


def test_a_day_is_written_as_the_language_writes_it(lantern_place: bytes, reader: Client) -> None:
    actions.publish_letter(
        UID, 5, list_name="Письмо", language="ru", slug="reka", title="Река", html="<p>Вода</p>", day=date(2026, 11, 25)
    )
    assert "25 November 2026" in reader.get("/a/").content.decode()
    assert "25 ноября 2026" in reader.get("/a/reka").content.decode()
    publish(language="ru")
    assert "25 ноября 2026" in reader.get("/a/").content.decode()


def test_a_picture_is_served_for_good_and_can_do_nothing(lantern_place: bytes, reader: Client) -> None:
    actions.publish_picture(UID, "pic", "png", b"\x89PNG")
    answer = reader.get("/m/pic.png")
    assert (answer.content, answer["Content-Type"]) == (b"\x89PNG", "image/png")
    assert "immutable" in answer["Cache-Control"]
    assert reader.get("/m/pic.jpeg").status_code == 404


def test_other_methods_are_refused_with_a_page(lantern_place: bytes, reader: Client) -> None:
    assert reader.put(f"/u/{token()}").status_code == 405
    assert reader.delete("/f/thursday").status_code == 405
    assert not Intake.objects.exists()


def test_an_accent_that_cannot_be_read_is_made_darker_on_light_and_lighter_on_dark_paper() -> None:
    text = style.sheet("ffff00")
    light, dark = re.findall(r"--accent: #([0-9a-f]{6})", text)
    assert light != "ffff00"
    assert dark == "ffff00"
    assert style.sheet('"}evil{') == style.sheet("b3261e")


def test_an_error_says_one_sentence_and_logs_only_where(
    lantern_place: bytes, reader: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from samizdat.public import views

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("ada@example.org")

    monkeypatch.setattr(views, "drop_in", broken)
    reader.raise_request_exception = False
    answer = reader.post(f"/u/{token()}", ONE_CLICK, FORM)
    assert answer.status_code == 500
    assert "Try again" in answer.content.decode()
    ours = [record.getMessage() for record in caplog.records if record.name == "samizdat.public"]
    assert len(ours) == 1
    assert "ada" not in ours[0]
    assert token() not in ours[0]


def test_a_page_that_is_no_letter_is_read_by_its_address(lantern_place: bytes, reader: Client) -> None:
    """As the timeline of a case about a closed account."""
    html = "<ul><li><strong>22 November 2026</strong> Our account was closed. <script>alert(1)</script></li></ul>"
    day = date(2026, 12, 3)
    actions.publish_page(UID, -7, slug="0123abcd", title="What happened", html=html, day=day, language="en")
    page = reader.get("/a/0123abcd").content.decode()
    assert "<h1>What happened</h1>" in page and "22 November 2026" in page and "<script>alert" not in page
    assert "What happened" not in reader.get("/a/").content.decode()
    actions.withdraw_letter(-7)
    assert reader.get("/a/0123abcd").status_code == 404
