"""Templates at the desk: brought in, looked at, written with."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from samizdat.campaigns import templating

pytestmark = pytest.mark.django_db

PAGE = b"<html><body><script>x</script><table><tr><td mc:edit='head'>Our head</td></tr><tr><td mc:edit='body'>Dear *|FNAME|*, *|FORWARD|*</td></tr></table></body></html>"  # noqa: E501


def test_a_template_is_brought_in_told_about_and_written_with(here: Any, desk: Any) -> None:
    client, base = desk("editor"), f"/o/{here.organisation.slug}"
    told = client.post(f"{base}/templates/take", {"file": SimpleUploadedFile("Winter.html", PAGE)}).content.decode()
    for words in ("Winter", "&lt;script&gt;", "*|FORWARD|*", "*|FNAME|*", "works", "head"):
        assert words in told
    template = here.organisation.templates.order_by("-pk").first()
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
    client.post(f"{base}/campaigns/{here.campaign.pk}/places", {"place": "head", "source": "<b>Mine</b>"})
    here.campaign.refresh_from_db()
    assert [place.own for place in templating.places(here.campaign)] == ["<b>Mine</b>"]
    empty = client.post(f"{base}/templates/take", {}, follow=True).content.decode()
    assert "Choose a file first." in empty
