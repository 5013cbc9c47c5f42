"""doctor: looks at the house and names each problem with its next step."""

import os
import shutil
import stat
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from samizdat import modes
from samizdat.cli import bootstrap, own_postfix
from samizdat.cli import doctor_checks as looks
from samizdat.cli.doctor_checks import HealthCheck
from samizdat.cli.keys import missing_while_it_runs
from samizdat.cli.labels import ENDED, PLACES, at_terminal
from samizdat.cli.output import CommandFailed, common, say
from samizdat.delivery.errors import CopiedFolder, TornCopy
from samizdat.options import BadOption, data_folder, key_file, option
from samizdat.vault.errors import KeyFileMissing, KeyRefused, VaultError

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization
    from samizdat.delivery.queries import RouteRow
    from samizdat.events.models import Event

# Under this, the next import or backup may not fit.
LITTLE_ROOM = 1024**3
# For so long public pages that were altered are told.
ALTERED_DAYS = 7
# For so long a decision about held bounces is asked for.
HELD_FOR = timedelta(days=30)
# A mailbox is read every five minutes, or a session with it is renewed.
UNHEARD = timedelta(hours=2)


@click.command()
@common
def doctor() -> None:
    """Check the installation and say what to do next. Exit code 1 if something needs fixing."""
    signs = list(_all_signs())
    document = {"well": not any(sign.state == "red" for sign in signs), "signs": [sign.document() for sign in signs]}
    lines = [f"{sign.state:5}  {sign.subject}: {sign.sentence}" for sign in signs]
    red = [f"{sign.subject}: {sign.sentence}" for sign in signs if sign.state == "red"]
    if red:
        raise CommandFailed(" ".join(red), "not_well", document, lines)
    say(document, *lines)


def _all_signs() -> Iterator[HealthCheck]:
    yield from _folder()
    yield from _key()
    bootstrap.open_house()  # Whatever is wrong with database or key is said there, in one sentence.
    yield HealthCheck("good", "key file", "It opens the data in this database.")
    yield from _keys()
    yield from _place()
    yield from looks.database()
    yield from looks.clock()
    yield from looks.machines()
    yield from looks.work()
    yield from looks.listeners()
    yield from looks.swap()
    yield from looks.backups(bootstrap.now())
    yield from looks.upgrade_copies(bootstrap.now())
    yield from _spelling()
    yield from _words()
    yield from _foreign()
    yield from _indexes()
    yield from _forged_events()
    yield from _public_role()
    yield from _organizations()
    yield from _own_postfix()
    yield from _processes()
    yield from _public_process()


def _keys() -> Iterator[HealthCheck]:
    """Keys in the database that don't open, though the key file is the right one."""
    from samizdat.vault import keyring

    for row in keyring.unopened()[:_NAMED]:
        yield HealthCheck(
            "red",
            "keys",
            f"A key ({row.kind}, row {row.pk}) of “{row.organization.name}” doesn’t open. It was changed or added in "
            "the database. If none of you did, someone else can write to the database: restore the key from a backup, "
            "or delete the row if no backup has it.",
        )


def _processes() -> Iterator[HealthCheck]:
    """What the running `serve` cannot start."""
    from samizdat.vault.socket_source import SocketSource

    running = SocketSource.running(data_folder())
    try:
        troubles = running.troubles() if running else {}
    except KeyRefused:  # It has just ended.
        return
    for role, sentence in troubles.items():
        yield HealthCheck("red", "public pages" if role == "public" else f"process {role}", sentence)


def _folder() -> Iterator[HealthCheck]:
    folder = data_folder()
    if not folder.exists():
        yield HealthCheck("red", "data folder", f"{folder} doesn't exist. Run `samizdat init`, or set SAMIZDAT_DATA.")
        return
    yield from _modes(folder)
    if not os.access(folder, os.W_OK):
        yield HealthCheck("red", "data folder", f"{folder} is read-only. Give this user write permission.")
    free = shutil.disk_usage(folder).free
    if free < LITTLE_ROOM:
        yield HealthCheck("amber", "disk", f"{free // 1024**2:,} MB free. Free up space before the next import.")
    else:
        yield HealthCheck("good", "disk", f"{free // 1024**3:,} GB free.")


