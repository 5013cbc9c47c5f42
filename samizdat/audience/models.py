"""Who is written to. Addresses, names and fields are sealed; what may stay readable is design.md, section 4."""

import secrets
from collections.abc import Collection
from typing import Any

from django.db import models

from samizdat.core import consent
from samizdat.core.content import digest

# Small numbers in the database, these words everywhere else. Append only.
STATUSES = ("pending", "subscribed", "unsubscribed", "cleaned", "nonsubscribed")
PENDING, SUBSCRIBED, UNSUBSCRIBED, CLEANED, NONSUBSCRIBED = range(5)

# How often they want letters of a list: each of them, the first of a month that goes to the whole list, or a digest.
FREQUENCIES = digest.FREQUENCIES
ALL, MONTHLY, DIGEST, AGAIN, SOON = range(5)

# What is counted of a list from day to day.
GROWTH = ("joined", "left", "cleaned")
JOINED, LEFT, FOUND_DEAD = range(3)
# By which way: of consent.WAYS, or by the desk alone, of which nobody came or went: a move between lists and its
# undoing; something else that was undone.
MOVED, UNDONE = 64, 65
GROWN_BY = dict(enumerate(consent.WAYS)) | {MOVED: "moved", UNDONE: "undone"}

ODDITIES = ("typo", "double")
TYPO, DOUBLE = range(2)

SUPPRESSION_REASONS = ("bounce", "complaint", "erased", "manual", "objected")

# subscriber.id = organization number << 40 | subscriber number. One integer is the fastest key both databases have,
# keeps an organization's rows together, and lets the number alone go along in a move.
NUMBER_BITS = 40
NUMBER_MASK = (1 << NUMBER_BITS) - 1


# db_constraint=False, below: PostgreSQL looks the parents of every row up again at commit, 2 us each, which was 19 of
# the 47 seconds that a million rows took it. These rows are written by actions alone, which have looked the parents up
# in the same transaction.


def row_id(organization_id: int, number: int) -> int:
    """Errors: ValueError for a number that would be a row of another organization."""
    if not is_number(number):
        raise ValueError(f"{number} is no number of a subscriber.")
    return organization_id << NUMBER_BITS | number


def is_number(number: int) -> bool:
    """Whether a number that somebody tells can be one of a subscriber at all."""
    return 0 <= number <= NUMBER_MASK


def new_list_number() -> int:
    """Never 0, which is all lists wherever a list may be named."""
    return 1 + secrets.randbelow((1 << 31) - 1)


class List(models.Model):
    """What people subscribe to. Its name is sealed.

    Its number stands in confirmation links and in List-Id, which is stable for ever (RFC 2919): it is random, so that
    it goes along in a move without meeting another house's.
    """

    id = models.BigIntegerField(primary_key=True, default=new_list_number)
    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="lists")
    name_sealed = models.BinaryField()
    details_sealed = models.BinaryField(default=b"")  # From, permission reminder, purpose text of the form.
    form_slug = models.CharField(max_length=40, blank=True)  # What counts is sealed: ListDetails.
    created = models.DateField()
    # Letters are gathered for who wants a digest: on which days, when the next one is due, which round is gathered.
    digest_when = models.CharField(max_length=5, blank=True, default=digest.USUAL, db_default=digest.USUAL)
    digest_due = models.DateTimeField(null=True)
    digest_round = models.PositiveIntegerField(default=1, db_default=1)


