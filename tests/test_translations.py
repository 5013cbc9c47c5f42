"""The Russian of every door: whole, with the same holes as the English, in the words of the glossary."""

import datetime
import re
from collections import Counter
from pathlib import Path

import pytest
from django.utils import translation
from django.utils.translation import gettext, ngettext, pgettext

from samizdat import formatting, plugins
from samizdat.core import segment
from samizdat.core.mail import outcome, refusals
from samizdat.core.segment import registry
from samizdat.web.templatetags import desk
from scripts import messages

# What stays in Latin letters: names, formats, addresses to be typed as they stand.
NAMES = set(
    """
    BIC IBAN Alt Atom Escape PostgreSQL Shift mbox Maildir MailPoet Takeout eml readpst server
    A MX API BEGIN CITY CREATEROLE CSV DKIM DMARC PTR DNS END Ed Enter Europe Feedback Gmail GIF HTML HTTPS ID IP JPEG
    JSON LOGIN MJML Mailchimp KEY Mailgun Markdown Message NUL Outlook PEM PLAIN PNG Riga RSA SHA SMTP SPF STARTTLS SVG
    TLS TXT Samizdat bold italic link doc type
    Tab URL UTF WebP Windows Zip and ca cookie date default else endpoint eu fingerprint helo hold https include
    mailto mj or age XLSX passkey resend root samizdat sendmail tel timeout url us xn zip AES GCM
    DANE DNSSEC MTA STS TLSA UTC
    BEE Stripo Unlayer Brevo Buttondown Ghost Kit MailerLite Mailman Substack beehiiv listmonk txt lt gt
    IMAP INBOX POP UIDL delete file imaps mail move password pop
    ADDRESS Google Microsoft OAuth SendAsApp XOAUTH client host refresh smtp smtps tenant token
    Amazon IAM Mail Postmark Send SendEmail SendGrid TOKEN api com keys postmark sendgrid brevo
    central configuration message scheme set stream ses
    Backblaze Dropbox Hetzner MinIO Nextcloud SFTP SSH Scaleway rclone
    SES apikey broadcast Excel LibreOffice GDPR JavaScript SMS ZIP alt html index en
    NTP OpenSSH config rclone IPv to Caddyfile nginx redirect
    Idempotency Key
    vCard ODS DNC preferences Mautic AAAA Landlock Linux Python SQLite hunspell logrotate
    """.split()  # noqa: SIM905
) | set(
    # Menus and events of sending providers, as they stand there.
    """
    Add Apple Auth Basic Domains Manage Notifications Postfix Sending Standard
    ARN Account Email Event Events Go HTTP Mail MailerSend Mailjet Mailtrap MessageBounced MessageDeliveryFailed
    MessageHeld Postal Postmark Resend SNS Scaleway Send SendGrid Settings SparkPost Topics Transactional Unisender
    Webhook Webhooks as band blocked bounce bounced change complained complaint complaints dropped email event failed
    failure hard invalid is key list marked message notifications of out permanent policy reject rejected rejection
    reports settings signed signing soft spam subscription suppressed suspension temporary topic unsubscribe
    unsubscribed unsubscribes verification webhook whsec
    Suppressions blocklisted dkim error format found identity mailbox not payload postal record security webhooks
    """.split()  # noqa: SIM905
)
HOLE = re.compile(r"%\(\w+\)s|\{\w+\}")
# Shown as they are: our merge language, Mailchimp's, code, addresses, tags of HTML, values of options.
LITERAL = re.compile(
    r"\{\{.*?\}\}|\{%.*?%\}|\*\|.*?\|\*|`[^`]*`|<[^>]*>|\w+(?:\+\w+)?://\S*|[\w.+-]+@[\w.-]+|"
    r"[\w-]+(?:\.[\w-]+)*\.example(?:\.\w+)?(?::\d+)?|\bexample\.org|/srv/\w+|v=DMARC1; p=none|_dmarc\.|~all|"
    r"-----[A-Z ]+-----|_domainkey\b|hostnamectl set-hostname mail|adkim=s|aspf=s|\bip4:|\bmx\b|\bnews2026\b|"
    r"\{'tag': 12\}|\bsamizdat(?: [a-z-]+)+|\d+/[smhd]\b|\bs, m, h\b|#b3261e|SAMIZDAT_\w+|-->|"
    r"postconf -e myhostname=mail|postfix reload|rclone:\S+|apt install rclone|rclone config\b|"
    r"ssh-keygen(?: -lf)?(?: /\S+)?|host_key=?|region=…|docs/small-server\.md|samizdat/accounts/|smtp_helo_name|"
    r"\b(?:granular|aggregate)_activity\b|mynetworks|pg_replication_slots|pg_drop_replication_slot|archive_command|LimitCORE=0|MemorySwapMax=0|"
    r"ALTER (?:ROLE|DATABASE) … RESET|(?:ALTER DEFAULT PRIVILEGES … )?\bREVOKE\b|«Your own mail server»"
)


def catalogues() -> list[str]:
    return list(messages.CATALOGUES)


