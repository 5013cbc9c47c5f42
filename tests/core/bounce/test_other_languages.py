"""Notices in other languages than English: that they are some, whom they name, and how hard they are."""

# ruff: noqa: E501  (a notice a line)

import pytest

from samizdat.core.bounce import other_languages, reasons
from samizdat.core.bounce.reading import read
from tests.core.bounce.messages import ADA, BORIS, RETURNED, complaint, dsn, failed, notice

HARD = [
    ("de", "Zustellung fehlgeschlagen", f"Ihre Nachricht an {ADA} konnte nicht zugestellt werden: Der Empfänger existiert nicht."),
    ("de", "Unzustellbar: Neues", f"Die folgende Adresse wurde nicht gefunden:\n\n{ADA}\n\nDie Nachricht wurde nicht zugestellt."),
    ("fr", "Échec de la remise", f"Le message n'a pas été remis à {ADA}. Utilisateur inconnu."),
    ("fr", "Message non distribue", f"Impossible de remettre le message a {ADA}\nCette adresse est introuvable."),
    ("es", "Mensaje devuelto", f"No se ha podido entregar el mensaje a {ADA}. La cuenta no existe."),
    ("it", "Mancata consegna", f"Il messaggio per {ADA} non è stato consegnato perché l'utente è sconosciuto.\nUtente sconosciuto."),
    ("pt", "Falha na entrega", f"Não foi possível entregar a mensagem a {ADA}: usuário inexistente. O endereço não existe."),
    ("pl", "Zwrot wiadomości", f"Nie można dostarczyć wiadomości do {ADA}: adres nie istnieje."),
    ("nl", "Bericht niet bezorgd", f"Het bericht aan {ADA} is niet bezorgd: het adres bestaat niet."),
    ("sv", "Kunde inte levereras", f"Ditt brev till {ADA} kunde inte levereras. Adressen finns inte."),
    ("da", "Meddelelsen er ikke leveret", f"Din besked til {ADA} kunne ikke leveres: ukendt modtager."),
    ("fi", "Toimitus epäonnistui", f"Viestiä ei voitu toimittaa: {ADA}\nTuntematon vastaanottaja."),
    ("cs", "Nedoručitelná zpráva", f"Zprávu nelze doručit na adresu {ADA}: uživatel neexistuje."),
    ("hu", "Kézbesíthetetlen üzenet", f"A levelet nem sikerült kézbesíteni: {ADA}\nIsmeretlen címzett."),
    ("tr", "İleti teslim edilemedi", f"{ADA} adresine gönderdiğiniz ileti teslim edilemedi. Alıcı bulunamadı."),
    ("ru", "Письмо не доставлено", f"Ваше письмо не удалось доставить по адресу {ADA}: такого пользователя нет.\nПользователь не найден."),
    ("uk", "Лист не доставлено", f"Ваш лист не вдалося доставити: {ADA}\nНевідомий отримувач."),
    ("zh-cn", "退信通知", f"您发给{ADA}的邮件无法送达，原因：收件人不存在。"),
    ("zh-tw", "郵件無法傳送", f"您寄給 {ADA} 的郵件無法傳送：查無此人。"),
    ("ja", "配信エラー", f"次の宛先への配信に失敗しました。\n{ADA}\n該当するユーザーが見つかりません。"),
    ("ko", "메일 반송", f"{ADA} 님에게 보낸 메일이 반송되었습니다. 존재하지 않는 주소입니다."),
]  # fmt: skip
SOFT = [
    ("de", "Nicht zustellbar", f"Das Postfach von {ADA} ist voll. Die Nachricht wurde nicht zugestellt."),
    ("fr", "Échec de remise", f"La boîte aux lettres de {ADA} est pleine, le message n'a pas pu être remis."),
    ("es", "Correo devuelto", f"No se pudo entregar el mensaje: el buzón de {ADA} está lleno."),
    ("it", "Mancato recapito", f"Impossibile recapitare a {ADA}: la casella è piena."),
    ("pt", "Mensagem devolvida", f"A mensagem para {ADA} não foi entregue: caixa postal cheia."),
    ("pl", "Niedostarczona wiadomość", f"Nie udało się dostarczyć wiadomości do {ADA}: skrzynka jest pełna."),
    ("ru", "Недоставленное сообщение", f"Письмо для {ADA} не доставлено: почтовый ящик переполнен."),
    ("ru", "Письмо не доставлено", f"Письмо для {ADA} не доставлено: ящик заблокирован администратором."),
    ("uk", "Помилка доставки", f"Лист для {ADA} не було доставлено: скринька переповнена."),
    ("zh-cn", "系统退信", f"收件人：{ADA}\n退信原因：对方邮箱已满"),
    ("ja", "送信エラー", f"{ADA} 宛のメールは送信できませんでした。メールボックスの容量が不足しています。"),
    ("ko", "메일 전송 실패", f"수신자: {ADA}\n사유: 메일함 용량 초과"),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "text"), [pytest.param(*row[1:], id=f"{row[0]}, {row[1]}") for row in HARD])
