"""Amazon's Signature Version 4 of a request (https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html)."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"


def amz_date(when: datetime) -> str:
    """As X-Amz-Date has it."""
    return when.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def query_string(query: Mapping[str, str]) -> str:
    """As it is signed and as it is sent: sorted, and all but unreserved characters encoded."""
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


def authorization(
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    query: str = "",
    access_key: str,
    secret_key: str,
    region: str,
    service: str,
) -> str:
    """The Authorization header. headers: all that are signed, with Host and X-Amz-Date. path: of
    characters that stand for themselves; S3 alone takes others, encoded once. query: from query_string."""
    signed = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    names, when = ";".join(sorted(signed)), signed["x-amz-date"]
    fields = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    request = "\n".join((method, path, query, fields, names, hashlib.sha256(body).hexdigest()))
    scope = f"{when[:8]}/{region}/{service}/aws4_request"
    text = "\n".join((ALGORITHM, when, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    return f"{ALGORITHM} Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
