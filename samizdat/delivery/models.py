"""Ways out, what is owed, who is at it, and what became of every message."""

from django.db import models


class Route(models.Model):
    """A configured way out. URL and credentials are sealed."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="routes")
    name = models.CharField(max_length=60)
    priority = models.PositiveIntegerField(default=10)  # Lower goes first.
    settings_sealed = models.BinaryField()  # sealed_routes.py.
    scheme = models.CharField(max_length=20)
    connections = models.PositiveIntegerField(default=10)
    rate = models.FloatField(null=True)  # Messages a second that they are spread at: core/mail/rate.pace_of(limits).
    limits = models.CharField(max_length=200, blank=True, default="", db_default="")  # "10/s,5000/h,20000/d"
    warm_up = models.CharField(max_length=800, blank=True, default="", db_default="")  # "50,100,200": by days.
    warm_since = models.DateField(null=True)  # The first day of the warm-up.
    signs = models.BooleanField(default=True, db_default=True)  # We sign what goes by it; else its provider does.
    state = models.CharField(max_length=10, default="live")  # live, paused, dead, throttled, removed
    reason = models.CharField(max_length=40, blank=True)
    answer_sealed = models.BinaryField(default=b"")  # The provider's own words that condemned it.
    until = models.DateTimeField(null=True)  # throttled: not before. dead: asked once more then (wrong passwords).
    changed = models.DateTimeField()
    waits = models.BooleanField(default=False, db_default=False)  # Its server dies when more follows a final dot.
    asked = models.DateTimeField(null=True)  # When its provider was last asked how the account stands.

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="route_name_once")]


class RouteWebhook(models.Model):
    """How a route's provider tells us what became of messages. `settings_sealed`, `state_sealed`: sealed_webhooks.py,
    whose it is and by which secret it signs, and what was heard.
    """

    route = models.OneToOneField(Route, models.CASCADE, primary_key=True, related_name="webhook")
    settings_sealed = models.BinaryField()
    state_sealed = models.BinaryField(default=b"")


class RouteDomain(models.Model):
    """A sending domain that a route's provider does not accept. Barred there until a person lifts it; other domains go
    on by the route (formats/route-errors.md, class CONFIG). Names of domains are in the clear, as in SendingDomain.
    """

    pk = models.CompositePrimaryKey("route_id", "domain")
    route = models.ForeignKey(Route, models.CASCADE, related_name="bars", db_index=False)
    domain = models.CharField(max_length=253)
    reason = models.CharField(max_length=40)
    answer_sealed = models.BinaryField(default=b"")  # The provider's own words.
    since = models.DateTimeField()


class RoutePace(models.Model):
    """What a route has sent of late: one row that all senders draw from, each a little at a time (core/mail/rate.draw).

    What a sender has drawn counts as used, so one that is killed sends less and never more.
    """

    route = models.OneToOneField(Route, models.CASCADE, primary_key=True, related_name="+")
    spent = models.TextField(blank=True, default="")  # core/mail/rate.spent_text


# Seconds after which connections are free that a sender no longer renews: it, its machine or its network is gone.
LEASE = 30.0


class ConnectionLease(models.Model):
    """How many of a route's connections a sender holds. Gone with its worker, or when it was not renewed in time."""

    pk = models.CompositePrimaryKey("route_id", "worker_id")
    route = models.ForeignKey(Route, models.CASCADE, related_name="+", db_index=False)
    worker = models.ForeignKey("Worker", models.CASCADE, related_name="+")
    connections = models.PositiveIntegerField()
    until = models.FloatField()  # Seconds since 1970 by the database's clock: machines may disagree about the time.


class ProviderPace(models.Model):
    """A mailbox provider that asked for patience, and what it gets by this route until it has grown back."""

    pk = models.CompositePrimaryKey("route_id", "provider")
    route = models.ForeignKey(Route, models.CASCADE, related_name="+", db_index=False)
    provider = models.PositiveSmallIntegerField()  # core/mail/address.PROVIDERS
    rate = models.FloatField()  # Messages a second at `at`.
    full = models.FloatField()  # Messages a second before.
    at = models.FloatField()  # Seconds since 1970.
    hold = models.FloatField(default=0)  # Nothing before this.


