"""What left, and the pieces that wait to be fetched.

An app of its own: none of its rows is about a reader, and what is fetched can be dropped whole.
"""

from django.db import models

# In order: plain and held for another admin or for a day (approval.py), asked for, being made by the worker, lies
# ready, was fetched, is over (a day has passed), could not be made; and being written by the command line, whose file
# nobody else can go on with; and made by another house, of which only the planted address came along.
EXPORT_STATES = ("held", "asked", "running", "ready", "fetched", "over", "failed", "writing", "elsewhere")


class Export(models.Model):
    """A leaving: who took what along, when, and the planted address by which its file is known again.

    What the desk asked for lies in sealed pieces until it was fetched or a day has passed; of the command line's only
    this row is kept. It stays as long as the organization: a leak may show years later.
    """

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="exports")
    format = models.CharField(max_length=10)
    state = models.CharField(max_length=10)
    plain = models.BooleanField()  # Not sealed to anybody: asked for with a reason, told to all admins.
    details_sealed = models.BinaryField(default=b"")  # JSON: recipients, reason, planted address …
    counts = models.JSONField(default=dict)
    rows_done = models.BigIntegerField(default=0)
    rows_total = models.BigIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)
    problem = models.CharField(max_length=40, blank=True)
    by = models.ForeignKey("accounts.Person", models.SET_NULL, null=True)
    owner = models.CharField(max_length=40, blank=True)
    heartbeat = models.DateTimeField(null=True)
    created = models.DateTimeField()
    noticed = models.DateTimeField(null=True)  # Held: since when another admin knows of it; its day begins.
    # Held: since when mails to every other admin are refused, and when one was last.
    refused = models.DateTimeField(null=True)
    tried = models.DateTimeField(null=True)
    waited_seconds = models.FloatField(default=0, db_default=0)  # Held: seconds that have passed.
    mac = models.BinaryField(max_length=32, default=b"", db_default=b"")  # permits.py: nothing is made without it.
    released_at = models.DateTimeField(null=True)  # Was held: when it no longer was.
    agreed_by = models.ForeignKey("accounts.Person", models.SET_NULL, null=True, related_name="+")
    finished = models.DateTimeField(null=True)


class ExportPiece(models.Model):
    """A piece of a file that waits to be fetched, sealed with the organization's key whatever is in it."""

    pk = models.CompositePrimaryKey("export_id", "number")
    export = models.ForeignKey(Export, models.CASCADE, related_name="pieces", db_index=False)
    number = models.PositiveIntegerField()
    blob = models.BinaryField()


class AccountCopy(models.Model):
    """A copy of an account at another newsletter service that is kept up to date (account_copies/). `settings_sealed`:
    which service, and its API key; `progress_sealed`: how far the copy is, and what the service says of us."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="account_copies")
    settings_sealed = models.BinaryField(default=b"", db_default=b"")
    progress_sealed = models.BinaryField(default=b"", db_default=b"")
    owner = models.CharField(max_length=40, blank=True, default="", db_default="")
    heartbeat = models.DateTimeField(null=True)
    created = models.DateTimeField()


class AccountCopyPiece(models.Model):
    """Some of what was copied, sealed: contacts, things, or a part of a body. Only added to. `section`: which of them
    (core/account_copy.SECTIONS), or bodies."""

    pk = models.CompositePrimaryKey("copy_id", "number")
    copy = models.ForeignKey(AccountCopy, models.CASCADE, related_name="pieces", db_index=False)
    number = models.PositiveIntegerField()
    section = models.PositiveSmallIntegerField()
    blob = models.BinaryField()


class EventWebhook(models.Model):
    """An endpoint of the organization's own that is told of events (webhooks/). `settings_sealed`: its address, what it
    is told, and the secret; `progress_sealed`: how far in the log it is, and how the last tries went."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="event_webhooks")
    settings_sealed = models.BinaryField(default=b"", db_default=b"")
    progress_sealed = models.BinaryField(default=b"", db_default=b"")
    created = models.DateField()


class EventWebhookMessage(models.Model):
    """An event that an endpoint is still to be told. Which one, and when it is tried again, is sealed: its time would
    line up with the subscriber whom the event is about."""

    webhook = models.ForeignKey(EventWebhook, models.CASCADE, related_name="messages")
    message_sealed = models.BinaryField(default=b"", db_default=b"")


class RecipientKey(models.Model):
    """A public key that exports may be sealed to without another approval (recipients.py)."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="+")
    mark = models.BinaryField(max_length=16)  # Keyed hash of the key.
    key_sealed = models.BinaryField()  # Who keeps the key of a list is nobody's business either.
    since = models.DateField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "mark"], name="recipient_key_once")]