def _modes(folder: Path) -> Iterator[HealthCheck]:
    paths = list(modes.open_to_others(folder))
    if paths and paths[0] == folder:
        text = f"Other users of this server can read {folder}. Start `samizdat serve`, which fixes it, or run: "
        yield HealthCheck("red", "data folder", f"{text}chmod -R go-rwx {folder}")
    elif paths:
        more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
        text = f"Users other than the owner can open {paths[0]}{more}. Start `samizdat serve`, which fixes it, or run: "
        yield HealthCheck("amber", "data folder", f"{text}chmod -R go-rwx {folder}")


def _key() -> Iterator[HealthCheck]:
    from samizdat.vault import sources
    from samizdat.vault.socket_source import SocketSource

    key, folder = key_file(), data_folder()
    try:
        kind = sources.check()
    except KeyFileMissing as error:
        runs = SocketSource.running(folder) is not None
        yield HealthCheck("red", "key file", missing_while_it_runs(key) if runs else str(error))
        return
    except (VaultError, BadOption) as error:
        yield HealthCheck("red", "key file", str(error))
        return
    if kind == "command":
        yield from _key_command(key)
        return
    if folder in key.parents:
        yield HealthCheck(
            "red", "key file", "It is inside the data folder, so every copy of the folder contains it. Move it."
        )
        return
    if kind == "passphrase":
        yield HealthCheck("good", "key file", f"{key}, with a passphrase. Keep a second copy elsewhere.")
        return
    yield HealthCheck(
        "good", "key file", f"{key}. Anyone who takes the whole disk has it too. Keep a second copy elsewhere."
    )


def _key_command(key: Path) -> Iterator[HealthCheck]:
    if key.exists():
        yield HealthCheck(
            "amber",
            "key file",
            f"The key comes from SAMIZDAT_KEY_COMMAND, and {key} is still there. Save a copy elsewhere and delete it.",
        )
        return
    yield HealthCheck("good", "key file", "The key comes from SAMIZDAT_KEY_COMMAND. Keep a second copy elsewhere.")


def _place() -> Iterator[HealthCheck]:
    """Is it where it last ran? Whoever finds that it is not fences it."""
    from samizdat.delivery.actions import copied_installation

    try:
        changed = copied_installation.look(bootstrap.now())
    except (CopiedFolder, TornCopy) as error:
        yield HealthCheck("red", "place", str(error))
        return
    if changed:
        where = ", ".join(PLACES[part] for part in changed)
        yield HealthCheck("red", "place", f"It last ran elsewhere: {where}. See what waits: samizdat release --dry-run")
    else:
        yield HealthCheck("good", "place", "It is where it last ran.")
    yield from _copies()


def _copies() -> Iterator[HealthCheck]:
    """Whether another copy took over, as far as the backup places can say."""
    from samizdat.delivery.actions import copied_installation

    standing = copied_installation.ask_places(bootstrap.now())
    sentence = copied_installation.what_places_say(standing)
    if standing.rival is not None:
        yield HealthCheck("red", "copies", f"{sentence} Decide which copy sends: samizdat release")
    elif standing.places:
        yield HealthCheck("good" if standing.is_known else "amber", "copies", sentence)


def _spelling() -> Iterator[HealthCheck]:
    from samizdat.campaigns.checks import spelling

    if command := spelling.missing():
        yield HealthCheck("amber", "spelling", f"Spelling isn't checked in every language here. Run: {command}")
    else:
        yield HealthCheck("good", "spelling", "hunspell reads English and Russian.")


