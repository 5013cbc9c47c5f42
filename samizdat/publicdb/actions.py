"""Puts things where the public process sees them. Every verb may be repeated: the last word stands.

Called after the commit of the change it follows, since the public database is a database of its own;
worker/schedule/event_handlers.py calls again for whatever was missed. Nothing that names a reader comes here.
"""

import hashlib
import ipaddress
import json
import os
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import batched
from typing import Any

from django.db import DatabaseError, ProgrammingError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Max, Min, QuerySet

from samizdat import phrases_override
from samizdat.core.crypto import seal, sealed_page, tokens
from samizdat.publicdb import safe_html, signed_rows
from samizdat.publicdb.models import (
    DonationPage,
    EditionName,
    Form,
    Intake,
    LinkTarget,
    Page,
    PrivatePage,
    PublicPicture,
    SignedRow,
    Site,
    TokenState,
)

# A link that was mailed is asked for one purpose (worker/inbox/preferences.MAILED): on the page of another it is none.
ASKED = ("asked-data", "asked-erase", "asked-move", "asked-allow")
# Links to confirm: of a sign-up, and of one that asked for appeals for money as well, or for these alone. Whether such
# a link is too old its page knows by the day in it: a state that changed by itself would say which links were mailed.
PENDING = ("pending", "pending-asks")
DONE = ("erased", "moved", "allowed", "agreed")
STATES = ("left", "left-appeals", "back", *PENDING, "confirmed", "forgotten", *ASKED, *DONE)

# What the public role may read; into the intake it may only write, and only these columns.
READABLE = (
    "site",
    "form",
    "page",
    "editionname",
    "donationpage",
    "publicpicture",
    "tokenstate",
    "privatepage",
    "linktarget",
)
ROLE_LOCK = 0x5A4D495A0003
# How the names of such roles begin.
ROLES = "samizdat_public_"
INTAKE_COLUMNS = "place_id, kind, mark, box"
# What changes who gets a campaign. "": nobody knows yet what it is.
HOLDING = ("", "leave", "back", "confirm", "prefer", "proven")
# Tries to find a free slot. Of half full ones eight in a row are all taken once in 256 times.
SLOT_TRIES = 8
# Sign-ups of a place that were put off and take no slot any more. What waits beyond keeps its own.
WAITING = 1000
# Links of letters that are written in one transaction.
TARGETS = 200
# Hosts that an organization had.
MOST_FORMER = 50
_random = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class PublicLook:
    """The columns of Site that say how pages of an organization look."""

    logo: str = ""
    logo_width: int = 0
    logo_height: int = 0
    colors: str = ""


def publish_place(
    uid: bytes,
    *,
    host: str,
    name: str | None,
    language: str | None,
    accent: str,
    unsubscribe_mailbox: str | None = "",
    hostile_state: str | None = "",
    zone: str = "UTC",
    look: PublicLook = PublicLook(),
    former: Iterable[str] | None = (),
) -> None:
    """An organization as the public knows it. `host`: a bare host name, "" when it has none of its own; `former`: those
    that it had. What is None stays as it is.

    This machine's own name and bare addresses are nobody's: a demo is looked at under either.
    """
    facts = {
        "host": "" if is_here(host) else host.lower(),
        "name": name,
        "language": language,
        "accent": accent,
        "unsubscribe_mailbox": unsubscribe_mailbox,
        "hostile_state": hostile_state,
        "zone": zone,
        "former": None if former is None else _former(host, former),
        **asdict(look),
    }
    site = next(signed_rows.ours(Site.objects.filter(uid=uid)), Site(uid=uid, language="en"))
    for fact, value in facts.items():
        if value is not None:
            setattr(site, fact, value)
    _write(site)


def _former(host: str, former: Iterable[str]) -> str:
    names = sorted({name.lower() for name in former if not is_here(name)} - {"", host.lower()})
    return f" {' '.join(names[:MOST_FORMER])} " if names else ""


def close_place(uid: bytes) -> bool:
    """Of an organization whose keys were destroyed: its pages say sorry, and what waits for it is deleted, since nobody
    can read it. Whether that was news."""
    site = next(signed_rows.ours(Site.objects.filter(uid=uid)), None)
    if site is None or site.closed:
        return False
    with transaction.atomic(using="publicdb"):
        Form.objects.filter(place=site).delete()
        Intake.objects.filter(place=uid).delete()
        site.closed = True
        _write(site)
    return True


