"""Why a message did not arrive: the one table from a server's words to hard or soft, and to whose fault it is.

Answers inside a session have a table of their own (core/mail/outcome.TABLE), which also says what becomes of a route.
It is asked here for the words that this one does not know: what a bounce quotes is such an answer, seen from outside.
"""

# ruff: noqa: E501  (tables, and Chinese characters count twice)

import re
from typing import Literal, NamedTuple

from samizdat.core.bounce import other_languages
from samizdat.core.bounce.phrases import PhraseIndex, listed
from samizdat.core.bounce.report import Fault


class Reason(NamedTuple):
    """`status`: of RFC 3463, without its class. `words`: phrases in lower case; * stands for anything between. Those of
    other languages stand in other_languages."""

    name: str
    kind: Literal["hard", "soft", "none"]
    fault: Fault
    status: str
    meaning: str
    words: tuple[str, ...] = ()


# In the order in which their words are looked for: the first that fits counts. What is surely about something else
# than the address stands before "no such user", which servers also say when they mean something else.
REASONS = (
    Reason(
        "challenge", "none", "route", "7.1", "A filter asks us to prove that we are people; nobody answers it.",
        listed("""
        requires confirmation | confirm this mail server | confirm that you are | to be added to the whitelist |
        to have your address added | challenge/response | challenge-response
        """),
    ),
    Reason(
        "mailbox_full", "soft", "recipient", "2.2", "The mailbox is full.",
        listed("""
        mailbox full | mailbox is full | mailbox * is full | mailbox for * is full | over quota | over-quota |
        overquota | quota exceed | exceeded quota | exceeds quota | exceed mailbox quota | out of storage |
        out of quota | full mailbox | mail box full | mailbox is over | mailbox has exceeded | mailbox exceed |
        exceeded * mailbox | exceeded * storage | storage * exceeded | exceeding * quota | exceeds * quota |
        quota * exceeded | disk quota | mailbox quota | mail quota | inbox is full | inbox full | insufficient disk |
        not enough storage space in | insufficient storage | no space left in | exceeded its disk |
        exceeded the space | too much mail data | too many messages in the mailbox | mailfolder is full |
        mail folder is full | ~user is over | recipient storage full | account is over | ~account * full |
        maildir delivery failed | maildir over | user has too many messages on the server |
        not able to receive * full | size limit for mailbox | user has exhausted allowed storage |
        mailbox size limit | ~reached its maximum | delivery to * failed: over | space quota | ~would exceed |
        ~will exceed | boite du destinataire pleine | boîte pleine | boite aux lettres pleine | postfach ist voll |
        postfach voll | ~speicherplatz | quota überschritten | ~lleno | ~llena | casella piena | caixa cheia |
        skrzynka pełna | переполнен | превышен размер | превышена квота | ящик получателя полон | ~is full |
        exceeds allowed size | 容量を超え | ~いっぱい | メールボックスの容量 | is fully occupied | cannot accept * because * full |
        above its quota | ovr quota | domain has exceeded * space | maximum mailbox size | ~storage limit |
        is currently full | mbx full | mbxfull | exceeded the storage | not have enough space | quota is full |
        ~does not have enough | out of disk
        """),
    ),
    Reason(
        "too_big", "soft", "message", "3.4", "The message is too large.",
        listed("""
        message size exceed | message too big | message too large | message is too large | message is too big |
        exceeded maximum inbound message size | message header size, or recipient list | message length exceed |
        message file too big | exceeds * maximum message size | message size limit | maximum message size |
        maximum size of message | too large for | ~size exceeds | larger than the current system limit |
        ~larger than the maximum | max message size | exceeds the maximum size | mail too big | mail is too big |
        size limit exceeded | message exceeds fixed maximum | ~message exceeds | exceeds size limit |
        delivery failed: message too large | line limit exceeded | file size exceeds | message data size exceeds |
        size of the message exceeds | ~nachricht zu gro | ~größer als | ~слишком больш | resolver.rst.recipsizelimit |
        smtpsend.overadvertisedsize | resolver.rst.sendersizelimit | content too large | ~too long for |
        message bigger | ~サイズが | ~oversize | message was larger
        """),
    ),
    Reason(
        "rate", "soft", "route", "7.1", "We send too fast for this server.",
        listed("""
        receiving mail at a rate | mail at too high a rate | too many * from your | sending rate | rate limit |
        ratelimit | rate-limit | rate is too high | ~too many messages | ~too much mail | sending too fast |
        sending too many | ~throttl | unusual rate | too many emails | ~slow down | ~too quickly | mail volume |
        exceeded the rate | number of messages exceeds | max message per connection | too frequent | frequency limit |
        max number of recipients | too many recipients | recipient limit | please try again slower | traffic limit |
        ~excessive mail | maximum rate | limit exceeded per | daily message quota | ~exceeded your | превышен лимит |
        message rate limit | maximum emails per | messages per hour | hourly limit | too many invalid | too many unknown |
        too many bad recipients | frequency limited
        """),
    ),
    Reason(
        "connections", "soft", "route", "4.5", "We open too many connections to this server.",
        listed("""
        too many connections | too many concurrent | too many sessions | connection limit | simultaneous connections |
        too many simultaneous | exceeds the number of connections | connection rate | max connections |
        concurrent connection | not accept any more connection | connection refused by * limit
        """),
    ),
    Reason(
        "moved", "hard", "recipient", "1.6", "The recipient moved to another address.",
        listed("""
        has moved | user moved | mailbox has moved | no longer at this address | moved to a new address |
        has been replaced by | has changed * e-mail address | has changed * email address |
        please send * to * instead | account has moved | ~new address is | ~please update your |
        user not local; please try | user not local, please try | ist umgezogen | recipient has moved
        """),
    ),
    Reason(
        "ptr", "soft", "route", "7.25", "Our server’s reverse DNS record is missing or wrong.",
        listed("""
        ptr record | ptr-record | reverse dns | ~rdns | reverse-dns | reverse lookup | reverse mapping |
        unresolvable relay host | no ptr | without ptr | cannot find your hostname | can't find your hostname |
        cannot resolve your address | could not resolve your hostname | fix reverse |
        domain name of your * not resolv | client host rejected: cannot find | cannot reverse | reverse domain |
        ~all servers must have | fcrdns | generic rdns | missing reverse | 5.7.25 | sender ip reverse |
        ip name lookup failed | ip name possibly forged | ptr for
        """),
    ),
    Reason(
        "authentication", "soft", "route", "7.26", "SPF, DKIM or DMARC of the sender domain is missing or fails.",
        listed("""
        dmarc | ~spf | ~spf: | ~spf) | ~spf- | ~spf, | ~(spf | ~ spf | ~dkim | unauthenticated |
        sender policy framework | fails authentication | failed authentication | ~authentication checks |
        required authentication level | not pass authentication | 5.7.26 | 5.7.509 | 5.7.515 | sender id (pra) |
        ~openspf | spoofed | forged sender | address spoof | ~auth results | authentication requirements |
        sender domain is not authenticated
        """),
    ),
    Reason(
        "blocked", "soft", "route", "7.1", "The server refuses our address or name.",
        listed("""
        blacklist | black list | blocklist | block list | block-list | spamhaus | spamcop |
        barracudanetworks.com/reputation | b.barracudacentral | barracudacentral | sorbs.net | ~rbl | dnsbl | ~dnswl |
        blocked using | ~is blocked | ~been blocked | ~listed in | ~listed by | ~listed on | banned sending ip |
        ~banned | access denied * s3140 | ~ip address has been | ~your ip | ~your server | ~client host |
        bad reputation | low reputation | poor reputation | ~reputation | ~connection refused by |
        connection rejected | connections from your | connections will not be accepted | not accepting mail from |
        no access from mail server | open relay | open proxy | ~dynamic ip | ~dynamically | ~dialup | dial-up |
        dynamic/residential | mail server * blocked | ~blocked by | host is not allowed | not allowed to connect |
        not authorized to connect | ~your host | server access forbidden by | ~server ip | ~sending ip |
        ~your network | ~from your domain | temporarily deferred due to | refused to talk to me | access from ip |
        ~ip is | helo command rejected | invalid helo | bad helo | ~ehlo | ~helo | ~from ip address |
        ~your mail server | mail-abuse | njabl | ordb.org | permanently deferred | ~relays. | ix.dnsbl |
        trendmicro.com/ | senderscore | sender base | senderbase | cloudmark | ~connecting host | connecting ip |
        host not allowed | this system will not accept messages from servers | ~[bl | ~(bl | 5.7.606 | 5.7.511 |
        ~block for | unsolicited mail originating from your | ~blocked from | ~the ip | ~country | ~geo |
        ~mail from your server | not accept mail from | ~service refused | (con:b1) | (rly:b | (rtr:
        """),
    ),
    Reason(
        "relaying", "soft", "route", "7.1", "The server doesn’t relay mail from us.",
        listed("""
        relaying denied | relay denied | relay access denied | relaying not permitted | relay not permitted |
        relaying is not allowed | relaying not allowed | relaying disallowed | relay disallowed | relay not allowed | not permitted to relay |
        unable to relay | relaying prohibited | mail server requires authentication when |
        this system is not configured to relay | insecure mail relay | no relaying | relay operation rejected |
        we do not relay | ~not a relay | relay prohibited | ~relay is not | rcpthosts | not allowed to relay |
        specified domain is not allowed | ~relaying to | ~relaying mail | ne relaye pas | wird nicht weitergeleitet |
        must have a valid account * relay | cannot relay | ~relaying through | allowed rcpthosts
        """),
    ),
    Reason(
        "virus", "soft", "message", "7.0", "The server took the message for a virus.",
        listed("""
        ~virus | ~malware | ~trojan | ~phishing | ~infected | ~dangerous | ~вирус | ~phish | ~worm
        """),
    ),
    Reason(
        "spam", "soft", "message", "7.1", "The server took the message for spam.",
        listed("""
        ~spam | ~unsolicited | bulk mail | bulk email | junk mail | mail appears to be | high probability of |
        content filter | content rejected | rejected for content | ~message contains | ~message content |
        ~looks like | classified as | denied due to content | ~advertis | message filtered | blocked by * content |
        rejected by content | ~suspicious | ~[ph | ~scored | ~score | ~bayes | ~dcc | ~razor |
        rejected due to security | message rejected on content | ~uce | ~ube | ~mailscanner | block * content |
        ~unwanted | objectionable | ~profan | mime block | lookslikeu | ~attachment | restricted content |
        spambouncer | http://www.google.com/mail/help/bulk_mail | ~рассыл | spamverdacht | 迷惑メール | not-spam |
        message failed * filter | ~message looks | content-filter
        """),
    ),
    Reason(
        "sender", "soft", "route", "1.8", "The server refuses our sender address.",
        listed("""
        sender address rejected | sender rejected | sender denied | sender verify | sender verification |
        ~sender is not | ~sender not | invalid sender | unknown sender | bad sender | domain of sender |
        ~sender domain | sender's domain | domain of the sender | mail from *rejected | ~sender address |
        sender blocked | blocked sender | invalid return path | envelope sender | not allowed to send to |
        address rejected: sender | ~verify failed | could not verify sender | not allowed to post |
        not permitted to send | not authorized to send | not authorised to send | not authorized to post |
        is not allowed to send | access denied, bad outbound sender | restricted sender | members only |
        only members | subscribers only | not a member | ~moderat | does not accept mail from |
        don't have permission to | do not have permission | permission to post | may not be allowed to post |
        not have permission | closed list | closed mailing list | ~reply address | rejecting sender |
        ~return address | ~from address | ~you are not on | is not accepting mail from | not accepting messages from |
        resolver.rst.notauthorized | resolver.rst.restrict | ~only accepts | ~accepts only | insufficient permission |
        you have been rejected | authentication required for | routing.senderunauthenticated |
        unauthenticated sender | requires that all senders be authenticated | allowed senders | ~envelope from |
        null sender | empty envelope | ~bounce messages | not accept bounce | ~sender is on | refused mail from |
        sendersafe | ~white list | ~whitelist | dsn from | does not like sender
        """),
    ),
    Reason(
        "disabled", "soft", "recipient", "2.1", "The mailbox exists, and is disabled.",
        listed("""
        disabled | deactivated | ~inactive | ~suspend | discontinued | account has been locked | account locked |
        mailbox is locked | temporarily locked | has been closed | is frozen | not been collected |
        mailbox currently unavailable | mailbox frozen | account closed | account expired | account has expired |
        ~no longer on server | not currently active | ~is not active | ~not active | ~disable |
        no longer accepting mail | unavailable to take delivery | blocked account | user is blocked |
        recipient is blocked | account blocked | ~account is blocked | account is terminated | is terminated |
        locked mailbox | user account is expired | mailbox unavailable or access denied | has not been activated |
        not yet been activated | not been activated | ~is closed | has been deleted for | zablokowane | заблокирован |
        ~отключен | приостановлен | ~gesperrt | deaktiviert | user has been blocked | ~out of service |
        boite du destinataire archivee | account that you tried to reach is | ~over a year | ~dormant |
        not logged in | email address has expired | ~is temporarily unavailable | ~terminated | expired mailbox |
        mailbox expired | ~archiv
        """),
    ),
    Reason(
        "tls", "soft", "route", "7.10", "An encrypted connection could not be set up.",
        listed("""
        starttls | tls required | tls is required | encryption needed | encryption required | tls not available |
        ~ssl | ~tls | ~certificate | ~dane | ~tlsa | mta-sts
        """),
    ),
    Reason(
        "filtered", "soft", "recipient", "7.1", "The recipient’s own filter refused the message.",
        listed("""
        blocked by recipient | recipient has blocked | due to extended inactivity | user reject the mail |
        user rules | recipient preferences | refuses to receive | refuse to receive | has restricted |
        bounced address | receiving is restricted | is only accepting | refused by user |
        you have been blocked by the recipient | refused by the recipient | rejected by the recipient |
        rejected by recipient | ~user filter | resolver.rst.notauthorized | recipient rejected your |
        this account is protected by | ~unknown user or | recipient has denied | recipient refused |
        doesn't accept * from you | because the recipient is not accepting mail | is only accepting mail from |
        because you are not in | not accepting mail with | ~you are not in | ~not accepting mail | 受信拒否 |
        not willing to accept | user doesn't want | user does not want | ~blocked your | refuses to accept |
        fails * policy of the recipient | unwilling to accept | ~mailbox rules | rule imposed
        """),
    ),
    Reason(
        "not_accepting", "hard", "recipient", "1.10", "The domain takes no mail.",
        listed("""
        null mx | seem to reject all mail | mail receiving disabled | no host exists for name | nullmx |
        does not accept mail | doesn't accept mail | ~do not accept mail | does not accept email | no smtp service |
        ~host does not accept | domain does not accept | not accept any mail |
        smtp protocol returned a permanent error | no mx record found for domain | no mail server found |
        we do not accept mail | ~this server does not accept | does not receive mail | domain * accepts no mail
        """),
    ),
    Reason(
        "user_unknown", "hard", "recipient", "1.1", "There is no such mailbox.",
        listed("""
        user unknown | unknown user | no such user | no such mailbox | no such recipient | no such address |
        no such person | no such account | no such email | no such local | nosuchuser | unknown recipient |
        recipient unknown | ~unknown address | address unknown | unknown local | ~unknown account | unknown mailbox |
        unknown login | unknown email | unknown e-mail | mailbox unknown | user not found | user is not found |
        user isn't found | recipient not found | recipnotfound | recipientnotfound | recipient cannot be found |
        recipient could not be found | mailbox not found | mailbox is not found | mailbox could not be found |
        mailbox * not found | address not found | addressee unknown | user does not exist | user doesn't exist |
        user * does not exist | user * doesn't exist | recipient does not exist | recipient * does not exist |
        mailbox does not exist | mailbox doesn't exist | mailbox * does not exist | address does not exist |
        address doesn't exist | address * does not exist | account does not exist | account * does not exist |
        e-mail address doesn | email address doesn | address you entered couldn't be found | wasn't found at |
        ~could not be found | ~couldn't be found | ~can't be found | ~cannot be found | unrouteable address |
        unroutable address | not a valid user | not a valid mailbox | not a valid recipient | not a valid address |
        invalid user | invalid recipient | invalid mailbox | invalid address | invalid final delivery |
        invalid email | user invalid | recipient invalid | address invalid | mailbox invalid |
        recipient is not valid | no valid recipients | no mail box | badrcptto | validrcptto | rcpthosts * user |
        missing home directory | virtual user | envelope recipient has been denied | no one at this address |
        that domain or user | not present in directory | addresses were unknown | rejected recipients |
        recipient not ok | nessun utente | badrecipient | bad recipient | mailbox not present |
        no longer accepts mail | recipient is not local | not an active address | not be recognized | no such id |
        no such name | not a subscriber | not a current | isn't a current | cannot find your recipient |
        no mailbox here by that name | no mailbox | ~no account | ~no recipient | ~no user | ~no valid |
        not listed in | ~not listed | ~not a known | ~not known | is not known | isn't known | user not known |
        isn't in my | is not in my | not our customer | ~not a local | ~not local | recipient name is not recognized |
        ~not recognized | ~not recognised | user is unknown | ~is unknown | ~unknown to | bad destination mailbox |
        bad destination email | ~bad address | bad user | doesn't have an account | ~doesn't have a |
        does not have an account | does not have an email | ~not have a | not our user | no longer valid |
        no longer in use | no longer exists | no longer employed | no longer works | ~no longer available |
        ~no longer active | ~is no longer | ~has left | ~not registered | does not work here | adresse inconnue |
        utilisateur inconnu | destinataire inconnu | boite inconnue | ~unbekannt | nicht bekannt | existiert nicht |
        ~nicht gefunden | gibt es nicht | empfänger unbekannt | ~desconocid | no existe | não existe | nao existe |
        ~sconosciut | inesistente | ~nieznan | nie istnieje | не существует | ~неизвест | нет такого | ~не найден |
        ~not exist | non-existent | nonexistent | non existent | ユーザが存在しません | 存在しません | ~見つかりません | 宛先不明 | あて先不明 |
        ~5.1.1 | recipient address rejected: access denied | ~recipient rejected | ~recipient address rejected |
        ~address rejected | ~mailbox unavailable | ~unknown | ~verify the recipient | undeliverable address |
        ~mailbox is not available | no matches to | can't create user output file | user unkown | user unknow |
        user no longer | delivery error: dd | ~isn't a valid | ~not a user | unable to validate recipient |
        ~cannot verify | no such domain at this location | ~wasn't found | ~has been deleted | ~deleted |
        never existed | ~name not found | smtp 550 address | ~unkown | ~account is not available |
        this is not a valid | ~no alias | ~destination address | ~account not available | ~address error |
        ~recipient address is | invalid alias | ~mtatransferfailed | ~not in directory | ~is not in | ~aliased to |
        ~does not match any | unable to deliver to * mailbox | ~user name | ~username | mailbox name not allowed |
        mailbox name invalid | recipient unrecognized | unrecognized recipient | local user * not found |
        unavailable mail user | ~cannot deliver mail for | receiver not found | receiver unknown | mailbox name is invalid | ~does no exist | ~doesn't exists | ~not exists
        """),
    ),
    Reason(
        "network", "soft", "recipient", "4.4", "The way to the server is broken, or its name couldn’t be looked up for now.",
        listed("""
        not found, try again | temporary lookup | temporary failure in name | temporary dns |
        temporarily unable to look | unexpected name server reply | malformed name server reply | dns server failure |
        dns problem | could not connect and send | loops back | mail loop | forwarding loop | mail loops |
        too many hops | hop count exceeded | hop count | lowest numbered mx | no route to host | network unreachable |
        network is unreachable | host is unreachable | host unreachable | looping | too many received | local host |
        mx list for | points back | name server: servfail | servfail | misconfigured dns | ~network
        """),
    ),
    Reason(
        "host_unknown", "hard", "recipient", "1.2", "There is no such domain, or none that takes mail.",
        listed("""
        host unknown | unknown host | unknown domain | domain unknown | host not found | host name is unknown |
        no such host | no such domain | domain not found | domain is not found | domain does not exist |
        domain doesn't exist | domain name not found | nxdomain | domain * does not exist | host * does not exist |
        host or domain name not found | name or service not known | illegal host/domain | ~domain must resolve |
        bad destination host | bad destination system | unrouteable mail domain | unrouteable domain |
        unroutable domain | couldn't find any host | couldn't find a host | ~couldn't find any | not a valid domain |
        invalid domain | no mail exchanger | ~no mx | ~dns error | domain * not found | non-existent hosts |
        nonexistent domain | non-existent domain | ~domain isn't | ~domain part | lookup of * failed |
        all relevant mx records point to | domain name * unknown | recipient address rejected: domain |
        can't find * domain | dns lookup failure | doesn't resolve | does not resolve | ~домен | ~no dns |
        ~host not in
        """),
    ),
    Reason(
        "expired", "soft", "recipient", "4.7", "The server could not be reached for days, or the message waited too long.",
        listed("""
        retry timeout | ~retry time | ~expired | timed out | ~timeout | ~time out | ~time limit |
        could not be delivered for | been in the queue too long | queue too long | ~too long | ~delivery time |
        retry limit | ~giving up | not yet been delivered | ~delivery attempts | ~not been delivered | can't connect |
        cannot connect | could not connect | couldn't connect | connection refused | unable to connect |
        no connection | not responding | did not respond | not respond | ~deferred | ~connect to | connection failed |
        ~connection was | ~connection to | after trying | kept trying | maximum retry | ~delay | undeliverable for |
        is unreachable | ~unreachable | ~network is | not accept our requests to connect |
        establish an smtp connection | ~temporarily unable | unavailable or busy | ~no answer | was not reachable |
        ~days | not be reached | ~broken pipe | lost connection | connection dropped | connection reset |
        closed connection | connection closed | dropped the connection | connection died | ~conversation with |
        ~socket | ~died | im schlange | nicht erreichbar | 配送できません | ~queue | ~hours
        """),
    ),
    Reason(
        "system", "soft", "recipient", "3.0", "The recipient’s mail system is broken.",
        listed("""
        ~loop | ~mail system | ~configuration | ~misconfigur | local error | internal error | server error |
        system error | ~service unavailable | ~service not available | ~can't open | ~cannot open | cannot create |
        can't create | ~permission denied | no space left | command failed | command died | ~exit | procmail |
        ~local delivery | ~temporary | ~temporarily | insufficient system | ~try again | ~try later | system failure |
        ~resources | ~overload | ~unavailable | ~mail transport | bad file | ~disk full | ~resource | ~unable to |
        software error | ~interrupted | ~alias | ~forward | ~broken | ~crash | ~problem
        """),
    ),
    Reason(
        "malformed", "soft", "message", "6.0", "The server refuses the form of the message.",
        listed("""
        rfc 5322 | rfc 2822 | rfc 822 | rfc5322 | multiple addresses in * from | ~header | ~mime | ~malformed |
        ~8bit | ~8-bit | ~bare | ~message format | ~syntax | ~command | ~protocol error | ~protocol | ~utf8 |
        ~non-ascii | ~null byte | ~character | ~missing | ~duplicate | ~invalid content | ~charset
        """),
    ),
    Reason(
        "policy", "soft", "message", "7.0", "The server’s rules refuse the message.",
        listed("""
        ~policy | ~policies | ~security | ~not accepted | ~administrative | ~prohibit | ~denied | ~not allowed |
        ~not permitted | ~forbidden | ~reject | ~refused | ~not authorized | ~violation | ~restrict | ~verboten |
        ~transaction failed | ~not acceptable | ~refuse | ~abgelehnt | ~отклонен | ~拒否 | ~blocked | ~unacceptable
        """),
    ),
    Reason(
        "undefined", "soft", "recipient", "0.0", "The server gave no reason that we understand.",
    ),
)  # fmt: skip

