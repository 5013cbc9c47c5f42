"""Addresses with a token of ours in them: where bounces of one message go, and where its reader writes to leave.

The token stands behind a plus sign (subaddress, RFC 5233), which mailboxes of most providers take without any setting.
"""

from samizdat.core.crypto.tokens import TOKEN_CHARACTERS

# RFC 5321, 4.5.3.1.1: servers refuse a longer local part.
LOCAL_PART = 64
# Letters that are left for the address's own local part.
LONGEST_OWN = LOCAL_PART - TOKEN_CHARACTERS - 1


def with_token(address: str, token: str) -> str:
    """local+token@domain; the address itself when it is none."""
    local, at, domain = address.rpartition("@")
    return f"{local}+{token}@{domain}" if at else address


def is_short_enough(address: str) -> bool:
    """Whether a token fits into it."""
    return len(address.rpartition("@")[0]) <= LONGEST_OWN


def token_in(address: str) -> str:
    """What stands where a token would; "" where nothing does. Nothing is proven by it."""
    local = address.strip().strip("<>").rpartition("@")[0]
    token = local.rpartition("+")[2]
    return token if len(token) == TOKEN_CHARACTERS else ""