def is_here(host: str) -> bool:
    """This machine's own name, or a bare address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")
    return True


def publish_form(
    uid: bytes, slug: str, *, list: int, name: str, purpose: str, language: str, details: str = ""
) -> None:
    """The sign-up form of a list, or one of its own; an earlier one of the same number goes."""
    with transaction.atomic(using="publicdb"):
        Form.objects.filter(place_id=uid, list=list).exclude(slug=slug).delete()
        values = {"list": list, "name": name[:200], "purpose": purpose, "language": language, "details": details}
        _put(Form(slug=slug, place_id=uid, **values))


def _put(row: Form | Page | EditionName | DonationPage | PublicPicture) -> None:
    """A row of its place, new or written over. One of another place that has the same name stays as it is: names come
    along with exports, and somebody may have made one up."""
    others = type(row)._default_manager.filter(pk=row.pk).exclude(place_id=row.place_id)
    if not any(signed_rows.ours(others)):
        _write(row)


def _write(row: SignedRow) -> None:
    """Over whatever stands there."""
    signed_rows.signed(row)
    values = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    key = values.pop(row._meta.pk.attname)
    type(row)._default_manager.update_or_create(pk=key, defaults=values)


def withdraw_form(uid: bytes, list: int) -> None:
    Form.objects.filter(place_id=uid, list=list).delete()


def publish_letter(
    uid: bytes,
    edition: int,
    *,
    list_name: str,
    language: str,
    slug: str = "",
    title: str = "",
    html: str = "",
    day: date | None = None,
    corrected: date | None = None,
    spoken: str = "",
    version: int = 0,
    listed: bool = True,
    appeal: bool = False,
    own: str = "",
) -> None:
    """Names the list of an edition for its leave page, and says whether it is an appeal for money; with a slug also
    shows the letter in the archive, or by its `version` above 0 the same letter in another language, `spoken`. Not
    `listed`: to whoever has its address alone.

    `html` may be a whole document: it is reduced to plain markup (publicdb/safe_html.py). A slug needs a day. own: the
    address of the public pages, whose pictures are shown.
    """
    text, summary = safe_html.read(html, phrases_override.words(spoken or language)["frame.picture"], own, title)
    with transaction.atomic(using="publicdb"):
        named = {"list_name": list_name, "language": language, "appeal": appeal}
        _put(EditionName(edition=edition, place_id=uid, **named))
        if slug and day:
            page = Page(slug=slug, place_id=uid, edition=edition, title=title, html=text, day=day, corrected=corrected)
            page.html_digest, page.language = signed_rows.digest(text), spoken
            page.version, page.listed, page.summary = version, listed, summary
            _put(page)


def publish_page(
    uid: bytes, number: int, *, slug: str, title: str, html: str, day: date, language: str, own: str = ""
) -> bool:
    """A page that is no letter, for whoever has its address; False where it's there as it should be. number: below 0,
    so that no edition has it. html and own: as of publish_letter."""
    text, summary = safe_html.read(html, phrases_override.words(language)["frame.picture"], own, title)
    page = Page(slug=slug, place_id=uid, edition=number, title=title, html=text, day=day, language=language)
    page.html_digest, page.listed, page.summary = signed_rows.digest(text), False, summary
    with transaction.atomic(using="publicdb"):
        there = Page.objects.filter(slug=slug, place_id=uid, edition=number, title=title, day=day, language=language)
        if any(row.html == text for row in signed_rows.ours(there)):
            return False
        _put(page)
    return True


def list_letter(edition: int, listed: bool) -> None:
    """Puts the web copies of a letter into the archive, or leaves them to whoever has their address."""
    for page in signed_rows.ours(Page.objects.filter(edition=edition)):
        page.listed = listed
        _write(page)


def withdraw_letter(edition: int) -> None:
    """Takes the web copies of a letter away, in all languages. The leave page goes on knowing its list."""
    Page.objects.filter(edition=edition).delete()


def publish_targets(uid: bytes, targets: Mapping[str, dict[str, object]], key: bytes) -> None:
    """code in a letter's address -> what it leads to: {"to": web address}.

    Each is sealed with its code, so what a letter links to can lie here before anybody has the letter, and with `key`
    (tokens.target_key), so nobody who has the letter and writes the database leads its readers elsewhere. A portion is
    made before it is written: on SQLite whoever unsubscribes meanwhile waits for the end of a transaction. What is
    there as it should be is passed over, so one that was killed goes on.
    """
    for portion in batched(targets.items(), TARGETS):
        named = {sealed_page.name(code): (code, target) for code, target in portion}
        there = signed_rows.ours(LinkTarget.objects.filter(name__in=[*named], place_id=uid))
        as_it_is = {bytes(row.name) for row in there if _leads(row, *named[bytes(row.name)], key)}
        rows = [
            signed_rows.signed(LinkTarget(name=name, place_id=uid, box=_boxed(code, target, key)))
            for name, (code, target) in named.items()
            if name not in as_it_is
        ]
        columns = ["place", "box", "signature"]
        LinkTarget.objects.bulk_create(rows, update_conflicts=True, unique_fields=["name"], update_fields=columns)


def _boxed(code: str, target: dict[str, object], key: bytes) -> bytes:
    return sealed_page.close(code, json.dumps(target, ensure_ascii=False), os.urandom(12), key)


def _leads(row: LinkTarget, code: str, target: dict[str, object], key: bytes) -> bool:
    try:
        return bool(json.loads(sealed_page.read(code, bytes(row.box), key)) == target)
    except (seal.SealBroken, ValueError):
        return False


def publish_fundraiser(uid: bytes, slug: str, details: str) -> bool:
    """details: JSON of core/donations.PublicFundraiser. False where it's there as it should be."""
    there = DonationPage.objects.filter(slug=slug, place_id=uid, details=details)
    if any(signed_rows.ours(there)):
        return False
    with transaction.atomic(using="publicdb"):
        _put(DonationPage(slug=slug, place_id=uid, details=details))
    return True


