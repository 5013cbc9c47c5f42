"""campaign new, check, test."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.default_senders import name_and_address
from samizdat.cli.labels import GATHERED
from samizdat.cli.output import CommandFailed, common, say
from samizdat.cli.secret_arguments import ADDRESSES
from samizdat.core.languages import CODE, normal
from samizdat.health.words import at_terminal

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization
    from samizdat.accounts.sealed_settings import Leading
    from samizdat.audience.models import Tag
    from samizdat.campaigns.content import ContentFinding
    from samizdat.campaigns.drafts.draft import Draft
    from samizdat.campaigns.models import Campaign


# What commands were called before; scripts may still use these.
FORMER = {"take-back": "undo", "whom": "audience", "settle": "resolve"}


class CampaignGroup(click.Group):
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, FORMER.get(cmd_name, cmd_name))


@click.group(cls=CampaignGroup)
def campaign() -> None:
    """Campaigns, from draft to report."""


@campaign.command("new")
@click.option("--list", "list_name", required=True, metavar="NAME", help="The list to send to.")
@click.option("--subject", required=True)
@click.option("--from", "sender", metavar='"Name <a@b>"', help="Default: the sender of the list or organization.")
@click.option(
    "--body",
    type=click.Path(),
    help=(
        "FILE.md, FILE.html or FILE.json (blocks); - reads Markdown from standard input. Default: the template's text."
    ),
)
@click.option("--preheader", default="", help="Preview text: shown after the subject in the inbox.")
@click.option("--reply-to", default="")
@click.option("--tag", "tag_name", help="Only subscribers with this tag.")
@click.option("--segment", "segment_name", metavar="NAME", help="Only subscribers in this segment.")
@click.option(
    "--welcome",
    is_flag=True,
    help="The welcome email of the list: switch it on with samizdat list welcome.",
)
@click.option("--appeal", is_flag=True, help="A fundraising appeal. Only for subscribers who agreed to appeals too.")
@click.option(
    "--template",
    "template_name",
    metavar="NAME|ID",
    help="A starter (letter, digest, appeal, event, alert) or one of the organization's own templates.",
)
@click.option(
    "--design",
    type=click.Choice(["carbon", "plain", "banner"]),
    default="carbon",
    help="The built-in email design; a template with its own design comes first.",
)
@click.option(
    "--language", metavar="CODE", help="Language of the campaign, such as ru or fa; default: the organization's."
)
@click.option(
    "--pictures",
    type=click.Choice(["linked", "inside"]),
    default="linked",
    help="Images from Media: linked, or embedded in every email (at most 1 MB).",
)
@click.option(
    "--links",
    type=click.Choice(["direct", "counted"]),
    default="direct",
    help="Don't count clicks, or count one total per link and day through the public pages, not tied to anyone.",
)
@click.option(
    "--unlisted",
    is_flag=True,
    help="The web version is unlisted: readable by its link only, in no archive and no feed.",
)
@common
def campaign_new(
    body: str | None,
    list_name: str,
    sender: str | None,
    tag_name: str | None,
    segment_name: str | None,
    template_name: str | None,
    **words: Any,
) -> None:
    """Create a draft."""
    bootstrap.open_house()
    from django.db import transaction

    from samizdat.audience import queries as audience
    from samizdat.audience.segments.lookup import segment_named
    from samizdat.campaigns.actions import create
    from samizdat.campaigns.drafts.draft import Draft
    from samizdat.campaigns.senders import default_sender
    from samizdat.campaigns.templates.layout_store import begin_as_saved
    from samizdat.core.consent import APPEALS, LETTERS

    organization = bootstrap.organization()
    language = _language(words["language"])
    if words["welcome"] and (tag_name or segment_name or words["appeal"]):
        text = "A welcome email goes to everyone who confirms. Leave out --tag, --segment and --appeal."
        raise CommandFailed(text, "welcome_to_all")
    if not words["subject"].strip():
        raise CommandFailed("The campaign has no subject. Add one after --subject.", "no_subject")
    mailing_list = audience.list_named(organization, list_name)
    usual = default_sender(mailing_list, None)
    name, address = name_and_address(sender) if sender is not None else (usual.name, usual.email)
    if not address:
        raise CommandFailed("The campaign has no sender. Add one after --from.", "no_sender")
    draft = Draft(
        subject=words["subject"],
        preheader=words["preheader"],
        from_name=name,
        from_email=address,
        reply_to=words["reply_to"] or ("" if sender else usual.reply_to),
        body=_read(body) if body else "",
        format=_format_of(body) if body else "markdown",
        pictures=words["pictures"],
        links=words["links"],
        design=words["design"],
    )
    template, begun = _template(organization, template_name, language, draft)
    if not body and not begun.body:
        raise CommandFailed("The campaign has no text. Add it with --body, or start with --template letter.", "no_body")
    draft = draft if body else begun
    with transaction.atomic():
        campaign_row = create(
            organization,
            mailing_list,
            draft,
            by=None,
            now=bootstrap.now(),
            tag=_tag(organization, tag_name),
            segment=segment_named(organization, segment_name) if segment_name else None,
            template=template,
            language=language,
            archive_hidden=words["unlisted"],
            purpose=APPEALS if words["appeal"] else LETTERS,
            welcome=words["welcome"],
        )
        begin_as_saved(campaign_row)
    say(
        {"id": campaign_row.id},
        f"Draft {campaign_row.id} created. Next: samizdat campaign check {campaign_row.id}",
    )


def _language(code: str | None) -> str | None:
    if code is not None and not CODE.fullmatch(normal(code)):
        raise CommandFailed(f"{code} isn't a language code. Write it like ru or pt-br.", "bad_language")
    return normal(code) if code is not None else None


def _format_of(file: str) -> str:
    """By the ending of its name; standard input is Markdown."""
    endings = {".html": "html", ".htm": "html", ".json": "blocks"}
    return endings.get(Path(file).suffix.lower(), "markdown")


def _tag(organization: "Organization", name: str | None) -> "Tag | None":
    """A misspelt one must not become everybody."""
    from samizdat.audience.queries import tag_named

    tag = tag_named(organization, name) if name else None
    if name and tag is None:
        raise CommandFailed(f"There's no tag called {name}. Check the spelling.", "no_such_tag")
    return tag


def _read(file: str) -> str:
    data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CommandFailed(f"{file} is not UTF-8 text. Save it as UTF-8 and try again.", "bad_encoding") from None


def _template(organization: "Organization", name: str | None, language: str | None, draft: "Draft") -> tuple[Any, Any]:
    """The own template of that name or number, and the draft with what it or a letter of that name begins with."""
    if not name:
        return None, draft
    from samizdat.campaigns.templates.starter_templates import NAMES, begun
    from samizdat.cli.templates import own_named

    if own := own_named(organization, name):
        return own, begun(organization, str(own.pk), "", draft)[0]
    if name in NAMES:
        return None, begun(organization, name, language or organization.language, draft)[0]
    text = f"There's no template {name}. See: samizdat template ls. Leave out --template to use the built-in one."
    raise CommandFailed(text, "no_such_template")


def campaign_numbered(number: int) -> "Campaign":
    bootstrap.open_house()
    from samizdat.campaigns.queries import campaign_of

    return campaign_of(bootstrap.organization(), number)


def _where(finding: "ContentFinding") -> str:
    if finding.place == "block":
        return f"block {finding.line}"
    return f"{finding.place}, line {finding.line}" if finding.line else finding.place


@campaign.command("check")
@click.argument("number", metavar="ID", type=int)
@click.option("--links", is_flag=True, help="Check whether every link works. Takes up to 45 seconds.")
@click.option("--accept", "accepted", multiple=True, metavar="KEY", help="Ignore this check for this campaign.")
@common
def campaign_check(number: int, links: bool, accepted: tuple[str, ...]) -> None:
    """Check a campaign for problems and warnings: text, links, routes, the sender's domain."""
    campaign_row = campaign_numbered(number)
    from samizdat.campaigns.approval import standing
    from samizdat.campaigns.opened import open_campaign
    from samizdat.campaigns.translations import versions
    from samizdat.cli.campaign.checks import looked, spelling_state
    from samizdat.delivery.actions.recipients import stands_in_digest
    from samizdat.delivery.queries import routes

    opened, organization = open_campaign(campaign_row), campaign_row.organization
    draft, settings = opened.draft, opened.settings
    flaws = looked(campaign_row, links, accepted).findings
    others = [(version.language, looked(version, links, accepted).findings) for version in versions(campaign_row)]
    signature, records, refusal = _sender_of(campaign_row, draft, settings)
    live = [route for route in routes(organization) if route.state == "live"]
    size, approval = size_of(campaign_row), standing(opened, now=bootstrap.now())
    unsaid = settings.requires_approval and approval.state != "given"
    gathered = not size and stands_in_digest(campaign_row, settings)
    stops = _stops(flaws, others, bool(live), bool(size) or gathered, unsaid) + ([refusal] if refusal else [])
    bounces = settings.return_address or draft.from_email
    document = {
        "id": campaign_row.id,
        "ready": not stops,
        "recipients": size,
        "flaws": [flaw.document() for flaw in flaws],
        "domain": [record.document() for record in records],
        "signing": {"by": signature.by, "selectors": signature.selectors, "sentence": signature.sentence},
        "routes": [route.name for route in live],
        "bounces_go_to": bounces,
        "second_person": {"needed": settings.requires_approval, "state": approval.state},
    }
    if others:
        document["languages"] = {code: [flaw.document() for flaw in findings] for code, findings in others}
    spelling = document["spelling"] = spelling_state()
    lines = _check_lines(flaws, others, spelling["install"], signature, records)
    lines += [f"{size:,} recipients. Bounces go to {bounces}."]
    lines += [GATHERED] if gathered else []
    if stops:
        raise CommandFailed(" ".join(stops), "not_ready", document, lines)
    say(document, *lines, f"No problems. Next: samizdat campaign send {campaign_row.id}")


