"""Decisions about how long things are kept, whom to ask again, and what happened when something got out."""

from typing import Any

from django.db import models


def nothing() -> list[Any]:
    """An empty list; inside of the classes `list` is a column."""
    return []


class Retention(models.Model):
    """How long a list keeps what it need not keep for ever. None: for as long as nobody decides."""

    list = models.OneToOneField("audience.List", models.CASCADE, primary_key=True, related_name="retention")
    left_days = models.PositiveIntegerField(null=True)  # Who left or whose address is dead is erased after so many.
    delivery_months = models.PositiveIntegerField(null=True)  # Who got which letter becomes totals after so many.
    changed = models.DateField()


class Renewal(models.Model):
    """Asking readers of a list again, whose consent is weak or old. Those asked carry its tag; answering takes it off.

    So its own tag is all that is kept about a reader, and it goes when the renewal is over.
    """

    STATES = ("counting", "counted", "choosing", "ready", "asking", "moving", "moved", "undoing", "closing", "closed")

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="renewals")
    list = models.ForeignKey("audience.List", models.CASCADE, related_name="renewals")
    tag = models.ForeignKey("audience.Tag", models.SET_NULL, null=True, related_name="+")
    letter = models.ForeignKey("campaigns.Campaign", models.SET_NULL, null=True, related_name="+")
    reminder = models.ForeignKey("campaigns.Campaign", models.SET_NULL, null=True, related_name="+")
    state = models.CharField(max_length=10, default="counting")
    counts = models.JSONField(default=dict)  # strength -> age -> how many, of those who are subscribed.
    chosen = models.JSONField(default=nothing)  # Pairs of strength and age that are asked.
    after = models.BigIntegerField(default=0)  # Subscriber row that the running slice work has reached.
    asked = models.BigIntegerField(default=0)
    moved = models.BigIntegerField(default=0)
    returned = models.BigIntegerField(default=0)
    deadline = models.DateField(null=True)  # The last day (UTC) to answer.
    undo_until = models.DateField(null=True)
    created = models.DateField()
    by = models.ForeignKey("accounts.Person", models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            # Two at once would take each other's readers for their own.
            models.UniqueConstraint(fields=["list"], condition=~models.Q(state="closed"), name="renewal_one_open")
        ]


class Breach(models.Model):
    """Something got out, or may have: what a controller has to write down (GDPR, article 33(5)). Words are sealed."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="breaches")
    kind = models.CharField(max_length=20)  # privacy/breach_register.KINDS
    noticed = models.DateTimeField()  # The 72 hours of article 33(1) run from here.
    notes_sealed = models.BinaryField(default=b"")  # JSON: what is known, what was done.
    counts = models.JSONField(default=dict)  # Who was affected, counted when it was written down.
    told_authority = models.DateTimeField(null=True)
    told_readers = models.DateTimeField(null=True)
    created = models.DateTimeField()
    by = models.ForeignKey("accounts.Person", models.SET_NULL, null=True, related_name="+")


class RescueCase(models.Model):
    """An account that a provider closed, and what was asked for since (rescue_cases.py). Whom it names is sealed."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="rescue_cases")
    details_sealed = models.BinaryField(default=b"")  # JSON: rescue_cases.CaseDetails.
    created = models.DateTimeField()
    by = models.ForeignKey("accounts.Person", models.SET_NULL, null=True, related_name="+")


class RescueEvidencePiece(models.Model):
    """A part of a file that proves something in a case, sealed. Never changed."""

    pk = models.CompositePrimaryKey("case_id", "number")
    case = models.ForeignKey(RescueCase, models.CASCADE, related_name="pieces", db_index=False)
    number = models.PositiveIntegerField()
    blob = models.BinaryField()
