"""What every transport that plugs.py finds must keep to, ours and those that come later."""

import pytest

from samizdat import plugs
from samizdat.core.outcome import REASONS, TABLE
from samizdat.transports.base import Ask, BadRoute, read_url

PLUGS = sorted({plug.name: plug for plug in plugs.transports().values()}.items())


def test_both_ways_out_are_found() -> None:
    assert {"smtp", "smtps", "smtp+plain", "folder"} <= set(plugs.transports())


@pytest.mark.parametrize(("name", "plug"), PLUGS)
def test_a_transport_says_what_it_is_and_what_it_asks(name: str, plug: type) -> None:
    assert plug.schemes
    assert all(scheme == scheme.lower() for scheme in plug.schemes)
    assert all(isinstance(ask, Ask) and ask.help for ask in plug.asks)
    assert set(plug.known_options) <= {ask.name for ask in plug.asks}
    assert all(ask.secret for ask in plug.asks if "password" in ask.name)


@pytest.mark.parametrize(("name", "plug"), PLUGS)
def test_a_transport_refuses_options_it_does_not_know(name: str, plug: type) -> None:
    scheme = plug.schemes[0]
    url = "folder:///srv?colour=blue" if scheme == "folder" else f"{scheme}://host.example?colour=blue"
    with pytest.raises(BadRoute, match="colour"):
        plug(read_url("main", url))


def test_every_reason_is_a_sentence_that_says_what_to_do() -> None:
    for code, sentence in REASONS.items():
        assert sentence.endswith("."), code
        assert code == "ok" or ". " in sentence, code


def test_every_row_of_the_table_has_its_sentence() -> None:
    for row in TABLE:
        assert row.kind.state == "ok" or row.reason in REASONS, row
        assert not row.reason or row.reason in REASONS, row