def _sender_of(campaign: "Campaign", draft: "Draft", settings: "Leading") -> tuple[Any, list[Any], str]:
    """Who signs for the domain of the sender, what stands in its DNS, and why that stops it."""
    from samizdat.campaigns.sender_domain_check import asker
    from samizdat.core.mail.address import BadAddress, domain, normalize
    from samizdat.delivery import dkim_keys, sending_gate

    try:
        sender = domain(normalize(draft.from_email))
    except BadAddress:
        sender = ""  # The letter's own flaw names it already.
    organization, ask = campaign.organization, asker()
    signature = dkim_keys.signature_of(organization, sender)
    records = sending_gate.records(sending_gate.verdicts(organization, settings, draft.from_email, ask))
    return signature, records, sending_gate.refusal(organization, settings, draft.from_email, ask)


def _stops(
    flaws: "list[ContentFinding]",
    others: "list[tuple[str, list[ContentFinding]]]",
    live: bool,
    somebody: bool,
    unsaid: bool,
) -> list[str]:
    """Why it cannot be sent, a sentence each."""
    stops = [flaw.sentence for flaw in flaws if flaw.severity == "stop"]
    stops += [f"{code}: {flaw.sentence}" for code, findings in others for flaw in findings if flaw.severity == "stop"]
    if not live:
        stops.append("No sending route is working. Add one: samizdat route add NAME -")
    if not somebody:
        stops.append("There's nobody on the list who can be emailed. Import or add subscribers first.")
    if unsaid:
        stops.append("A second person has to approve it. They do that in the app, on the page Review and send.")
    return stops


