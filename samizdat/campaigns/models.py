"""What is being written, its frame, and what was frozen of it at release."""

import secrets

from django.db import models
from django.db.models import F, Q
from msgspec import Struct

from samizdat.core import consent
from samizdat.core.content.templates.layout import LayoutChanges

STATES = ("draft", "scheduled", "held", "sending", "paused", "waiting", "finished", "cancelled")
WELCOME, REPLACED = 1, 2
COUNTERS = ("accepted", "refused", "unsure", "suppressed", "cancelled", "deferred", "pending")


class TemplateText(Struct, frozen=True):
    """What is sealed of a template. `sample`: HTML that stood where the letter goes.

    One that was saved from a campaign has its `body` in its `format`, what it made of the source (`places`), and with
    an empty source the `design` of ours that it stands in.
    """

    name: str
    source: str
    sample: str = ""
    body: str = ""
    format: str = "blocks"
    design: str = "carbon"
    places: LayoutChanges = LayoutChanges()


class Template(models.Model):
    """The frame of a letter, MJML with {{ content }}, and what a new one begins with. The built-in ones have no row."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="templates")
    sealed = models.BinaryField()  # JSON: TemplateText.
    changed = models.DateTimeField()


class Folder(models.Model):
    """A group of letters with a name (campaigns/folders.py)."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="folders")
    sealed = models.BinaryField(default=b"")  # JSON: name.
    name_index = models.BinaryField(max_length=16)  # Blind index of the name.

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "name_index"], name="folder_once")]


