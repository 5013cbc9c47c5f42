"""Notices in prose, each as its mail server writes it: whom it names, and how hard it is."""

import pytest

from samizdat.core.bounce.reading import read
from tests.core.bounce.messages import ADA, BORIS, RETURNED, notice

QMAIL = f"""Hi. This is the qmail-send program at relay.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<{ADA}>:
192.0.2.7 does not like recipient.
Remote host said: 550 5.1.1 <{ADA}>: Recipient address rejected: User unknown
Giving up on 192.0.2.7.

<{BORIS}>:
192.0.2.8 failed after I sent the message.
Remote host said: 552 5.2.2 mailbox full

--- Below this line is a copy of the message.

{RETURNED}"""

EXIM = f"""This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  {ADA}
    host mx.reader.example [192.0.2.7]
    SMTP error from remote mail server after RCPT TO:<{ADA}>:
    550 No such person at this address
  {BORIS}
    retry timeout exceeded

------ This is a copy of the message, including all the headers. ------

{RETURNED}"""

SENDMAIL = f"""The original message was received at Thu, 1 Dec 2026 10:00:00 GMT
from lantern.example [192.0.2.1]

   ----- The following addresses had permanent fatal errors -----
<{ADA}>
    (reason: 550 5.1.1 <{ADA}>... User unknown)

   ----- Transcript of session follows -----
... while talking to mx.reader.example.:
>>> DATA
<<< 550 5.1.1 <{ADA}>... User unknown
550 5.1.1 <{ADA}>... User unknown
<<< 503 5.0.0 Need RCPT (recipient)

   ----- Original message follows -----

{RETURNED}"""

POSTFIX = f"""This is the mail system at host relay.example.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

For further assistance, please send mail to postmaster.

                   The mail system

<{ADA}>: host mx.reader.example[192.0.2.7] said: 450 4.2.0 <{ADA}>: Recipient
    address rejected: Greylisted (in reply to RCPT TO command)
"""

EXCHANGE_5 = f"""Your message

  To:      Ada
  Subject: News from the north
  Sent:    Thu, 1 Dec 2026 10:00:00 +0000

did not reach the following recipient(s):

{ADA} on Thu, 1 Dec 2026 10:00:01 +0000
    The recipient name is not recognized
        The MTS-ID of the original message is: c=us;a= ;p=Reader;l=MAIL-0001
    MSEXCH:IMS:Reader:SITE:MAIL 0 (000C05A6) Unknown Recipient
"""

EXCHANGE_2007 = f"""Delivery has failed to these recipients or distribution lists:

{ADA}
The recipient's e-mail address was not found in the recipient's e-mail system.

Diagnostic information for administrators:

Generating server: mail.reader.example

{ADA}
#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##

Original message headers:

{RETURNED}"""

EXCHANGE_FULL = f"""Delivery has failed to these recipients or groups:

{ADA}
The recipient's mailbox is full and can't accept messages now. Please try resending this message later.

Diagnostic information for administrators:

Generating server: mail.reader.example

{ADA}
Remote Server returned '554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException'

Original message headers:

{RETURNED}"""

OFFICE_RU = f"""Не удалось доставить сообщение следующим получателям или группам рассылки:

{ADA}
Не найден указанный адрес электронной почты.

Диагностические сведения для администраторов:

Создающий сервер: mail.reader.example

{ADA}
Remote Server returned '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup'
"""

DOMINO = f"""Your message

  Subject: News from the north

was not delivered to:

  {ADA}

because:

  User ada ({ADA}) not listed in Domino Directory
"""

GROUPWISE = f"""The message that you sent was undeliverable to the following:
\t{ADA} (user not found)

Possibly truncated original message follows:

{RETURNED}"""

GMAIL = f"""** Address not found **

Your message wasn't delivered to {ADA} because the address couldn't be found, or is unable to receive mail.

The response from the remote server was:
550 5.1.1 <{ADA}>: Recipient address rejected: User unknown
"""

YAHOO = f"""Sorry, we were unable to deliver your message to the following address.

<{ADA}>:
554: delivery error: dd This user doesn't have a yahoo.com account ({ADA}) [0] - mta1010.mail.yahoo.com

--- Below this line is a copy of the message.

{RETURNED}"""

MAIL_RU = f"""Это письмо создано автоматически сервером Mail.Ru, отвечать на него не нужно.

К сожалению, Ваше письмо не может быть доставлено одному или нескольким получателям:

  {ADA}
    SMTP error from remote mail server after end of data:
    host mxs.mail.ru [94.100.180.31]: 550 user not found

Рекомендуем Вам проверить корректность указания адресов получателей.
"""