def _words() -> Iterator[HealthCheck]:
    from samizdat import phrases_override

    wrong = list(phrases_override.wrong())
    yield from (HealthCheck("amber", "standard texts of emails", sentence) for sentence in wrong)
    if option("SAMIZDAT_WORDS") and not wrong:
        yield HealthCheck(
            "good", "standard texts of emails", f"Your own texts from {option('SAMIZDAT_WORDS')} are used."
        )


# What to do about something in the database that is not ours, by how its name begins.
_REMEDIES = {
    "setting ": "If none of you set it, reset it: ALTER ROLE … RESET, or ALTER DATABASE … RESET.",
    "role ": "If none of you granted these rights, revoke them: REVOKE. Then check what was read.",
    "default rights ": "It gets rights to tables of later versions: ALTER DEFAULT PRIVILEGES … REVOKE.",
    "publication ": "It copies rows to another place. If none of you created it, drop it.",
    "replication slot ": "It copies rows to another place. If none of you created it: pg_drop_replication_slot.",
    "subscription ": "It writes rows from another place. If none of you created it, drop it.",
}
_DROP = "It can undo repairs, hide rows, and copy or delete later ones. If none of you created it, drop it."
# As many are named.
_NAMED = 20
# Seconds in which indexes are looked at.
INDEX_SECONDS = 10.0


def _foreign() -> Iterator[HealthCheck]:
    """What the database runs by itself, now or in the last days."""
    from samizdat.accounts import database_catalog
    from samizdat.events.queries import happened_since

    if foreign_objects := database_catalog.watch(bootstrap.now()):
        yield from (HealthCheck("red", "database", _about(name)) for name in foreign_objects[:_NAMED])
        more = (
            f"{len(foreign_objects) - _NAMED:,} more objects differ from ours. "
            if len(foreign_objects) > _NAMED
            else ""
        )
        yield HealthCheck(
            "red",
            "database",
            (
                f"{more}If none of you changed it, someone else can write to the database: stop `serve`, fix it, "
                "and change the password of the database."
            ),
        )
    elif happened_since(database_catalog.ALTERED, bootstrap.now() - database_catalog.SHOWN):
        yield HealthCheck(
            "red",
            "database",
            (
                f"In the last {ALTERED_DAYS} days it ran something that isn't ours, an index lacked rows, or a "
                "value was changed; it was removed, rebuilt, or counts for nothing. If none of you did it, someone "
                "else can write to the database: change its password, and check roles and settings."
            ),
        )


def _indexes() -> Iterator[HealthCheck]:
    """SQLite: tables that don't match their indexes or hold values of another form, as far as INDEX_SECONDS go; the
    worker looks at all of them."""
    from django.db import connection

    from samizdat.accounts import database_indexes
    from samizdat.db import on_sqlite

    until = time.monotonic() + INDEX_SECONDS
    path = str(connection.settings_dict["NAME"])
    for name, misshapen in database_indexes.damaged(path, lambda: time.monotonic() > until) if on_sqlite() else ():
        sentence = (
            f"A value in {at_terminal(name)} isn't written as Samizdat writes it, and counts for nothing. Someone else "
            "can write to the database. Run: samizdat log check. Restore the table from a backup."
            if misshapen
            else f"An index of {at_terminal(name)} lacks rows, so a “no” or a cancellation can be overlooked. Restart "
            "`serve`: it rebuilds the index. If the disk isn't broken, someone else can write to the database."
        )
        yield HealthCheck("red", "database", sentence)


def _forged_events() -> Iterator[HealthCheck]:
    from samizdat.events.queries import happened_since

    if happened_since("event.forged", bootstrap.now() - timedelta(days=ALTERED_DAYS)):
        yield HealthCheck(
            "red",
            "events",
            (
                f"In the last {ALTERED_DAYS} days someone without keys wrote an event into the database. It had "
                "no effect. Check who else can write to the database, change its password, then run: samizdat "
                "log check"
            ),
        )


