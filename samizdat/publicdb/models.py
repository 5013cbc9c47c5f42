"""What the public process may see and the slot it may drop things into. Nothing here names a reader."""

from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

from samizdat.core.webhook_delivery import KIND, MOST_BOX


class SignedRow(models.Model):
    """What the public process shows or goes by, signed by the house (signed_rows.py). All columns are signed, so a
    migration that changes some empties these tables; they are filled again."""

    signature = models.BinaryField(max_length=64)

    class Meta:
        abstract = True


class Site(SignedRow):
    """An organization as the public knows it: host, name and look. The key that readers' words are sealed to
    is asked for (vault/box_keys.py): whoever writes this database would put one of their own here."""

    uid = models.BinaryField(max_length=16, primary_key=True)
    host = models.CharField(max_length=200, blank=True, db_index=True)
    # Hosts that its pages had: a blank before and behind each. They lead to `host` where nobody else has them.
    former = models.TextField(blank=True, default="", db_default="")
    name = models.CharField(max_length=200)
    language = models.CharField(max_length=8)
    accent = models.CharField(max_length=7)
    unsubscribe_mailbox = models.CharField(
        max_length=254, blank=True
    )  # Where one leaves by mail; letters name it as well.
    hostile_state = models.CharField(
        max_length=8, blank=True, default="", db_default=""
    )  # core/jurisdictions: whom forms warn of.
    zone = models.CharField(max_length=64, default="UTC", db_default="UTC")  # In which presses have their day.
    # How its pages look: a PublicPicture as slug.kind with its size, and colors (public/style.py); "": as we made them.
    logo = models.CharField(max_length=50, blank=True, default="", db_default="")
    logo_width = models.PositiveSmallIntegerField(default=0, db_default=0)
    logo_height = models.PositiveSmallIntegerField(default=0, db_default=0)
    colors = models.CharField(max_length=40, blank=True, default="", db_default="")
    closed = models.BooleanField(default=False, db_default=False)  # Its keys were destroyed: all that it says is sorry.


class Form(SignedRow):
    """A published sign-up form. `list` is its list's number, or its own where its `details` name lists."""

    slug = models.CharField(max_length=40, primary_key=True)
    place = models.ForeignKey(Site, models.CASCADE)
    list = models.BigIntegerField()
    name = models.CharField(max_length=200)
    purpose = models.TextField()
    language = models.CharField(max_length=8)
    details = models.TextField(blank=True, default="", db_default="")  # JSON: worker/publishing/publish.form_itself.


class Page(SignedRow):
    """A published letter, without anything per person."""

    slug = models.CharField(max_length=40, primary_key=True)
    place = models.ForeignKey(Site, models.CASCADE)
    edition = models.BigIntegerField()
    title = models.CharField(max_length=998)
    html = models.TextField()
    html_digest = models.BinaryField(max_length=32)  # Signed instead of it, so that lists of pages go without texts.
    day = models.DateField()
    corrected = models.DateField(null=True)  # When a slip in it was last mended; the letter stayed as it was sent.
    language = models.CharField(max_length=8, blank=True, default="", db_default="")  # "": as its LetterName has it.
    # Above 0: the same letter in another language, which stands beside the letter and not in the archive itself.
    version = models.PositiveSmallIntegerField(default=0, db_default=0)
    # False: read by who has its address, as of a letter to a few; in no archive and no feed.
    listed = models.BooleanField(default=True, db_default=True)
    summary = models.CharField(max_length=300, blank=True, default="", db_default="")  # The preview text.


class EditionName(SignedRow):
    """Which list an edition was sent to, so that the leave page can say what they leave."""

    edition = models.BigIntegerField(primary_key=True)
    place = models.ForeignKey(Site, models.CASCADE)
    list_name = models.CharField(max_length=200)
    language = models.CharField(max_length=8)
    appeal = models.BooleanField(default=False, db_default=False)  # For money: they can leave those, and keep the list.


class LinkTarget(SignedRow):
    """Where an address in a letter leads that is the same for all readers, sealed: whoever has the address opens it."""

    name = models.BinaryField(max_length=32, primary_key=True)
    place = models.ForeignKey(Site, models.CASCADE)
    box = models.BinaryField()  # core/crypto/sealed_page of JSON: actions.publish_targets.


class DonationPage(SignedRow):
    """A fundraiser as its page shows it. Links in emails lead here for years, and from here to whoever takes payments
    at the time."""

    slug = models.CharField(max_length=40, primary_key=True)
    place = models.ForeignKey(Site, models.CASCADE)
    details = models.TextField()  # JSON: core/donations.PublicFundraiser.


class PublicPicture(SignedRow):
    slug = models.CharField(max_length=40, primary_key=True)
    place = models.ForeignKey(Site, models.CASCADE)
    kind = models.CharField(max_length=5)
    data = models.BinaryField()


class TokenState(SignedRow):
    """What a token's subscription is now, so that its page can offer the way back. Keyed by a hash of the token."""

    token_hash = models.BinaryField(max_length=32, primary_key=True)
    state = models.CharField(max_length=12)  # actions.STATES


class PrivatePage(SignedRow):
    """What one reader asked to see of themselves, sealed: core/crypto/sealed_page. Their secret alone finds and opens
    it."""

    name = models.BinaryField(max_length=32, primary_key=True)
    place = models.ForeignKey(Site, models.CASCADE)
    box = models.BinaryField()
    until = models.DateTimeField(db_index=True)  # A full hour: when they asked is nobody's business.


class Intake(models.Model):
    """What readers sent, sealed to the organization's public key at once. Insert only; the worker takes it up."""

    place = models.ForeignKey(Site, models.CASCADE)
    # What is in the box, as the public process says: nobody has to open what is not theirs to take up. Believed only
    # where the box says the same.
    kind = models.CharField(max_length=8, blank=True, default="", db_default="")
    # Drawn by chance: of boxes with the same mark one waits at a time. For a sign-up the number of its slot.
    mark = models.BinaryField(max_length=16, null=True)
    # 1: it was looked at, and waits for something else: a key, a route, a next try. Anything else holds sends.
    put_off = models.PositiveSmallIntegerField(default=0, db_default=0)
    box = models.BinaryField()

    class Meta:
        indexes = [models.Index(fields=["kind", "put_off", "place", "id"], name="intake_in_turn")]
        # The longest that a reader can send has 40 KB. Providers send events in batches.
        constraints = [
            models.CheckConstraint(
                condition=models.Q(LessThanOrEqual(Length("box"), 64 * 1024))
                | models.Q(LessThanOrEqual(Length("box"), MOST_BOX), kind=KIND),
                name="intake_box_is_short",
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("kind"), 8) & LessThanOrEqual(Length("mark"), 16),
                name="intake_says_little",
            ),
            models.UniqueConstraint(fields=["place", "kind", "mark"], name="intake_one_of_a_mark"),
        ]