def publish_picture(uid: bytes, slug: str, kind: str, data: bytes) -> None:
    _put(PublicPicture(slug=slug, place_id=uid, kind=kind, data=data))


def withdraw_picture(uid: bytes, slug: str) -> None:
    PublicPicture.objects.filter(place_id=uid, slug=slug).delete()


def set_token_state(token: str, state: str) -> None:
    """What the page of this token offers from now on. Errors: BadToken."""
    _write(TokenState(token_hash=token_hash(token), state=state))


def set_drawn_state(drawn: bytes, state: str) -> None:
    """The same of a link that nobody has. drawn: some bytes that only the house can make."""
    _write(TokenState(token_hash=hashlib.sha256(drawn).digest(), state=state))


def forget_tokens(tokens: Iterable[str]) -> None:
    """Those of them that wait say from now on that what they were mailed for is forgotten. Errors: BadToken."""
    hashes = [token_hash(token) for token in tokens]
    waiting = TokenState.objects.filter(token_hash__in=hashes, state__in=ASKED)
    for row in [*signed_rows.ours(waiting)]:
        row.state = "forgotten"
        _write(row)


def lay_out(uid: bytes, secret: str, text: str, *, hours: int, now: datetime, nonce: bytes) -> None:
    """Something for the one who holds this secret, for so many hours. The same secret again: the newer text stands."""
    until = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=hours + 1)
    box = sealed_page.close(secret, text, nonce)
    _write(PrivatePage(name=sealed_page.name(secret), place_id=uid, box=box, until=until))


def drop_sheets(secrets: Iterable[str]) -> int:
    """What lies there for those who hold these secrets goes, from the disk too, and so what lies there for those who
    hold what it says; how many."""
    named = {sealed_page.name(secret): secret for secret in secrets}
    names = list(named)
    for at in range(0, len(named), 1000):
        for name, box in PrivatePage.objects.filter(name__in=names[at : at + 1000]).values_list("name", "box"):
            with suppress(seal.SealBroken):
                names.append(sealed_page.name(sealed_page.read(named[bytes(name)], bytes(box))))
    gone = sum(
        PrivatePage.objects.filter(name__in=names[at : at + 1000]).delete()[0] for at in range(0, len(names), 1000)
    )
    connection = connections["publicdb"]
    if gone and not connection.in_atomic_block:
        on_sqlite = connection.vendor == "sqlite"
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)" if on_sqlite else "VACUUM publicdb_privatepage")
    return gone


def sweep_sheets(now: datetime) -> int:
    """Takes away what has lain out its time; how many."""
    return PrivatePage.objects.filter(until__lte=now).delete()[0]


def token_hash(token: str) -> bytes:
    """A token has 96 bits of tag, so a plain hash gives nobody a list to try. Errors: BadToken."""
    return hashlib.sha256(tokens.spelled(token).encode()).digest()


