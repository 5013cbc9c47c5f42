"""Every line of the table of answers, as relays really say it, and the rules for what stands in no table."""

# ruff: noqa: E501  (tables are read one row a line)

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.mail.outcome import (
    ACTORS,
    ANSWERS,
    REASONS,
    SAME,
    SAME_MAILBOX,
    TABLE,
    WHO,
    Accepted,
    Deferred,
    Refused,
    RouteVerdict,
    SameRefusal,
    Unsure,
    answer_class,
    as_route_fault,
    classify,
    find_row,
    judge,
    scrub,
)

DEAD, THROTTLED, CONFIG = "dead", "throttled", "config"
RECIPIENT, MESSAGE = "recipient", "message"  # refused for good
LATER = "later"  # the recipient, another time
HERE = "here"  # the mailbox provider refuses us: not by this route, which lives, and nobody is marked
SLOWER = "slower"  # one answer that asks for patience

# What is known of answers, line by line: whose it is, and what such answers mean. Every line has its answers below.
LINES: dict[str, set[str]] = {
    "SES SMTP: sending paused": {DEAD},
    "SES v1: sending paused": {DEAD},
    "SES v1: configuration set paused": {DEAD},
    "SES v2: paused or suspended": {DEAD},
    "SES SMTP: throttling": {THROTTLED},
    "SES API: throttling": {THROTTLED},
    "SES: address not verified": {CONFIG},
    "SES: MAIL FROM domain": {CONFIG},
    "SES SMTP: credentials": {DEAD},
    "SES: suppressed": {RECIPIENT},
    "SES: access key": {DEAD},
    "SES: configuration set": {DEAD},
    "SES: address or size": {RECIPIENT, MESSAGE},
    "Mailgun: disabled": {DEAD},
    "Mailgun: for test purposes": {DEAD},
    "Mailgun: unverified": {CONFIG},
    "Mailgun SMTP: not allowed to send": {DEAD},
    "Mailgun: 401": {DEAD},
    "Mailgun: plan and limits": {DEAD, THROTTLED},
    "Mailgun: suppressed": {RECIPIENT},
    "SendGrid: credits": {THROTTLED},
    "SendGrid SMTP: credits": {THROTTLED},
    "SendGrid: grant or access": {DEAD},
    "SendGrid: from address": {CONFIG},
    "SendGrid SMTP: bad requests": {THROTTLED},
    "SendGrid: dropped": {RECIPIENT},
    "SendGrid: field": {RECIPIENT, CONFIG},
    "Postmark: token or account": {DEAD},
    "Postmark: credits": {DEAD},
    "Postmark: signature": {CONFIG},
    "Postmark: request": {MESSAGE},
    "Postmark: inactive": {RECIPIENT},
    "Postmark: maintenance": {THROTTLED},
    "Postmark: address": {RECIPIENT, CONFIG},
    "Postmark: stream": {DEAD},
    "Brevo: account": {DEAD},
    "Brevo: parameters": {MESSAGE},
    "Brevo: address": {RECIPIENT, CONFIG},
    "Brevo SMTP": {DEAD},
    "SparkPost: limits": {THROTTLED},
    "SparkPost: forbidden": {DEAD},
    "SparkPost: sending domain": {CONFIG},
    "SparkPost: suppressed": {RECIPIENT},
    "SparkPost: JSON": {MESSAGE},
    "Mandrill: account": {DEAD},
    "Mandrill: rejected": {RECIPIENT, CONFIG, DEAD},
    "Mailjet": {DEAD, MESSAGE},  # no list of codes was found: the words are read
    "Unisender Go": {DEAD, THROTTLED},  # likewise
    "Gmail: log-in": {DEAD},
    "Gmail: limit of a day": {THROTTLED},  # although it begins with a 5
    "Gmail relay": {DEAD, THROTTLED},
    "to Gmail: rate": {SLOWER, LATER},
    "to Gmail: authentication": {HERE, CONFIG},
    "to Gmail: content": {MESSAGE},
    "to Gmail: mailbox": {RECIPIENT, LATER},
    "Microsoft: account": {DEAD},
    "Microsoft: log-in": {DEAD},
    "Microsoft: limits": {THROTTLED},
    "to Microsoft: authentication": {HERE, CONFIG},
    "to Microsoft: block list": {HERE, DEAD},
    "to Microsoft: recipient": {RECIPIENT},
    "Yahoo, AOL": {SLOWER, HERE, DEAD, RECIPIENT},
    "mail.ru: disabled": {DEAD},
    "to iCloud": {HERE, RECIPIENT, SLOWER},
    "to mail.ru: spam": {MESSAGE},
    "to mail.ru": {HERE, RECIPIENT},
    "to Yandex": {HERE, MESSAGE, RECIPIENT},
    "to GMX": {HERE},
    "Yandex: log-in or spam": {DEAD, MESSAGE},
    "Yandex: rate": {LATER, THROTTLED},
    "shared hosters": {THROTTLED},  # although it begins with a 5
    "Exim, Postfix: relaying": {DEAD},
    "any: account closed": {DEAD},  # at RCPT TO only where it says whose
    "DNSBL": {HERE, DEAD, LATER},
    "greylisting": {LATER},
    "SMTPUTF8": {MESSAGE},
    "rule 1": {DEAD, THROTTLED, CONFIG, RECIPIENT, MESSAGE, LATER},  # where it occurs
    "rule 3": {DEAD, THROTTLED, CONFIG, RECIPIENT, MESSAGE, HERE, LATER},  # words
    "rule 4": {DEAD, THROTTLED},  # log-in
    "rule 5": {RECIPIENT, MESSAGE, LATER, SLOWER, DEAD, CONFIG},  # enhanced codes
    "rule 6": {DEAD, THROTTLED, SLOWER, LATER},  # 421 and 452
    "rule 7": {DEAD, THROTTLED, MESSAGE, RECIPIENT},  # HTTP
}