YANDEX = f"""This is the mail delivery system at host forward.yandex.net.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

<{ADA}>: host mx.reader.example[192.0.2.7] said: 552 5.2.2 <{ADA}>:
    Mailbox size limit exceeded (in reply to RCPT TO command)
"""

MAILMARSHAL = f"""Your message:
   From:    {RETURNED.splitlines()[1][6:]}
   Subject: News from the north

Could not be delivered because of

550 5.1.1 User unknown

The following recipients were affected:
    {ADA}

Additional Information
======================
"""

MIMECAST = f"""This is a delivery failure notification message indicating that
an email you addressed to email address :
-- {ADA}

could not be delivered. The problem appears to be :
-- Recipient email address is possibly incorrect

Additional information follows :
-- 5.1.1 User unknown
"""

AMAZON = f"""An error occurred while trying to deliver the mail to the following recipients:
{ADA}
552 5.2.2 user is over quota
"""

FACEBOOK = f"""This message was created automatically by Facebook.

Sorry, your message to {ADA} was not delivered. The email address you are trying to reach is
no longer valid (RCP-P1).
"""

COURIER = f"""This is a delivery status notification from mail.relay.example,
running the Courier mail server, version 0.65.2.

The original message was received on Thu, 01 Dec 2026 10:00:00 +0000

---------------------------------------------------------------------------

                           UNDELIVERABLE MAIL

Your message to the following recipients cannot be delivered:

<{ADA}>:
    mx.reader.example [192.0.2.7]:
>>> RCPT TO:<{ADA}>
<<< 550 User unknown.

---------------------------------------------------------------------------
"""

X400 = f"""This report relates to a message you sent with the following header fields:

  Message-id: <edition.7@lantern.example>
  Date: Thu, 01 Dec 2026 10:00:00 +0000
  Subject: News from the north

Your message cannot be delivered to the following recipients:

  Recipient address: {ADA}
  Reason: Remote SMTP server has rejected address
  Diagnostic code: smtp;550 5.1.1 unknown or illegal alias: {ADA}
"""

KDDI = f"""Your mail sent on: Thu, 01 Dec 2026 19:00:00 +0900
    Could not be delivered to: <{ADA}>
    As their mailbox is full.
"""

DOCOMO = f"""次のあて先へのメッセージはエラーのため送信できませんでした。

<{ADA}>:
550 5.1.1 User unknown
"""

ZOHO = f"""This message was created automatically by mail delivery software.
 A message that you sent could not be delivered to one or more of its recipients. This is a permanent error.

{ADA} Invalid Address, ERROR_CODE :550, ERROR_CODE :5.1.1 <{ADA}>: Recipient address rejected: User unknown
"""

GMX = f"""This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of
its recipients. This is a permanent error. The following address
failed:

"{ADA}":
SMTP error from remote server after RCPT command:
host: mx.reader.example
5.1.1 <{ADA}>... User Unknown

--- The header of the original message is following. ---

{RETURNED}"""

VERIZON = f"""Error: Invalid user address

Error message below:
550 - Requested action not taken: no such user here

Message details:
  Subject: News from the north
  MAIL FROM: letter@lantern.example
  RCPT TO: {ADA}
"""

INTERSCAN = f"""****** Message from InterScan Messaging Security Suite ******

Sent <<< RCPT TO:<{ADA}>
Received >>> 550 5.1.1 <{ADA}>... User unknown

Unable to deliver message to <{ADA}>.

************************     End of message     **********************
"""

IMAIL = f"""User mailbox exceeds allowed size: {ADA}


Original message follows.

{RETURNED}"""

DRAGONFLY = f"""This is the DragonFly Mail Agent v0.13 at relay.example.

There was an error delivering your mail to <{ADA}>.

mx.reader.example [192.0.2.7] did not like our RCPT TO:
550 5.1.1 <{ADA}>: Recipient address rejected: User unknown

Original message follows.

{RETURNED}"""

HMAILSERVER = f"""Your message did not reach some or all of the intended recipients.

   Sent: Thu, 01 Dec 2026 10:00:00 +0000
   Subject: News from the north

The following recipient(s) could not be reached:

{ADA}
   Error Type: SMTP
   Remote server (192.0.2.7) issued an error.
   hMailServer sent: RCPT TO:<{ADA}>
   Remote server replied: 550 5.1.1 User unknown

hMailServer
"""

