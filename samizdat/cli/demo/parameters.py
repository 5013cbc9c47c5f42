"""Of the demo: who signs in, how many subscribers there are, and which ports are used."""

ADMIN = "clara@northern-lantern.example"
PASSWORD = "a lamp in the north"
PEOPLE = 2000

# Beside the desk's port: public pages, the inbox, the two sending providers.
PUBLIC, INBOX, SMTP, SECOND_SMTP = 1, 2, 25, 26

# Emails a second of the campaign that is under way: slow enough to be watched, paused and stopped.
SLOW = 10.0
# So many of them are accepted by the first provider before it suspends the account.
SUSPENDED_AFTER = 650

# Before the @ of every address: no mailbox provider lets anybody have a name with this, so that nobody is mailed even
# by a route that leads out of the demo.
MARK = "=example"
# Shares about as on a list in Eastern Europe; the last four are domains of nobody (RFC 2606).
DOMAINS = (
    *("gmail.com",) * 9, *("mail.ru",) * 4, *("yandex.ru",) * 4, *("outlook.com",) * 3, *("protonmail.com",) * 2,
    "northern-lantern.example", "kiosk.example", "radio.example", "xn--80a1acny.example",
)  # fmt: skip