def _about(name: str) -> str:
    """One thing in the database, and what to do about it."""
    from django.db import connection

    from samizdat.accounts import database_catalog

    shown = at_terminal(name)
    if name.endswith((database_catalog.MISSING, database_catalog.CHANGED)):
        schema = database_catalog.file(connection.vendor).name
        return f"{shown}. Restore it as in samizdat/accounts/{schema}, or restore a backup."
    for table in database_catalog.IN_ORDER:  # By the whole name: whoever writes the database names what is in it.
        if name == f"sequence public.{table}_id_seq{database_catalog.BEHIND}":
            advance = f"SELECT setval('public.{table}_id_seq', (SELECT max(id) FROM public.{table}));"
            return f"{shown}: it would give numbers twice. Run in the database: {advance}"
    remedy = next((words for kind, words in _REMEDIES.items() if name.startswith(kind)), _DROP)
    return f"{shown} isn't ours. {remedy}"


def _public_role() -> Iterator[HealthCheck]:
    from django.db import connections

    from samizdat.publicdb import role_guard

    if role_guard.shut_out(connections["publicdb"]):
        yield HealthCheck(
            "red",
            "public pages",
            (
                "The public process repeatedly took database locks that it must not take, so its database role "
                "is blocked for ten minutes. Someone else may control it: check that server, then restart "
                "`serve`."
            ),
        )


def _own_postfix() -> Iterator[HealthCheck]:
    from samizdat.accounts.models import Organization
    from samizdat.delivery.queries import routes
    from samizdat.vault.locks import unlocked

    organizations = Organization.objects.filter(unlocked())
    yield from own_postfix.look(row for organization in organizations for row in routes(organization))


def _organizations() -> Iterator[HealthCheck]:
    from samizdat.accounts import forged_rows
    from samizdat.accounts.models import Organization
    from samizdat.audience.consistency import compared
    from samizdat.delivery import database_progress
    from samizdat.delivery.queries import routes
    from samizdat.vault import locks

    forged_rows.watch(bootstrap.now(), is_old=database_progress.missing() is not None)
    for organization in Organization.objects.order_by("id"):
        name = organization.name
        if lock := locks.state(organization):
            yield HealthCheck("amber", name, f"Locked since {lock.at:%Y-%m-%d %H:%M} UTC. Unlock: samizdat keys unlock")
            continue
        yield from _roles(organization)
        yield from _log(organization)
        yield from _suppressions(organization)
        yield from _missing(organization)
        yield from _host(organization)
        if organization.sending_locked:
            yield HealthCheck("red", name, ENDED["fenced"])
        if not organization.public_url:
            yield HealthCheck(
                "red",
                name,
                (
                    "The public pages have no address, so nobody could unsubscribe. Set it: samizdat organization "
                    "set --url https://…"
                ),
            )
        elif not organization.sending_locked:
            yield from looks.public_host(organization.public_url, name)
        seen = compared(organization)
        if seen is not None and seen.wrong > 0:
            yield HealthCheck(
                "red",
                name,
                (
                    f"The status of {seen.wrong:,} of {seen.subscribers:,} subscribers doesn't match the consent "
                    "records, or the index of their address belongs to another address. Fix it: samizdat subscribers "
                    "settle"
                ),
            )
        route_rows = routes(organization)
        yield from _routes(name, route_rows)
        yield from _signing(organization, [route for route in route_rows if route.state == "live"])
        yield from _refused(organization)
        yield from _held(organization)
        yield from _mailboxes(organization)
        yield from _mail_room(organization)
        yield from _spare_domains(organization)


def _host(organization: "Organization") -> Iterator[HealthCheck]:
    from samizdat.accounts.public_site import sharing_host

    for other in sharing_host(organization):
        yield HealthCheck(
            "red",
            organization.name,
            (
                f"Its public pages have the same address as those of {other.name}, so only the pages of one of the two "
                "can be opened. Set another one for the organization that it doesn't belong to: samizdat organization "
                "set --url https://…"
            ),
        )


