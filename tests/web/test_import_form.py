"""The form of an import that was looked through: what somebody typed stays when it is refused."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from samizdat.audience.imports import actions
from samizdat.audience.models import Import
from tests.web.conftest import House, signed_in

CSV = b"email,Opt-in,Town\nada@post.example,yes,Riga\n"
TYPED = {
    "u-0": "1",
    "s-0": "subscribed",
    "c-0-2": "field:CITY",
    "list": "new",
    "new-list": "Court diary",
    "basis": "Signed up on paper.",
    "tags": "fair, 2019",
    "then": "start",
}


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


@pytest.fixture
def found(here: House) -> tuple[Client, Import]:
    client = signed_in(here.people["editor"])
    client.post(_to(here, "upload"), {"files": [SimpleUploadedFile("list.csv", CSV)]})
    return client, actions.inspect(Import.objects.latest("pk").pk, now=timezone.now)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"new-list": ""}, "Fill in “"),
        ({"appeals-words": "And for money."}, "Tick “The consent also covered"),
        ({"tags": ",".join(f"tag{n}" for n in range(60))}, "An import can add at most"),
    ],
)
def test_a_form_that_is_refused_keeps_what_was_typed(
    here: House, found: tuple[Client, Import], wrong: dict[str, str], sentence: str
) -> None:
    client, row = found
    sent = TYPED | wrong
    answer = client.post(_to(here, "import", row.pk), sent)
    page = answer.content.decode()
    assert answer.status_code == 422 and sentence in page
    assert f'value="{sent["new-list"]}"' in page and f'value="{sent["tags"]}"' in page
    assert ">Signed up on paper.</textarea>" in page and ">" + sent.get("appeals-words", "") + "</textarea>" in page
    assert re.search(r'value="new"\s+selected', page) and re.search(r'value="field:CITY"\s+selected', page)
    row.refresh_from_db()
    assert row.state == "found"
    # The same form, put right, goes on from there.
    assert client.post(_to(here, "import", row.pk), TYPED).status_code == 302
    row.refresh_from_db()
    assert row.list is not None and row.state == "reading"