class ProviderRefusal(models.Model):
    """A mailbox provider that refuses us in one campaign: what is for it waits, as deferred, until somebody lifts that
    (core/mail/refusals). Of a large one its place in core/mail/address.PROVIDERS; of any other the domain, sealed, for
    a domain with few people points at them.
    """

    edition = models.ForeignKey("campaigns.Edition", models.CASCADE, related_name="+", db_index=False)
    digest = models.BinaryField(max_length=16)  # Of the provider's word, keyed: finds it again.
    provider = models.PositiveSmallIntegerField()
    domain_sealed = models.BinaryField(default=b"")
    reason = models.CharField(max_length=20)  # core/mail/refusals.REASONS
    answer_sealed = models.BinaryField()  # Code and words, without addresses.
    count = models.PositiveIntegerField()  # Refused alike, when it was put off.
    since = models.DateTimeField()
    lifted = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["edition", "digest"], name="provider_refusal_once")]


class HeldRefusals(models.Model):
    """What one of several senders holds of a campaign: the same refusal by one mailbox provider, since that last
    accepted anything. Only their sum tells whose refusals they are. Rows of a sender that has ended count no more.
    """

    edition = models.ForeignKey("campaigns.Edition", models.CASCADE, related_name="+", db_index=False)
    worker = models.ForeignKey("Worker", models.CASCADE, related_name="+")
    provider = models.BinaryField(max_length=16)  # Digests of its word, and of that with what it said.
    group = models.BinaryField(max_length=16)
    count = models.PositiveIntegerField()
    settles = models.BooleanField()  # This sender has nothing else of the campaign to send.
    accepted = models.BooleanField(default=False)  # The provider accepted an email from another sender meanwhile.

    class Meta:
        constraints = [models.UniqueConstraint(fields=["edition", "group", "worker"], name="held_refusals_once")]


