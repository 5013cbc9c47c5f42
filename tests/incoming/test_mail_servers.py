"""Mail servers as an organization's relay, configured as docs/bounces.md says: what bounces isn't written to again."""

import pytest

from tests.incoming.mail_servers import (
    SERVERS,
    Handover,
    MailServer,
    campaign_while_no_mail_is_taken,
    relayed,
    two_campaigns,
    why_not,
)


@pytest.mark.parametrize("handover", ["pipe", "lmtp", "socket"])
@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_whom_the_relay_cannot_reach_gets_no_second_campaign(server: type[MailServer], handover: Handover) -> None:
    if reason := why_not(server):
        pytest.skip(reason)
    outcome = two_campaigns(server, handover, people=20, dead=3)
    assert (outcome.first["accepted"], outcome.second["accepted"]) == (20, 17)
    assert (outcome.suppressed, outcome.living_suppressed) == (3, 0)
    assert (outcome.tried_again, outcome.delivered_again) == (0, 17)
    assert outcome.reports["reports"] == {"hard": 3}


@pytest.mark.parametrize("handover", ["lmtp", "socket"])
@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_bounces_wait_at_the_relay_while_no_mail_is_taken_and_none_is_lost(
    server: type[MailServer], handover: Handover
) -> None:
    if reason := why_not(server):
        pytest.skip(reason)
    with relayed(server, handover, people=12, dead=3) as sent:
        assert campaign_while_no_mail_is_taken(sent) == (3, 3)