class Field(models.Model):
    """A merge field. `number` is its place in every sealed blob: never used again, never changed."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="fields")
    number = models.PositiveIntegerField()
    sealed = models.BinaryField()  # JSON: tag (FNAME), label, default, kind, required, choices. Empty once all is gone.
    removed = models.DateField(null=True)
    cleared = models.BigIntegerField(default=0)  # Removed: subscribers up to this id hold no value of it any more.

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "number"], name="field_number_once")]

    readable = models.BooleanField(default=False)  # Its values stand in ReadableValue as well, for segments in SQL.
    filled = models.BigIntegerField(null=True)  # Subscribers up to this id have been brought there; None: all.


class Tag(models.Model):
    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="tags")
    name_sealed = models.BinaryField()
    name_index = models.BinaryField(max_length=16)  # Blind index of the name: found without opening all.
    # Its name is gone; the row stays, so that a draft that went to it never goes to everybody instead.
    removed = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "name_index"], name="tag_once")]


class Subscriber(models.Model):
    """An address known to one organization. `sealed`: core/crypto/seal, table subscriber, column sealed."""

    id = models.BigIntegerField(primary_key=True)
    organization = models.ForeignKey(
        "accounts.Organization", models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    sealed = models.BinaryField()
    email_index = models.BinaryField(max_length=16)
    index_version = models.PositiveSmallIntegerField(default=1)
    provider = models.PositiveSmallIntegerField(default=0)
    language = models.CharField(max_length=8, default="")
    joined = models.DateField()
    source = models.PositiveSmallIntegerField(default=0, db_default=0)  # consent.WAYS: how they first came here.

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "email_index"], name="subscriber_once"),
            # Said twice, since who is looked up by their address is asked for by it, and everybody else by the number.
            models.CheckConstraint(
                condition=models.Q(organization=models.F("id").bitrightshift(NUMBER_BITS)),
                name="subscriber_is_of_number",
            ),
        ]
        indexes = [
            # What filters and segments ask of everybody, without the blobs between: a million in 0.1 s.
            models.Index(fields=["id", "provider", "language", "source", "joined"], name="subscriber_facets"),
        ]

    @classmethod
    def from_db(
        cls, db: str | None, field_names: Collection[str], values: Collection[Any], **more: Any
    ) -> "Subscriber":
        """Of the organization that the number says, by which they are written to: whoever writes SQLite's file switches
        conditions off, and a no of somebody else's would be nobody's."""
        row = super().from_db(db, field_names, values, **more)
        if "organization_id" in field_names and row.organization_id != row.id >> NUMBER_BITS:
            row.organization_id = row.id >> NUMBER_BITS
        return row

    @property
    def number(self) -> int:
        return self.id & NUMBER_MASK


class SubscriberTag(models.Model):
    pk = models.CompositePrimaryKey("subscriber_id", "tag_id")
    subscriber = models.ForeignKey(Subscriber, models.CASCADE, db_index=False, db_constraint=False)
    tag = models.ForeignKey(Tag, models.CASCADE, db_index=False, db_constraint=False)

    class Meta:
        indexes = [models.Index(fields=["tag", "subscriber"], name="subscribertag_by_tag")]

    @property
    def organization_id(self) -> int:
        return self.subscriber_id >> NUMBER_BITS


class Subscription(models.Model):
    """Subscriber × list. `mail_verdict` is the one of core/consent.may, written in the transaction of the facts.

    `fundraising_verdict`: the same about appeals for money, which go to whoever has both (consent_records.asking_of).
    """

    pk = models.CompositePrimaryKey("subscriber_id", "list_id")
    subscriber = models.ForeignKey(Subscriber, models.CASCADE, db_index=False, db_constraint=False)
    list = models.ForeignKey(List, models.CASCADE, db_index=False, db_constraint=False)
    status = models.PositiveSmallIntegerField()
    mail_verdict = models.PositiveSmallIntegerField()
    fundraising_verdict = models.PositiveSmallIntegerField(default=0, db_default=0)
    since = models.DateField()
    paused = models.DateField(null=True)  # Not written to before this day: they asked.
    frequency = models.PositiveSmallIntegerField(default=0, db_default=0)  # FREQUENCIES
    digest_turn = models.PositiveIntegerField(default=0, db_default=0)  # core/content/digest: from which round on.

    class Meta:
        indexes = [
            models.Index(fields=["list", "status", "subscriber"], name="subscription_by_status"),
            # Few: those who chose something else than every letter.
            models.Index(fields=["paused"], condition=models.Q(paused__isnull=False), name="subscription_paused"),
            models.Index(fields=["list"], condition=models.Q(frequency__gt=0), name="subscription_seldom"),
            # Few: subscribed, and suppressed. Counted before each letter, so not by walking through a million.
            models.Index(
                fields=["list", "subscriber"],
                condition=models.Q(status=1) & ~models.Q(mail_verdict=1),
                name="subscription_stopped",
            ),
            # Few again: suppressed, for whatever reason, and whoever paused (7 and above in consent.REASONS).
            models.Index(
                fields=["subscriber", "list"], condition=models.Q(mail_verdict__gte=7), name="subscription_suppressed"
            ),
            # Few for now: who agreed to appeals for money.
            models.Index(
                fields=["list", "subscriber"], condition=models.Q(fundraising_verdict=1), name="subscription_asking"
            ),
        ]

    @property
    def organization_id(self) -> int:
        return self.subscriber_id >> NUMBER_BITS


class Headcount(models.Model):
    """So many subscribers more, or fewer: an organization has the sum (audience/headcount.py). Rows are added and never
    moved, for one that every writer moves would have them all wait for each other.
    """

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="+")
    delta = models.BigIntegerField()


class ListTotal(models.Model):
    """How many subscriptions a list has in each status; moved in the transaction that moves the rows."""

    pk = models.CompositePrimaryKey("list_id", "status")
    list = models.ForeignKey(List, models.CASCADE, db_index=False)
    status = models.PositiveSmallIntegerField()
    count = models.BigIntegerField(default=0)


class TagTotal(models.Model):
    """The same for each tag: counting a million rows for a page would take a second."""

    pk = models.CompositePrimaryKey("list_id", "tag_id", "status")
    list = models.ForeignKey(List, models.CASCADE, db_index=False)
    tag = models.ForeignKey(Tag, models.CASCADE)
    status = models.PositiveSmallIntegerField()
    count = models.BigIntegerField(default=0)


class ConsentRecord(models.Model):
    """Append-only: what was agreed to or withdrawn, when (day), by which way; exact times and words are sealed.

    Of an import `day`, Subscription.since and Subscriber.joined are the day of the import: what a file tells is
    sealed, so that nobody lines an old export up with a dump.
    """

    organization = models.ForeignKey(
        "accounts.Organization", models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    # No constraint in the database: when they are erased their row goes, `sealed` is emptied and the chain stays whole.
    subscriber = models.ForeignKey(Subscriber, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False)
    # None: every list.
    list = models.ForeignKey(List, models.CASCADE, related_name="+", db_index=False, null=True, db_constraint=False)
    kind = models.PositiveSmallIntegerField()  # consent.KINDS
    purpose = models.PositiveSmallIntegerField(default=0)  # consent.PURPOSES
    channel = models.PositiveSmallIntegerField()  # consent.WAYS
    day = models.DateField()
    sealed = models.BinaryField()
    digest = models.BinaryField(max_length=32)
    mac = models.BinaryField(max_length=32, null=True)  # emptied_records.py: of one whose words we took away.
    position = models.BigIntegerField(null=True)
    link = models.BinaryField(max_length=32, null=True)

    class Meta:
        indexes = [
            models.Index(fields=["id"], condition=models.Q(position=None), name="consent_unchained"),
            models.Index(
                fields=["organization", "position"], condition=~models.Q(position=None), name="consent_chained"
            ),
            # Of one subscriber; with all that a segment asks for by the day of a confirmation, so that no row is read
            # for it.
            models.Index(fields=["subscriber", "kind", "purpose", "day"], name="consent_of_subscriber"),
        ]


class SignUp(models.Model):
    """A sign-up by a form, for its week; then what nobody confirmed of it is forgotten (actions/forgetting).

    The log of consent is long, and few of it are these: they are found here by their day.
    """

    record = models.OneToOneField(
        ConsentRecord, models.CASCADE, primary_key=True, related_name="+", db_constraint=False
    )
    day = models.DateField()  # Of the record.

    class Meta:
        indexes = [models.Index(fields=["day", "record"], name="signup_by_day")]


class ConsentText(models.Model):
    """The words that readers of a list agree to. Never changed: other words are another version.

    Versions are counted for each list, purpose and language. Consent records name them, sealed (core/consent.VERSION).
    """

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="wordings")
    list = models.ForeignKey(List, models.CASCADE, related_name="wordings")
    purpose = models.PositiveSmallIntegerField(default=0)  # consent.PURPOSES
    language = models.CharField(max_length=8)
    version = models.PositiveIntegerField()
    text_sealed = models.BinaryField()
    since = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["list", "purpose", "language", "version"], name="wording_version_once")
        ]


class Suppression(models.Model):
    """An address the organization never writes to, known by its blind index alone: erasing their row keeps this."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="+", db_index=False)
    email_index = models.BinaryField(max_length=16)
    index_version = models.PositiveSmallIntegerField(default=1)
    reason = models.CharField(max_length=10)
    day = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "email_index", "reason"], name="suppression_once")
        ]
        indexes = [models.Index(fields=["organization", "id"], name="suppression_newest")]