def entries(folder: str) -> list[messages.Entry]:
    return messages.entries((messages.HERE / messages.po(folder, "ru")).read_text(encoding="utf-8"))


ALL = [(folder, entry) for folder in catalogues() for entry in entries(folder)]
PAIRS = [(entry.english, entry.plural, text) for _folder, entry in ALL for text in entry.texts.values()]


def test_nothing_is_missing_stale_or_only_guessed() -> None:
    assert messages.complaints() == []


@pytest.mark.parametrize("folder", catalogues())
def test_a_catalogue_holds_no_trace_of_the_machine_it_was_made_on(folder: str) -> None:
    text = (messages.HERE / messages.po(folder, "ru")).read_text(encoding="utf-8")
    assert "POT-Creation-Date" not in text
    assert str(messages.HERE) not in text
    assert not re.search(r"^#: .*:\d+", text, re.MULTILINE)


def test_every_sentence_has_the_same_holes_in_both_languages() -> None:
    for english, plural, russian in PAIRS:
        assert Counter(HOLE.findall(russian)) in (Counter(HOLE.findall(english)), Counter(HOLE.findall(plural))), (
            russian
        )


@pytest.mark.parametrize("code", refusals.REASONS)
def test_every_refusal_of_a_mailbox_provider_is_said_in_both_languages(code: str) -> None:
    said = {entry.english: entry.texts[0] for _folder, entry in ALL if entry.texts}
    assert re.search("[а-я]", said[refusals.REASONS[code]])


@pytest.mark.parametrize("code", outcome.REASONS)
def test_every_reason_of_a_route_is_said_in_both_languages_with_whoever_has_to_act(code: str) -> None:
    said = {entry.english: entry.texts[0] for _folder, entry in ALL if entry.texts}
    assert re.search("[а-я]", said[outcome.REASONS[code]])
    assert re.search("[а-я]", said[outcome.ACTORS[outcome.WHO[code]]])


