"""Templates at the desk: brought in, looked at, written with."""

import zipfile
from io import BytesIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.web.conftest import png

pytestmark = pytest.mark.django_db

PAGE = b"<html><body><script>x</script><table><tr><td mc:edit='head'>Our head</td></tr><tr><td mc:edit='body'>Dear *|FNAME|*, *|FORWARD|*</td></tr></table></body></html>"  # noqa: E501


def test_a_template_is_brought_in_told_about_and_written_with(here: Any, desk: Any) -> None:
    client, base = desk("editor"), f"/o/{here.organization.slug}"
    told = client.post(f"{base}/templates/import", {"file": SimpleUploadedFile("Winter.html", PAGE)}).content.decode()
    for words in ("Winter", "&lt;script&gt;", "*|FORWARD|*", "*|FNAME|*", "works", "head"):
        assert words in told
    template = here.organization.templates.order_by("-pk").first()
    shown = client.get(f"{base}/templates/{template.pk}/light").content.decode()
    assert "Our head" in shown
    assert "<script" not in shown
    page = client.post(f"{base}/campaigns/new", {"begin": template.pk}, follow=True).content.decode()
    assert "Dear *|FNAME|*" in page
    assert f'<option value="{template.pk}" selected>' in page
    begun = client.post(f"{base}/campaigns/new", {"begin": "alert"}, follow=True).content.decode()
    assert "What to do now" in begun
    here.campaign.template = template
    here.campaign.save(update_fields=["template"])
    letter = f"{base}/campaigns/{here.campaign.pk}"
    client.post(f"{letter}/region", {"key": "head", "format": "html", "body": "<b>Mine</b>"})
    assert "Mine" in client.get(f"{letter}/regions").content.decode()
    assert "&lt;b&gt;Mine" in client.get(f"{letter}/region?key=head&in=html").content.decode()
    here.campaign.refresh_from_db()
    before = client.get(f"{letter}/history/{here.campaign.version - 1}/").content.decode()
    assert "Other blocks of the template" in before
    assert "<h3>Head</h3>" in before and "<ins>Mine" in before
    typed = {"key": "head", "format": "html", "version": here.campaign.version, "page": "b" * 32}
    saved = client.post(f"{letter}/region/autosave", typed | {"body": "<b>Typed</b>"}).content.decode()
    assert f'name="version" value="{here.campaign.version + 1}"' in saved
    late = client.post(f"{letter}/region", typed | {"body": "<b>Late</b>", "page": ""})
    assert late.status_code == 422
    for words in (
        "Choose which version to keep",
        "&lt;b&gt;Typed",
        "&lt;b&gt;Late",
        f'value="{here.campaign.version + 1}"',
    ):
        assert words in late.content.decode()
    client.post(f"{letter}/regions", {"key": "head", "do": "usual"})
    assert "Our head" in client.get(f"{letter}/region?key=head").content.decode()
    here.campaign.refresh_from_db()
    assert here.campaign.places_sealed is None
    client.post(f"{base}/templates/{template.pk}/", {"name": "Summer"})
    gone = client.post(f"{base}/templates/{template.pk}/remove", follow=True).content.decode()
    assert "Drafts that used it now use the built-in template" in gone and "Summer" not in gone


def test_a_template_that_is_refused_keeps_the_name_that_was_typed(here: Any, desk: Any) -> None:
    client, base = desk("editor"), f"/o/{here.organization.slug}"
    broken = SimpleUploadedFile("w.zip", b"PK\x03\x04 and no zip")
    for sent, why in (({}, "Choose a file first."), ({"file": broken}, "")):
        answer = client.post(f"{base}/templates/import", {"name": "Our winter page"} | sent)
        assert answer.status_code == 422
        page = answer.content.decode()
        assert why in page and 'value="Our winter page"' in page


WIDE = b"<table width='640'><tr><td mc:edit='body'><table><tr><td>All in a table</td></tr></table></td></tr></table>"


def test_a_template_says_why_its_text_is_html_and_that_it_does_not_adapt_to_phones(here: Any, desk: Any) -> None:
    client, base = desk("editor"), f"/o/{here.organization.slug}"
    told = client.post(f"{base}/templates/import", {"file": SimpleUploadedFile("Wide.html", WIDE)}).content.decode()
    assert "640 pixels wide on every screen" in told
    template = here.organization.templates.order_by("-pk").first()
    page = client.post(f"{base}/campaigns/new", {"begin": template.pk}, follow=True).content.decode()
    assert "The template text has tables or styling that blocks would lose" in page
    assert "640 pixels wide" in page, "among the checks"
    letter = here.organization.campaigns.order_by("-pk").first()
    frame = client.get(f"{base}/campaigns/{letter.pk}/preview/light").content.decode()
    assert "@media (max-width:648px){html{zoom:" in frame


def test_a_zip_with_pictures_is_brought_in_at_the_desk(here: Any, desk: Any) -> None:
    client, base = desk("editor"), f"/o/{here.organization.slug}"
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as box:
        box.writestr(
            "index.html", PAGE.replace(b"Our head", b"<img src='images/a.png' alt='A' width='40' height='40'>")
        )
        box.writestr("images/a.png", png())
    file = SimpleUploadedFile("BEE.zip", out.getvalue())
    told = client.post(f"{base}/templates/import", {"file": file}).content.decode()
    assert "BEE" in told and "Images added to Media, without their metadata: 1." in told
    template = here.organization.templates.order_by("-pk").first()
    shown = client.get(f"{base}/templates/{template.pk}/light").content.decode()
    assert 'alt="A"' in shown and "images/a.png" not in shown
    torn = SimpleUploadedFile("BEE.zip", b"PK\3\4 and no more")
    refused = client.post(f"{base}/templates/import", {"file": torn}, follow=True).content.decode()
    assert "damaged" in refused
    for content, said in (
        (b"Dear all", "The file name ends in .zip, but the file isn’t a zip file."),
        (b"", "The file is empty."),
    ):
        none = SimpleUploadedFile("BEE.zip", content)
        page = client.post(f"{base}/templates/import", {"file": none}, follow=True).content.decode()
        assert said in page