def new_form_number() -> int:
    """Above all numbers of lists, and below 2**40: a confirmation link names one or the other. Its last four bits are
    nought: there the link says which of the form's lists it is about (actions/forms.number_of).
    """
    return 1 << 32 | secrets.randbits(27) << 4


class SignUpForm(models.Model):
    """A form of the public pages, for one list or several: actions/forms."""

    id = models.BigIntegerField(primary_key=True, default=new_form_number)
    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="sign_up_forms")
    slug = models.CharField(max_length=40, unique=True)  # Never another form's; what counts is sealed.
    sealed = models.BinaryField()  # JSON: actions/forms.FormFacts.
    created = models.DateField()
    removed = models.DateField(null=True)


class MailQuota(models.Model):
    """That a mailbox had its mail of a kind on a day: actions/mailed. Gone after the next one."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="+", db_index=False)
    mark = models.BinaryField(max_length=16)  # Keyed hash of kind and address.
    day = models.DateField()
    box = models.BigIntegerField()  # The row of the public database that asked for it.

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "mark", "day"], name="mailed_once_a_day")]


class UnsentMailCount(models.Model):
    """How many sign-ups of an organization wait since their mail cannot leave, and why: sums that the worker tells."""

    pk = models.CompositePrimaryKey("organization_id", "why")
    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="+", db_index=False)
    why = models.CharField(max_length=10)  # sender, route
    count = models.PositiveIntegerField()


class Import(models.Model):
    """One bringing-in. Counts and place are committed with every slice, so that a killed import goes on."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="imports")
    # None: an export of our own format that has not begun; it brings its lists along.
    list = models.ForeignKey(List, models.CASCADE, related_name="+", null=True)
    state = models.CharField(max_length=10)  # uploading, reading, found, waiting, running, stopped, finished, failed
    source = models.CharField(max_length=20)
    fingerprint = models.BinaryField(max_length=32)  # Keyed hash over the files: the same export is recognized.
    plan_sealed = models.BinaryField(default=b"")  # JSON: file names, columns and what each becomes, its place.
    report_sealed = models.BinaryField(default=b"")  # JSON: what inspection found.
    counts = models.JSONField(default=dict)
    row_no = models.BigIntegerField(default=0)  # Rows of its file that are committed; where it goes on is sealed.
    rows_total = models.BigIntegerField(null=True)
    bytes_read = models.BigIntegerField(default=0)
    bytes_total = models.BigIntegerField(default=0)
    problem = models.CharField(max_length=40, blank=True)
    by = models.ForeignKey("accounts.Person", models.SET_NULL, null=True)
    started = models.DateTimeField(null=True)
    finished = models.DateTimeField(null=True)
    owner = models.CharField(max_length=40, blank=True)  # Which process is at it; a guarded UPDATE takes it.
    heartbeat = models.DateTimeField(null=True)  # Touched with every slice: an owner silent for a minute is gone.
    created = models.DateTimeField()
    # Counted before each try and set back by whatever moves on: a file that kills its reader is not tried for ever.
    tries = models.PositiveSmallIntegerField(default=0, db_default=0)


