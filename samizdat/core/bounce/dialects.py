"""What the notices of different mail servers are known by.

New words of a server go here; a reason that it gives, into reasons.py.
"""

# ruff: noqa: E501  (tables, and Chinese characters count twice)

from typing import NamedTuple

from samizdat.core.bounce import other_languages
from samizdat.core.bounce.phrases import PhraseIndex, listed


class Dialect(NamedTuple):
    """`known_by`: phrases in lower case, one of which its text has."""

    name: str
    known_by: tuple[str, ...]


# The first that fits names the dialect; any of them makes a text a notice. Of servers with words of their own first.
DIALECTS = (
    Dialect(
        "qmail",
        listed("""
        this is the qmail-send | qmail-send program | qmail-remote | i'm afraid i wasn't able to deliver
        """),
    ),
    Dialect(
        "Exim",
        listed("""
        this message was created automatically by mail delivery software |
        this message was created automatically by the smtp relay | could not be delivered to one or more of its |
        could not be delivered to all of its | automatically by mail delivery | the following address(es) failed
        """),
    ),
    Dialect(
        "Sendmail",
        listed("""
        had permanent fatal errors | had transient non-fatal errors | had successful delivery |
        transcript of session follows | had fatal errors | following addresses have | had delivery errors |
        had delivery problems | addresses had permanent | unsent message follows | transcript follows
        """),
    ),
    Dialect(
        "Postfix",
        listed("""
        this is the postfix program | this is the mail system at host | mail delivery system at |
        the postfix program
        """),
    ),
    Dialect(
        "OpenSMTPD",
        listed("""
        this is the mailer-daemon, please do not reply | an error has occurred while attempting to deliver
        """),
    ),
    Dialect(
        "DragonFly",
        listed("""
        dragonfly mail agent | there was an error delivering your mail
        """),
    ),
    Dialect(
        "Exchange",
        listed("""
        did not reach the following recipient | did not reach some or all of the intended |
        delivery has failed to these | diagnostic information for administrators | resolver.adr |
        undeliverable message | your message wasn't delivered | couldn't be delivered |
        the following recipient(s) could not be reached | the following recipient(s) cannot be reached |
        wasn't delivered to | delivery failed to the following recipients | не удалось доставить |
        zustellung fehlgeschlagen | konnte nicht zugestellt | fehler bei der nachrichtenzustellung |
        échec de la remise | n'a pas pu être remis
        """),
    ),
    Dialect(
        "Domino",
        listed("""
        was not delivered to | domino directory | delivery failure
        """),
    ),
    Dialect(
        "GroupWise",
        listed("""
        groupwise
        """),
    ),
    Dialect(
        "Google",
        listed("""
        delivery to the following recipient failed | delivery to the following recipients failed |
        google tried to deliver | address not found | your message to * couldn't | your message wasn't delivered to |
        delivery to the following recipient has been delayed | адрес не найден |
        couldn't be found, or is unable to receive
        """),
    ),
    Dialect(
        "Yahoo",
        listed("""
        we were unable to deliver your message | unable to deliver message to the following address |
        this user doesn't have a
        """),
    ),
    Dialect(
        "AOL",
        listed("""
        your mail to the following recipients could not be delivered
        """),
    ),
    Dialect(
        "mail.ru",
        listed("""
        это письмо создано автоматически | не может быть доставлено | создано автоматически сервером
        """),
    ),
    Dialect(
        "Yandex",
        listed("""
        this is the mail delivery system at host | не было доставлено | письмо не доставлено | невозможно доставить
        """),
    ),
    Dialect(
        "KDDI",
        listed("""
        your mail sent on: | as mail is now full
        """),
    ),
    Dialect(
        "docomo",
        listed("""
        次のあて先へのメッセージはエラーのため送信できませんでした | メッセージはエラーのため | 送信できませんでした
        """),
    ),
    Dialect(
        "m-FILTER",
        listed("""
        m-filter | -------server message
        """),
    ),
    Dialect(
        "McAfee",
        listed("""
        mcafee
        """),
    ),
    Dialect(
        "InterScan",
        listed("""
        interscan | unable to deliver message to | 配信不能
        """),
    ),
    Dialect(
        "IMail",
        listed("""
        invalid final delivery userid | undeliverable to | undeliverable to | user mailbox exceeds allowed size |
        delivery userid | smtp32
        """),
    ),
    Dialect(
        "MailMarshal",
        listed("""
        mailmarshal | your message: from: | could not be delivered because of
        """),
    ),
    Dialect(
        "MessageLabs",
        listed("""
        messagelabs | this is the mail delivery agent
        """),
    ),
    Dialect(
        "mimecast",
        listed("""
        mimecast | this is a delivery failure notification message
        """),
    ),
    Dialect(
        "Barracuda",
        listed("""
        barracuda
        """),
    ),
    Dialect(
        "SurfControl",
        listed("""
        your message could not be sent | surfcontrol | the reasons for failed delivery
        """),
    ),
    Dialect(
        "MailFoundry",
        listed("""
        mailfoundry
        """),
    ),
    Dialect(
        "Bigfoot",
        listed("""
        bigfoot
        """),
    ),
    Dialect(
        "Courier",
        listed("""
        unfortunately, your message was not | delivery failure. the reason is |
        this is a delivery status notification from | your mail message is being returned
        """),
    ),
    Dialect(
        "Amazon",
        listed("""
        an error occurred while trying to deliver
        """),
    ),
    Dialect(
        "Facebook",
        listed("""
        this message was created automatically by facebook | email address you are trying to reach is
        """),
    ),
    Dialect(
        "Verizon",
        listed("""
        message could not be delivered to mobile | error: invalid user address | no valid recipients for this mm
        """),
    ),
    Dialect(
        "X.400",
        listed("""
        x.400 | x400 | mts-id
        """),
    ),
    Dialect(
        "ezweb",
        listed("""
        ezweb | the user(s) account is disabled | the user(s) account is temporarily |
        the following recipients may have
        """),
    ),
    Dialect(
        "hMailServer",
        listed("""
        hmailserver
        """),
    ),
    Dialect(
        "MDaemon",
        listed("""
        mdaemon | the attached message had permanent fatal | the attached message had |
        message delivery failure report
        """),
    ),
    Dialect(
        "iPlanet",
        listed("""
        this report relates to a message you sent with the following header fields |
        your message cannot be delivered to the following recipients
        """),
    ),
    Dialect(
        "Mercury",
        listed("""
        mercury mail | this is an automated message from the mercury
        """),
    ),
    Dialect(
        "Lotus",
        listed("""
        ------- failure reasons
        """),
    ),
    Dialect(
        "Mailman",
        listed("""
        not allowed to post | you are not allowed to post to this mailing list | you do not have permission to post |
        you are not a member of this mailing list
        """),
    ),
    Dialect(
        "prose",
        listed("""
        could not be delivered | couldn't deliver | could not deliver | cannot be delivered | can not be delivered |
        cannot deliver | can't deliver | can't be delivered | not be delivered | not been delivered |
        was not delivered | unable to deliver | were unable to | failed to deliver | undeliverable | undelivered |
        delivery failed | delivery has failed | delivery failure | failed recipient | failed address |
        delivery error | permanent error | permanent failure | returned mail | returned to sender | returned to you |
        has been returned | being returned | was rejected | been rejected | automatically rejected |
        delivery problem | did not reach | not deliverable | is not deliverable | failed because | user unknown |
        mailbox full | over quota | not yet been delivered | undeliver | unable to send | no such user |
        unzustellbar | nicht zugestellt | nicht zustellbar | nicht ausgeliefert | no pudo ser entregado |
        no se pudo entregar | no se ha podido entregar | non recapitabile | impossibile recapitare | non remis |
        n'a pas pu | não pôde ser entregue | nao pode ser en | nie mogła | niedostarcz | nie została dostarczona |
        kunde inte levereras | не доставлено | недоставлен | доставить | 配信できません | 配信不能 | 配送できません | 送信できません |
        届けられません | エラー | could not be found | delivery attempt | recipient(s) | error while | rejected your message |
        was not accepted | not accept your | is not accepting | doesn't have | account has been | was blocked by |
        was blocked because | has been blocked | were blocked
        """)
        + other_languages.NOT_DELIVERED,
    ),
)

