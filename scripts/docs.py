"""Prints the pages of the handbook that the code tells. `.venv/bin/python scripts/docs.py`."""

import json
import os
import re
import sys
from pathlib import Path

import click
import django
from django.utils import translation

HERE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE))

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "samizdat.settings")
django.setup()

from samizdat import plugins  # noqa: E402
from samizdat.accounts.api_keys import SCOPES  # noqa: E402
from samizdat.api import openapi  # noqa: E402
from samizdat.cli.__main__ import samizdat  # noqa: E402
from samizdat.core.bounce import reasons, thresholds  # noqa: E402
from samizdat.events.actions import is_of_people  # noqa: E402
from samizdat.events.kinds import SENTENCES, EventKind  # noqa: E402
from samizdat.options import OPTIONS  # noqa: E402
from samizdat.worker.schedule.event_handlers import FOLLOW_UPS  # noqa: E402
from scripts.clientpage import operations_module  # noqa: E402
from scripts.tagpage import merge_tags  # noqa: E402
from scripts.wordpage import languages  # noqa: E402

_SHARED = {"--json", "--organization", "--yes", "--debug", "--help"}

_LEAD = """# The command line

Printed from the code by `scripts/docs.py`. `./run WORD …` and `samizdat WORD …` are the same.

Every command takes `--json` (one document on standard output and nothing else there; nothing is asked, and
`release` needs `--yes`), `--organization SLUG` if there are several, `--yes` and `--debug`. Exit codes:
0 done, 1 refused or failed with a sentence that says what to do, 2 wrong usage. With `--json` a failure prints
`{"error", "sentence"}`. `SAMIZDAT_DATA` is the data folder.

Write `-` in place of addresses, people's names, `TAG=TEXT` and URLs with a password: then they are asked for, or read
from standard input, one per line in the order below. On the command line itself they work too, but other
users of the server can read them there while the command runs; a note on standard error says so.

`samizdat --url URL --key-file FILE COMMAND` does a command at an installation elsewhere, by an API key:
[api.md](api.md) says which. The data folder of this machine isn't opened, and `--json` prints what the API answers.

`campaign status` and `campaign send --wait` print `id`, `state`, `frozen` (recipients), `accepted`, `refused`
(bounced), `unsure` (outcome unknown), `suppressed` (skipped), `cancelled`, `deferred`, `pending` (waiting),
`left_by_letter` (unsubscribed by its link, null for one to nineteen) and `by_route`:
`{NAME: {"accepted", "state", "reason", "sentence"}}`. `campaign status` also prints
`by_language` (recipients of each translation), `by_provider`, `answers`
(`answer`, `code`, `text` without addresses, `count`, `route`), `next_due`, `waiting_again`, `waits_for` (servers
that are gone with emails under way) and `waits_for_route` (`route`, `until`: a provider asked us to slow down).
`import` prints `rows`,
`added`, `updated`, `unchanged`, `rejected`, and the statuses `subscribed`, `unsubscribed`, `cleaned`, `nonsubscribed`
(no consent) and `pending` (unconfirmed); `left_out` counts what in the export isn't a subscriber (`campaigns`,
`templates`, `images`, `activity`, `other`), and `warnings` says so.
`subscribers count` and `segment count` print `count`, the latter with `--list` instead `subscribed`,
`outside`, `suppressed` and `may`; `tag add` and `tag remove` print `given`, `found`, `unknown` and `changed`;
`subscribers show` says of each list `status`, `may` (whether they can be emailed: true or false), `reason`, `since`
and `appeals`; days and times are ISO 8601 in every document;
`segment show` prints `id`, `name`, `sentence`, `condition` and `broken`;
`campaign report` prints `links` (`number`, `version`, `url`, `count`, `few`, `days`: `from`, `to`, `count`),
`questions` (`version`, `question`, `answers`, `total`), `languages` (`language`, `people`, totals by state; languages
of few people are one entry), `replies`, `left_by_letter` and `complaints_by_any_letter`.
Each of these totals is a `count` and `few`: below `fewest` the count is null and `few` is true; replies that nobody
has counted are null and not `few`.
`campaign new` prints `id`; `campaign audience` prints `known`, `without` (reason: how many) and `may`.

Completion: `samizdat completion bash >> ~/.bashrc` (also zsh, fish).
"""