def _roles(organization: "Organization") -> Iterator[HealthCheck]:
    from samizdat.accounts import forged_rows

    if _lately(organization, forged_rows.ALTERED):
        yield HealthCheck(
            "red",
            organization.name,
            (
                f"In the last {ALTERED_DAYS} days someone without keys changed settings in the database: "
                "addresses of pages or email, the name, sign-up pages, or whether campaigns need approval. They "
                "were restored if their encrypted copy was there. Check them, save them once, and check who else "
                "can write to the database."
            ),
        )
    if _lately(organization, forged_rows.FORGED):
        yield HealthCheck(
            "red",
            organization.name,
            (
                f"In the last {ALTERED_DAYS} days someone without keys wrote a role into the database. It has no "
                "effect. Check who else can write to the database, and change its password. If a teammate is "
                "missing in `samizdat person ls`, give them their role again: samizdat person add - --role ROLE"
            ),
        )


def _log(organization: "Organization") -> Iterator[HealthCheck]:
    from samizdat.events import log_breaks

    if log_breaks.is_alarming(organization, bootstrap.now()):
        yield HealthCheck(
            "red",
            organization.name,
            (
                f"In the last {log_breaks.SHOWN.days} days events or consent records were deleted or changed "
                "directly in the database. See where: samizdat log check. Compare it with a backup, check who "
                "else can write to the database, and change its password."
            ),
        )


def _lately(organization: "Organization", kind: str) -> "Event | None":
    """The newest event of a kind that an admin is still shown."""
    from samizdat.events.queries import last

    event = last(organization, kind)
    return event if event is not None and event.at > bootstrap.now() - timedelta(days=ALTERED_DAYS) else None


def _suppressions(organization: "Organization") -> Iterator[HealthCheck]:
    from samizdat.audience import suppression_check

    if _lately(organization, suppression_check.ALTERED):
        yield HealthCheck(
            "red",
            organization.name,
            (
                f"In the last {ALTERED_DAYS} days someone without keys changed the suppression list or a pause in "
                "the database. Missing entries were restored. Check who else can write to the database, and "
                "change its password."
            ),
        )


def _missing(organization: "Organization") -> Iterator[HealthCheck]:
    from samizdat.audience import missing_subscribers
    from samizdat.events.actions import detail_of

    if missing := _lately(organization, missing_subscribers.MISSING):
        yield HealthCheck(
            "red",
            organization.name,
            (
                f"In the last {ALTERED_DAYS} days subscribers went missing from the database, or their data was made "
                f"unreadable or put back with an address corrected since: {detail_of(missing).get('count', 0)}. "
                "Nobody did that in the app. Those who had unsubscribed were put on the suppression list. Restore the "
                "others from a backup or correct their address again, check who else can write to the database, and "
                "change its password."
            ),
        )


def _refused(organization: "Organization") -> Iterator[HealthCheck]:
    """Campaigns in which a mailbox provider refuses us."""
    from samizdat.campaigns.models import Campaign, large
    from samizdat.delivery.queries import provider_refusals

    rows = Campaign.objects.filter(organization=organization, state__in=("sending", "waiting", "paused"))
    for campaign in rows.defer(*large()):
        for row in provider_refusals(campaign):
            text = (
                f"{at_terminal(row.sentence)} {row.waiting:,} are waiting. Then: samizdat campaign resume {campaign.pk}"
            )
            yield HealthCheck("red", f"{organization.name}, campaign {campaign.pk}", text)


def _held(organization: "Organization") -> Iterator[HealthCheck]:
    """Campaigns of the last days in which more addresses are said to be dead than is plausible."""
    from samizdat.campaigns.models import Campaign, large
    from samizdat.delivery.queries import HELD_BOUNCES, held_bounces
    from samizdat.events.models import Event

    events = Event.objects.filter(organization=organization, kind=HELD_BOUNCES, at__gt=bootstrap.now() - HELD_FOR)
    numbers = {number for number in events.values_list("about", flat=True) if number is not None}
    for campaign in Campaign.objects.filter(organization=organization, pk__in=numbers).defer(*large()):
        if held := held_bounces(campaign):
            count = sum(row.count for row in held)
            text = (
                f"{count:,} addresses are said not to exist, more than is plausible, so none was suppressed. Ask a few "
                f"of the subscribers another way. If it's true: samizdat campaign suppress-bounced {campaign.pk}"
            )
            yield HealthCheck("amber", f"{organization.name}, campaign {campaign.pk}", text)