# Subjects of notices.
SUBJECTS = other_languages.NOT_DELIVERED + listed("""
    undeliver | undelivered | delivery status | delivery failure | delivery fail | delivery has failed |
    delivery problem | delivery error | delivery report | delivery notification | failure notice |
    failure notification | mail failure | mail failed | returned mail | returned to sender | returning message |
    return to sender | returned message | non delivery | non-delivery | nondelivery | mail system error | mail error |
    mail delivery | delivery unsuccessful | failed delivery | could not be delivered | couldn't be delivered |
    couldn't deliver | not be delivered | not delivered | wasn't delivered | undeliverable | user unknown |
    unknown user | unable to deliver | unzustellbar | nicht zugestellt | zustellung | unzustellbare | devuelto |
    entrega | non remis | échec | echec | mancato recapito | message status | message delayed | delayed mail |
    warning: message | warning: could not | warning - delayed | доставлен | доставка | недоставлен | доставке |
    error sending | automatically rejected | rejected mail | mail rejected | message rejected | rejected: |
    error condition re | email error | 配信不能 | 配信エラー | 送信できません | エラー | mail returned | nondeliverable | ndn: | ndr |
    delivery delay | niedostarcz | failure delivery | failed mail | failed: | mailbox full | quota | over quota |
    message not accepted | invalid address | address not found | problem delivering | problem with your |
    no delivery | bounced | bounce | nachricht konnte nicht | message blocked | blocked by
""")