def test_what_is_typed_or_clicked_is_the_same_in_both_languages() -> None:
    marks = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|`[^`]*`|<[^>]*>|\w+://|_dmarc\S*")
    for english, plural, russian in PAIRS:
        assert sorted(marks.findall(russian)) in (sorted(marks.findall(english)), sorted(marks.findall(plural))), (
            russian
        )


def test_numbers_are_the_same_in_both_languages() -> None:
    def numbers(text: str) -> list[str]:
        return sorted(re.findall(r"\d+", re.sub(r"(?<=\d)[,\u00a0](?=\d{3})", "", text)))

    for english, _plural, russian in PAIRS:
        assert numbers(russian) == numbers(english), russian


def test_no_english_word_is_left_in_the_russian() -> None:
    left = {
        (word, russian)
        for _english, _plural, russian in PAIRS
        for word in re.findall(r"[A-Za-z]{2,}", LITERAL.sub(" ", HOLE.sub(" ", russian)))
        if word not in NAMES
    }
    assert left == set()


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("an exclamation mark", r"!"),
        ("a straight quotation mark around words", r"\"[А-яЁё]|[А-яЁё]\""),
        ("an English quotation mark", r"[“”’]"),
        ("вы with a capital letter inside a sentence", r"[а-яё,] (?:Вы|Вас|Вам|Вами|Ваш\w*)\b"),
        ("a guessed gender", r"\(а\)|\(ась\)|\(ла\)"),
        ("a breaking space before a unit", r"[\ds} ] (?:%(?!\()|[КМГ]Б\b)"),
        ("a breaking space after the number sign", r"№ (?=[\d%])"),
        ("two spaces", r"  "),
        ("what we may not say: delivered, read", r"\bдоставлен|\bпрочитан[оы]? (?:читател|подписчик)"),
        ("a word that the voice avoids", r"пожалуйста|контакт|юзер"),
    ],
)  # fmt: skip
def test_the_russian_keeps_to_the_voice(what: str, pattern: str) -> None:
    found = [text for _english, _plural, text in PAIRS if re.search(pattern, LITERAL.sub("x", text).replace("\n", ""))]
    assert found == [], what


GLOSSARY = [
    ("books", "accepted", "принято"),
    ("books", "deferred", "отложено"),
    ("books", "bounced", "отказ"),
    ("books", "outcome unknown", "результат неизвестен"),
    ("books", "skipped", "пропущено"),
    ("books", "waiting", "в очереди"),
    ("subscription", "Unconfirmed", "Не подтверждено"),
    ("subscription", "Subscribed", "Подписка действует"),
    ("subscription", "Unsubscribed", "Отписка"),
    ("subscription", "Cleaned", "Недоступен"),
    ("subscription", "No consent", "Нет согласия"),
    ("campaign", "Undo window", "Время на отмену"),
    ("", "Recipients", "Получатели"),
    ("", "Subscriber", "Подписчик"),
    ("", "Audience", "Аудитория"),
    ("", "Campaign", "Рассылка"),
    ("", "Email", "Письмо"),
    ("", "Template", "Шаблон"),
    ("", "Subject", "Тема"),
    ("", "Preview text", "Прехедер"),
    ("", "Tag", "Метка"),
    ("", "Role", "Роль"),
    ("", "Route", "Маршрут"),
    ("", "Pause", "Пауза"),
    ("", "Erase", "Стереть"),
    ("", "On the suppression list", "В стоп-листе"),
    ("", "Mailbox provider", "Почтовая служба"),
    ("", "Your data", "Ваши данные"),
    ("", "Sending", "Отправка"),
    ("", "Encryption", "Шифрование"),
    ("", "Recovery", "Восстановление"),
    ("", "Account", "Аккаунт"),
]


@pytest.mark.parametrize(("context", "english", "russian"), GLOSSARY)
def test_the_words_are_those_of_the_glossary(context: str, english: str, russian: str) -> None:
    with translation.override("ru"):
        assert (pgettext(context, english) if context else gettext(english)) == russian


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 подписок"),
        (1, "1 подписка"),
        (2, "2 подписки"),
        (5, "5 подписок"),
        (11, "11 подписок"),
        (12, "12 подписок"),
        (21, "21 подписка"),
        (24, "24 подписки"),
        (111, "111 подписок"),
        (1002, "1002 подписки"),
    ],
)
def test_numbers_have_their_plural(number: int, words: str) -> None:
    with translation.override("ru"):
        sentence = ngettext(
            "%(n)s subscription, on your server",
            "%(n)s subscriptions, on your server",
            number,
        )
        assert sentence % {"n": number} == f"{words}, на вашем сервере"


def test_a_moment_reads_as_people_write_it() -> None:
    with translation.override("ru"):
        assert desk.moment(datetime.datetime(2026, 11, 26, 10, tzinfo=datetime.UTC)) == "чт 26 ноября, 10:00"


@pytest.mark.parametrize(("module", "name"), messages.TABLES)
def test_every_sentence_of_a_table_is_translated(module: str, name: str) -> None:
    table = messages.table(module, name)
    with translation.override("ru"):
        assert [sentence for sentence in table.values() if gettext(sentence) == sentence] == []


@pytest.mark.parametrize("plug", messages.transports(), ids=lambda plug: plug.name)
def test_every_word_of_a_transport_at_the_desk_is_translated(plug: type[plugins.BaseTransport]) -> None:
    names = {"SMTP", "Mailgun"}
    with translation.override("ru"):
        assert [text for text in plug.sentences() if gettext(text) == text and text not in names] == []


@pytest.mark.parametrize("kind", registry.kinds(), ids=lambda kind: kind.__name__)
def test_every_word_of_a_condition_is_translated(kind: type[segment.Condition]) -> None:
    with translation.override("ru"):
        for context, text in kind.sentences():
            assert (pgettext(context, text) if context else gettext(text)) != text


@pytest.fixture
def small_house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree with one module and an empty catalogue, which the script takes for ours."""
    (tmp_path / "samizdat/web").mkdir(parents=True)
    (tmp_path / "samizdat/web/labels.py").write_text('WORD = lazy("Good day")\n')
    monkeypatch.setattr(messages, "HERE", tmp_path)
    monkeypatch.setattr(messages, "CATALOGUES", {"samizdat": ()})
    monkeypatch.setattr(messages, "TABLES", ())
    messages.refresh()
    return tmp_path


def test_a_new_string_is_found_and_has_to_be_translated(small_house: Path) -> None:
    assert [complaint.split(": ")[1] for complaint in messages.complaints()] == [
        "“Good day” is not translated. Write it."
    ]
    place = small_house / messages.po("samizdat", "ru")
    place.write_text(place.read_text().replace('msgid "Good day"\nmsgstr ""', 'msgid "Good day"\nmsgstr "Добрый день"'))
    assert len(messages.complaints()) == 1  # the .mo is older
    messages.refresh()
    assert messages.complaints() == []


def test_a_changed_string_is_noticed_without_anybody_running_the_script(small_house: Path) -> None:
    (small_house / "samizdat/web/labels.py").write_text('WORD = lazy("Good evening")\n')
    told = " ".join(messages.complaints())
    assert "lacks “Good evening”" in told and "has “Good day”, which the code no longer says" in told


def test_refreshing_twice_changes_nothing(small_house: Path) -> None:
    place = small_house / messages.po("samizdat", "ru")
    before = place.read_bytes()
    messages.refresh()
    assert place.read_bytes() == before


def test_missing_tools_are_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages.shutil, "which", lambda tool: None)
    with pytest.raises(messages.CannotRun, match="apt-get install gettext"):
        messages.complaints()


@pytest.mark.once
def test_cities_of_time_zones_are_said_in_the_language_of_whoever_looks() -> None:
    zones = ("Europe/Riga", "America/New_York", "Asia/Tbilisi", "Europe/Kyiv", "Etc/GMT+3")
    with translation.override("ru"):
        assert [formatting.city(zone) for zone in zones] == ["Рига", "Нью-Йорк", "Тбилиси", "Киев", "GMT+3"]
    with translation.override("en"):
        assert [formatting.city(zone) for zone in zones] == ["Riga", "New York", "Tbilisi", "Kyiv", "GMT+3"]