class Campaign(models.Model):
    """A letter from draft to the end. The books stand here as columns, so that the database itself refuses
    a sum that does not add up and a finish with anything still owed (design.md, 6.11 and 6.12).
    """

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="campaigns")
    list = models.ForeignKey("audience.List", models.PROTECT, related_name="+")
    tag = models.ForeignKey("audience.Tag", models.PROTECT, null=True, related_name="+")
    # Of those on the list; a removed segment keeps its row, so that a draft never goes to everybody instead.
    segment = models.ForeignKey("audience.Segment", models.PROTECT, null=True, related_name="+")
    template = models.ForeignKey(Template, models.SET_NULL, null=True, related_name="campaigns")
    draft_sealed = models.BinaryField()  # JSON: subject, preheader, from_name, from_email, reply_to, body, format.
    places_sealed = models.BinaryField(
        null=True
    )  # JSON: campaigns/templates/layout.py; what the letter makes of its template.
    language = models.CharField(max_length=8, default="en")
    state = models.CharField(max_length=10, default="draft")
    reason = models.CharField(max_length=40, blank=True)  # Why waiting or paused: a code, words are at the door.
    unsure_policy = models.CharField(max_length=6, default="resend")
    version = models.PositiveIntegerField(default=1)  # Rises with every save: two people editing see each other.
    created_by = models.ForeignKey("accounts.Person", models.SET_NULL, null=True, related_name="+")
    created = models.DateTimeField()
    changed = models.DateTimeField()
    not_before = models.DateTimeField(null=True)  # When sending may begin: the scheduled time or the end of the hold.
    released = models.DateTimeField(null=True)
    finished = models.DateTimeField(null=True)
    waits_until = models.DateTimeField(null=True)  # waiting: when it goes on by itself, where that is known.
    quiet_hours = models.CharField(
        max_length=80, blank=True, default="", db_default=""
    )  # "": the organization's; or "none".
    # The first wave: its part of everybody, minutes of hold after it, and the per cent of refusals that stop the rest.
    canary_percent = models.PositiveSmallIntegerField(default=0, db_default=0)
    canary_hold = models.PositiveIntegerField(default=0, db_default=0)
    canary_stop = models.FloatField(default=100, db_default=100)
    canary_state = models.CharField(
        max_length=10, blank=True, default="", db_default=""
    )  # delivery/actions/wait_reasons._wave
    canary_until = models.DateTimeField(null=True)
    # Goes to those whom that letter did not reach, and to nobody else (delivery/actions/resend_unreached.py).
    resend_of = models.ForeignKey("self", models.PROTECT, null=True, related_name="resent")
    folder = models.ForeignKey(Folder, models.SET_NULL, null=True, related_name="campaigns")
    planned = models.DateField(null=True)  # Of a draft: the day on which it is meant to go (calendar.py).
    # Of a version in another language: the letter that it belongs to, whose state and audience count (languages.py).
    version_of = models.ForeignKey("self", models.CASCADE, null=True, related_name="languages")
    # A test of several versions (campaigns/ab_test.py): per cent of everybody who get one, how and when one wins.
    test_share = models.PositiveSmallIntegerField(default=0, db_default=0)
    ab_metric = models.CharField(max_length=12, blank=True, default="", db_default="")  # core/ab_test.WAYS
    test_at = models.DateTimeField(null=True)
    test_state = models.CharField(max_length=10, blank=True, default="", db_default="")  # delivery/actions/ab_test.py
    test_winner = models.PositiveSmallIntegerField(null=True)
    test_link_sealed = models.BinaryField(default=b"", db_default=b"")  # By presses of this link alone; empty: of all.
    test_plan = models.CharField(max_length=16, blank=True, default="", db_default="")  # Another with each change.

    frozen = models.BigIntegerField(default=0)
    accepted = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    unsure = models.BigIntegerField(default=0)
    suppressed = models.BigIntegerField(default=0)
    cancelled = models.BigIntegerField(default=0)
    deferred = models.BigIntegerField(default=0)
    pending = models.BigIntegerField(default=0)
    # Of a letter to a whole list: in which round of the list's digest it began to go out (core/content/digest); 0: in
    # none. Of a digest itself: which round it gathers.
    digest_round = models.PositiveIntegerField(default=0, db_default=0)
    is_digest = models.BooleanField(default=False, db_default=False)
    # To whoever confirms their subscription to its list from its release on: WELCOME; REPLACED by a newer one, it ends
    # once nobody waits for it (delivery/actions/welcome.py).
    welcome = models.PositiveSmallIntegerField(default=0, db_default=0)
    # Readers who left by the link of this letter and have not taken it back: a sum, beside the books.
    unsubscribes = models.PositiveBigIntegerField(default=0, db_default=0)
    replies = models.PositiveBigIntegerField(null=True)  # Counted by a person, who has the mailbox; None: by nobody.
    archive_hidden = models.BooleanField(
        default=False, db_default=False
    )  # Of a letter to all: in no archive (listing.py).
    # consent.PURPOSES: an appeal for money goes to those of its list who agreed to appeals too.
    purpose = models.PositiveSmallIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    frozen=F("accepted")
                    + F("refused")
                    + F("unsure")
                    + F("suppressed")
                    + F("cancelled")
                    + F("deferred")
                    + F("pending")
                ),
                name="campaign_books_add_up",
            ),
            models.CheckConstraint(
                condition=~Q(state="finished") | Q(deferred=0, pending=0),
                name="campaign_finished_owes_nothing",
            ),
            models.CheckConstraint(
                condition=Q(
                    accepted__gte=0,
                    refused__gte=0,
                    unsure__gte=0,
                    suppressed__gte=0,
                    cancelled__gte=0,
                    deferred__gte=0,
                    pending__gte=0,
                ),
                name="campaign_counts_are_counts",
            ),
            models.UniqueConstraint(fields=["version_of", "language"], name="campaign_language_once"),
        ]
        indexes = [
            models.Index(fields=["organization", "-changed"], name="campaign_newest"),
            models.Index("state", name="campaign_state"),
        ]

    @property
    def is_appeal(self) -> bool:
        return consent.PURPOSES[self.purpose] == consent.APPEALS

    @property
    def has_audience(self) -> bool:
        """Whether its recipients are there when it is released: a welcome email goes to whoever confirms later."""
        return not self.welcome

    @property
    def has_own_recipients(self) -> bool:
        """A digest, what goes again to those who were missed, and a welcome email: to whom they were made for."""
        return self.is_digest or self.resend_of_id is not None or not self.has_audience

    @property
    def goes_to_all(self) -> bool:
        """To its whole list? What a few get is for them: in no archive, no feed and no digest."""
        to_all = self.tag_id is None and self.segment_id is None and self.resend_of_id is None
        return to_all and not self.is_appeal and self.has_audience

    @property
    def is_untouched(self) -> bool:
        """Nobody got anything of it, and nobody was tried: as of `untouched`."""
        return self.frozen == self.pending + self.cancelled + self.suppressed

    @property
    def is_listed(self) -> bool:
        """Does its web version stand in the archive and the feed? Else it is read by whoever has its address."""
        return self.goes_to_all and not self.archive_hidden

    @property
    def is_gathered(self) -> bool:
        """Does it stand in the digest of its list?"""
        return self.goes_to_all and not self.is_digest

    @property
    def is_idle(self) -> bool:
        """A welcome email that is on, and that nobody waits for."""
        return self.welcome == WELCOME and self.state == "sending" and not self.pending + self.deferred