def _mailboxes(organization: "Organization") -> Iterator[HealthCheck]:
    """Whether bounces come in: mailboxes that can't be read, or that nobody has read for a while."""
    from samizdat.incoming.mailboxes.actions import mailboxes
    from samizdat.incoming.mailboxes.faults import sentence

    for row in mailboxes(organization):
        subject = f"{organization.name}, mailbox {row.name}"
        heard = f"last on {row.state.heard:%Y-%m-%d %H:%M} UTC" if row.state and row.state.heard else "never"
        if row.settings is None or row.state is None:
            yield HealthCheck("red", subject, "Its settings can't be decrypted. Remove it and add it again.")
        elif row.state.fault:
            yield HealthCheck("red", subject, f"{sentence(row.state.fault)} Heard from it: {heard}.")
        elif organization.sending_locked:
            continue  # A copy reads no mailbox.
        elif row.state.heard is None or bootstrap.now() - row.state.heard > UNHEARD:
            text = f"It isn't read; heard from it: {heard}. Check that `samizdat serve` or a worker is running."
            yield HealthCheck("amber", subject, text)
        else:
            yield HealthCheck("good", subject, f"Heard from it: {heard}.")


def _mail_room(organization: "Organization") -> Iterator[HealthCheck]:
    """Whether there is room for incoming email."""
    from samizdat.incoming import mail_space

    room, subject = mail_space.room(organization), f"{organization.name}, incoming email"
    if not room.is_full:
        return
    waiting = mail_space.waiting(organization)
    used = f"{room.used // 1_000_000:,} MB of {room.limit // 1_000_000:,} MB are used; large email of strangers waits "
    if waiting > room.used // 2:
        step = f"Of this, {waiting // 1_000_000:,} MB wait to be read: check that `samizdat serve` or a worker runs."
    else:
        step = "Delete conversations with files in the inbox, free disk space, or raise SAMIZDAT_MAIL_STORAGE."
    yield HealthCheck("red" if room.most(True) <= 0 else "amber", subject, f"{used}at its mail server. {step}")


def _spare_domains(organization: "Organization") -> Iterator[HealthCheck]:
    """Whether they can take the place of a domain that was lost."""
    from samizdat.delivery.actions import spare_check

    for row in spare_check.spares(organization):
        ready, subject = spare_check.is_ready(row), f"{organization.name}, spare domain {row.name}"
        if ready is None:
            step = f"Then run: samizdat domain check {row.name}"
            yield HealthCheck("amber", subject, f"Name servers don't answer. Check the network of this server. {step}")
        elif ready:
            yield HealthCheck("good", subject, "Its DNS records are there.")
        else:
            yield HealthCheck("amber", subject, " ".join(map(at_terminal, spare_check.missing(row))))