def drop_in(place: Site, box: bytes, kind: str = "", mark: bytes | None = None) -> bool:
    """What a reader sent, sealed. False: one of this kind and mark waits already."""
    return _door(bytes(place.uid), box, kind, mark)


def take_in(uid: bytes, box: bytes, kind: str, *marks: bytes | None) -> bool:
    """Under the first of these marks that is free. Written by hand: the public role may insert, and not read back a
    number."""
    # Both names are constants of this file. To name the index that may say no takes the right to read.
    insert = f"INSERT INTO publicdb_intake ({INTAKE_COLUMNS}) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
    with connections["publicdb"].cursor() as cursor:
        for mark in marks:
            cursor.execute(insert, [uid, kind, mark, box])
            if cursor.rowcount:
                return True
    return False


type Door = Callable[[bytes, bytes, str, *tuple[bytes | None, ...]], bool]
_door: Door = take_in


def hand_in_by(door: Door) -> None:
    """From now on this process, which may not write the public database's file, hands over what readers send."""
    global _door
    _door = door


def drop_into_slot(place: Site, box: bytes, kind: str, slots: range) -> bool:
    """The same where no more may wait than have a slot. False: no free one was found."""
    drawn = _random.sample(slots, min(len(slots), SLOT_TRIES))
    return _door(bytes(place.uid), box, kind, *(slot.to_bytes(4) for slot in drawn))


def places_of(kinds: Sequence[str]) -> set[bytes]:
    """Those that something of these kinds was sent to which nobody has looked at."""
    rows = Intake.objects.filter(kind__in=kinds, put_off=0).values_list("place_id", flat=True)
    return {bytes(uid) for uid in rows.distinct()}


def places_of_rows(rows: Iterable[int]) -> set[bytes]:
    return {bytes(uid) for uid in Intake.objects.filter(id__in=list(rows)).values_list("place_id", flat=True)}


def is_intake_empty() -> bool:
    return not Intake.objects.exists()


def next_rows(
    kinds: Sequence[str], limit: int, place: bytes | None = None, closed: Collection[bytes] = ()
) -> list[int]:
    """The oldest of what nobody has looked at, in the order they came: the same share of every place, so that who
    fills one keeps no other waiting; or of one place alone. closed: places of which nothing is taken up now."""
    fresh = Intake.objects.filter(put_off=0)
    places = [*({place} if place else places_of(kinds)).difference(closed)]
    if len(places) > limit:
        places = _random.sample(places, limit)
    share = limit // max(1, len(places))
    row_ids: list[int] = []
    for place in places:
        here = fresh.filter(place=place).order_by("id").values_list("id", flat=True)
        row_ids += sorted(row for kind in kinds for row in here.filter(kind=kind)[:share])[:share]
    return sorted(row_ids)


def rows_put_off(kinds: Sequence[str], after: int, limit: int, place: bytes | None = None) -> list[int]:
    """Of what was put off, those beyond row `after`; of all places, or of one."""
    rows = Intake.objects.filter(kind__in=kinds, put_off=1, id__gt=after).order_by("id")
    rows = rows.filter(place=place) if place else rows
    return [*rows.values_list("id", flat=True)[:limit]]


def rows_unlike(kinds: Sequence[str], limit: int) -> list[int]:
    """The oldest that are of none of these kinds."""
    return [*Intake.objects.exclude(kind__in=kinds).order_by("id").values_list("id", flat=True)[:limit]]


def take_up(rows: Iterable[int]) -> list[Intake]:
    """What readers sent. It stays until done_with()."""
    return list(Intake.objects.filter(id__in=list(rows)).order_by("id"))


def say_kind(row: int, kind: str) -> None:
    """Of a box whose kind nobody had said."""
    Intake.objects.filter(id=row).update(kind=kind, mark=None)


def put_off(rows: Iterable[int]) -> set[int]:
    """They were looked at, and who left by them has left. Returns those that are still there: something keeps them."""
    with transaction.atomic(using="publicdb"):
        here = Intake.objects.filter(id__in=list(rows))
        stay = set(here.values_list("id", flat=True))
        if stay:
            _free_slots(here.filter(put_off=0, kind="signup"))
            here.filter(put_off=0).update(put_off=1)
    return stay