def untouched(prefix: str = "") -> Q:
    """Letters of which nobody got anything, and nobody was tried. prefix: where their row stands, like "campaign__"."""
    return Q(**{f"{prefix}frozen": F(f"{prefix}pending") + F(f"{prefix}cancelled") + F(f"{prefix}suppressed")})


def large(prefix: str = "") -> list[str]:
    """Columns of a campaign that weigh up to megabytes: who reads several campaigns defers them. prefix: where their
    row stands, like "campaign__"."""
    return [f"{prefix}draft_sealed", f"{prefix}places_sealed"]


def large_of_edition(prefix: str = "") -> list[str]:
    """The same of an edition, and of a version of it."""
    return [f"{prefix}compiled_sealed", f"{prefix}details_sealed"]


def new_edition_number() -> int:
    return secrets.randbits(47)


class Edition(models.Model):
    """A campaign frozen at release: compiled, never changed. It names the keys its tokens were made with.

    Its number stands in every token of its messages, which lie in mailboxes for years: it is random, so that it goes
    along in a move without meeting another house's.
    """

    id = models.BigIntegerField(primary_key=True, default=new_edition_number)
    campaign = models.OneToOneField(Campaign, models.PROTECT, related_name="edition")
    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="+")
    compiled_sealed = models.BinaryField()  # core/content/message.dumps
    details_sealed = models.BinaryField()  # JSON: subject, from, reply-to, links: what the report shows.
    link_key = models.BigIntegerField()
    message_id_domain = models.CharField(max_length=253)
    archive_slug = models.CharField(max_length=40, blank=True)
    marks = models.CharField(max_length=80, blank=True, default="", db_default="")  # core/ab_test: who gets which.
    languages = models.CharField(max_length=120, blank=True, default="", db_default="")  # By place: core/languages.
    created = models.DateTimeField()


class EditionClicks(models.Model):
    """Clicks of an edition and answers to its question, as sums and sealed: no column says whether there were any. Of
    an edition whose versions reach the floor. `until`: each box of sums has this rewritten up to that day."""

    edition = models.OneToOneField(Edition, models.CASCADE, primary_key=True, related_name="+")
    until = models.DateField()
    sums_sealed = models.BinaryField()  # core/click_sums.py
    reached_sealed = models.BinaryField(default=b"", db_default=b"")  # campaigns/sealed_clicks.Reached, of the sender.


class Correction(models.Model):
    """A slip that was mended on the web copy of a letter; what was sent stays as it was
    (campaigns/archive/web_corrections.py)."""

    edition = models.ForeignKey(Edition, models.CASCADE, related_name="corrections")
    at = models.DateTimeField()
    by = models.ForeignKey("accounts.Person", models.SET_NULL, null=True, related_name="+")
    sealed = models.BinaryField()  # JSON: wrong, right.


class EditionVariant(models.Model):
    """Another version of an edition, compiled. Who gets it is told by the edition's marks, or by their language."""

    edition = models.ForeignKey(Edition, models.CASCADE, related_name="variants")
    variant_no = models.PositiveSmallIntegerField()  # 1 and up; 0 is the edition itself.
    compiled_sealed = models.BinaryField()
    details_sealed = models.BinaryField()
    language = models.CharField(max_length=8, blank=True, default="", db_default="")  # "": the campaign's.
    people = models.BigIntegerField(default=0, db_default=0)  # By language: how many it was frozen for.

    class Meta:
        constraints = [models.UniqueConstraint(fields=["edition", "variant_no"], name="edition_variant_once")]


class Variant(models.Model):
    """A version of a letter in a test. 0 is the letter as it stands; the others say what is different."""

    part_of = "campaign"  # accounts/same_organization.py

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="variants")
    variant_no = models.PositiveSmallIntegerField()
    sealed = models.BinaryField(default=b"")  # JSON: subject, from_name, from_email, those that are different.
    letter = models.ForeignKey(Campaign, models.PROTECT, null=True, related_name="+")  # A draft with its other text.
    left = models.PositiveBigIntegerField(default=0)  # Of those who got it in the test, as Campaign.unsubscribes.
    replies = models.PositiveBigIntegerField(default=0)  # Counted by a person.

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "variant_no"], name="variant_place_once")]


