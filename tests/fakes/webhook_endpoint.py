"""An endpoint for webhooks on loopback that does what a test tells it, and checks signatures by itself."""

import base64
import hashlib
import hmac
import json
from typing import Any

from tests.http_server import Dialect, Letter, Reply, ScriptedApi

ENDPOINT = Dialect(
    yes=Reply(204, b""),
    state=Reply(404),
    recipient=lambda _body: "endpoint",
    content=lambda _headers, body: (body, {}),
)


class WebhookEndpoint(ScriptedApi):
    def __init__(self) -> None:
        super().__init__(dialect=ENDPOINT)

    @property
    def url(self) -> str:
        return f"{self.endpoint}/hooks?token=s3cret"

    @property
    def told(self) -> list[dict[str, Any]]:
        """The bodies, in order."""
        return [json.loads(letter.content) for letter in self.letters]

    @property
    def types(self) -> list[str]:
        return [body["type"] for body in self.told]

    @property
    def ids(self) -> list[str]:
        return [letter.headers["webhook-id"] for letter in self.letters]


def signed_by(secret: str, letter: Letter) -> bool:
    """Whether one of its signatures is of this secret. Written from the specification, not from our code."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    headers = letter.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + letter.content
    mine = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return mine in headers["webhook-signature"].split(" ")
