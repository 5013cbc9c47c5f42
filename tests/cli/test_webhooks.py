"""The webhook of a route on the command line."""

from tests.cli.conftest import House


def test_a_webhook_is_set_up_shown_and_removed(house: House) -> None:
    house.init()
    house.say("route", "add", "main", "mailgun://KEY@lantern.example?region=eu", "--untested")
    first = house.say("route", "webhook", "main")
    assert (first["provider"], first["has_secret"], first["last_delivery"]) == ("mailgun", False, None)
    secret = house.folder / "secret"
    secret.write_text("the key\n")
    secret.chmod(0o600)
    again = house.say("route", "webhook", "main", "--secret-file", str(secret))
    assert again["has_secret"] and again["address"] == first["address"]
    shown = house("route", "webhook", "main").out
    assert "Last delivery: nothing yet." in shown and "the key" not in shown
    assert house.say("route", "webhook", "main", "--remove")["webhook"] is None


def test_a_provider_that_is_not_known_is_asked_for(house: House) -> None:
    house.init()
    house.say("route", "add", "main", "smtp://u:p@mail.lantern.example:587", "--untested")
    result = house("route", "webhook", "main")
    assert result.code == 1 and "mailgun" in result.err


def test_bounces_are_fetched_where_no_webhook_can_come(house: House) -> None:
    house.init()
    house.say("route", "add", "post", "postmark-api://KEY@broadcast", "--untested")
    house.say("route", "add", "main", "smtp://u:p@mail.lantern.example:587", "--untested")
    shown = house.say("route", "webhook", "post", "--poll")
    assert (shown["polls"], shown["provider"], shown["last_poll"]) == (True, "postmark", None)
    assert (
        "Bounces are fetched from Postmark every ten minutes. Last: not yet." in house("route", "webhook", "post").out
    )
    assert not house.say("route", "webhook", "post", "--no-poll")["polls"]
    refused = house("route", "webhook", "main", "--provider", "postmark", "--poll")
    assert refused.code and "web interface of: Brevo, Mailgun, Postmark, SendGrid" in refused.err