BY_NAME = {reason.name: reason for reason in REASONS}
# A warning, not a failure: nothing counts it, since the failure follows if there is one.
DELAYED = Reason("delayed", "soft", "recipient", "4.7", "A warning: the server is still trying. Not counted.")

# The rest of what a report may say, without a kind of its own in the table.
OTHER_REASONS = {
    "abuse": "The subscriber, or their provider, reported the message as spam.",
    "opt_out": "The subscriber asked to leave.",
    "away": "An automatic reply.",
    "delivered": "A receipt: the message arrived.",
    "report": "A report about mail in general: DMARC, TLS, or a mail’s authentication.",
    "unclear": "A mail server, or nobody, wrote something that we don’t understand.",
    "person": "A person wrote.",
    "unreadable": "It has more bytes, parts or levels than any real report.",
}


# PhraseIndex with a ~ are looked at last: they stand in sentences about other reasons, too.
_WEAK = 1000
_PHRASES = PhraseIndex(
    (rank + _WEAK * words.startswith("~"), words.removeprefix("~"))
    for rank, reason in enumerate(REASONS)
    for words in (*reason.words, *other_languages.REASONS.get(reason.name, ()))
)
WORDS_READ = 2_000
_QUOTES = str.maketrans({"’": "'", "‘": "'", "´": "'", "`": "'", "“": '"', "”": '"', "\xa0": " "})
# Addresses and links are nobody's words: quota@… is no full mailbox, and help pages are named after all reasons.
_NO_PART = r"\s<>(),;\"'\[\]\u2e80-\ud7ff\uff00-\uffef"
_ADDRESS = re.compile(rf"(?<![^{_NO_PART}:=])[^{_NO_PART}:=@]{{1,200}}@[^{_NO_PART}]{{1,200}}")
_LINK = re.compile(r"\b(?:https?://|www\.)[^\s<>\"')]{1,300}")


