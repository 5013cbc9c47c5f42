"""What a provider delivers by webhook, between the public pages that take it in and the worker that reads it."""

# Of its envelopes (publicdb.Intake).
KIND = "webhook"
# Bytes of a delivery, and of its box: base64 in JSON, sealed. Providers send some hundred events at once.
MOST_BYTES = 1 << 20
MOST_BOX = 3 << 19
# By which providers sign or log in, in lower case, and what a body is. Nothing else of a request is kept: no address
# and no program.
HEADERS = frozenset(
    [
        "content-type", "authorization", "signature", "mailtrap-signature", "x-mandrill-signature",
        "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp", "svix-id",
        "svix-timestamp", "svix-signature", "x-postal-signature", "x-postal-signature-256", "x-amz-sns-message-id",
    ]
)  # fmt: skip
# Characters of one of them.
LONGEST_HEADER = 2_000


def path(token: str) -> str:
    """Of the address that a provider delivers to."""
    return f"/in/{token}"