def _check_lines(
    flaws: "list[ContentFinding]",
    others: "list[tuple[str, list[ContentFinding]]]",
    install: str,
    signature: Any,
    records: Any,
) -> list[str]:
    from samizdat.cli.campaign.checks import line_of

    lines = [line_of(flaw, _where(flaw)) for flaw in flaws]
    lines += [line_of(flaw, f"{code}: {_where(flaw)}") for code, findings in others for flaw in findings]
    if install:
        lines.append(f"note  Spelling isn't checked in every language. For all languages: {install}")
    looked = [(record.state == "good", record.name, record.sentence) for record in records]
    looked.append((signature.by not in ("nobody", "waiting"), "Signature", signature.sentence))
    lines += [
        f"{'good' if is_good else 'look':5} {name}: {at_terminal(sentence)}" for is_good, name, sentence in looked
    ]
    return lines


@campaign.command("test")
@click.argument("number", metavar="ID", type=int)
@click.option(
    "--to",
    "addresses",
    type=ADDRESSES,
    required=True,
    multiple=True,
    metavar="ADDRESS",
    help="- reads them from standard input.",
)
@common
def campaign_test(number: int, addresses: tuple[str, ...]) -> None:
    """Send a test to a few addresses, in each language of the campaign. Tests count in no total."""
    campaign_row = campaign_numbered(number)
    from samizdat.campaigns.translations import versions
    from samizdat.delivery.actions import send_test

    wanted = [line.strip() for line in sys.stdin if line.strip()] if addresses == ("-",) else list(addresses)
    results = [
        result
        for letter in (campaign_row, *versions(campaign_row))
        for result in send_test(letter, wanted, now=bootstrap.now())
    ]
    document = {
        "tests": [{"to": result.address, "accepted": result.ok, "sentence": result.sentence} for result in results]
    }
    lines = [f"{result.address}: {result.sentence}" for result in results]
    lost = sum(not result.ok for result in results)
    if lost:
        sentence = f"{lost:,} of {len(results):,} tests were not accepted. See the reason next to each address."
        raise CommandFailed(
            lines[0] if len(lines) == 1 else sentence, "test_refused", document, lines if len(lines) > 1 else ()
        )
    say(document, *lines)


def size_of(campaign: "Campaign") -> int:
    from samizdat.delivery.audience_size import reach_of

    return reach_of(campaign, bootstrap.now()).may