# From the line with one of these on it's the message that came back.
MARKS = listed("""
    below this line is a copy | this is a copy of | original message follows | original message header |
    original message attached | ----- original message | ---- original message | --- original message |
    -----original message | original message ----- | original message: | copy of the original message |
    header of the original message | headers of the original message | message headers follow |
    message header follow | unsent message | undelivered message follows | original mail info |
    start of returned message | returned message follows | returned message below | ----- returned mail |
    -- returned mail | message text follows | text of the message follows | message follows | copy of the first part |
    copy of your message | copy of the message | mensaje original | message d'origine | ursprüngliche nachricht |
    kopie der nachricht | original message was: | your message reads | begin forwarded | message body suppressed |
    ----- message header | begin returned message | returned message ----- | the first 50 lines |
    your original message | the original message | исходное письмо | текст письма | копия | original headers |
    message headers | your message follows | the message you sent | rejected message | --- message from |
    message is attached | undelivered message | unsent mail | header of your message | contents of | beginning of |
    **********************     end of message | original message text | the message contents | included is a copy
""")

# A warning, not a failure.
DELAYED = listed("""
    this is a warning message only | do not need to resend | not need to re-send | no action is required on your part |
    delivery attempts will continue | has not yet been delivered | has been delayed | have been delayed | warning only |
    will keep trying | will continue trying | had transient non-fatal errors | wird weiterhin versucht |
    delivery is delayed | delivery delayed | will be retried | still being retried | delivered yet | will retry for |
    попытки доставки будут
""")

# A receipt.
DELIVERED = listed("""
    successfully delivered | was successfully relayed | successful mail delivery report | has been successfully |
    delivery status notification (success) | delivery status notification (relay) | has been relayed |
    had successful delivery | delivery to these recipients or groups is complete |
    your message has been delivered to the following | успешно доставлено | erfolgreich zugestellt
""")

_KNOWN_BY = PhraseIndex((rank, mark) for rank, dialect in enumerate(DIALECTS) for mark in dialect.known_by)
_IN_SUBJECT = PhraseIndex((0, part) for part in SUBJECTS)


def of(text: str) -> str:
    """The name of the dialect; empty where no phrase of any is in the text."""
    lower = " ".join(text[:3000].lower().replace("\u2019", "'").split())
    rank = min(_KNOWN_BY.ranks(lower), default=None)
    return "" if rank is None else DIALECTS[rank].name


def in_subject(subject: str) -> bool:
    return bool(_IN_SUBJECT.ranks(subject[:300].lower()))