def command_line() -> str:
    return "\n".join([_LEAD, *_pages(samizdat, "samizdat")])


def _pages(group: click.Group, words: str) -> list[str]:
    lines = _page(group, words) if group.invoke_without_command else []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            lines += _pages(command, f"{words} {name}")
        else:
            lines += _page(command, f"{words} {name}")
    return lines


def _page(command: click.Command, words: str) -> list[str]:
    context = click.Context(command)
    arguments = [
        parameter.make_metavar(context) for parameter in command.params if isinstance(parameter, click.Argument)
    ]
    lines = [f"## {' '.join([words, *arguments])}", "", (command.help or "").strip(), ""]
    for parameter in command.params:
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        own = words == "samizdat init" and parameter.name == "name"
        if record and (own or not _SHARED & set(parameter.opts)):
            lines.append(f"- `{record[0]}` {record[1]}".rstrip())
    return [*lines, ""] if lines[-1] else lines


def events() -> str:
    with translation.override("en"):
        rows = [f"| `{kind}` | {sentence} | {_after(kind)} |" for kind, sentence in SENTENCES.items()]
    return "\n".join(
        [
            "# Events",
            "",
            "All events of the log, printed from `samizdat/events/kinds.py` by `scripts/docs.py`. An event has",
            "its kind, the number of the row it is about, who did it and when; everything else is encrypted. For",
            "kinds that begin with `subscriber.` and for those marked ° the database only has the day. The last column",
            "names what the worker does afterwards (`samizdat/worker/schedule/event_handlers.py`).",
            "",
            "| kind | what happened | then |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _after(kind: EventKind) -> str:
    handlers = ", ".join(f"`{handler.__name__}`" for handler in FOLLOW_UPS.get(kind, ()))
    day_alone = "°" if is_of_people(kind) and not kind.startswith("subscriber.") else ""
    return f"{handlers} {day_alone}".strip()


def options() -> str:
    rows = [
        f"| `{option.name}` | {f'`{option.default}`' if option.default else ''} | {option.help} |" for option in OPTIONS
    ]
    return "\n".join(
        [
            "# Options",
            "",
            "Environment variables, printed from `samizdat/options.py` by `scripts/docs.py`.",
            "",
            "| name | default | what for |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


PRINTED = re.compile(r"(?<=<!-- printed from the transports -->\n).*?(?=<!-- /printed -->)", re.DOTALL)


def _between_marks(name: str, printed: str) -> str:
    """The page as it is, with what the transports say of themselves between the marks."""
    return PRINTED.sub(lambda _match: printed, (HERE / "docs" / name).read_text())


def routes() -> str:
    return _between_marks("routes.md", _ways_out())


def sending_providers() -> str:
    return _between_marks("sending-providers.md", _providers())


def _providers() -> str:
    rows = []
    for one in plugins.route_providers().values():
        add = "" if one.signs else " Add `--signs provider`."
        rows.append(f"| [{one.label}](#{one.label.lower().replace(' ', '-')}) | `{one.example}` | {one.help}{add} |")
    return "\n".join(["| provider | URL | notes |", "|---|---|---|", *rows, ""])


def backup_places() -> str:
    before, mark, rest = (HERE / "docs" / "backup-places.md").read_text().partition("<!-- printed from the code -->\n")
    after = rest.partition("<!-- /printed -->")[2]
    return f"{before}{mark}{_places()}<!-- /printed -->{after}"


def _places() -> str:
    plugs = plugins.places().values()
    kinds = [f"| `{plug.example}` | {plug.label} |" for plug in plugs]
    options = [f"| {plug.name} | `{name}` | {what} |" for plug in plugs for name, what in plug.known_options.items()]
    heads = ["| URL | kind |", "|---|---|"], ["| kind | option | what for |", "|---|---|---|"]
    return "\n".join([*heads[0], *kinds, "", "Options after the `?`, joined by `&`:", "", *heads[1], *options, ""])


def webhooks() -> str:
    return _between_marks("webhooks.md", _webhooks())


def _webhooks() -> str:
    """A heading for each provider, to which the app links."""
    sections = []
    for hook in sorted(plugins.webhooks().values(), key=lambda hook: hook.label.lower()):
        secret = f"Secret: {hook.secret_label}." if hook.secret_label else "No secret: it logs in by the address."
        sections.append(f"### {hook.label}\n\n{hook.steps} {secret}\n")
    return "\n".join(sections)


def _ways_out() -> str:
    plugs = list(dict.fromkeys(plugins.transports().values()))
    kinds = [f"| `{kind.example}` | {kind.label} |" for plug in plugs for kind in plug.kinds]
    options = [
        f"| {plug.name} | `{ask.name}` | {ask.help} | {f'`{ask.default}`' if ask.default else ''} |"
        for plug in plugs
        for ask in plug.asks
        if ask.name in plug.known_options
    ]
    heads = ["| URL | type |", "|---|---|"], ["| transport | option | what for | default |", "|---|---|---|---|"]
    return "\n".join([*heads[0], *kinds, "", "Options after the `?`, joined by `&`:", "", *heads[1], *options, ""])


def returned_emails() -> str:
    page = (HERE / "docs" / "returned-emails.md").read_text()
    before, mark, _rest = page.partition("<!-- printed from the code -->\n")
    return f"{before}{mark}{_suppressions()}{_reasons()}<!-- /printed -->\n"


def _suppressions() -> str:
    rows = (
        ("complaint", "1", "", ""),
        *((name, str(t.times), str(t.campaigns), str(t.days)) for name, t in thresholds.THRESHOLDS.items()),
    )
    table = [f"| {' | '.join(row)} | {thresholds.SENTENCES[row[0]]} |" for row in rows]  # type: ignore[index]
    head = ["| for | reports | of campaigns | within days | in words |", "|---|---|---|---|---|"]
    after = (
        "Only reports with the fault `recipient` count, and the same report counts once. `host` is the reason "
        "`host_unknown` (5.1.2, 5.4.4):\na sending server whose DNS is broken says it of everyone, so it has to last. "
        "What servers say [while we send](sending.md#when-a-mailbox-is-gone) follows\nthe same table; there an email "
        "that is accepted proves that the mailbox lives.\n\n"
    )
    return "\n".join([*head, *table, "", after])


def _reasons() -> str:
    rows = [
        f"| `{one.name}` | {one.kind} | {one.fault} | {one.meaning} |" for one in (*reasons.REASONS, reasons.DELAYED)
    ]
    others = [f"| `{name}` | | | {meaning} |" for name, meaning in reasons.OTHER_REASONS.items()]
    return "\n".join(
        ["## Reasons", "", "| reason | kind | whose fault | in words |", "|---|---|---|---|", *rows, *others, ""]
    )


def api() -> str:
    before, mark, rest = (HERE / "docs" / "api.md").read_text().partition("<!-- printed from the code -->\n")
    after = rest.partition("<!-- /printed -->")[2]
    return f"{before}{mark}{_operations()}<!-- /printed -->{after}"


def _operations() -> str:
    scopes = [f"| `{scope}` | {sentence} |" for scope, sentence in SCOPES.items()]
    rows = [
        f"| `{each.method} {each.path}` | {each.summary} | {' or '.join(f'`{scope}`' for scope in each.scopes)} |"
        for each in openapi.operations()
    ]
    heads = ["| access | allows |", "|---|---|"], ["| operation | what | access |", "|---|---|---|"]
    return "\n".join([*heads[0], *scopes, "", *heads[1], *rows, ""])


def openapi_document() -> str:
    return json.dumps(openapi.document(), indent=1, ensure_ascii=False) + "\n"


PAGES = {
    "api.md": api,
    "openapi.json": openapi_document,
    "../samizdat_client/operations.py": operations_module,
    "command-line.md": command_line,
    "options.md": options,
    "merge-tags.md": merge_tags,
    "languages.md": languages,
    "events.md": events,
    "routes.md": routes,
    "sending-providers.md": sending_providers,
    "webhooks.md": webhooks,
    "backup-places.md": backup_places,
    "returned-emails.md": returned_emails,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / "docs" / name).write_text(page())
