"""An opened campaign becomes an edition: compiled in all its versions, never to change again."""

import secrets
from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import structs

from samizdat import formatting
from samizdat.audience.condition_values import Asked
from samizdat.campaigns import checks, conditions, edition_details
from samizdat.campaigns.checks.organization_rules import OrganizationCheckRules, rules_of
from samizdat.campaigns.content import OpenedVersion, compile_version, digest_of, flaws_error, with_urls
from samizdat.campaigns.counted_links import UrlCodes, question_in
from samizdat.campaigns.edition_details import EditionDetails
from samizdat.campaigns.errors import ContentHasProblems, NotADraft
from samizdat.campaigns.models import Edition, EditionVariant, new_edition_number
from samizdat.campaigns.opened import OpenedCampaign
from samizdat.campaigns.translations import BadLanguage
from samizdat.core import ab_test, languages
from samizdat.core.content.message import CompiledContent, dumps
from samizdat.core.content.problems import ContentProblem
from samizdat.core.content.render.counted_links import MOST
from samizdat.core.mail.address import domain


def freeze(opened: OpenedCampaign, now: datetime) -> tuple[Edition, Asked]:
    """The edition, with its other versions beside it, and what conditions in them ask for (conditions). Errors:
    ContentHasProblems, which says in which version; NotADraft, BadLanguage.

    An edition left behind by a release that was killed before it counted anybody is made anew.
    """
    campaign, organization = opened.campaign, opened.campaign.organization
    if campaign.state != "draft":
        raise NotADraft(_("This campaign is already sent or scheduled."))
    if campaign.test_share and opened.translations:
        raise BadLanguage(
            _("A campaign can have either an A/B test or translations. End the test, then add a translation.")
        )
    keys, rules = opened.keys, rules_of(organization)
    assert keys.link is not None
    number, slug = new_edition_number(), secrets.token_hex(10)
    letters = [
        _compile(version, UrlCodes(keys.link, number, version.variant_no), slug, rules, now)
        for version in opened.versions
    ]
    if sum(len(details.counted) for _letter, details in letters) > MOST:
        raise flaws_error((ContentProblem(0, "links_many", {"limit": f"{MOST:,}"}, place="letter"),))
    asked = conditions.of_compiled(opened, [letter for letter, _details in letters])
    edition = Edition(
        id=number,
        campaign=campaign,
        organization=organization,
        link_key=keys.link.number,
        message_id_domain=domain(opened.draft.from_email.strip()),
        archive_slug=slug,
        languages=languages.dump(versions_of(opened)) if opened.translations else "",
        created=now,
    )
    with transaction.atomic():
        Edition.objects.filter(campaign=campaign, campaign__state="draft").delete()
        for version, (letter, details) in zip(opened.versions, letters, strict=True):
            place = version.variant_no
            row: Edition | EditionVariant = edition
            if place:
                row = EditionVariant(edition=edition, variant_no=place, language=version.language)
            else:
                way = campaign.ab_metric if campaign.test_share else ""
                details = structs.replace(details, asked=tuple(asked.items()), test_way=way, test_link=opened.test_link)
            of = f" {place}" if place else ""
            row.compiled_sealed = keys.seal(dumps(letter), "edition", f"compiled{of}", number)
            row.details_sealed = edition_details.sealed(keys, number, details, of)
            row.save(force_insert=True)
    return edition, asked


def versions_of(opened: OpenedCampaign) -> tuple[str, ...]:
    """The languages of a letter and its translations, by place."""
    return (languages.normal(opened.campaign.language), *(version.language for version in opened.translations))


def _compile(
    version: OpenedVersion, codes: UrlCodes, slug: str, rules: OrganizationCheckRules, now: datetime
) -> tuple[CompiledContent, EditionDetails]:
    """slug: of the edition in the archive."""
    slug = f"{slug}-{version.language}" if version.language else slug
    proof = compile_version(version, now, slug, codes)
    stopping = checks.stops(version, proof, now, rules)
    if proof.compiled is None or stopping:
        raise _flawed(version, (*proof.flaws, *stopping))
    draft, campaign = version.draft, version.campaign.version_of or version.campaign
    numbers = version.sources.numbers
    envelope = {**structs.asdict(draft), "body": "", "links": proof.compiled.links}
    details = EditionDetails(
        **envelope,
        counted=tuple(proof.counted),
        question=question_in(draft, version.campaign.language),
        campaign=campaign.pk,
        list=campaign.list_id,
        purpose=campaign.purpose,
        to_all=campaign.goes_to_all,
        unlisted=campaign.archive_hidden,
        welcome=bool(campaign.welcome),
        template=campaign.template_id or 0,
        language=version.campaign.language,
        # Of the versions of a test there is no web copy.
        content=with_urls(version.content, slug) if version.language or not version.variant_no else None,
        made_from=digest_of(replace(version, content=proof.content)),
        fields=tuple((tag, numbers[tag]) for tag in proof.compiled.fields if tag in numbers),
    )
    return proof.compiled, details


def _flawed(version: OpenedVersion, flaws: tuple[ContentProblem, ...]) -> ContentHasProblems:
    flawed = flaws_error(flaws)
    if version.language:
        values = {"language": formatting.language(version.language), "sentence": flawed}
        return ContentHasProblems(_("%(language)s: %(sentence)s") % values, flawed.flaws)
    if version.variant_no:
        named = {"name": ab_test.NAMES[version.variant_no], "sentence": flawed}
        return ContentHasProblems(_("Version %(name)s: %(sentence)s") % named, flawed.flaws)
    return flawed