def test_nobody_of_that_name_is_hard_in_every_language(subject: str, text: str) -> None:
    report = read(notice(text, subject=subject))
    assert [(event.kind, event.recipient) for event in report.events] == [("hard", ADA)]


@pytest.mark.parametrize(("subject", "text"), [pytest.param(*row[1:], id=f"{row[0]}, {row[1]}") for row in SOFT])
def test_a_full_or_closed_mailbox_is_soft_in_every_language(subject: str, text: str) -> None:
    report = read(notice(text, subject=subject))
    assert [(event.kind, event.recipient) for event in report.events] == [("soft", ADA)]


@pytest.mark.parametrize(
    "text",
    [
        f"Ihre Nachricht an {ADA} wurde noch nicht zugestellt. Es wird weiter versucht.",
        f"Gmail réessaiera de remettre votre message à {ADA}. Remise incomplète.",
        f"Доставка задерживается: письмо для {ADA} ещё не доставлено. Доставка задерживается из-за очереди.",
        f"{ADA} への配信は遅延しています。",
        f"Delivery is delayed to these recipients:\n\n{ADA}\n\nThis message has not been delivered\nyet.",
    ],
)
def test_a_delay_is_no_failure_in_other_languages_either(text: str) -> None:
    main = read(notice(text, subject="Zustellung, доставка, 配信エラー")).main
    assert (main.kind, main.reason) == ("soft", "delayed")


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Entregado", f"Su mensaje ha sido entregado a {ADA}."),
        ("Доставлено", f"Ваше письмо доставлено получателю {ADA}."),
        ("Relayed: News", f"Delivery to these recipients or groups is complete, but no notification came:\n\n{ADA}"),
    ],
)
def test_a_receipt_is_no_failure_in_other_languages_either(subject: str, text: str) -> None:
    assert read(notice(text, subject=subject)).kind == "none"


def test_a_reason_that_is_not_in_any_table_is_soft() -> None:
    report = read(notice(f"Viestiä ei voitu toimittaa: {ADA}\nHyvin outo syy.", subject="Toimitus epäonnistui"))
    assert (report.kind, report.main.recipient) == ("soft", ADA)


def test_the_only_stranger_in_a_notice_is_the_recipient() -> None:
    report = read(notice(f"Bréf til þín skilaði sér ekki 550 5.1.1 því {ADA} finnst hvergi", subject="Skilaboð"))
    assert (report.kind, report.main.recipient) == ("hard", ADA)


def test_whom_the_returned_message_went_to_comes_before_a_stranger() -> None:
    report = read(notice(f"Bréf skilaði sér ekki 550 5.1.1, hjalp@relay.example hjálpar\n\n{RETURNED}", subject="Bréf"))
    assert report.main.recipient == ADA


def test_of_two_strangers_without_a_cue_none_is_the_recipient() -> None:
    report = read(notice(f"Bréf 550 5.1.1 því {ADA} og {BORIS} finnast hvergi", subject="Skilaboð"))
    assert report.main.recipient is None


def test_words_that_stick_to_an_address_are_no_part_of_it() -> None:
    report = read(notice(f"邮件无法投递。邮箱{ADA}不存在", subject="退信"))
    assert report.main.recipient == ADA


def test_words_beyond_ascii_in_a_standard_report_are_read() -> None:
    assert read(dsn(failed(ADA, "550 Пользователь не найден", "5.0.0"))).main.kind == "hard"
    assert read(dsn(failed(ADA, "550 boîte pleine", "5.0.0"))).main.reason == "mailbox_full"
    assert read(dsn(failed("ада@читатель.example"))).main.recipient == "ада@читатель.example"


def test_a_server_that_speaks_of_versions_and_numbers_reports_no_failure() -> None:
    text = f"Server upgraded to 5.1.1, 550 messages moved. {BORIS} did it."
    assert read(notice(text, subject="Maintenance")).kind == "none"


def test_who_is_away_and_writes_as_postmaster_marks_nobody() -> None:
    away = "X-Vacation: yes\nPrecedence: junk\n"
    report = read(
        notice(
            "On vacation. 550 is what old@reader.example says.",
            sender=f"postmaster <{ADA}>",
            subject="vacation",
            more=away,
        )
    )
    assert report.kind == "auto-reply"


def test_a_complaint_whose_report_became_text_is_one() -> None:
    raw = complaint(f"Original-Rcpt-To: {ADA}").replace(b"message/feedback-report", b"text/plain")
    report = read(raw.replace(b"report-type=feedback-report; ", b""))
    assert (report.kind, report.main.recipient) == ("complaint", ADA)


def test_marks_of_latin_letters_do_not_matter() -> None:
    for words in ("Boîte aux lettres pleine", "boite aux lettres pleine", "Boi\u0302te aux lettres pleine"):
        strong = reasons.by_words(reasons.normalized(words)).strong
        assert strong is not None and strong.name == "mailbox_full"


def test_every_word_is_of_a_reason_that_exists() -> None:
    assert other_languages.REASONS.keys() <= reasons.BY_NAME.keys()
