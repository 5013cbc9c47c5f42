"""Messages that came in, and what each says of a message of ours."""

from django.db import models


class IncomingMail(models.Model):
    """A message as it came in. `box` holds an intake.Envelope, sealed to the organization's box key: number of the key
    (u32), then the box of core/crypto/seal. `size`: its bytes.

    Which goes first where room is short (mail_space): UNPROVEN is read, and no token of ours is in it; WITH_FILES has
    files that its conversation lists.
    """

    WAITING, READ, UNREADABLE, UNPROVEN, WITH_FILES = range(5)

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="+", db_index=False)
    received = models.DateField()
    state = models.PositiveSmallIntegerField(default=WAITING)
    size = models.PositiveIntegerField()
    box = models.BinaryField()

    class Meta:
        indexes = [
            models.Index(fields=["organization", "id"], name="mail_waiting", condition=models.Q(state=0)),
            models.Index(fields=["organization", "size"], name="mail_by_size"),
            models.Index(fields=["organization", "size"], name="mail_with_files", condition=models.Q(state=4)),
            models.Index(fields=["received"], name="mail_by_day"),
        ]


class MailReport(models.Model):
    """What came in about one message of ours. `details_sealed`: a report_details.ReportDetails, by which it counts;
    columns find it. Without an edition nobody knows which message of ours it is about.
    """

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="+", db_index=False)
    mail = models.BigIntegerField()  # Number of the IncomingMail, which goes sooner.
    position = models.PositiveSmallIntegerField()  # Among the reports of that message.
    edition = models.ForeignKey("campaigns.Edition", models.CASCADE, null=True, related_name="+", db_index=False)
    number = models.BigIntegerField(null=True)
    kind = models.PositiveSmallIntegerField()  # Place in core/bounce/report.KINDS
    day = models.DateField()
    details_sealed = models.BinaryField(default=b"")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["mail", "position"], name="mail_report_once")]
        indexes = [
            models.Index(fields=["edition", "kind"], name="mail_report_by_edition"),
            models.Index(fields=["organization", "number"], name="mail_report_by_subscriber"),
            # Looked at each ten seconds: along the first one, all of 200,000 rows would be.
            models.Index(fields=["edition", "day"], name="mail_report_of_strangers", condition=models.Q(edition=None)),
            models.Index(fields=["organization", "day", "id"], name="auto_reply_by_day", condition=models.Q(kind=4)),
        ]


class SeenWebhook(models.Model):
    """An event that a provider told by webhook, so that it counts once however often it comes. `digest`: keyed, of what
    makes it that event; it is forgotten after webhooks.REMEMBERED.
    """

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="+", db_index=False)
    digest = models.BinaryField(max_length=16)
    day = models.DateField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "digest"], name="webhook_event_once")]


class PolledMailbox(models.Model):
    """A mailbox at any provider. `settings_sealed`: mailboxes/settings.MailboxSettings, where it is and by which
    password. `state_sealed`: mailboxes/sealed.MailboxState, how far it is read and how that went.
    """

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=60)
    settings_sealed = models.BinaryField()
    state_sealed = models.BinaryField(default=b"")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="mailbox_name_once")]


class SeedMailbox(models.Model):
    """A mailbox of the organization's own, by which it sees where its campaigns arrive. `settings_sealed`:
    seeds/mailboxes.SeedSettings, its address and how it is read. `fault`: why it could not be read the last time, a
    code of mailboxes/faults.SENTENCES.
    """

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=60)
    settings_sealed = models.BinaryField()
    fault = models.CharField(max_length=20, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="seed_mailbox_name_once")]


class SeedCopy(models.Model):
    """A copy of a campaign that went to a seed mailbox by a route. `mark`: the value of its header seeds/copies.HEADER.
    `at`: when it was sent, before that when it was to be.
    """

    UNSENT, SENT, INBOX, SPAM, MISSING, REJECTED, UNREAD = range(7)

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="+", db_index=False)
    campaign = models.ForeignKey("campaigns.Campaign", models.CASCADE, related_name="+", db_index=False)
    route = models.ForeignKey("delivery.Route", models.CASCADE, related_name="+", db_index=False)
    seed = models.ForeignKey(SeedMailbox, models.CASCADE, related_name="+", db_index=False)
    state = models.PositiveSmallIntegerField(default=UNSENT)
    mark = models.CharField(max_length=40)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "route", "seed"], name="seed_copy_once")]
        indexes = [
            models.Index(fields=["organization", "at"], name="seed_copy_waiting", condition=models.Q(state__lte=1))
        ]


class Conversation(models.Model):
    """What somebody wrote to the organization, and what the team answers. `sealed`: a
    conversations/details.ConversationDetails, which says whose it is; columns find it.
    """

    WAITING, ANSWERED, DONE = 0, 1, 2
    THREAD_BYTES = 16

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="+", db_index=False)
    state = models.PositiveSmallIntegerField(default=WAITING)
    assignee = models.ForeignKey("accounts.Person", models.SET_NULL, null=True, related_name="+")
    subscriber = models.BigIntegerField(null=True)  # Row of who wrote, where it is known.
    day = models.DateField()  # Of its newest message: kept for a year from then.
    last = models.BigIntegerField(default=0)  # Number of its newest message: the order of the list.
    mark = models.BinaryField(max_length=16)  # Keyed hash of sender and subject: their next message goes on here.
    thread = models.BinaryField(max_length=THREAD_BYTES)  # Random; in the Message-ID of our answers.
    sealed = models.BinaryField(default=b"")

    class Meta:
        indexes = [
            models.Index(
                fields=["organization", "state", "last", "assignee", "subscriber"], name="conversation_by_state"
            ),
            models.Index(fields=["organization", "mark"], name="conversation_by_mark"),
            models.Index(fields=["organization", "thread"], name="conversation_by_thread"),
            models.Index(fields=["subscriber"], name="conversation_by_subscriber"),
            models.Index(fields=["day"], name="conversation_by_day"),
        ]


class ConversationMessage(models.Model):
    """One message or note of it. `sealed`: a conversations/details.MessageDetails."""

    RECEIVED, ANSWER, NOTE, AWAY = 0, 1, 2, 3
    NOT_SENT, DUE, SENT, REFUSED = 0, 1, 2, 3

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages")
    kind = models.PositiveSmallIntegerField()
    outgoing = models.PositiveSmallIntegerField(default=NOT_SENT)
    sealed = models.BinaryField(default=b"")

    class Meta:
        indexes = [models.Index(fields=["outgoing"], name="answer_due", condition=models.Q(outgoing=1))]


class AwayReply(models.Model):
    """Who got the away text not long ago. `mark`: keyed hash of their address."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="+", db_index=False)
    mark = models.BinaryField(max_length=16)
    day = models.DateField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "mark"], name="away_reply_once")]
        indexes = [models.Index(fields=["day"], name="away_reply_by_day")]


class AwayText(models.Model):
    """What answers subscribers who write while nobody is there. `sealed`: a conversations/away.AwaySettings."""

    organization = models.OneToOneField("accounts.Organization", models.CASCADE, primary_key=True, related_name="+")
    sealed = models.BinaryField(default=b"")


class ReceiverReport(models.Model):
    """A DMARC or TLS report about a sending domain, of one receiver and one day. `details_sealed`: a
    domain_reports.ReceiverReportDetails."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()
    details_sealed = models.BinaryField(default=b"")

    class Meta:
        indexes = [models.Index(fields=["organization", "day"], name="receiver_report_by_day")]
