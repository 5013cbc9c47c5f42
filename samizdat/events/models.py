"""The log of facts. An event is written in the transaction of the change it tells of."""

from django.db import models


class Event(models.Model):
    """One fact: what happened, to which row, by whom, when. What names somebody is sealed in `detail`.

    `at` is exact, but the day alone where people are spoken of (events.actions.moment_of knows more).
    `digest` is a keyed hash over the sealed detail and the readable columns; the worker appends it to the
    organization's hash chain in commit order (`position`, `link`), so writers do not queue. `handled` says
    whether worker/schedule/event_handlers.py has done what follows.
    """

    # Found by event_newest, which begins with it.
    organization = models.ForeignKey(
        "accounts.Organization", models.CASCADE, null=True, related_name="+", db_index=False
    )
    kind = models.CharField(max_length=60)
    about = models.BigIntegerField(null=True)  # Number of the row the kind speaks of: campaign, import, route …
    by = models.ForeignKey("accounts.Person", models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField()
    detail = models.BinaryField(default=b"")
    digest = models.BinaryField(max_length=32)
    position = models.BigIntegerField(null=True)
    link = models.BinaryField(max_length=32, null=True)
    handled = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(fields=["id"], condition=models.Q(handled=False), name="event_unhandled"),
            models.Index(fields=["id"], condition=models.Q(position=None), name="event_unchained"),
            models.Index(fields=["organization", "position"], condition=~models.Q(position=None), name="event_chained"),
            models.Index(fields=["organization", "-id"], name="event_newest"),
            # The newest of a rare kind, among hundreds of thousands of readers who left: home asks for it each time.
            models.Index(fields=["organization", "kind", "-id"], name="event_kind"),
            # `about` first: a report asks for all kinds that begin with "campaign.", and LIKE uses no index on SQLite.
            models.Index(fields=["about", "kind", "id"], name="event_about"),
        ]


class FollowUp(models.Model):
    """What worker/schedule/event_handlers.py has done for an event; unique, so that it happens once."""

    event = models.ForeignKey(Event, models.CASCADE)
    name = models.CharField(max_length=60)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "name"], name="followup_once")]


class Notice(models.Model):
    """A mail about an event that somebody is still to get (worker/schedule/notices.py); gone once it is sent."""

    event = models.ForeignKey(Event, models.CASCADE)
    person = models.ForeignKey("accounts.Person", models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "person"], name="notice_once")]


class ChainHead(models.Model):
    """The end of an organization's hash chain, over its events and its consent records alike."""

    organization = models.OneToOneField("accounts.Organization", models.CASCADE, primary_key=True)
    position = models.BigIntegerField(default=0)
    link = models.BinaryField(max_length=32, default=bytes(32))
    mac = models.BinaryField(max_length=32, default=b"")  # Of both, under a key of the instance.
