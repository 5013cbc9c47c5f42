"""An opened campaign becomes an edition: compiled in all its versions, never to change again."""

import secrets
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import structs

from samizdat import formatting
from samizdat.campaigns import checks, counted_links, edition_details
from samizdat.campaigns.checks.organization_rules import OrganizationCheckRules, rules_of
from samizdat.campaigns.content import OpenedVersion, compiled, digest_of, findings, with_urls
from samizdat.campaigns.edition_details import EditionDetails
from samizdat.campaigns.errors import ContentHasProblems, NotADraft
from samizdat.campaigns.models import Campaign, Edition, EditionVariant, goes_to_all, new_edition_number
from samizdat.campaigns.opened import OpenedCampaign
from samizdat.campaigns.translations import BadLanguage
from samizdat.core import ab_test, languages
from samizdat.core.content.compile import CompileProof
from samizdat.core.content.message import dumps
from samizdat.core.content.problems import ContentProblem
from samizdat.core.content.render import Content
from samizdat.core.mail.address import domain
from samizdat.vault import keyring


def freeze(opened: OpenedCampaign, now: datetime) -> Edition:
    """The edition, and its other versions beside it. Errors: ContentHasProblems, which says in which version;
    NotADraft, BadLanguage.

    An edition left behind by a release that was killed before it counted anybody is made anew.
    """
    campaign, rules = opened.campaign, rules_of(opened.campaign.organization)
    if campaign.state != "draft":
        raise NotADraft(_("This campaign is already sent or scheduled."))
    if campaign.test_share and opened.translations:
        raise BadLanguage(
            _("A campaign can have either an A/B test or translations. End the test, then add a translation.")
        )
    keys, number, slug = keyring.keys(campaign.organization), new_edition_number(), secrets.token_hex(10)
    assert keys.link is not None
    spoken = [languages.normal(campaign.language), *(version.language for version in opened.translations)]
    letter, *others = [_frozen(opened, version, rules, (number, slug), now) for version in opened.versions]
    with transaction.atomic():
        Edition.objects.filter(campaign=campaign, campaign__state="draft").delete()
        edition = Edition.objects.create(
            id=number,
            campaign=campaign,
            organization=campaign.organization,
            link_key=keys.link.number,
            message_id_domain=domain(opened.draft.from_email.strip()),
            archive_slug=slug,
            languages=languages.dump(spoken) if opened.translations else "",
            created=now,
            **letter,
        )
        for version, columns in zip(opened.versions[1:], others, strict=True):
            which = {"variant_no": version.variant_no, "language": version.language}
            EditionVariant.objects.create(edition=edition, **which, **columns)
    return edition


def _frozen(
    opened: OpenedCampaign,
    version: OpenedVersion,
    rules: OrganizationCheckRules,
    edition: tuple[int, str],
    now: datetime,
) -> dict[str, bytes]:
    """What is sealed of a version. edition: its number, and its slug in the archive."""
    campaign, (number, slug) = opened.campaign, edition
    slug = f"{slug}-{version.language}" if version.language else slug
    codes = counted_links.UrlCodes(campaign.organization, number, version.variant_no)
    proof = compiled(version, now, slug, codes)
    stopping = checks.stops(version, proof, now, rules)
    if proof.compiled is None or stopping:
        raise _flawed(version, (*proof.flaws, *stopping))
    keys, of = keyring.keys(campaign.organization), f" {version.variant_no}" if version.variant_no else ""
    # Of the versions of a test there is no web copy.
    content = with_urls(version.content, slug) if version.language or not version.variant_no else None
    details = _details(campaign, version, proof, proof.compiled.links, content)
    return {
        "compiled_sealed": keys.seal(dumps(proof.compiled), "edition", f"compiled{of}", number),
        "details_sealed": edition_details.sealed(keys, number, details, of),
    }


def _details(
    campaign: Campaign, version: OpenedVersion, proof: CompileProof, links: tuple[str, ...], content: Content | None
) -> EditionDetails:
    """content: of which its web copy is made."""
    draft, language = version.draft, version.language or campaign.language
    envelope = {**structs.asdict(draft), "body": "", "links": links}
    return EditionDetails(
        **envelope,
        counted=tuple(proof.counted),
        question=counted_links.question_in(draft, language),
        campaign=campaign.pk,
        list=campaign.list_id,
        purpose=campaign.purpose,
        to_all=goes_to_all(campaign),
        unlisted=campaign.archive_hidden,
        template=campaign.template_id or 0,
        language=language,
        content=content,
        made_from=digest_of(draft, proof.content),
    )


def _flawed(version: OpenedVersion, flaws: tuple[ContentProblem, ...]) -> ContentHasProblems:
    flawed = flaws_error(flaws)
    if version.language:
        values = {"language": formatting.language(version.language), "sentence": flawed}
        return ContentHasProblems(_("%(language)s: %(sentence)s") % values, flawed.flaws)
    if version.variant_no:
        named = {"name": ab_test.NAMES[version.variant_no], "sentence": flawed}
        return ContentHasProblems(_("Version %(name)s: %(sentence)s") % named, flawed.flaws)
    return flawed


def flaws_error(flaws: tuple[ContentProblem, ...]) -> ContentHasProblems:
    problems = findings(tuple(flaws))
    first = next(finding for finding in problems if finding.severity == "stop")
    values = {"place": first.place, "line": first.line, "flaw": first.sentence}
    if first.place == "block":
        sentence = _("This campaign can’t be sent yet: block %(line)s: %(flaw)s")
    elif not first.line:
        sentence = _("This campaign can’t be sent yet: %(flaw)s")
    else:
        sentence = _("This campaign can’t be sent yet: %(place)s, line %(line)s: %(flaw)s")
    return ContentHasProblems(sentence % values, tuple(problems))
