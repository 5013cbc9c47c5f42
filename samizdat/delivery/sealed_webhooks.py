"""What is sealed of a route's webhook: whose it is, by which secret it signs, and what was heard of late."""

from datetime import datetime

from msgspec import Struct, structs

from samizdat.delivery.models import RouteWebhook
from samizdat.vault import keyring


class WebhookSettings(Struct, frozen=True):
    """`token`: of the address that deliveries go to. `key`: as transports/webhooks.WebhookSecret has it. `authority`:
    who has to have issued the certificates of its signatures, PEM. `fetches`: what the provider lists is asked for."""

    provider: str = ""
    token: str = ""
    key: str = ""
    authority: str = ""
    fetches: bool = False


class WebhookState(Struct, frozen=True, omit_defaults=True):
    """`heard`: when a delivery last came that the provider wrote. `unmatched`: its events that are about nobody whom it
    can be proven of. `refusal`: a code of transports/webhooks.SENTENCES, of the last delivery that changed nothing.

    asked: when its lists were last asked for. listed: up to when they are known.
    """

    heard: datetime | None = None
    events: int = 0
    unmatched: int = 0
    refusal: str = ""
    values: dict[str, str] = {}
    refused: datetime | None = None
    refusals: int = 0
    asked: datetime | None = None
    listed: datetime | None = None

    @property
    def is_refused(self) -> bool:
        """Whether none came since that changed something."""
        if not self.refusal or self.refused is None:
            return False
        return self.heard is None or self.refused >= self.heard

    def with_events(self, now: datetime, events: int, unmatched: int) -> "WebhookState":
        return structs.replace(self, heard=now, events=self.events + events, unmatched=self.unmatched + unmatched)

    def with_refusals(self, now: datetime, code: str, values: dict[str, str], count: int) -> "WebhookState":
        return structs.replace(self, refusal=code, values=values, refused=now, refusals=self.refusals + count)


def seal_settings(row: RouteWebhook, settings: WebhookSettings) -> bytes:
    return keyring.keys(row.route.organization).seal_json(settings, "route webhook", "settings", row.pk)


def open_settings(row: RouteWebhook) -> WebhookSettings:
    """Errors: SealError, RecordBroken."""
    keys = keyring.keys(row.route.organization)
    return keys.open_json(row.settings_sealed, "route webhook", "settings", row.pk, WebhookSettings)


def seal_state(row: RouteWebhook, state: WebhookState) -> bytes:
    return keyring.keys(row.route.organization).seal_json(state, "route webhook", "state", row.pk)


def open_state(row: RouteWebhook) -> WebhookState:
    """Errors: SealError, RecordBroken."""
    keys = keyring.keys(row.route.organization)
    return keys.open_json(row.state_sealed, "route webhook", "state", row.pk, WebhookState)