MDAEMON = f"""The attached message had PERMANENT fatal delivery errors!

After one or more unsuccessful delivery attempts the attached message has
been removed from the mail queue on this server.

Failed address: {ADA}

--- Session Transcript ---
 <-- 550 5.1.1 User unknown
"""

BARRACUDA = f"""**** This is an automatic message from the Barracuda Spam Firewall ****

Your message to: {ADA}
was blocked by our Spam Firewall. The email you sent with the following subject has NOT BEEN DELIVERED:

Subject: News from the north
"""

GERMAN = f"""Ihre Nachricht konnte den folgenden Empfängern nicht zugestellt werden:

<{ADA}>
    Der Empfänger ist unbekannt (550 5.1.1)
"""

FRENCH = f"""Votre message n'a pas pu être remis au destinataire suivant :

<{ADA}> : boîte pleine
"""

SPANISH = f"""Su mensaje no se pudo entregar al destinatario:

{ADA}: el buzón no existe
"""


@pytest.mark.parametrize(
    ("text", "recipients", "kinds"),
    [
        pytest.param(QMAIL, [ADA, BORIS], ["hard", "soft"], id="qmail"),
        pytest.param(EXIM, [ADA, BORIS], ["hard", "soft"], id="Exim"),
        pytest.param(SENDMAIL, [ADA], ["hard"], id="Sendmail"),
        pytest.param(POSTFIX, [ADA], ["soft"], id="Postfix"),
        pytest.param(EXCHANGE_5, [ADA], ["hard"], id="Exchange 5.5"),
        pytest.param(EXCHANGE_2007, [ADA], ["hard"], id="Exchange 2007"),
        pytest.param(EXCHANGE_FULL, [ADA], ["soft"], id="Exchange, full"),
        pytest.param(OFFICE_RU, [ADA], ["hard"], id="Exchange in Russian"),
        pytest.param(DOMINO, [ADA], ["hard"], id="Domino"),
        pytest.param(GROUPWISE, [ADA], ["hard"], id="GroupWise"),
        pytest.param(GMAIL, [ADA], ["hard"], id="Gmail"),
        pytest.param(YAHOO, [ADA], ["hard"], id="Yahoo"),
        pytest.param(MAIL_RU, [ADA], ["hard"], id="Mail.ru"),
        pytest.param(YANDEX, [ADA], ["soft"], id="Yandex"),
        pytest.param(MAILMARSHAL, [ADA], ["hard"], id="MailMarshal"),
        pytest.param(MIMECAST, [ADA], ["hard"], id="mimecast"),
        pytest.param(AMAZON, [ADA], ["soft"], id="Amazon"),
        pytest.param(FACEBOOK, [ADA], ["hard"], id="Facebook"),
        pytest.param(COURIER, [ADA], ["hard"], id="Courier"),
        pytest.param(X400, [ADA], ["hard"], id="X.400"),
        pytest.param(KDDI, [ADA], ["soft"], id="KDDI"),
        pytest.param(DOCOMO, [ADA], ["hard"], id="docomo"),
        pytest.param(ZOHO, [ADA], ["hard"], id="Zoho"),
        pytest.param(GMX, [ADA], ["hard"], id="GMX"),
        pytest.param(VERIZON, [ADA], ["hard"], id="Verizon"),
        pytest.param(INTERSCAN, [ADA], ["hard"], id="InterScan"),
        pytest.param(IMAIL, [ADA], ["soft"], id="IMail"),
        pytest.param(DRAGONFLY, [ADA], ["hard"], id="DragonFly"),
        pytest.param(HMAILSERVER, [ADA], ["hard"], id="hMailServer"),
        pytest.param(MDAEMON, [ADA], ["hard"], id="MDaemon"),
        pytest.param(BARRACUDA, [ADA], ["soft"], id="Barracuda"),
        pytest.param(GERMAN, [ADA], ["hard"], id="German"),
        pytest.param(FRENCH, [ADA], ["soft"], id="French"),
        pytest.param(SPANISH, [ADA], ["hard"], id="Spanish"),
    ],
)
def test_a_notice_names_its_recipients_and_how_hard_it_is(text: str, recipients: list[str], kinds: list[str]) -> None:
    report = read(notice(text))
    assert [event.recipient for event in report.events] == recipients
    assert [event.kind for event in report.events] == kinds