# line, stage, code, text, what it means, reason of the verdict or answer class
ANSWERED = [
    # Amazon SES
    ("SES SMTP: sending paused", "final", 554, "Message rejected: Sending paused for this account. For more information, please check the inbox of the email address associated with your AWS account.", DEAD, "paused"),
    ("SES v1: sending paused", "http", 400, "AccountSendingPausedException: Sending paused for this account.", DEAD, "paused"),
    ("SES v1: configuration set paused", "http", 400, "ConfigurationSetSendingPausedException: Sending paused for this configuration set", DEAD, "paused"),
    ("SES v2: paused or suspended", "http", 400, "SendingPausedException", DEAD, "paused"),
    ("SES v2: paused or suspended", "http", 400, "AccountSuspendedException", DEAD, "suspended"),
    ("SES SMTP: throttling", "final", 454, "Throttling failure: Maximum sending rate exceeded.", THROTTLED, "rate"),
    ("SES SMTP: throttling", "mail", 454, "Throttling failure: Daily message quota exceeded.", THROTTLED, "quota"),
    ("SES API: throttling", "http", 429, "TooManyRequestsException", THROTTLED, "rate"),
    ("SES API: throttling", "http", 400, "Throttling: Rate exceeded", THROTTLED, "rate"),
    ("SES API: throttling", "http", 429, "LimitExceededException", THROTTLED, "quota"),
    ("SES: address not verified", "final", 554, "Message rejected: Email address is not verified. The following identities failed the check in region EU-WEST-1: news@lantern.example", CONFIG, "sender"),
    ("SES: MAIL FROM domain", "http", 400, "MailFromDomainNotVerifiedException", CONFIG, "sender"),
    ("SES SMTP: credentials", "auth", 535, "Authentication Credentials Invalid", DEAD, "login"),
    ("SES: suppressed", "http", 200 + 400, "bounce OnAccountSuppressionList", RECIPIENT, "inactive"),
    ("SES: access key", "http", 403, "UnrecognizedClientException: The security token included in the request is invalid.", DEAD, "key"),
    ("SES: configuration set", "http", 404, "NotFoundException: Configuration set <news> does not exist.", DEAD, "no_such_stream"),
    ("SES: address or size", "http", 400, "BadRequestException: Local address contains control or whitespace", RECIPIENT, "unavailable"),
    ("SES: address or size", "http", 400, "BadRequestException: Message length is more than 41943040 bytes long: '50000000'.", MESSAGE, "size"),
    # In the words of each interface
    ("SendGrid: field", "http", 400, "to field: Does not contain a valid address.", RECIPIENT, "unavailable"),
    ("SendGrid: field", "http", 400, "from field: The from email does not contain a valid address.", CONFIG, "sender"),
    ("Postmark: address", "http", 422, "ErrorCode 300: Invalid 'To' address: '…'.", RECIPIENT, "unavailable"),
    ("Postmark: address", "http", 422, "ErrorCode 300: Invalid 'From' address: '…'.", CONFIG, "sender"),
    ("Postmark: stream", "http", 422, "ErrorCode 1235: The 'MessageStream' provided does not exist on this server.", DEAD, "no_such_stream"),
    ("Brevo: account", "http", 401, "unauthorized: We have detected you are using an unrecognised IP address", DEAD, "not_authorised"),
    ("Brevo: account", "http", 403, "permission_denied: Your account is suspended", DEAD, "suspended"),
    ("Brevo: address", "http", 400, "invalid_parameter: email is not valid in to", RECIPIENT, "unavailable"),
    ("Brevo: address", "http", 400, "invalid_parameter: Sending has been rejected because the sender you used … is not valid.", CONFIG, "sender"),
    # Mailgun
    ("Mailgun: disabled", "http", 403, "Domain lantern.example is not allowed to send: disabled", DEAD, "suspended"),
    ("Mailgun: disabled", "http", 403, "Account Terminated", DEAD, "suspended"),
    ("Mailgun: disabled", "http", 403, "Your account is disabled", DEAD, "suspended"),
    ("Mailgun: for test purposes", "http", 403, "Free accounts are for test purposes only. Please upgrade.", DEAD, "plan"),
    ("Mailgun: for test purposes", "http", 403, "Sandbox subdomains are for test purposes only.", DEAD, "plan"),
    ("Mailgun: unverified", "http", 403, "The domain is unverified and requires DNS configuration. Log in to your control panel.", CONFIG, "sender"),
    ("Mailgun SMTP: not allowed to send", "mail", 421, "Domain lantern.example is not allowed to send: disabled", DEAD, "suspended"),
    ("Mailgun: 401", "http", 401, "Forbidden", DEAD, "key"),
    ("Mailgun: plan and limits", "http", 402, "Payment Required", DEAD, "credits"),
    ("Mailgun: plan and limits", "http", 420, "recipient limit exceeded", THROTTLED, "quota"),
    ("Mailgun: plan and limits", "http", 429, "Domain lantern.example request limit (100) exceeded", THROTTLED, "rate"),
    ("Mailgun: suppressed", "http", 605, "Not delivering to previously bounced address", RECIPIENT, "inactive"),
    ("Mailgun: suppressed", "http", 606, "Not delivering to a user who unsubscribed from your messages", RECIPIENT, "inactive"),
    ("Mailgun: suppressed", "http", 607, "Not delivering to a user who marked your messages as spam", RECIPIENT, "inactive"),
    # SendGrid
    ("SendGrid: credits", "http", 401, '{"errors":[{"message":"Maximum credits exceeded"}]}', THROTTLED, "credits"),
    ("SendGrid SMTP: credits", "auth", 451, "Authentication failed: Maximum credits exceeded", THROTTLED, "credits"),
    ("SendGrid: grant or access", "http", 401, "The provided authorization grant is invalid, expired, or revoked", DEAD, "login"),
    ("SendGrid: grant or access", "http", 403, "access forbidden", DEAD, "login"),
    ("SendGrid: grant or access", "http", 403, "Your account is under review", DEAD, "suspended"),
    ("SendGrid: from address", "http", 403, "The from address does not match a verified Sender Identity.", CONFIG, "sender"),
    ("SendGrid: from address", "final", 550, "The from address does not match a verified Sender Identity.", CONFIG, "sender"),
    ("SendGrid SMTP: bad requests", "final", 550, "Unauthenticated senders: temporarily blocked due to repeated bad requests", THROTTLED, "rate"),
    ("SendGrid: dropped", "http", 600, "dropped: Bounced Address", RECIPIENT, "inactive"),
    ("SendGrid: dropped", "http", 600, "dropped: Unsubscribed Address", RECIPIENT, "inactive"),
    ("SendGrid: dropped", "http", 600, "dropped: Spam Reporting Address", RECIPIENT, "inactive"),
    # Postmark
    ("Postmark: token or account", "http", 422, '{"ErrorCode":10,"Message":"Bad or missing API token"}', DEAD, "login"),
    ("Postmark: token or account", "http", 422, '{"ErrorCode":413,"Message":"You are not allowed to send"}', DEAD, "suspended"),
    ("Postmark: token or account", "http", 422, '{"ErrorCode":412,"Message":"Account is pending approval"}', DEAD, "suspended"),
    ("Postmark: credits", "http", 422, '{"ErrorCode":405,"Message":"Not allowed to send (out of credits)"}', DEAD, "credits"),
    ("Postmark: signature", "http", 422, '{"ErrorCode":400,"Message":"Sender signature not found"}', CONFIG, "sender"),
    ("Postmark: signature", "http", 422, '{"ErrorCode":401,"Message":"Sender signature not confirmed"}', CONFIG, "sender"),
    ("Postmark: request", "http", 422, '{"ErrorCode":300,"Message":"Invalid email request"}', MESSAGE, "content"),
    ("Postmark: request", "http", 422, '{"ErrorCode":402,"Message":"Invalid JSON"}', MESSAGE, "content"),
    ("Postmark: request", "http", 422, '{"ErrorCode":409,"Message":"JSON required"}', MESSAGE, "content"),
    ("Postmark: request", "http", 422, '{"ErrorCode":410,"Message":"Too many batch messages"}', MESSAGE, "content"),
    ("Postmark: request", "http", 422, '{"ErrorCode":411,"Message":"Forbidden attachment type"}', MESSAGE, "content"),
    ("Postmark: inactive", "http", 422, '{"ErrorCode":406,"Message":"Inactive recipient"}', RECIPIENT, "inactive"),
    ("Postmark: maintenance", "http", 503, '{"ErrorCode":100,"Message":"Maintenance"}', THROTTLED, "busy"),
    # Brevo
    ("Brevo: account", "http", 403, '{"code":"account_under_validation"}', DEAD, "not_authorised"),
    ("Brevo: account", "http", 402, '{"code":"not_enough_credits"}', DEAD, "credits"),
    ("Brevo: account", "http", 403, '{"code":"permission_denied"}', DEAD, "not_authorised"),
    ("Brevo: account", "http", 401, '{"code":"unauthorized"}', DEAD, "login"),
    ("Brevo: parameters", "http", 400, '{"code":"invalid_parameter"}', MESSAGE, "content"),
    ("Brevo: parameters", "http", 400, '{"code":"missing_parameter"}', MESSAGE, "content"),
    ("Brevo: parameters", "http", 400, '{"code":"out_of_range"}', MESSAGE, "content"),
    ("Brevo: parameters", "http", 400, '{"code":"duplicate_parameter"}', MESSAGE, "content"),
    ("Brevo: parameters", "http", 404, '{"code":"document_not_found"}', MESSAGE, "content"),
    ("Brevo: parameters", "http", 405, '{"code":"method_not_allowed"}', MESSAGE, "content"),
    ("Brevo SMTP", "auth", 525, "5.7.1 Unauthorized IP address", DEAD, "not_authorised"),
    ("Brevo SMTP", "mail", 502, "5.7.0 Your SMTP account is not yet activated", DEAD, "not_authorised"),
    # SparkPost
    ("SparkPost: limits", "http", 420, "Exceed Sending Limit (daily)", THROTTLED, "quota"),
    ("SparkPost: limits", "final", 451, "4.3.0 [internal] Sending IP temporarily suspended", THROTTLED, "rate"),
    ("SparkPost: forbidden", "http", 403, "Forbidden.", DEAD, "not_authorised"),
    ("SparkPost: forbidden", "http", 403, "account suspended", DEAD, "suspended"),
    ("SparkPost: forbidden", "auth", 535, "5.7.8 Sorry.", DEAD, "login"),
    ("SparkPost: sending domain", "mail", 550, "5.7.1 Unconfigured Sending Domain <lantern.example>", CONFIG, "sender"),
    ("SparkPost: suppressed", "rcpt", 554, "5.7.1 [internal] recipient address was suppressed due to customer policy", RECIPIENT, "inactive"),
    ("SparkPost: JSON", "final", 550, "5.6.0 smtpapi: cannot parse JSON", MESSAGE, "content"),
    # Mandrill
    ("Mandrill: account", "http", 500, '{"name":"PaymentRequired"}', DEAD, "credits"),
    ("Mandrill: account", "http", 500, '{"name":"Invalid_Key"}', DEAD, "login"),
    ("Mandrill: account", "http", 500, '{"name":"Unknown_Subaccount"}', DEAD, "login"),
    ("Mandrill: rejected", "http", 600, '{"status":"rejected","reject_reason":"hard-bounce"}', RECIPIENT, "inactive"),
    ("Mandrill: rejected", "http", 600, '{"status":"rejected","reject_reason":"spam"}', RECIPIENT, "inactive"),
    ("Mandrill: rejected", "http", 600, '{"status":"rejected","reject_reason":"unsub"}', RECIPIENT, "inactive"),
    ("Mandrill: rejected", "http", 600, '{"status":"rejected","reject_reason":"invalid"}', RECIPIENT, "inactive"),
    ("Mandrill: rejected", "http", 600, '{"status":"rejected","reject_reason":"invalid-sender"}', CONFIG, "sender"),
    ("Mandrill: rejected", "http", 600, '{"status":"rejected","reject_reason":"unsigned"}', CONFIG, "sender"),
    ("Mandrill: rejected", "http", 600, '{"status":"rejected","reject_reason":"test-mode-limit"}', DEAD, "plan"),
    # Mailjet and others by rule 7
    ("Mailjet", "http", 401, '{"ErrorMessage":"API key authentication/authorization failure."}', DEAD, "key"),
    ("rule 7", "http", 500, "<html>Bad gateway</html>", THROTTLED, "busy"),
    ("rule 7", "http", 413, "Request Entity Too Large", MESSAGE, "size"),
    ("rule 7", "http", 422, "Unprocessable", MESSAGE, "content"),
    ("rule 7", "http", 429, "slow down, retry after 30 seconds", THROTTLED, "rate"),
    ("rule 7", "http", 451, "Unavailable For Legal Reasons", DEAD, "refused"),
    # Gmail and Workspace as a relay
    ("Gmail: log-in", "auth", 535, "5.7.8 Username and Password not accepted. For more information, go to https://support.google.com/mail/?p=BadCredentials", DEAD, "login"),
    ("Gmail: log-in", "auth", 534, "5.7.9 Application-specific password required.", DEAD, "login"),
    ("Gmail: log-in", "auth", 534, "5.7.14 Please log in via your web browser and then try again.", DEAD, "login"),
    ("Gmail: limit of a day", "final", 550, "5.4.5 Daily user sending limit exceeded.", THROTTLED, "quota"),
    ("Gmail: limit of a day", "rcpt", 550, "5.4.6 Daily SMTP relay limit exceeded for user.", THROTTLED, "quota"),
    ("Gmail relay", "mail", 550, "5.7.0 Mail relay denied [192.0.2.1]. Invalid credentials for relay", DEAD, "relay_denied"),
    ("Gmail relay", "rcpt", 450, "4.2.1 Peak SMTP relay limit exceeded for customer.", THROTTLED, "rate"),
    # To Gmail
    ("to Gmail: rate", "final", 421, "4.7.28 Our system has detected an unusual rate of unsolicited mail", SLOWER, "throttled"),
    ("to Gmail: rate", "rcpt", 450, "4.2.1 The user you are trying to contact is receiving mail too quickly.", LATER, "throttled"),
    ("to Gmail: authentication", "final", 550, "5.7.26 This mail is unauthenticated, which poses a security risk: DMARC, SPF, DKIM did not pass", HERE, "provider"),
    ("to Gmail: authentication", "final", 550, "5.7.25 The IP address sending this message does not have a PTR record", HERE, "provider"),
    ("to Gmail: authentication", "final", 550, "5.7.29 This message was not sent over TLS", HERE, "provider"),
    ("to Gmail: authentication", "final", 550, "5.7.30 DKIM did not pass", HERE, "provider"),
    ("to Gmail: authentication", "final", 550, "5.7.27 SPF did not pass", HERE, "provider"),
    ("to Gmail: content", "final", 550, "5.7.1 Our system has detected that this message is likely unsolicited mail.", MESSAGE, "content"),
    ("to Gmail: content", "final", 552, "5.7.0 This message was blocked because its content presents a potential security issue", MESSAGE, "content"),
    ("to Gmail: mailbox", "rcpt", 452, "4.2.2 The email account that you tried to reach is over quota.", LATER, "full"),
    ("to Gmail: mailbox", "rcpt", 552, "5.2.2 The email account that you tried to reach is over quota.", RECIPIENT, "full"),
    ("to Gmail: mailbox", "rcpt", 550, "5.1.1 The email account that you tried to reach does not exist.", RECIPIENT, "no_such_mailbox"),
    ("to Gmail: mailbox", "rcpt", 550, "5.2.1 The email account that you tried to reach is disabled.", RECIPIENT, "inactive"),
    # Microsoft 365
    ("Microsoft: account", "final", 550, "5.1.8 Access denied, bad outbound sender", DEAD, "suspended"),
    ("Microsoft: account", "final", 550, "5.7.501 Access denied, spam abuse detected", DEAD, "suspended"),
    ("Microsoft: account", "final", 550, "5.7.502 Access denied, banned sender", DEAD, "suspended"),
    ("Microsoft: account", "final", 550, "5.7.503 Access denied, banned sender", DEAD, "suspended"),
    ("Microsoft: account", "final", 550, "5.7.705 Access denied, tenant has exceeded threshold", DEAD, "suspended"),
    ("Microsoft: account", "final", 550, "5.7.750 Client blocked from sending from unregistered domain", DEAD, "suspended"),
    ("Microsoft: log-in", "auth", 535, "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.", DEAD, "login"),
    ("Microsoft: log-in", "mail", 530, "5.7.57 Client not authenticated to send mail.", DEAD, "login"),
    ("Microsoft: limits", "rcpt", 550, "5.1.90 Your message can't be sent because you've reached your daily limit for message recipients", THROTTLED, "quota"),
    ("Microsoft: limits", "auth", 432, "4.3.2 Concurrent connections limit exceeded.", THROTTLED, "rate"),
    ("Microsoft: limits", "final", 451, "4.7.500 Server busy. Please try again later.", THROTTLED, "busy"),
    ("to Microsoft: authentication", "final", 550, "5.7.515 Access denied, sending domain does not meet the required authentication level.", HERE, "provider"),
    ("to Microsoft: block list", "final", 550, "5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. part of their network is on our block list (S3140).", HERE, "provider"),
    ("to Microsoft: block list", "final", 550, "5.7.511 Access denied, banned sender[192.0.2.1]", HERE, "provider"),
    ("to Microsoft: block list", "final", 550, "5.7.606 Access denied, banned sending IP [192.0.2.1]", HERE, "provider"),
    ("to Microsoft: block list", "final", 550, "5.7.649 Access denied, banned sending IP", HERE, "provider"),
    ("to Microsoft: block list", "final", 550, "5.7.708 Service unavailable. Access denied, traffic not accepted from this IP", HERE, "provider"),
    ("to Microsoft: recipient", "rcpt", 550, "5.7.703 Your message can't be delivered because one or more recipients are blocked by your organization's tenant allow/block list", RECIPIENT, "policy"),
    ("to Microsoft: recipient", "rcpt", 550, "5.4.1 Recipient address rejected: Access denied.", RECIPIENT, "unavailable"),
    ("to Microsoft: recipient", "rcpt", 550, "5.1.10 Recipient not found", RECIPIENT, "no_such_mailbox"),
    # Yahoo
    ("Yahoo, AOL", "final", 421, "4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume", SLOWER, "throttled"),
    ("Yahoo, AOL", "final", 553, "5.7.1 [BL21] Connections will not be accepted from 192.0.2.1", HERE, "provider"),
    ("Yahoo, AOL", "final", 554, "5.7.9 Message not accepted for policy reasons: DMARC", HERE, "provider"),
    # mail.ru, Yandex
    ("mail.ru: disabled", "final", 550, "message sending for this account is disabled", DEAD, "suspended"),
    ("to mail.ru: spam", "final", 550, "spam message rejected. Please visit http://help.mail.ru/notspam-support/id?c=abc", MESSAGE, "content"),
    ("Yandex: log-in or spam", "auth", 535, "5.7.8 Error: authentication failed: Invalid user or password!", DEAD, "login"),
    ("Yandex: log-in or spam", "final", 554, "5.7.1 [2] Message rejected under suspicion of SPAM", MESSAGE, "content"),
    ("Yandex: rate", "rcpt", 450, "4.2.1 The recipient has exceeded message rate limit. Try again later.", LATER, "throttled"),
    ("Yandex: rate", "final", 550, "5.7.1 Sender limit exceeded", THROTTLED, "rate"),
    # Shared hosters
    ("shared hosters", "rcpt", 550, "Too many messages. Try again in 92 seconds.", THROTTLED, "rate"),
    ("shared hosters", "mail", 550, "5.1.0 policy violation", THROTTLED, "rate"),
    ("shared hosters", "rcpt", 550, "5.1.0 policy violation", THROTTLED, "rate"),
    ("shared hosters", "mail", 451, "rate limit", THROTTLED, "rate"),
    ("shared hosters", "rcpt", 550, "Domain lantern.example has exceeded the max emails per hour (200/200 (100%)) allowed. Message discarded.", THROTTLED, "rate"),
    # Any relay
    ("Exim, Postfix: relaying", "rcpt", 550, "relay not permitted", DEAD, "relay_denied"),
    ("Exim, Postfix: relaying", "rcpt", 554, "5.7.1 <boris@x.example>: Relay access denied", DEAD, "relay_denied"),
    ("Exim, Postfix: relaying", "rcpt", 554, "5.7.1 <boris@x.example>: Recipient address rejected: Relay access denied", DEAD, "relay_denied"),
    ("Exim, Postfix: relaying", "rcpt", 550, "5.7.1 Unable to relay", DEAD, "relay_denied"),
    ("any: account closed", "final", 550, "5.7.1 Your account has been suspended", DEAD, "suspended"),
    ("any: account closed", "rcpt", 550, "5.7.1 Your account has been disabled", DEAD, "suspended"),
    ("any: account closed", "mail", 550, "5.7.1 account disabled", DEAD, "suspended"),
    ("any: account closed", "final", 550, "5.7.1 account suspended", DEAD, "suspended"),
    ("any: account closed", "auth", 535, "5.7.8 Your account has been suspended", DEAD, "suspended"),
    ("any: account closed", "auth", 550, "Account closed", DEAD, "suspended"),
    ("any: account closed", "mail", 530, "5.7.0 This account is closed", DEAD, "suspended"),
    ("any: account closed", "rcpt", 535, "Account disabled, contact support", DEAD, "suspended"),
    ("rule 4", "auth", 535, "5.7.8 Invalid password or account disabled", DEAD, "login"),
    ("any: account closed", "mail", 550, "5.7.1 This account is locked", DEAD, "suspended"),
    ("DNSBL", "rcpt", 554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", HERE, "provider"),
    ("DNSBL", "banner", 554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", DEAD, "listed"),
    ("DNSBL", "rcpt", 554, "5.7.1 Error: open resolver; https://www.spamhaus.org/returnc/pub/ query refused", LATER, "system"),
    ("greylisting", "rcpt", 450, "4.7.1 Greylisted, please try again", LATER, "greylisted"),
    ("greylisting", "rcpt", 451, "4.7.1 Graylisting in action", LATER, "greylisted"),
    ("SMTPUTF8", "rcpt", 553, "5.6.7 SMTPUTF8 required", MESSAGE, "utf8"),
    ("SMTPUTF8", "mail", 550, "5.6.7 Address needs UTF-8", MESSAGE, "utf8"),
    ("rule 5", "mail", 552, "5.3.4 Message size exceeds fixed limit", MESSAGE, "size"),
    ("rule 1", "mail", 552, "Message size exceeds maximum permitted", MESSAGE, "size"),
    ("rule 5", "final", 552, "5.2.3 Message too large", MESSAGE, "size"),
    # Rule 1: where it occurs
    ("rule 1", "connect", 554, "no", DEAD, "refused"),
    ("rule 1", "banner", 554, "No SMTP service here", DEAD, "refused"),
    ("rule 1", "banner", 450, "4.3.2 come back later", THROTTLED, "busy"),
    ("rule 1", "ehlo", 550, "We do not like your name", DEAD, "refused"),
    ("rule 1", "mail", 550, "Sender rejected", CONFIG, "sender"),
    ("rule 1", "mail", 553, "5.1.7 bad sender address", CONFIG, "sender"),
    ("rule 1", "mail", 452, "4.3.1 Insufficient system storage", THROTTLED, "busy"),
    ("rule 1", "rcpt", 550, "No", RECIPIENT, "policy"),
    ("rule 1", "rcpt", 550, "User unknown in virtual mailbox table", RECIPIENT, "no_such_mailbox"),
    ("rule 1", "rcpt", 550, "No such user here", RECIPIENT, "no_such_mailbox"),
    ("rule 1", "rcpt", 450, "later", LATER, "other"),
    ("rule 1", "final", 554, "No", MESSAGE, "content"),
    ("rule 1", "final", 451, "Local error in processing", LATER, "other"),
    ("rule 1", "data", 503, "5.5.1 bad sequence of commands", MESSAGE, "content"),
    # Rule 3: words
    ("rule 3", "final", 554, "The account of news is disabled for outgoing mail", DEAD, "suspended"),
    ("rule 3", "rcpt", 550, "Sending from this account has been blocked", DEAD, "suspended"),
    ("rule 3", "rcpt", 550, "The recipient's account is disabled", RECIPIENT, "policy"),
    ("rule 3", "rcpt", 550, "This user's account is blocked", RECIPIENT, "policy"),
    ("rule 3", "final", 554, "Sender deactivated", DEAD, "suspended"),
    ("rule 3", "final", 554, "Blocked sender", DEAD, "suspended"),
    ("rule 3", "rcpt", 550, "billing problem", DEAD, "credits"),
    ("rule 3", "rcpt", 452, "hourly sending quota reached", THROTTLED, "quota"),
    ("rule 3", "rcpt", 552, "Mailbox quota exceeded", RECIPIENT, "full"),
    # Words of the route that are about the reader, or may be: the first answer never condemns, rule 2 sees to the rest.
    ("rule 3", "rcpt", 450, "mailbox temporarily suspended", LATER, "other"),
    ("rule 3", "rcpt", 550, "User is suspended", RECIPIENT, "policy"),
    ("rule 3", "rcpt", 550, "Account p1@x.example has been suspended", RECIPIENT, "policy"),
    ("rule 3", "rcpt", 550, "The email account that you tried to reach is suspended", RECIPIENT, "policy"),
    ("rule 3", "rcpt", 550, "Domain terminated", RECIPIENT, "policy"),
    ("rule 3", "rcpt", 550, "5.7.1 This account has been disabled", RECIPIENT, "policy"),
    ("rule 3", "rcpt", 550, "The user you are sending to is suspended", RECIPIENT, "policy"),
    ("rule 3", "rcpt", 550, "<billing@x.example>: rejected", RECIPIENT, "policy"),
    ("rule 3", "rcpt", 550, "recipient not verified", RECIPIENT, "policy"),
    ("rule 3", "rcpt", 450, "unverified address: lookup", LATER, "other"),
    ("rule 3", "rcpt", 550, "email address is not verified", RECIPIENT, "policy"),
    ("rule 3", "rcpt", 550, "Access forbidden", RECIPIENT, "policy"),
    ("rule 3", "rcpt", 550, "mailbox not yet activated", RECIPIENT, "policy"),
    ("rule 3", "rcpt", 550, "5.7.1 Delivery not authorized, message refused", RECIPIENT, "policy"),
    ("rule 3", "rcpt", 550, "You are not allowed to send mail to this group", RECIPIENT, "policy"),
    ("rule 3", "rcpt", 550, "5.7.1 RESOLVER.RST.AuthRequired; authentication required", RECIPIENT, "policy"),
    ("rule 3", "rcpt", 550, "delivery of mail paused", RECIPIENT, "policy"),
    ("rule 3", "rcpt", 452, "Mailbox has too many messages", LATER, "other"),
    ("rule 3", "rcpt", 450, "recipient has reached the daily message limit", LATER, "other"),
    ("rule 6", "rcpt", 421, "mailbox temporarily disabled", SLOWER, "throttled"),
    ("rule 5", "rcpt", 554, "5.4.6 Hop count exceeded - possible mail loop", RECIPIENT, "network"),
    ("rule 3", "final", 554, "5.7.1 Message blocked: credit card phishing", MESSAGE, "content"),
    ("rule 3", "final", 554, "Message blocked, phishing: your account has been suspended", MESSAGE, "content"),
    ("rule 3", "final", 554, "Account terminated", MESSAGE, "content"),
    ("rule 3", "final", 550, "5.7.1 The recipient's account is disabled", MESSAGE, "content"),
    ("rule 3", "final", 550, "5.7.1 DMARC authentication failed", HERE, "provider"),
    ("rule 3", "http", 400, "User mail temporarily suspended", LATER, "other"),
    # And those that are surely about us, wherever they come
    ("rule 3", "rcpt", 550, "Your account has been suspended", DEAD, "suspended"),
    ("rule 3", "rcpt", 450, "sending suspended", DEAD, "suspended"),
    ("rule 3", "rcpt", 550, "Account lantern is not allowed to send", DEAD, "not_authorised"),
    ("rule 3", "rcpt", 550, "Your account is not allowed to send mail to external recipients", DEAD, "suspended"),
    ("rule 3", "rcpt", 550, "out of credits", DEAD, "credits"),
    ("rule 3", "rcpt", 550, "Your plan does not include this, please upgrade", DEAD, "plan"),
    ("rule 3", "rcpt", 550, "sending is paused", DEAD, "paused"),
    ("rule 3", "rcpt", 550, "unverified sender", CONFIG, "sender"),
    ("rule 3", "mail", 550, "account of news is closed", DEAD, "suspended"),
    ("rule 3", "mail", 550, "billing", DEAD, "credits"),
    ("rule 3", "mail", 550, "must authenticate", DEAD, "login_needed"),
    ("rule 3", "rcpt", 550, "authentication required", DEAD, "login_needed"),
    ("rule 3", "mail", 530, "5.7.0 Must issue a STARTTLS command first", DEAD, "login_needed"),
    ("rule 3", "rcpt", 550, "You are not authorized", DEAD, "not_authorised"),
    ("rule 3", "rcpt", 550, "5.7.1 not authorized to send to this recipient", RECIPIENT, "policy"),
    ("rule 3", "final", 550, "sender domain not verified", CONFIG, "sender"),
    ("rule 3", "final", 554, "poor reputation of your address", HERE, "provider"),
    # Rule 4
    ("rule 4", "auth", 454, "4.7.0 Temporary authentication failure", THROTTLED, "busy"),
    ("rule 4", "auth", 538, "5.7.11 Encryption required", DEAD, "login"),
    ("rule 4", "auth", 530, "5.7.0 no", DEAD, "login"),
    # Rule 5
    ("rule 5", "rcpt", 450, "4.7.1 try later", SLOWER, "throttled"),
    ("rule 5", "final", 550, "5.6.1 unsupported media", MESSAGE, "content"),
    ("rule 5", "rcpt", 450, "4.4.3 DNS failure", LATER, "network"),
    ("rule 5", "rcpt", 512, "5.1.2 Host unknown", RECIPIENT, "unavailable"),
    ("rule 5", "rcpt", 556, "5.1.10 Recipient address has null MX", RECIPIENT, "no_such_mailbox"),
    ("rule 5", "rcpt", 550, "5.1.3 Bad destination mailbox address syntax", RECIPIENT, "no_such_mailbox"),
    ("rule 5", "rcpt", 551, "5.1.6 Mailbox has moved", RECIPIENT, "no_such_mailbox"),
    ("rule 5", "rcpt", 550, "5.1.0 Address rejected", RECIPIENT, "unavailable"),
    ("rule 5", "rcpt", 550, "5.1.0 <boris@north.example>: User unknown", RECIPIENT, "no_such_mailbox"),
    ("rule 5", "rcpt", 550, "5.1.1 <boris@north.example>: Recipient address rejected: User unknown in local recipient table", RECIPIENT, "no_such_mailbox"),
    ("rule 5", "rcpt", 550, "5.1.1 <boris@north.example>: Recipient address rejected: Access denied", RECIPIENT, "unavailable"),
    ("rule 5", "rcpt", 550, "5.1.1 Sender rejected", RECIPIENT, "unavailable"),
    ("rule 5", "rcpt", 552, "5.1.1 The mailbox is full", RECIPIENT, "full"),
    ("rule 5", "rcpt", 550, "5.1.1 This account has been disabled", RECIPIENT, "inactive"),
    ("rule 5", "rcpt", 550, "5.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages", RECIPIENT, "policy"),
    ("rule 5", "rcpt", 550, "5.2.0 Mailbox status unknown", RECIPIENT, "unavailable"),
    ("rule 5", "rcpt", 550, "5.0.0 <boris@north.example>... User unknown", RECIPIENT, "no_such_mailbox"),
    ("rule 5", "rcpt", 550, "Unrouteable address", RECIPIENT, "unavailable"),
    ("rule 5", "rcpt", 550, "5.5.0 Requested action not taken: mailbox unavailable (S2017062302)", RECIPIENT, "unavailable"),
    ("rule 5", "rcpt", 550, "Sender domain does not exist", RECIPIENT, "policy"),
    ("rule 5", "rcpt", 554, "This mailbox is inactive", RECIPIENT, "inactive"),
    ("rule 5", "final", 451, "4.3.0 queue file write error", SLOWER, "system"),
    # Rule 6
    ("rule 6", "mail", 421, "4.3.2 shutting down", THROTTLED, "busy"),
    ("rule 6", "final", 421, "4.3.2 shutting down", SLOWER, "throttled"),
    ("rule 6", "rcpt", 421, "too many concurrent connections", SLOWER, "throttled"),
    ("rule 6", "rcpt", 421, "4.7.0 your account is suspended", DEAD, "suspended"),
    ("rule 6", "mail", 421, "4.7.0 account suspended", DEAD, "suspended"),
    ("rule 6", "rcpt", 452, "4.5.3 too many recipients", LATER, "throttled"),
    # The same things in other words
    ("Mailgun: suppressed", "http", 400, "Not delivering to previously bounced address", RECIPIENT, "inactive"),
    ("Yandex: rate", "rcpt", 450, "The recipient has exceeded message rate limit", LATER, "throttled"),
    ("SMTPUTF8", "mail", 555, "SMTPUTF8 not supported", MESSAGE, "utf8"),
    ("rule 5", "rcpt", 550, "5.2.4 mailing list expansion problem", RECIPIENT, "policy"),
    ("rule 3", "mail", 550, "You are not allowed to send", DEAD, "not_authorised"),
    ("rule 7", "http", 403, "client not authorized", DEAD, "not_authorised"),
    ("rule 5", "rcpt", 550, "5.3.0 other mail system status", RECIPIENT, "system"),
    ("Mailgun: plan and limits", "http", 402, "{}", DEAD, "credits"),    # Further words that people really got, in the order of the lines
    ("SES v1: sending paused", "http", 400, "MessageRejected: Sending paused for this account. For more information, please check the inbox.", DEAD, "paused"),
    ("SES: suppressed", "http", 600, "bounce subtype Suppressed", RECIPIENT, "inactive"),
    ("Mailgun: disabled", "http", 403, "Domain lantern.example is not allowed to send: Account Terminated", DEAD, "suspended"),
    ("Mailgun: disabled", "http", 403, '{"message":"Domain lantern.example is not allowed to send: The account is disabled"}', DEAD, "suspended"),
    ("Mailgun: for test purposes", "http", 403, "Domain sandbox1.mailgun.org is not allowed to send: Sandbox subdomains are for test purposes only. Please add your own domain or add the address to authorized recipients in Account Settings.", DEAD, "plan"),
    ("Mailgun: for test purposes", "http", 403, "Domain lantern.example is not allowed to send: Free accounts are for test purposes only. Please upgrade or add the address to authorized recipients in Account Settings.", DEAD, "plan"),
    ("Mailgun: unverified", "http", 403, "Domain lantern.example is not allowed to send: The domain is unverified and requires DNS configuration. Log in to your control panel to view required DNS records.", CONFIG, "sender"),
    ("Mailgun: 401", "http", 401, '{"message":"Invalid private key"}', DEAD, "key"),
    ("Mailgun: plan and limits", "http", 420, "Domain lantern.example is not allowed to send: recipient limit exceeded, try again after Mon, 25 Aug 2025 07:00:31 UTC", THROTTLED, "quota"),
    ("Mailgun: plan and limits", "http", 403, "Domain lantern.example is not allowed to send: request limit (100) exceeded", THROTTLED, "rate"),
    ("Mailgun: plan and limits", "mail", 421, "Domain lantern.example is not allowed to send: request limit (100) exceeded", THROTTLED, "rate"),
    ("Mailgun: plan and limits", "final", 554, "Your account is on probation and domains are limited to 100 messages / hour. Account will be enabled in 341 seconds", THROTTLED, "quota"),
    ("Mailgun: plan and limits", "auth", 535, "5.7.0 Your account is on probation and domains are limited to 100 messages / hour. Account will be enabled in 2081 seconds", THROTTLED, "quota"),
    ("Mailgun: plan and limits", "http", 403, "Your account is on probation and domains are limited to 100 messages / hour. To maintain the rate the account has been disabled until Tue, 23 Oct 2018 08:42:36 GMT.", THROTTLED, "quota"),
    ("SendGrid: grant or access", "http", 403, "Your SendGrid account is disabled", DEAD, "suspended"),
    ("SendGrid: dropped", "http", 600, "dropped: Invalid", RECIPIENT, "inactive"),
    ("Postmark: request", "http", 422, '{"ErrorCode":403,"Message":"Incompatible JSON"}', MESSAGE, "content"),
    ("Postmark: maintenance", "http", 429, '{"ErrorCode":429,"Message":"Rate limit exceeded"}', THROTTLED, "rate"),
    ("Brevo: account", "http", 400, '{"code":"account_under_validation"}', DEAD, "not_authorised"),
    ("Brevo: account", "http", 402, '{"code":"account_under_validation"}', DEAD, "not_authorised"),
    ("SparkPost: limits", "http", 420, '{"errors":[{"message":"Exceed Sending Limit (hourly)"}]}', THROTTLED, "quota"),
    ("Mandrill: rejected", "http", 200, '[{"email":"","status":"rejected","reject_reason":"soft-bounce"}]', RECIPIENT, "inactive"),
    ("Mandrill: rejected", "http", 200, '[{"status":"rejected","reject_reason":"custom"}]', RECIPIENT, "inactive"),
    ("Mandrill: rejected", "http", 200, '[{"status":"rejected","reject_reason":"rule"}]', RECIPIENT, "inactive"),
    ("Mandrill: rejected", "http", 200, '[{"status":"rejected","reject_reason":"unsigned"}]', CONFIG, "sender"),
    ("Mandrill: rejected", "http", 200, '[{"status":"rejected","reject_reason":"test-mode-limit"}]', DEAD, "plan"),
    ("Mailjet", "http", 400, '{"ErrorCode":"mj-0013","ErrorMessage":"\\"x\\" is an invalid email address."}', MESSAGE, "content"),
    ("Mailjet", "http", 400, '{"ErrorCode":"mj18_4","ErrorMessage":"Malformed header"}', MESSAGE, "content"),
    ("Mailjet", "http", 401, '{"ErrorMessage":"Your account has been temporarily blocked."}', DEAD, "suspended"),
    ("Unisender Go", "http", 401, '{"status":"error","code":114,"message":"Can not decode key"}', DEAD, "key"),
    ("Unisender Go", "http", 403, '{"status":"error","code":903,"message":"User account is blocked"}', DEAD, "suspended"),
    ("Unisender Go", "http", 429, '{"status":"error","code":901,"message":"Too many requests"}', THROTTLED, "rate"),
    ("to Gmail: rate", "final", 421, "4.7.0 Our system has detected that this message is suspicious. Try again later", SLOWER, "throttled"),
    ("to Gmail: authentication", "final", 421, "4.7.25 The IP address sending this message does not have a PTR record", HERE, "provider"),
    ("to Gmail: authentication", "final", 550, "5.7.25 The IP address sending this message does not have a PTR record", HERE, "provider"),
    ("to Microsoft: block list", "mail", 550, "5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent (S3150).", DEAD, "listed"),
    ("to Microsoft: block list", "final", 550, "5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent (S3150).", HERE, "provider"),
    ("Yahoo, AOL", "final", 421, "4.7.0 [TS01] Messages from 192.0.2.1 temporarily deferred", SLOWER, "throttled"),
    ("Exim, Postfix: relaying", "rcpt", 550, "relaying denied", DEAD, "relay_denied"),
    ("any: account closed", "mail", 550, "5.7.1 The account has been locked", DEAD, "suspended"),
    ("DNSBL", "banner", 421, "4.7.1 Blocked using zen.spamhaus.org", DEAD, "listed"),
    # Rule 3, word by word
    ("rule 3", "mail", 550, "sending is paused for your domain", DEAD, "paused"),
    ("rule 3", "mail", 554, "Account terminated", DEAD, "suspended"),
    ("rule 3", "final", 554, "Your account is under review", DEAD, "suspended"),
    ("rule 3", "mail", 452, "monthly message limit reached", THROTTLED, "quota"),
    ("rule 3", "final", 550, "You have no credits left", DEAD, "credits"),
    ("rule 3", "mail", 550, "your IP 192.0.2.1 is listed", DEAD, "listed"),
    ("rule 3", "rcpt", 550, "your IP 192.0.2.1 is listed", HERE, "provider"),
    ("rule 3", "rcpt", 550, "you are on our blacklist", HERE, "provider"),
    ("rule 3", "ehlo", 550, "no PTR record", DEAD, "listed"),
    ("rule 3", "mail", 550, "poor reputation of your address", DEAD, "listed"),
    ("rule 3", "mail", 550, "unverified sender", CONFIG, "sender"),
    ("rule 3", "rcpt", 550, "This mailbox is disabled", RECIPIENT, "inactive"),
    ("rule 3", "rcpt", 452, "mailbox quota exceeded", LATER, "full"),
    # Rule 4
    ("rule 4", "auth", 535, "no", DEAD, "login"),
    ("rule 4", "auth", 534, "no", DEAD, "login"),
    # Rule 5
    ("rule 5", "mail", 550, "5.1.8 bad sender's system address", DEAD, "suspended"),
    ("rule 5", "mail", 550, "5.1.7 bad sender's mailbox address", CONFIG, "sender"),
    # Rule 7: a page where the provider's interface should answer comes from somebody who stands in front of it
    ("rule 7", "http", 403, "<!DOCTYPE html><title>Your account is suspended</title>", DEAD, "web_page"),
    ("rule 7", "http", 451, "  <html><body>blocked in your country", DEAD, "web_page"),
    ("rule 7", "http", 404, "<html><h1>404 Not Found</h1></html>", THROTTLED, "web_page"),
    ("rule 7", "http", 502, "<html>credits suspended</html>", THROTTLED, "busy"),
    ("rule 7", "http", 403, '{"message":"Forbidden"}', DEAD, "not_authorised"),
    ("rule 7", "http", 404, '{"message":"Domain not found: lantern.example"}', DEAD, "no_domain"),
    ("rule 7", "http", 503, "upstream request timeout", THROTTLED, "busy"),
    ("rule 7", "http", 400, "'to' parameter is not a valid address. please check documentation", RECIPIENT, "unavailable"),
    # A mailbox provider that refuses us, in the words that each really sends (addresses and hosts are of the test)
    ("to Gmail: authentication", "mail", 550, "5.7.26 This mail is unauthenticated: SPF and DKIM did not pass", CONFIG, "authentication_records"),
    ("to Gmail: authentication", "final", 550, "5.7.40 The sender's domain lantern.example does not have a DMARC record. Gmail requires all bulk senders to publish one. For more information, go to https://support.google.com/a?p=sender-guidelines 4fb4d7f45d1cf-61d gsmtp", HERE, "provider"),
    ("to Gmail: authentication", "final", 550, "5.7.25 The IP address sending this message does not have a PTR record setup, or the corresponding forward DNS entry does not match the sending IP. As a policy, Gmail does not accept messages from IPs with missing PTR records.", HERE, "provider"),
    ("to Gmail: authentication", "final", 550, "5.7.26 This mail has been blocked because the sender is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM. Authentication results: DKIM = did not pass SPF [lantern.example] with ip: [192.0.2.1] = did not pass", HERE, "provider"),
    ("to Gmail: authentication", "final", 550, "5.7.26 Unauthenticated email from lantern.example is not accepted due to domain's DMARC policy. Please contact the administrator of lantern.example domain if this was a legitimate mail.", HERE, "provider"),
    ("to Gmail: authentication", "final", 550, "5.7.27 This mail has been blocked because SPF does not pass. Gmail requires all large senders to authenticate with SPF.", HERE, "provider"),
    ("to Gmail: authentication", "final", 550, "5.7.28 There is an unusual rate of unsolicited mail originating from your IP Netblock. To protect our users from spam, mail sent from your IP Netblock has been blocked.", HERE, "provider"),
    ("to Gmail: authentication", "final", 550, "5.7.29 Email has been blocked because it wasn't sent over a TLS connection. Gmail requires all bulk email senders to use TLS/SSL for SMTP connections.", HERE, "provider"),
    ("to Gmail: authentication", "final", 550, "5.7.30 This mail has been blocked because DKIM does not pass. Gmail requires all large senders to authenticate with DKIM.", HERE, "provider"),
    ("to Gmail: authentication", "final", 550, "5.7.32 This mail has been blocked because the From: header (RFC5322) is not aligned with either the authenticated SPF or DKIM organizational domains.", HERE, "provider"),
    ("to Gmail: authentication", "final", 421, "4.7.26 This mail has been rate limited because it is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM.", HERE, "provider"),
    ("to Gmail: authentication", "final", 421, "4.7.30 Your email has been rate limited because DKIM authentication didn't pass for this message.", HERE, "provider"),
    ("to Microsoft: authentication", "mail", 550, "5.7.515 Access denied, sending domain lantern.example doesn't meet the required authentication level.", CONFIG, "authentication_records"),
    ("to Microsoft: authentication", "final", 550, "5.7.515 Access denied, sending domain LANTERN.EXAMPLE doesn't meet the required authentication level. The sender's domain in the 5322.From address doesn't meet the authentication requirements defined for the sender. [DB3EUR04FT007.eop-eur04.prod.protection.outlook.com]", HERE, "provider"),
    ("to Microsoft: authentication", "final", 550, "5.7.509 Access denied, sending domain lantern.example does not pass DMARC verification and has a DMARC policy of reject.", HERE, "provider"),
    ("to Microsoft: authentication", "final", 550, "5.7.23 The message was rejected because of Sender Policy Framework violation -> 550 5.7.1 SPF fail", HERE, "provider"),
    ("to Microsoft: authentication", "final", 550, "5.7.511 Access denied, banned sender[192.0.2.1]. To request removal from this list please forward this message to delist@messaging.microsoft.com.", HERE, "provider"),
    ("to Microsoft: block list", "rcpt", 550, "5.7.1 Service unavailable, MailFrom domain is listed in Spamhaus. To request removal from this list see https://www.spamhaus.org/query/lookup/ (S8002)", HERE, "provider"),
    ("to Microsoft: block list", "rcpt", 550, "OU-002 (BAY004-MC1F23) Unfortunately, messages from 192.0.2.1 weren't sent. Please contact your Internet service provider.", HERE, "provider"),
    ("Yahoo, AOL", "final", 554, "5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes", HERE, "provider"),
    ("Yahoo, AOL", "final", 554, "Message not allowed - [PH01] Email not accepted for policy reasons. Please visit https://postmaster.yahooinc.com/error-codes", HERE, "provider"),
    ("Yahoo, AOL", "final", 554, "Message not allowed - [299]", HERE, "provider"),
    ("Yahoo, AOL", "rcpt", 553, "5.7.2 [TSS09] All messages from 192.0.2.1 will be permanently deferred; Retrying will NOT succeed. See https://postmaster.yahooinc.com/error-codes", HERE, "provider"),
    ("Yahoo, AOL", "banner", 553, "5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list; see https://postmaster.yahooinc.com/error-codes", DEAD, "listed"),
    ("Yahoo, AOL", "final", 554, "delivery error: dd This user doesn't have a yahoo.com account (boris@yahoo.com) [0] - mta1234.mail.bf1.yahoo.com", RECIPIENT, "no_such_mailbox"),
    ("Yahoo, AOL", "final", 554, "30 Sorry, your message to boris@yahoo.com cannot be delivered. This mailbox is disabled (554.30).", RECIPIENT, "inactive"),
    ("to iCloud", "final", 550, "5.7.1 [CS01] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137", HERE, "provider"),
    ("to iCloud", "final", 554, "5.7.1 [HM08] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137", HERE, "provider"),
    ("to iCloud", "final", 550, "5.7.1 Your message was rejected due to lantern.example DMARC policy.", HERE, "provider"),
    ("to iCloud", "final", 550, "5.7.1 Your email was rejected due to having a domain present in the Spamhaus DBL -- see https://www.spamhaus.org/dbl/", HERE, "provider"),
    ("to iCloud", "rcpt", 550, "5.1.1 <boris@icloud.com>: user does not exist", RECIPIENT, "no_such_mailbox"),
    ("to iCloud", "rcpt", 421, "4.7.1 Messages to boris@icloud.com deferred due to excessive volume. Try again later - https://support.apple.com/en-us/HT204137", SLOWER, "throttled"),
    ("to mail.ru", "final", 550, "5.7.1 This message was not accepted due to domain (lantern.example) owner DMARC policy (RFC 7489) https://help.mail.ru/mail-help/postmaster/dmarc", HERE, "provider"),
    ("to mail.ru", "rcpt", 550, "Non-local sender verification failed", HERE, "provider"),
    ("to mail.ru", "rcpt", 550, "Access from ip address 192.0.2.1 blocked. Visit http://postmaster.mail.ru/", HERE, "provider"),
    ("to mail.ru", "rcpt", 550, "We do not accept mail from hosts with dynamic IP or generic DNS PTR-records. Please get a custom reverse DNS entry from your ISP for your host", HERE, "provider"),
    ("to mail.ru", "rcpt", 550, "Message was not accepted -- invalid mailbox. Local mailbox boris@mail.ru is unavailable: user not found", RECIPIENT, "no_such_mailbox"),
    ("to mail.ru", "rcpt", 550, "Message was not accepted -- invalid mailbox. Local mailbox boris@mail.ru is unavailable: account is disabled", RECIPIENT, "inactive"),
    ("to Yandex", "final", 554, "5.7.1 [2] Message rejected under suspicion of SPAM; https://ya.cc/1IrBc 1764338400-qWe4XyZ0a", MESSAGE, "content"),
    ("to Yandex", "rcpt", 554, "5.7.1 Blocked by spam statistics - see http://feedback.yandex.ru/?from=mail-rejects&subject=192.0.2.1", HERE, "provider"),
    ("to Yandex", "final", 550, "5.7.1 Email rejected per DMARC policy for lantern.example; 1764338400-qWe4XyZ0a", HERE, "provider"),
    ("to Yandex", "rcpt", 550, "5.7.1 SPF check failed: 192.0.2.1 is not authorized to send in the name of lantern.example", HERE, "provider"),
    ("to Yandex", "rcpt", 554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using so.yandex; see https://feedback.yandex.ru", HERE, "provider"),
    ("to Yandex", "rcpt", 550, "5.7.1 Policy rejection on the target address", RECIPIENT, "inactive"),
    ("to Yandex", "rcpt", 550, "5.7.1 No such user!", RECIPIENT, "no_such_mailbox"),
    ("to GMX", "rcpt", 554, "Nemesis ESMTP Service not available. No SMTP service. Bad DNS PTR resource record. For explanation visit https://postmaster.gmx.net/en/error-messages?ip=192.0.2.1&c=rdns", HERE, "provider"),
]  # fmt: skip


def meaning(stage: str, code: int, text: str) -> str:
    outcome, verdict = judge(stage, code, text)  # type: ignore[arg-type]
    if verdict.state != "ok":
        assert isinstance(outcome, Deferred)
        assert outcome.scope == {"dead": "route", "throttled": "throttle", "config": "config"}[verdict.state]
        return verdict.state
    if isinstance(outcome, Refused):
        return outcome.scope
    assert isinstance(outcome, Deferred)
    return {"recipient": LATER, "provider": HERE, "throttle": SLOWER, "message": MESSAGE}[outcome.scope]


@pytest.mark.parametrize(("line", "stage", "code", "text", "means", "why"), ANSWERED)
def test_an_answer_means_what_the_table_says(line: str, stage: str, code: int, text: str, means: str, why: str) -> None:
    outcome, verdict = judge(stage, code, text)  # type: ignore[arg-type]
    assert meaning(stage, code, text) == means
    assert why == (verdict.reason if verdict.state != "ok" else outcome.answer)  # type: ignore[union-attr]


@pytest.mark.parametrize("line", LINES)
def test_every_line_has_its_answers_and_no_other_meaning(line: str) -> None:
    assert {means for name, _, _, _, means, _ in ANSWERED if name == line} == LINES[line]


def test_no_answer_stands_outside_of_the_lines() -> None:
    assert {line for line, *_ in ANSWERED} - set(LINES) == set()


def test_every_row_of_the_table_is_the_answer_to_some_line() -> None:
    used = {find_row(stage, code, text) for _, stage, code, text, _, _ in ANSWERED}
    assert [row for row in TABLE if row not in used] == []


@given(
    st.sampled_from(["connect", "banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "final", "http"]),
    st.integers(-1, 1000),
    st.text(max_size=200),
)
def test_no_answer_is_a_surprise_and_none_about_the_route_marks_anybody(stage: str, code: int, text: str) -> None:
    outcome, verdict = judge(stage, code, text)  # type: ignore[arg-type]
    if isinstance(outcome, Refused):
        assert outcome.scope in ("recipient", "message")
        assert verdict.state == "ok"
        assert stage in ("mail", "rcpt", "data", "final", "http")
    assert 0 <= answer_class(outcome) < len(ANSWERS)
    assert verdict.sentence


@pytest.mark.parametrize("code", [0, 1, 99, 100, 199, 300, 334, 354, 399, 700, 999])
def test_a_code_that_is_none_defers_and_flags_the_route(code: int) -> None:
    assert judge("rcpt", code, "what") == (
        Deferred(code, "what", "route", "bad_answer"),
        RouteVerdict("ok", "bad_answer"),
    )


def test_a_yes_is_accepted_and_keeps_no_text() -> None:
    assert classify("final", 250, "2.0.0 Ok: queued as ABC") == Accepted(250)
    assert classify("data", 354, "go ahead") == Accepted(354)


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_says_who_has_to_act(reason: str) -> None:
    assert WHO[reason] in ACTORS


def test_nobody_is_named_for_a_reason_that_there_is_not() -> None:
    assert set(WHO) == set(REASONS)


def test_a_told_wait_wins_over_the_table() -> None:
    probation = "Your account is on probation and domains are limited to 100 messages / hour. Account will be enabled in 341 seconds"
    assert judge("final", 554, probation)[1].wait == 341
    assert judge("rcpt", 550, "Too many messages. Try again in 92 seconds.")[1].wait == 92
    assert judge("final", 550, "5.4.5 Daily user sending limit exceeded")[1].wait == 86400


def test_a_wrong_password_may_be_asked_once_more_after_ten_minutes() -> None:
    assert judge("auth", 535, "5.7.8 no")[1].wait == 600
    assert judge("final", 554, "Sending paused for this account")[1].wait is None


def test_answer_classes_keep_their_numbers() -> None:
    assert ANSWERS[:15] == (
        "accepted", "full", "no_such_mailbox", "policy", "content", "size", "greylisted", "throttled", "route",
        "network", "expired", "unsure", "suppressed", "cancelled", "unmakeable",
    )  # fmt: skip
    assert answer_class(Accepted()) == 0
    assert answer_class(Unsure("x")) == 11
    assert answer_class(Refused(550, "", "recipient", "full")) == 1


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("5.1.1 <boris@north.example>: no such user", "5.1.1 <…>: no such user"),
        ("no mailbox boris@north.example here", "no mailbox … here"),
        ("user boris unknown", "user … unknown"),
        ("Boris: no boris, no borisov, no r_boris", "…: no …, no borisov, no r_boris"),
        ("нет ящика boris, есть borisov", "нет ящика …, есть borisov"),
        ("BORIS@NORTH.EXAMPLE rejected", "… rejected"),
        ("bounce+boris=north.example@lantern.example refused", "… refused"),
        ("boris=40north.example", "…"),
        ("see https://x.example/?to=boris%40north.example now", "see https:… now"),
        ("Ok: queued as 4Zq1xN0abcz9", "Ok: queued as …"),
        ("token abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst end", "token … end"),
        ("two\r\nlines\x00\x1b[31m", "two lines [31m"),
        ("x " * 1000, ("x " * 150).strip()),
        ("", ""),
    ],
)
def test_an_answer_is_stored_without_anybody_in_it(text: str, kept: str) -> None:
    assert scrub(text, "boris@north.example") == kept


@given(st.from_regex(r"[a-z0-9.+_-]{1,20}@[a-z0-9-]{1,20}\.[a-z]{2,5}", fullmatch=True), st.text(max_size=50))
def test_no_address_survives_scrubbing(address: str, around: str) -> None:
    assert address not in scrub(f"{around} <{address}> {around}")


def refusal(text: str = "5.7.1 go away", code: int = 550, answer: str = "policy") -> Refused:
    return Refused(code, text, "recipient", answer)


def test_the_same_refusal_for_so_many_domains_means_the_route() -> None:
    same = SameRefusal()
    noted = [
        same.note(refusal(f"5.7.1 go away {number}, a{number}@d{number}.example"), f"a{number}@d{number}.example")
        for number in range(SAME)
    ]
    assert noted == [False] * (SAME - 1) + [True]


def test_an_account_that_may_be_the_recipients_is_ours_once_it_is_shut_for_so_many_domains() -> None:
    same = SameRefusal()
    told = [classify("rcpt", 550, f"5.7.1 Account p1@d{number}.example has been suspended") for number in range(SAME)]
    assert all(isinstance(one, Refused) and one.scope == "recipient" for one in told)
    noted = [same.note(one, f"p1@d{number}.example") for number, one in enumerate(told)]  # type: ignore[arg-type]
    assert noted == [False] * (SAME - 1) + [True]


@pytest.mark.parametrize("stage", ["auth", "rcpt", "final", "http"])
@pytest.mark.parametrize("word", ["your account ", "a", "suspended "])
def test_an_endless_answer_is_read_at_once(stage: str, word: str) -> None:
    began = time.process_time()
    judge(stage, 550, word * 100_000)  # type: ignore[arg-type]
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    "said",
    [
        "5.7.1 rejected, see https://mail.example/why?id={0}ab{0} - {0}abc4f-7c gsmtp",
        "sendmail: cannot create temporary file /var/spool/smtpd/offline/{0}.XX{1}: No such file",
        "4.3.0 try again later, session x{0}QmZ{1}7",
    ],
)
def test_names_of_sessions_and_files_do_not_hide_that_it_is_the_same_refusal(said: str) -> None:
    same = SameRefusal()
    texts = [said.format(number, "abcde"[number]) for number in range(SAME)]
    assert [same.note(refusal(text), f"a@d{number}.example") for number, text in enumerate(texts)][-1]


def test_names_of_hosts_do_make_a_difference() -> None:
    same = SameRefusal()
    hosts = ("lantern", "harbour", "mill", "bridge", "tower", "garden")
    assert not any(same.note(refusal(f"Host {host}24mail.example not found"), f"a@{host}.example") for host in hosts)


def test_a_success_between_begins_anew() -> None:
    same = SameRefusal()
    for number in range(SAME - 1):
        same.note(refusal(), f"a@d{number}.example")
    same.success()
    assert not same.note(refusal(), "a@another.example")


def test_another_refusal_between_begins_anew() -> None:
    same = SameRefusal()
    for number in range(SAME - 1):
        same.note(refusal(), f"a@d{number}.example")
    assert same.begins_anew(refusal("other words"))
    assert not same.note(refusal("other words"), "a@another.example")


def test_one_domain_that_refuses_everybody_is_not_the_route() -> None:
    same = SameRefusal()
    assert not any(same.note(refusal(), f"a{number}@one.example") for number in range(100))


def test_stale_addresses_need_many_more_in_a_row() -> None:
    same = SameRefusal()
    gone = refusal("5.1.1 no such user", answer="no_such_mailbox")
    noted = [same.note(gone, f"a@d{number}.example") for number in range(SAME_MAILBOX)]
    assert noted.index(True) == SAME_MAILBOX - 1


def test_a_refusal_that_means_the_route_is_only_deferred() -> None:
    assert as_route_fault(refusal()) == Deferred(550, "5.7.1 go away", "route", "route")
    assert as_route_fault(Deferred(450, "x", "recipient", "other", 5)) == Deferred(450, "x", "route", "route", 5)