class ImportIdMap(models.Model):
    """Where one thing of an export went: with it a killed one goes on. Gone with the end of one of our own format; of
    another service it stays, so that a later export of the same account doubles nothing."""

    bringing = models.ForeignKey(Import, models.CASCADE, related_name="places")
    details_sealed = models.BinaryField()  # JSON: part, its number or name there, what it is here.


class ImportPiece(models.Model):
    """A piece of an uploaded file, sealed. Gone at the end of the import or after 24 hours."""

    pk = models.CompositePrimaryKey("import_run_id", "file", "number")
    import_run = models.ForeignKey(Import, models.CASCADE, related_name="pieces")
    file = models.PositiveSmallIntegerField()
    number = models.PositiveIntegerField()
    blob = models.BinaryField()


class Reject(models.Model):
    """A line that was not taken: where and why, without its content."""

    import_run = models.ForeignKey(Import, models.CASCADE, related_name="rejects")
    file_no = models.PositiveIntegerField()
    line = models.BigIntegerField()
    code = models.CharField(max_length=30)
    values = models.JSONField(default=dict)  # Numbers for the sentence (columns found and expected), never content.


class ReadableValue(models.Model):
    """The value of a readable field as one number (core/fields.code), beside the sealed text that it is made from.

    Only kinds of few things, numbers and days, and only fields that an admin has marked so. Complete while
    Field.readable and Field.filled is None.
    """

    pk = models.CompositePrimaryKey("subscriber_id", "field_id")
    subscriber = models.ForeignKey(Subscriber, models.CASCADE, db_index=False, db_constraint=False)
    field = models.ForeignKey(Field, models.CASCADE, db_index=False, db_constraint=False)
    value = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["field", "value", "subscriber"], name="readablevalue_by_value")]