def normalized(text: str) -> str:
    text = text[:WORDS_READ]
    if not text.isascii():
        text = text.translate(_QUOTES)
    if "@" in text:
        text = _ADDRESS.sub("@", text)
    if "://" in text or "www." in text:
        text = _LINK.sub("@", text)
    text = " ".join(text.replace("_", " ").split()).lower()
    for always in _ALWAYS:
        text = text.replace(always, "")
    return text


# These stand in every notice of their kind.
_ALWAYS = listed("""
    giving up on | i'm not going to try again; this message has been in the queue too long | i've given up |
    this is a permanent error | this message was created automatically by mail delivery software |
    a message that you sent could not be delivered to one or more of its recipients |
    we recommend contacting the other email provider for further information about the cause of this error |
    it might be misspelled or it might not exist any longer | please do not reply | please, do not reply |
    for further assistance | mail delivery system | mail delivery subsystem | the mail system |
    this is the mail system at host | your own text
""")


class ByWords(NamedTuple):
    strong: Reason | None
    weak: Reason | None


def by_words(text: str) -> ByWords:
    """The reasons that these words, normalized, give: surely, and perhaps."""
    ranks = _PHRASES.ranks(text)
    strong = min((rank for rank in ranks if rank < _WEAK), default=None)
    weak = min((rank - _WEAK for rank in ranks if rank >= _WEAK), default=None)
    return ByWords(None if strong is None else REASONS[strong], None if weak is None else REASONS[weak])
