"""The headers of a mail that the service itself writes: whoever types in an address or a name decides nothing there."""

import email
import email.policy

from hypothesis import given, settings
from hypothesis import strategies as st

from samizdat.core.mail.address import BadAddress, normalize
from samizdat.worker.mail import service_mail
from tests.conftest import NOW

ENCODED = [
    "=?utf-8?b?DQowMDAwMQ==?=@evil.example",
    "=?utf-8?q?=22Ada=22_=3Cvictim=40other.example=3E=2C?=@evil.example",
    "x=?utf-8?q?=0a=0ahello?=@evil.example",
]

_texts = st.text(st.sampled_from("abZ09.=?_-+*'/!#$%&{}~\"(),:;<>@[]\\ \t\r\nжüé"), max_size=60)


@settings(max_examples=400, deadline=None)
@given(
    name=st.one_of(_texts, st.sampled_from([one.partition("@")[0] for one in ENCODED])),
    to=st.one_of(
        st.sampled_from(ENCODED),
        st.from_regex(r"[a-z=?_0-9A-F.*]{1,30}@evil\.example", fullmatch=True),
        _texts.map(lambda text: f"{text}@evil.example"),
    ),
    subject=_texts,
)
def test_a_mail_to_whatever_is_taken_for_an_address_is_to_that_one_alone(name: str, to: str, subject: str) -> None:
    try:
        wanted = normalize(to)
    except BadAddress:
        return
    mail = service_mail.plain_mail((name, "news@lantern.example"), wanted, subject, "Hello\n", NOW)
    read = email.message_from_string(mail.decode(), policy=email.policy.default)
    assert [one.addr_spec for one in read["To"].addresses] == [wanted]
    assert [one.addr_spec for one in read["From"].addresses] == ["news@lantern.example"]
    assert len(read.items()) == len(set(read.keys())) == 10
    assert read.get_content().strip() == "Hello"
