"""The page on which an organization chooses how its letters look."""

from typing import Any

import pytest
from msgspec.structs import asdict

from samizdat.campaigns import brand

pytestmark = pytest.mark.django_db


def test_an_editor_looks_first_and_then_saves(here: Any, desk: Any) -> None:
    client = desk("editor")
    page = f"/o/{here.organization.slug}/settings/branding"
    chosen = asdict(brand.USUAL) | {"button": "#7A1F5C", "footer": "Printed in Riga"}
    looked = client.post(page, chosen | {"look": "1"}).content.decode()
    assert "light?" in looked
    assert brand.brand_of(here.organization) == brand.USUAL
    shown = client.get(f"{page}/light", chosen).content.decode()
    assert "#7a1f5c" in shown
    assert "Printed in Riga" in shown
    assert client.post(page, chosen).status_code == 302
    assert brand.brand_of(here.organization).button == "#7a1f5c"
    refused = client.post(page, chosen | {"text": "#fffdf8"})
    assert refused.status_code == 422
    assert "is hard to read" in refused.content.decode()