class SendingDomain(models.Model):
    """A domain of From addresses that we sign for. Its name is in the clear: name servers tell it to everybody."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="sending_domains")
    name = models.CharField(max_length=253)
    made = models.DateField()
    warm_up = models.CharField(max_length=800, blank=True, default="", db_default="")  # "50,100,200": by days.
    warm_since = models.DateField(null=True)  # The first day of the warm-up.
    spent = models.TextField(
        blank=True, default="", db_default=""
    )  # What went out from it of late: core/mail/rate.Spent.
    state_sealed = models.BinaryField(default=b"", db_default=b"")  # Its name, and whether it waits: sealed_domains.py.

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="sending_domain_once")]


class DkimKey(models.Model):
    """A key of a sending domain under its selector. new → published → active → retiring → retired; no way is skipped
    but to retired. Only an active one signs. Selector and public half stand in a TXT record for all to read; the
    private half is sealed, and forgotten when the key is retired.
    """

    STATES = ("new", "published", "active", "retiring", "retired")

    domain = models.ForeignKey(SendingDomain, models.CASCADE, related_name="keys")
    algorithm = models.CharField(max_length=10)  # core/mail/dkim.ALGORITHMS
    selector = models.CharField(max_length=63)
    public = models.TextField()  # The p= of its record.
    private_sealed = models.BinaryField(default=b"")  # With its record and whether it waits: sealed_domains.py.
    state = models.CharField(max_length=10, default="new")
    since = models.DateField()  # Since when it is in this state.
    until = models.DateField(null=True)  # retiring: until when its record has to stay.
    seen = models.DateField(null=True)  # When name servers last told its record.

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["domain", "selector"], name="dkim_selector_once"),
            models.UniqueConstraint(
                fields=["domain", "algorithm"], condition=models.Q(state="active"), name="dkim_one_active"
            ),
        ]


class Worker(models.Model):
    """A process: a sender owns chunks and one journal, a worker ticks the clock. Alive while it holds its lock
    (design.md, 6.3), not by a lease; one whose heartbeat stops loses the lock.
    """

    role = models.CharField(max_length=10, default="sender", db_default="sender")
    host = models.CharField(max_length=253, blank=True, default="", db_default="")  # The machine's own name.
    boot = models.BinaryField(max_length=16)
    folder = models.BinaryField(max_length=16)  # Which data folder holds its journal: on PostgreSQL there are many.
    journal = models.CharField(max_length=80)  # File name in <data folder>/journals.
    started = models.DateTimeField()
    beat = models.DateTimeField(null=True)  # Last heartbeat, by the database's clock. PostgreSQL alone.
    engine = models.BigIntegerField(null=True)  # Its number among the workers of the task engine.
    forgotten = models.BooleanField(default=False, db_default=False)  # A person said that it will not come back.
    ended = models.DateTimeField(null=True)
    # Groups of results that the database has taken from it; its journal counts along (engine/rewound_database.py).
    written = models.BigIntegerField(default=0, db_default=0)


class Location(models.Model):
    """Where the installation last ran, as keyed hashes (delivery/copied_installation.py): a copy finds that it
    differs."""

    folder = models.BinaryField(max_length=16)  # Of which data folder, on PostgreSQL; empty: of the database itself.
    part = models.CharField(max_length=10)  # copied_installation.PARTS, or database_progress.RELEASES
    digest = models.BinaryField(max_length=16)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["folder", "part"], name="location_once")]


class EpochRecord(models.Model):
    """One row: this installation among its copies (delivery/epochs.py). Records are signed, as at the places."""

    own = models.BinaryField(max_length=200)
    rival = models.BinaryField(max_length=200)  # Who took over; empty: nobody.
    # Under keys that were replaced, one behind the other: copies that have such a key read no other.
    former = models.BinaryField(max_length=4000, default=b"", db_default=b"")
    # What came of the last look at the backup places.
    places = models.PositiveSmallIntegerField(default=0)
    reached = models.PositiveSmallIntegerField(default=0)
    looked = models.DateTimeField(null=True)


class HealthReport(models.Model):
    """What the worker found when it last looked at the installation, as an organization is told of it
    (health/reports.py). `at`: when it looked, so that it looks again; `sealed` says it, too."""

    organization = models.OneToOneField("accounts.Organization", models.CASCADE, primary_key=True, related_name="+")
    at = models.DateTimeField()
    sealed = models.BinaryField()


class BackupPlace(models.Model):
    """Where backups go by themselves (delivery/backup_places.py). `wrapped`: URL, password, recipients and what is kept
    there; `state_sealed`: how the last attempts went. Both under a key of the instance."""

    wrapped = models.BinaryField()
    state_sealed = models.BinaryField(default=b"", db_default=b"")


class BackupCopy(models.Model):
    """A copy that was written to a place. `wrapped` says the same, sealed, and the name of its manifest: that holds."""

    place = models.ForeignKey(BackupPlace, models.CASCADE, related_name="copies")
    made = models.DateTimeField()
    kind = models.CharField(max_length=10)  # core/backup/manifest: full or changes
    bytes = models.BigIntegerField()  # Of all its pieces.
    rows = models.BigIntegerField()
    wrapped = models.BinaryField()


class BackupProgress(models.Model):
    """What the worker does at a place now, what it was asked to do there, and how far the tail is
    (delivery/backup_progress.py). Of this installation alone: no copy has it."""

    place = models.OneToOneField(BackupPlace, models.CASCADE, primary_key=True, related_name="progress")
    backup_asked = models.DateTimeField(null=True)
    test_asked = models.DateTimeField(null=True)
    doing = models.CharField(max_length=10, blank=True, default="", db_default="")  # backup or test
    began = models.DateTimeField(null=True)
    seen = models.DateTimeField(null=True)  # When it last came further.
    rows_done = models.BigIntegerField(default=0, db_default=0)
    rows_total = models.BigIntegerField(default=0, db_default=0)
    tail_written = models.DateTimeField(null=True)
    tail_failing = models.DateTimeField(null=True)  # Since then; null while all is well.


class Clock(models.Model):
    """One row: what the time was when somebody last looked, and whether the clock was set (delivery/clock_jumps.py).

    `ticks` are seconds of a clock that nobody can set, which begins anew with each boot of a machine.
    """

    boot = models.BinaryField(max_length=16)
    ticks = models.FloatField()
    seen = models.DateTimeField()
    jumped = models.DateTimeField(null=True)  # When it was last set, by the time that it was set to.
    seconds = models.FloatField(default=0)  # By how much: below zero, back.
    patient = models.DateTimeField(null=True)  # Until then nothing is given up or thrown away for being old.


class SchedulerStep(models.Model):
    """A step of the clock: when it last went through, and where it broke. A minute old at most while all is well."""

    name = models.CharField(max_length=60, primary_key=True)
    done = models.DateTimeField(null=True)
    failed = models.DateTimeField(null=True)
    why = models.CharField(max_length=200, blank=True)


class DigestRecipients(models.Model):
    """Readers set aside with a campaign until it is known how a letter reaches them. Of a letter that was frozen: whom
    its chunks leave out, since they want it gathered or one a month; asked once more when it begins. Of a digest: whom
    it gathers for, as its round ended. Gone with the answer. `numbers`: how many, packed u64 (core/mail/ledger), the
    place of each one's version and their masks (sealed_chunks.py); up to 5,000; sealed to campaign and row, so that
    nobody is added or gets it twice.
    """

    campaign = models.ForeignKey("campaigns.Campaign", models.CASCADE, related_name="+")
    numbers = models.BinaryField()


class Chunk(models.Model):
    """At most 500 recipients of an edition, the unit a sender claims. `numbers`: packed u64, core/mail/ledger."""

    READY, CLAIMED, DONE = range(3)

    edition = models.ForeignKey("campaigns.Edition", models.CASCADE, related_name="chunks", db_index=False)
    position = models.PositiveIntegerField()
    size = models.PositiveIntegerField()
    remaining = models.IntegerField()  # Numbers of it that have no delivery yet; 0 for a retry chunk.
    numbers = models.BinaryField()
    digest_sealed = models.BinaryField(default=b"", db_default=b"")  # And which tags each carries: sealed_chunks.py.
    retry = models.BooleanField(default=False)  # Holds deferred ones again: counted in no frozen.
    variant = models.PositiveSmallIntegerField(default=0)
    wave = models.PositiveSmallIntegerField(default=0)
    state = models.PositiveSmallIntegerField(default=READY)
    worker = models.ForeignKey(Worker, models.PROTECT, null=True)
    claimed = models.DateTimeField(null=True)
    # Claimed on PostgreSQL: how many of those that had no answer, from the end, no slice has taken yet. Nobody has to
    # read a journal to know that these were not sent.
    unsliced = models.PositiveIntegerField(null=True)
    not_before = models.DateTimeField(null=True)
    owed = models.DateField(null=True)  # Of a welcome email: the day (UTC) on which its reader confirmed.

    class Meta:
        constraints = [models.UniqueConstraint(fields=["edition", "position"], name="chunk_position_once")]
        indexes = [
            models.Index(fields=["edition", "id"], condition=models.Q(state=0), name="chunk_ready"),
            models.Index(fields=["worker"], condition=models.Q(state=1), name="chunk_claimed"),
        ]


class Delivery(models.Model):
    """The record of one message: what became of it. No time finer than a day, no address, no queue id.

    Without foreign keys in the database: PostgreSQL asks for both parents at every row, which costs more than the row.
    """

    pk = models.CompositePrimaryKey("edition_id", "number")
    edition = models.ForeignKey(
        "campaigns.Edition", models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    number = models.BigIntegerField()
    state = models.PositiveSmallIntegerField()
    answer = models.PositiveSmallIntegerField()  # outcome.ANSWERS
    code = models.PositiveSmallIntegerField(default=0)
    route = models.ForeignKey(Route, models.SET_NULL, null=True, db_index=False, db_constraint=False)
    day = models.DateField()

    class Meta:
        indexes = [
            # Refused, unsure, cancelled: few, and asked for on pages. What was accepted pays nothing for it.
            models.Index(
                fields=["edition", "state", "number", "answer"],
                condition=models.Q(state__in=[3, 4, 6]),
                name="delivery_not_accepted",
            )
        ]


class Retry(models.Model):
    """A deferred or doubtful message's next try, and how often it was tried. Gone when the message is settled.

    `chunk` is the retry chunk it is in now; while it is in none, the clock puts it into one at `due`. An answer to an
    earlier chunk, heard again after a crash, therefore changes nothing.
    """

    pk = models.CompositePrimaryKey("edition_id", "number")
    edition = models.ForeignKey("campaigns.Edition", models.CASCADE, related_name="+", db_index=False)
    number = models.BigIntegerField()
    tries = models.PositiveSmallIntegerField(default=1)
    first = models.DateTimeField()
    due = models.DateTimeField()
    chunk = models.ForeignKey(Chunk, models.SET_NULL, null=True, related_name="+", db_index=False)

    class Meta:
        indexes = [
            models.Index(fields=["edition", "due"], condition=models.Q(chunk=None), name="retry_due"),
            models.Index(fields=["chunk", "number"], condition=models.Q(chunk__isnull=False), name="retry_chunk"),
        ]


class RouteTotal(models.Model):
    """What one route did for one edition, as totals, moved with the deliveries themselves."""

    pk = models.CompositePrimaryKey("edition_id", "route_id")
    edition = models.ForeignKey("campaigns.Edition", models.CASCADE, related_name="+", db_index=False)
    route = models.ForeignKey(Route, models.CASCADE, related_name="+")
    accepted = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    deferred = models.BigIntegerField(default=0)  # Times, not people: each put-off counts.
    unsure = models.BigIntegerField(default=0)
    unsubscribed = models.BigIntegerField(default=0, db_default=0)  # By emails that it carried.


class MinuteTotal(models.Model):
    """Totals per minute, edition and route, for the rate chart."""

    pk = models.CompositePrimaryKey("edition_id", "route_id", "minute")
    edition = models.ForeignKey("campaigns.Edition", models.CASCADE, related_name="+", db_index=False)
    route = models.ForeignKey(Route, models.CASCADE, related_name="+", db_index=False)
    minute = models.DateTimeField()
    accepted = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)


class ProviderTotal(models.Model):
    """What one mailbox provider's people got of one edition, as totals."""

    pk = models.CompositePrimaryKey("edition_id", "provider", "state")
    edition = models.ForeignKey("campaigns.Edition", models.CASCADE, related_name="+", db_index=False)
    provider = models.PositiveSmallIntegerField()
    state = models.PositiveSmallIntegerField()
    count = models.BigIntegerField(default=0)
    # Beside what was accepted: who unsubscribed by it. Below zero where their address has changed meanwhile.
    unsubscribed = models.BigIntegerField(default=0, db_default=0)