class Segment(models.Model):
    """A saved condition over the audience (core/segment). Its name and the condition are sealed: they say whom a group
    looks for, and a field's text may be somebody's name.

    A removed one keeps its row, emptied: a draft that went to it must not go to everybody instead.
    """

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="segments")
    name_index = models.BinaryField(max_length=16)  # Blind index of the name; random once it is removed.
    sealed = models.BinaryField()  # JSON: name, tree. Empty once it is removed.
    version = models.PositiveIntegerField(default=1)  # Rises with every save: two people editing see each other.
    changed = models.DateTimeField()
    removed = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "name_index"], name="segment_name_once")]


class Growth(models.Model):
    """How many began to be subscribed to a list, left it, or were found dead, by day and way: sums, and of nobody."""

    pk = models.CompositePrimaryKey("list_id", "day", "metric", "channel")
    list = models.ForeignKey(List, models.CASCADE, db_index=False)
    day = models.DateField()
    metric = models.PositiveSmallIntegerField()  # GROWTH
    channel = models.PositiveSmallIntegerField()  # GROWN_BY
    count = models.BigIntegerField(default=0)


# Not IN: PostgreSQL writes that down otherwise once a dump was restored, and the index would seem to be another one.
OPEN_WORK = models.Q(state="running") | models.Q(state="undoing")


class BulkAction(models.Model):
    """Something done to all who fit a filter, in slices; its place is committed with each, so a killed one goes on.

    `cursor`: everybody from this row up is done with; falling. While it is undone, `piece` is the piece that is next.
    """

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="+")
    action = models.CharField(max_length=8)  # tag, untag, move, remove, erase
    state = models.CharField(max_length=10)  # waiting, running, stopped, finished, undoing, undone
    # JSON: the filter or the numbers, tag or lists, words; and action, state and begun as we wrote them.
    plan_sealed = models.BinaryField()
    expected = models.BigIntegerField()  # Counted before.
    processed = models.BigIntegerField(default=0)
    changed = models.BigIntegerField(default=0)
    undone = models.BigIntegerField(default=0)
    cursor = models.BigIntegerField(null=True)
    piece = models.PositiveIntegerField(default=0)
    by = models.ForeignKey("accounts.Person", models.SET_NULL, null=True, related_name="+")
    begun = models.DateTimeField()
    finished = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["organization", "-id"], name="bulkwork_newest"),
            models.Index(fields=["id"], condition=OPEN_WORK, name="bulkwork_open"),
        ]


class BulkActionPiece(models.Model):
    """Who was changed in one slice, as packed numbers: what an undo needs, for a day. `entered`: those of them who came
    onto the other list by a move; `fresh`: those of them who had no place on it before, of whatever kind."""

    pk = models.CompositePrimaryKey("work_id", "place")
    work = models.ForeignKey(BulkAction, models.CASCADE, related_name="pieces")
    place = models.PositiveIntegerField()
    changed = models.BinaryField()  # core/mail/ledger.pack_numbers, sealed to work and place, as are the others.
    entered = models.BinaryField(default=b"")
    fresh = models.BinaryField(default=b"", db_default=b"")


class DataQualityIssue(models.Model):
    """Something that somebody should look at: an address that was probably mistyped, or that may be of one who is here
    twice. `mark`: of a possible double, the keyed hash of the form that both addresses have in common."""

    pk = models.CompositePrimaryKey("subscriber_id", "kind")
    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="+", db_index=False)
    subscriber = models.ForeignKey(Subscriber, models.CASCADE, db_index=False, db_constraint=False)
    kind = models.PositiveSmallIntegerField()  # ODDITIES
    mark = models.BinaryField(max_length=16, default=b"")
    duplicate_of = models.BigIntegerField(null=True)  # Row of the subscriber who they may be as well.
    dismissed = models.BooleanField(default=False)  # Somebody looked: it is right as it is.

    class Meta:
        indexes = [
            models.Index(fields=["organization", "kind", "subscriber"], name="oddity_by_kind"),
            models.Index(fields=["organization", "mark"], name="oddity_by_mark"),
            # Who is erased is looked for as the other one of a pair.
            models.Index(
                fields=["duplicate_of"], condition=models.Q(duplicate_of__isnull=False), name="oddity_by_other"
            ),
        ]


class DataQualityScan(models.Model):
    """How far an organization's subscribers were looked through for oddities, by row id."""

    organization = models.OneToOneField("accounts.Organization", models.CASCADE, primary_key=True)
    looked = models.BigIntegerField(default=0)
    day = models.DateField(null=True)  # When it was through the last time.
