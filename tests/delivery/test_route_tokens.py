"""The refresh token that a sign-in server gives in place of the earlier one is kept, sealed in its route."""

from collections.abc import Iterator

import pytest

from samizdat import plugins
from samizdat.accounts.models import Organization
from samizdat.delivery.actions import route_tokens, routes
from samizdat.delivery.models import Route
from samizdat.delivery.queries import way_of
from samizdat.transports import oauth
from tests.conftest import NOW
from tests.token_server import TokenServer

SECRET = "s3cr3t-of-the-application"


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    oauth._kept.clear()
    oauth._newer.clear()


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as tokens:
        tokens.rotates = True
        yield tokens


@pytest.fixture
def office(lantern: Organization, tokens: TokenServer) -> Route:
    url = f"smtp+oauth://news%40lantern.example@mail.lantern.example?client=app&token_url={tokens.url}"
    return routes.add_route(lantern, "office", url, password=f"{SECRET} first", now=NOW)


def signs_in(route: Route) -> None:
    settings = way_of(route).settings
    plugins.access_token(settings.host, settings.options, settings.password, settings.user, None)


def password(route: Route) -> str:
    return way_of(Route.objects.get(pk=route.pk)).settings.password


def test_a_renewed_refresh_token_stands_in_its_route_for_whoever_starts_next(office: Route) -> None:
    signs_in(office)
    assert route_tokens.keep_renewed() == 1
    assert password(office) == f"{SECRET} refresh-1"
    assert b"refresh-1" not in bytes(Route.objects.get(pk=office.pk).settings_sealed)
    assert route_tokens.keep_renewed() == 0


def test_a_secret_that_somebody_entered_meanwhile_stays(office: Route) -> None:
    signs_in(office)
    routes.change_route(office, password="another first", now=NOW)
    assert route_tokens.keep_renewed() == 0
    assert password(office) == "another first"


def test_a_write_that_fails_is_tried_again_and_costs_no_sign_in(office: Route, monkeypatch: pytest.MonkeyPatch) -> None:
    signs_in(office)
    with monkeypatch.context() as broken:
        broken.setattr(route_tokens, "seal_address", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            route_tokens.keep_renewed()
    signs_in(office)
    assert route_tokens.keep_renewed() == 1
    assert password(office) == f"{SECRET} refresh-1"