class VariantTotal(models.Model):
    """What became of the messages of one version of an edition, in a test or by language, as totals; the variant
    core/ab_test.REST: of the rest of a test.
    """

    pk = models.CompositePrimaryKey("edition_id", "variant", "state")
    edition = models.ForeignKey("campaigns.Edition", models.CASCADE, related_name="+", db_index=False)
    variant = models.PositiveSmallIntegerField()
    state = models.PositiveSmallIntegerField()
    count = models.BigIntegerField(default=0)


class SmtpReply(models.Model):
    """A server's own words, address taken out, sealed, and how often it said them."""

    edition = models.ForeignKey("campaigns.Edition", models.CASCADE, related_name="+")
    route = models.ForeignKey(Route, models.CASCADE, related_name="+", db_index=False)
    digest = models.BinaryField(max_length=16)
    answer = models.PositiveSmallIntegerField()
    code = models.PositiveSmallIntegerField()
    text_sealed = models.BinaryField()
    count = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["edition", "route", "digest"], name="answer_once")]


class DeliveryArchiveTotal(models.Model):
    """How many messages of an edition had which fate, once the rows that said whose are gone
    (actions/delivery_retention.py)."""

    pk = models.CompositePrimaryKey("edition_id", "state")
    edition = models.ForeignKey("campaigns.Edition", models.CASCADE, related_name="folded", db_index=False)
    state = models.PositiveSmallIntegerField()
    count = models.BigIntegerField(default=0)
    day = models.DateField()  # When the last of them was folded.


class RemoteCheck(models.Model):
    """What somebody at the desk wants to know of other people's servers, and what those said: the worker asks
    (actions/remote_checks.py), so that no page waits for them. Gone once it was read, or after an hour."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="+")
    by = models.ForeignKey("accounts.Person", models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10)  # actions/questions.KINDS
    about = models.BigIntegerField()  # Number of a route, a sending domain or a campaign.
    asked_sealed = models.BinaryField()
    answer_sealed = models.BinaryField(default=b"")
    asked = models.DateTimeField()
    began = models.DateTimeField(null=True)
    done = models.DateTimeField(null=True)


class Move(models.Model):
    """A move to another address, sending domain or server: the last one that began. `sealed`: a moves.MoveRecord."""

    organization = models.OneToOneField("accounts.Organization", models.CASCADE, primary_key=True, related_name="+")
    sealed = models.BinaryField(default=b"", db_default=b"")