class CheckResult(models.Model):
    """What is kept with a draft about its checks (campaigns/checks/results.py)."""

    campaign = models.OneToOneField(Campaign, models.CASCADE, primary_key=True, related_name="checked")
    sealed = models.BinaryField()  # JSON: accepted findings, answers of links, counts of empty values.
    changed = models.DateTimeField()


class CheckRules(models.Model):
    """An organization's own words, and hosts that its readers cannot reach (campaigns/checks/organization_rules.py)."""

    organization = models.OneToOneField("accounts.Organization", models.CASCADE, primary_key=True, related_name="+")
    sealed = models.BinaryField()  # JSON: words, hosts.


class Approval(models.Model):
    """A second person's yes to a draft (campaigns/approval.py): when it was asked for, who gave it, and to what."""

    campaign = models.OneToOneField(Campaign, models.CASCADE, primary_key=True, related_name="approval")
    asked = models.DateTimeField(null=True)
    asked_by = models.ForeignKey("accounts.Person", models.SET_NULL, null=True, related_name="+")
    yes_sealed = models.BinaryField(default=b"")  # JSON: who agreed, when, and approval.bond_of what they agreed to.


class Picture(models.Model):
    """An uploaded picture without its metadata; sealed until a letter that shows it is released or tested."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="pictures")
    slug = models.CharField(max_length=40, unique=True)
    kind = models.CharField(max_length=5)  # jpeg, png, gif, webp
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    weight = models.PositiveIntegerField(default=0, db_default=0)  # Bytes that readers load; 0: not written down yet.
    sealed = models.BinaryField()
    facts_sealed = models.BinaryField(default=b"", db_default=b"")  # JSON: campaigns/media/library.Facts.
    whole_sealed = models.BinaryField(default=b"", db_default=b"")  # What cuts are made from, where that is more.
    thumb_sealed = models.BinaryField(default=b"", db_default=b"")  # For the desk alone.
    parent = models.ForeignKey("self", models.SET_NULL, null=True, related_name="cuts")  # What it was cut from.
    created = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["organization", "-id"], name="picture_newest")]


class DraftRevision(models.Model):
    """A draft as it stood after a save: what a merge begins from, and what can be brought back (revisions.py)."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()  # Campaign.version after that save.
    by = models.ForeignKey("accounts.Person", models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField()
    page = models.CharField(max_length=32, blank=True)  # By chance, of one opened page, and the number of its save.
    sealed = models.BinaryField()  # Packed JSON: the draft, and what was chosen beside it.

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "number"], name="one_version_of_a_number")]


class EditorPresence(models.Model):
    """Who has a draft open now. The page asks every few seconds; the row goes when its minute is over."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="writers")
    person = models.ForeignKey("accounts.Person", models.CASCADE, related_name="+")
    until = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "person"], name="one_writer_once")]


class Comment(models.Model):
    """What somebody said of a draft or of one block of it; for colleagues, never for readers."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="comments")
    by = models.ForeignKey("accounts.Person", models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField()
    resolved = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey("accounts.Person", models.SET_NULL, null=True, related_name="+")
    sealed = models.BinaryField()  # JSON: campaigns/drafts/comments.Words.


class SeedList(models.Model):
    """Mailboxes of the organization's own that tests go to: campaigns/seed_list.py."""

    organization = models.OneToOneField("accounts.Organization", models.CASCADE, primary_key=True, related_name="+")
    sealed = models.BinaryField()  # JSON: addresses.


class ShareLink(models.Model):
    """A letter shown to somebody without an account, until a day: campaigns/archive/share_links.py."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="shares")
    token_hash = models.BinaryField(max_length=32, unique=True)  # Keyed; the token itself is nowhere.
    note_sealed = models.BinaryField()  # JSON: for whom.
    until = models.DateTimeField()
    ended = models.BooleanField(default=False)  # Withdrawn before its time.
    mac = models.BinaryField(max_length=32, default=b"", db_default=b"")  # accounts/row_macs.py
    by = models.ForeignKey("accounts.Person", models.SET_NULL, null=True, related_name="+")


class ShareAnswer(models.Model):
    link = models.ForeignKey(ShareLink, models.CASCADE, related_name="answers")
    sealed = models.BinaryField()  # JSON: name, text, yes, bond.
    at = models.DateTimeField()


class Brand(models.Model):
    """How letters of the organization look. No row: as we made it."""

    organization = models.OneToOneField("accounts.Organization", models.CASCADE, related_name="brand")
    sealed = models.BinaryField()  # JSON: campaigns/brand.Brand.
    changed = models.DateTimeField()