def _free_slots(rows: QuerySet[Intake]) -> None:
    """What keeps a sign-up waiting must not close the form to others: beside the slots so many more may wait."""
    for place in set(rows.values_list("place_id", flat=True)):
        waiting = Intake.objects.filter(kind="signup", place_id=place, put_off=1, mark=None)[:WAITING].count()
        free = rows.filter(place_id=place).order_by("id").values_list("id", flat=True)[: WAITING - waiting]
        Intake.objects.filter(id__in=list(free)).update(mark=None)


def done_with(rows: Iterable[int]) -> None:
    """Throws the taken-up rows away, once what they asked for is committed."""
    Intake.objects.filter(id__in=list(rows)).delete()


def untaken() -> dict[bytes, tuple[int, int]]:
    """Of each place that something was sent to which may change who gets a campaign, and which nobody has looked at
    yet: the first and the last row of it."""
    rows = Intake.objects.filter(kind__in=HOLDING, put_off=0).values_list("place_id")
    return {bytes(uid): (first, last) for uid, first, last in rows.annotate(Min("id"), Max("id")).order_by()}


def make_public_role(connection: BaseDatabaseWrapper, password: str, role: str) -> bool:
    """The PostgreSQL role of the public process: reads what is published, drops into the intake, nothing else.

    False when our own role may not make roles: the public process then has to use ours, and `serve` says so.
    """
    from psycopg import errors, sql

    raw = connection.cursor().connection  # The public database connection: its search path is the schema `publicdb`.
    verifier = raw.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    name = sql.Identifier(role)
    attributes, here = sql.SQL("LOGIN NOINHERIT CONNECTION LIMIT 40 PASSWORD {}"), sql.Identifier(raw.info.dbname)
    # At later starts too: a role that may make others may not even say NOSUPERUSER of one that is there.
    word = "ALTER ROLE {} " if _role_exists(raw, role) else "CREATE ROLE {} NOSUPERUSER NOCREATEDB NOCREATEROLE "
    try:
        with transaction.atomic(using=connection.alias), raw.cursor() as cursor:
            # Two supervisors that grant at once would trip over each other's rows.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ROLE_LOCK])
            # A verifier, never the password: statements may be logged.
            cursor.execute(sql.SQL(word).format(name) + attributes.format(sql.Literal(verifier)))
            for statement in _grants():
                cursor.execute(sql.SQL(statement).format(role=name, database=here))
            with suppress(errors.InsufficientPrivilege), transaction.atomic(using=connection.alias):
                # Whoever belongs to a role may end its sessions: publicdb/role_guard.py.
                cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))
            # Large objects and locks by who owns PostgreSQL alone; where it is somebody else: drop_large_objects() and
            # publicdb/role_guard.py. The others by who owns the database or its schema.
            for statements in (_KEEP_LARGE_OBJECTS_AWAY, _KEEP_LOCKS_AWAY, _KEEP_TABLES_AWAY, _KEEP_SCHEMA_AWAY):
                with suppress(errors.InsufficientPrivilege), transaction.atomic(using=connection.alias):
                    for statement in statements:
                        cursor.execute(sql.SQL(statement).format(database=here))
    except errors.InsufficientPrivilege:
        return False
    return True


def may_drop_in(raw: Any) -> bool:
    """Whether who this connection belongs to may put something into the intake. Nothing is put in."""
    from psycopg import Error

    try:
        # No place has no number; that is looked at when it is kept, and it isn't.
        raw.execute(f"INSERT INTO publicdb.publicdb_intake ({INTAKE_COLUMNS}) VALUES ('', '', NULL, '')")
    except Error:
        return False
    finally:
        raw.rollback()
    return True


def end_sessions(connection: BaseDatabaseWrapper, role: str, *, only_here: bool = False) -> None:
    """All that somebody left of a role: it may have 40, and none is free for the process that starts now. only_here: of
    this database."""
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
    query += " AND datname = current_database()" if only_here else ""
    with suppress(ProgrammingError), connection.cursor() as cursor:
        cursor.execute(query, [role])


_LET_IN = """
SELECT rolname FROM pg_class, aclexplode(relacl) JOIN pg_roles ON pg_roles.oid = grantee
WHERE pg_class.oid = 'publicdb.publicdb_site'::regclass AND rolname LIKE %s AND rolname <> %s
"""


# Objects of another database, or another database itself.
_IS_ELSEWHERE = """
SELECT count(*) FROM pg_shdepend JOIN pg_database AS here ON here.datname = current_database()
WHERE refclassid = 'pg_authid'::regclass AND refobjid = %s::regrole
AND (dbid NOT IN (0, here.oid) OR (classid = 'pg_database'::regclass AND objid <> here.oid))
"""


