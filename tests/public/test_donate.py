"""A fundraiser's page and the way from it to a payment: no script, no cookie, nothing kept; it outlives a provider."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.test import Client
from django.utils import timezone
from msgspec.structs import replace

from samizdat.core.donations import (
    DaySum,
    FundraiserDetails,
    FundraiserText,
    PaymentMethod,
    PublicFundraiser,
)
from samizdat.fundraising.actions import LONGEST, LONGEST_TITLE
from samizdat.publicdb import actions
from samizdat.publicdb.models import DonationPage, Intake, PublicPicture, TokenState
from tests.public.conftest import OTHER_UID, UID, publish

pytestmark = pytest.mark.django_db

SLUG, LIMIT = "0123456789ab", 14 * 1024
CARD = PaymentMethod(
    id="card",
    kind="link",
    name="Card",
    address="https://fjordpay.example/give?sum={amount}&in={currency}",
    merchant="N L Kultur",
    statement="NLK 77",
    never=("RU",),
)
MIR = PaymentMethod(id="mir", kind="link", name="Mir", address="https://mir.example/x", only=("RU",), monthly=False)
BANK = PaymentMethod(
    id="bank", kind="bank", name="Transfer", address="DE02120300000000202051", holder="Lantern e.V.", monthly=False
)
WALLET = PaymentMethod(id="w", kind="crypto", name="Bitcoin", address="bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq")
DETAILS = FundraiserDetails(
    slug=SLUG,
    texts={
        "en": FundraiserText("Dry the archive", "Paper and fans.\n\nAnd a van.", "If you live in Russia, don’t."),
        "ru": FundraiserText("Просушим архив", "Бумага.", "Если вы в России, не надо."),
        "ka": FundraiserText("არქივი"),
    },
    goal=420000,
    suggested=(500, 1500),
    methods=(CARD, MIR, BANK),
)


def show(details: FundraiserDetails = DETAILS, progress: DaySum | None = None, uid: bytes = UID) -> None:
    text = msgspec.json.encode(PublicFundraiser(details, progress)).decode()
    actions.publish_fundraiser(uid, details.slug, text)


def seen(reader: Client, rest: str = "", status: int = 200, **more: Any) -> str:
    answer = reader.get(f"/donate/{SLUG}{rest}", **more)
    assert answer.status_code == status, answer.content
    assert not answer.cookies and answer["Cache-Control"] == "no-store"
    assert len(answer.content) <= LIMIT and b"<script" not in answer.content
    return answer.content.decode()


def test_a_donor_chooses_an_amount_and_goes_to_whoever_takes_the_payment(reader: Client, lantern_place: bytes) -> None:
    show(progress=DaySum(273000, 88))
    page = seen(reader)
    assert "Dry the archive" in page and "€2,730 of €4,200 from 88 donations" in page
    assert page.index("If you live in Russia") < page.index("€5"), "the warning stands before the amounts"
    assert "fjordpay" not in page, "no provider is named before one was chosen for this donor"
    way = seen(reader, "/pay?how=monthly&amount=1500&from=XX")
    assert 'href="https://fjordpay.example/give?sum=15.00&amp;in=EUR"' in way
    before = way[: way.index("fjordpay.example")]
    assert "N L Kultur" in before and "NLK 77" in before and "€15 monthly" in before
    assert "Transfer" not in way and "mir.example" not in way


def test_a_donor_says_where_their_bank_is_before_they_are_led_anywhere(reader: Client, lantern_place: bytes) -> None:
    show()
    assert "Choose where your bank is" in seen(reader, "/pay?how=once&amount=1500", 422)
    way = seen(reader, "/pay?how=once&amount=1500&from=RU")
    assert "mir.example" in way and "fjordpay" not in way
    show(replace(DETAILS, methods=(CARD,)))
    assert "nobody can donate safely" in seen(reader, "/pay?how=once&amount=1500&from=RU")


def test_a_dead_provider_is_replaced_under_the_same_link(reader: Client, lantern_place: bytes) -> None:
    show(replace(DETAILS, methods=(replace(CARD, never=()),)))
    assert "fjordpay" in seen(reader, "/pay?how=once&amount=500")
    show(replace(DETAILS, methods=(PaymentMethod(id="n", kind="link", name="New", address="https://new.example/"),)))
    way = seen(reader, "/pay?how=once&amount=500")
    assert "new.example" in way and "fjordpay" not in way
    show(replace(DETAILS, methods=()))
    assert "Nobody can donate right now" in seen(reader)
    assert "pay.example" not in seen(reader, "/pay?how=once&amount=500")


def test_a_bank_transfer_can_be_copied_and_scanned(reader: Client, lantern_place: bytes) -> None:
    show(replace(DETAILS, methods=(BANK,)))
    way = seen(reader, "/pay?how=once&amount=1500")
    assert "DE02 1203 0000 0000 2020 51" in way and "Lantern e.V." in way and "<svg" in way
    assert "<svg" in seen(reader, "/pay?how=monthly&amount=1500"), "whoever wants to give isn’t sent away"


def test_a_wallet_is_shown_with_a_warning(reader: Client, lantern_place: bytes) -> None:
    show(replace(DETAILS, methods=(WALLET,)))
    way = seen(reader, "/pay?how=once&amount=1500")
    assert WALLET.address in way and "can be traced to you" in way


@pytest.mark.parametrize(
    ("typed", "shown"),
    [("12,50", "€12.50"), ("١٢", "€12"), ("€1.234", "€1,234"), ("-5", ""), ("lots", ""), ("5 USD", ""), ("9" * 40, "")],
)
def test_an_amount_may_be_typed_in_any_way_or_is_asked_for_again(
    reader: Client, lantern_place: bytes, typed: str, shown: str
) -> None:
    show(replace(DETAILS, methods=(BANK,)))
    query = {"how": "once", "amount": "500", "other": typed}
    answer = reader.get(f"/donate/{SLUG}/pay", query)
    page = answer.content.decode()
    if shown:
        assert answer.status_code == 200 and shown in page
    else:
        assert answer.status_code == 422 and 'aria-invalid="true"' in page
        assert f'value="{typed[:40]}"' in page, "what was typed stays"


@pytest.mark.parametrize("amount", ["", "0", "-1", "1e9", "٣", "9" * 30, "x"])
def test_an_amount_that_no_page_of_ours_offers_leads_to_the_provider_without_one(
    reader: Client, lantern_place: bytes, amount: str
) -> None:
    show(replace(DETAILS, methods=(replace(CARD, never=()),)))
    answer = reader.get(f"/donate/{SLUG}/pay", {"how": "once", "amount": amount})
    assert answer.status_code == 200 and "give?sum=&amp;in=" in answer.content.decode()


def test_the_page_is_in_the_language_of_the_link_and_in_ours_where_we_have_no_words(
    reader: Client, lantern_place: bytes
) -> None:
    show()
    russian = seen(reader, "?ru")
    assert '<html lang="ru"' in russian and "Просушим архив" in russian and "Россия" in russian
    assert 'name="ru"' in russian, "the next page goes on in Russian"
    assert '<html lang="ru"' in seen(reader, "/pay?how=once&amount=500&from=XX&ru")


def test_what_is_over_says_so_and_leads_to_no_payment(reader: Client, lantern_place: bytes) -> None:
    over = timezone.now().date() - timedelta(days=2)
    for details in (replace(DETAILS, until=over), replace(DETAILS, closed=over)):
        show(details)
        for rest in ("", "/pay?how=once&amount=500&from=XX"):
            page = seen(reader, rest)
            assert "This fundraiser is over" in page and "fjordpay" not in page


def test_few_donations_are_not_shown(reader: Client, lantern_place: bytes) -> None:
    show()
    page = seen(reader)
    assert "donations" not in page and "Goal: €4,200" in page


def test_an_organization_shows_its_fundraisers_on_its_own_host_alone(reader: Client, lantern_place: bytes) -> None:
    publish(host="lantern.example")
    publish(OTHER_UID, host="bell.example", name="Harbor Bell")
    show()
    seen(reader, HTTP_HOST="lantern.example")
    seen(reader, HTTP_HOST="old-name.example")
    seen(reader, status=404, HTTP_HOST="bell.example")
    actions.publish_fundraiser(OTHER_UID, SLUG, "{}")
    assert "Dry the archive" in seen(reader, HTTP_HOST="lantern.example"), "nobody takes the address of another one"


def test_a_page_that_somebody_else_wrote_is_not_shown(reader: Client, lantern_place: bytes) -> None:
    show()
    DonationPage.objects.update(details=DonationPage.objects.get().details.replace("fjordpay", "evil"))
    seen(reader, status=404)


def test_a_visit_leaves_nothing_behind(reader: Client, lantern_place: bytes) -> None:
    show()
    before = list(DonationPage.objects.values())
    seen(reader)
    seen(reader, "/pay?how=once&other=77.77&from=XX")
    assert list(DonationPage.objects.values()) == before
    assert not Intake.objects.exists() and not TokenState.objects.exists() and not PublicPicture.objects.exists()


def test_hostile_texts_stay_texts(reader: Client, lantern_place: bytes) -> None:
    evil = "<script>x</script>"
    method = replace(BANK, name=evil, holder=evil, lines=evil, merchant=evil, statement=evil)
    show(replace(DETAILS, texts={"en": FundraiserText(evil, evil, evil, evil)}, methods=(method,)))
    assert evil not in seen(reader) and evil not in seen(reader, "/pay?how=once&amount=500")


def test_the_longest_page_and_its_stylesheet_stay_small(reader: Client, lantern_place: bytes) -> None:
    texts = {name: "щ" * longest for name, longest in LONGEST.items()}
    show(replace(DETAILS, texts={"en": FundraiserText("щ" * LONGEST_TITLE, **texts)}, suggested=(1, 2, 3, 4, 5)))
    page = reader.get(f"/donate/{SLUG}").content
    assert len(page) + len(reader.get("/style.css").content) <= LIMIT
