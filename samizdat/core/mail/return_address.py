"""Addresses with a token of ours in them: where bounces of one message go, and where its reader writes to leave.

The token stands behind a plus sign (subaddress, RFC 5233), which mailboxes of most providers take without any setting.
Of a domain that is all ours (a catch-all), written @bounces.example, it is the whole local part.
"""

from samizdat.core.crypto.tokens import TOKEN_CHARACTERS
from samizdat.core.mail import address as addresses

# RFC 5321, 4.5.3.1.1: servers refuse a longer local part.
LOCAL_PART = 64
# Letters that are left for the address's own local part.
LONGEST_OWN = LOCAL_PART - TOKEN_CHARACTERS - 1
# At a domain that is all ours, what mail is addressed to that carries no token.
PLAIN = "bounces"


def normalized(text: str) -> str:
    """An address, or @domain, in its one form. Errors: BadAddress."""
    text = text.strip()
    if not text.startswith("@"):
        return addresses.normalize(text)
    return addresses.normalize(f"{PLAIN}{text}").removeprefix(PLAIN)


def with_token(address: str, token: str) -> str:
    """local+token@domain, token@domain of a domain that is all ours; the address itself when it is none."""
    local, at, domain = address.rpartition("@")
    return f"{local}{'+' if local else ''}{token}@{domain}" if at else address


def without_token(address: str) -> str:
    """An address there for mail that carries no token; "" where there is none."""
    return f"{PLAIN}{address}" if address.startswith("@") else address


def is_short_enough(address: str) -> bool:
    """Whether a token fits into it."""
    return len(address.rpartition("@")[0]) <= LONGEST_OWN


def token_in(address: str) -> str:
    """What stands where a token would; "" where nothing does. Nothing is proven by it."""
    local = address.strip().strip("<>").rpartition("@")[0]
    token = local.rpartition("+")[2]
    return token if len(token) == TOKEN_CHARACTERS else ""
