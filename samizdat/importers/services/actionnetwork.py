"""Action Network: a report of activists as CSV. Columns with `can2_` are its own.

Its status is the one for email; the one for SMS stays out. Columns and the words `subscribed` and `unsubscribed` are
those that public scripts over its exports use (surj-bayarea's sync with EveryAction, among others); the words for
bounces and complaints are those of a sample in its shape, or likely. No export was seen whole.
"""

from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, meaning


class ActionNetworkImporter(Service):
    """Action Network's activists."""

    name = "actionnetwork"
    title = "Action Network"
    where = "People → Reports → all activists, with subscription status and tags → Export"
    columns = {
        "email": ("address", ""),
        "first_name": ("field:FNAME", ""),
        "last_name": ("field:LNAME", ""),
        "can2_user_tags": ("tags", ""),
        "can2_phone": ("field:PHONE", ""),
        "can2_sms_status": ("out", "elsewhere"),
        "language": ("language", ""),
        "uuid": ("out", "provider"),
        "action_network_id": ("out", "provider"),
        "referrer_data*": ("out", "reading"),
        "source_code": ("out", "reading"),
        "ip*": ("out", "ip"),
    }
    words = {
        "can2_subscription_status": meaning(
            subscribed="subscribed",
            unsubscribed="unsubscribed",
            nonsubscribed="never subscribed,not subscribed",
            cleaned="bouncing,bounced,previous bounce",
            complained="spam complaint,previous spam complaint,complained",
        )
    }

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        return {"email", "can2subscriptionstatus"} <= labels