def drop_former_roles(connection: BaseDatabaseWrapper, role: str) -> None:
    """Roles of the public process that have the password of an instance key that was replaced: whoever has that key
    would still sign in. One that another database knows, too, as of a copy, only loses what it may do here."""
    from psycopg import sql

    with connection.cursor() as cursor:
        cursor.execute(_LET_IN, [ROLES.replace("_", r"\_") + "%", role])
        former = [name for (name,) in cursor.fetchall()]
    for name in former:
        with connection.cursor() as cursor:
            cursor.execute(_IS_ELSEWHERE, [name])
            is_elsewhere = cursor.fetchone()[0] > 0
        loses = ("DROP OWNED BY {}",)
        for statement in loses if is_elsewhere else ("ALTER ROLE {} NOLOGIN", *loses, "DROP ROLE {}"):
            end_sessions(connection, name, only_here=True)
            # Not ours to drop, or another server is at it.
            with suppress(DatabaseError), transaction.atomic(using=connection.alias), connection.cursor() as cursor:
                cursor.execute(sql.SQL(statement).format(sql.Identifier(name)).as_string(cursor.connection))


# Nobody sees them in a table, no sweep finds them, and they go along in every dump.
_LARGE_OBJECTS = """
SELECT count(lo_unlink(oid)) FROM (
    SELECT large.oid FROM pg_largeobject_metadata AS large JOIN pg_roles ON pg_roles.oid = lomowner
    WHERE rolname LIKE %s AND rolname <> current_user LIMIT 1000
) AS theirs
"""
_KEEP_LARGE_OBJECTS_AWAY = [
    f"REVOKE EXECUTE ON FUNCTION pg_catalog.{name} FROM PUBLIC"
    for name in ("lo_creat(integer)", "lo_create(oid)", "lo_from_bytea(oid, bytea)")
]

# The house's own role, and who owns the database or a table of ours, may be another user than makes the role.
_KEEP_LOCKS_AWAY = [
    """
DO $$ DECLARE lock regprocedure; house regrole; BEGIN
FOR lock IN SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
AND proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$' AND pg_has_role(proowner, 'USAGE') LOOP
    FOR house IN SELECT current_user::regrole
    UNION SELECT datdba FROM pg_database WHERE datname = current_database()
    UNION SELECT relowner FROM pg_class WHERE relname IN ('publicdb_intake', 'django_migrations') LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', lock, house);
    END LOOP;
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', lock);
END LOOP; END $$
"""
]

# Everybody may make tables for a session, and in `public` before PostgreSQL 15: a disk is soon full of them. What is
# taken from everybody is left to us.
_KEEP_TABLES_AWAY = [
    "GRANT TEMPORARY ON DATABASE {database} TO CURRENT_USER",
    "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC",
]
_KEEP_SCHEMA_AWAY = ["GRANT CREATE ON SCHEMA public TO CURRENT_USER", "REVOKE CREATE ON SCHEMA public FROM PUBLIC"]


def drop_large_objects(connection: BaseDatabaseWrapper) -> int:
    """PostgreSQL: of the public role, which has no use for any; how many. 0 where we may drop none."""
    from psycopg import errors

    try:
        with connection.cursor() as cursor:
            cursor.execute(_LARGE_OBJECTS, [ROLES.replace("_", r"\_") + "%"])
            return int(cursor.fetchone()[0])
    except ProgrammingError as error:
        if isinstance(error.__cause__, errors.InsufficientPrivilege):
            return 0
        raise


def _role_exists(raw: Any, role: str) -> bool:
    return raw.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone() is not None


def _grants() -> list[str]:
    tables = ", ".join(f"publicdb.publicdb_{name}" for name in READABLE)
    return [
        "REVOKE ALL ON ALL TABLES IN SCHEMA publicdb FROM {role}",
        "GRANT USAGE ON SCHEMA publicdb TO {role}",
        f"GRANT SELECT ON {tables} TO {{role}}",
        f"GRANT INSERT ({INTAKE_COLUMNS}) ON publicdb.publicdb_intake TO {{role}}",
        # Every role may write settings of its own: one that only reads from now on would keep readers from leaving.
        "ALTER ROLE {role} RESET ALL",
        "ALTER ROLE {role} IN DATABASE {database} RESET ALL",
        "ALTER ROLE {role} SET statement_timeout = '10s'",
    ]