def _routes(name: str, routes: "list[RouteRow]") -> Iterator[HealthCheck]:
    from samizdat.core.mail.outcome import ACTORS

    live = [route for route in routes if route.state == "live" and not route.is_altered]
    for route in routes:
        yield from _barred(name, route, live)
        if route.is_altered:
            why = "Nobody has approved or resumed it, and someone without keys wrote into the database that it is. "
            step = "It isn't used. Check who else can write to the database, and change its password. "
            end = f"Then: samizdat route rm {route.name}, or pause it again: samizdat route pause {route.name}"
            yield HealthCheck("red", f"{name}, route {route.name}", why + step + end)
            continue
        if route.state == "live":
            continue
        sentence = at_terminal(route.sentence, route.name)
        why = " ".join(word for word in (sentence, ACTORS.get(route.who, "")) if word)
        until = f" Not before {route.until:%H:%M} UTC." if route.until and route.state == "throttled" else ""
        stands = "Another admin has to approve it" if route.state == "waiting" else "It's paused"
        how = why or f"{stands}. Next: samizdat route resume {route.name}"
        state = "red" if not live and route.state == "dead" else "amber"
        yield HealthCheck(state, f"{name}, route {route.name}", f"{route.state}: {how}{until}")
    if not live:
        yield HealthCheck("amber", name, "No sending route is working. Add one: samizdat route add NAME -")
    elif len(live) == 1:
        yield HealthCheck(
            "amber",
            name,
            "One route is working. Add a second one, so that sending continues if the first stops working.",
        )
    else:
        yield HealthCheck("good", name, f"{len(live)} routes are working.")


def _barred(name: str, route: "RouteRow", live: "list[RouteRow]") -> Iterator[HealthCheck]:
    """Domains that a route's provider does not accept: red where no other route takes them."""
    from samizdat.core.mail.outcome import ACTORS

    for bar in route.barred:
        others = [
            other_route for other_route in live if bar.domain not in (other.domain for other in other_route.barred)
        ]
        who = ACTORS.get(bar.who, "")
        sentence = at_terminal(bar.sentence, route.name)
        next_step = f"Then: samizdat route resume {route.name}"
        why = f"It can't send from {bar.domain}: {sentence} {who} {next_step}"
        yield HealthCheck("amber" if others else "red", f"{name}, route {route.name}", why)


def _signing(organization: "Organization", live: "list[RouteRow]") -> Iterator[HealthCheck]:
    """Whether letters are signed by the routes of which we are to sign."""
    from samizdat.delivery.dkim_keys import domains

    rows = domains(organization)
    for row in rows:
        for key in row.keys:
            if key.is_altered:
                why = f"The key {key.selector} of {row.name} was changed directly in the database. "
                step = f"Run: samizdat domain retire {row.name} {key.selector}"
                yield HealthCheck("red", organization.name, why + step)
    signs = [row.name for row in rows if row.active]
    if signs:
        yield HealthCheck("good", organization.name, f"Emails are signed for {', '.join(signs)}.")
    elif any(route.signs for route in live):
        yield HealthCheck(
            "amber",
            organization.name,
            (
                "No domain has an active DKIM key, so emails are sent unsigned. Run: samizdat domain add DOMAIN. "
                "If your provider signs: samizdat route edit NAME --signs provider"
            ),
        )


def _public_process() -> Iterator[HealthCheck]:
    from samizdat.events.queries import happened_since

    if happened_since("publicdb.altered", bootstrap.now() - timedelta(days=ALTERED_DAYS)):
        yield HealthCheck(
            "red",
            "public pages",
            (
                f"In the last {ALTERED_DAYS} days they were changed by someone else. They were restored, but "
                "someone may control the public process or write to the database. Stop `serve`, and check that "
                "server."
            ),
        )

    if happened_since("publicdb.mended", bootstrap.now() - timedelta(days=ALTERED_DAYS)):
        yield HealthCheck(
            "amber",
            "publicdb",
            (
                f"In the last {ALTERED_DAYS} days its file was damaged. It was created again, with whatever could "
                "be read of what subscribers had sent. Check the disk (`dmesg`), and if the disk is fine, who "
                "else can write there."
            ),
        )
    if data_folder().stat().st_mode & stat.S_ISGID:  # As `serve` leaves it for the other user's group.
        yield HealthCheck("good", "public pages", "They run as their own user.")
    else:
        yield HealthCheck(
            "amber",
            "public pages",
            (
                "They run as the same user as the rest, so anyone who takes them over has everything. Let the "
                "system start `serve` as root with SAMIZDAT_USER and SAMIZDAT_PUBLIC_USER, as in "
                "docs/small-server.md."
            ),
        )
