"""A bucket of Amazon S3, or of any server that speaks its language: MinIO, Garage, Ceph, Backblaze B2, Cloudflare R2,
Hetzner, Scaleway, Wasabi and others.

Requests have path style (`https://endpoint/bucket/name`) and Signature Version 4. One PUT carries a whole file, so
there is nothing half-written; `If-None-Match: *` keeps it from replacing another, where the server knows that. The
SHA-256 of a file goes along as metadata: what comes back is compared with it.
"""

import contextlib
import hashlib
import html
import re
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from threading import Timer
from urllib.parse import quote, urlsplit

from samizdat.core.crypto.aws_signature import amz_date, authorization, query_string
from samizdat.places.base import (
    LISTING,
    MOST,
    PORTION,
    BasePlace,
    NotThere,
    PlaceError,
    PlaceSettings,
    connect,
    read_server,
)

_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")
# A list names 1,000 files a page, some 400 bytes each; errors have 1 KB.
_MOST_OF_LIST, _MOST_PAGES = 4 << 20, 1000
_KEY, _SIZE, _CODE = (
    re.compile(r"<Key>([^<]*)</Key>"),
    re.compile(r"<Size>(\d+)</Size>"),
    re.compile(r"<Code>(\w+)</Code>"),
)
_MESSAGE, _REGION = re.compile(r"<Message>([^<]*)</Message>"), re.compile(r"<Region>([^<]*)</Region>")
_TOKEN = re.compile(r"<NextContinuationToken>([^<]*)</NextContinuationToken>")
# Code of an answer -> ours. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and MinIO's.
_CODES = {
    "NoSuchBucket": "no_bucket",
    "InvalidAccessKeyId": "bad_login",
    "SignatureDoesNotMatch": "bad_login",
    "InvalidToken": "bad_login",
    "ExpiredToken": "bad_login",
    "AuthorizationHeaderMalformed": "other_region",
    "PermanentRedirect": "other_region",
    "TemporaryRedirect": "other_region",
    "IllegalLocationConstraintException": "other_region",
    "RequestTimeTooSkewed": "clock",
    "QuotaExceeded": "full",
    "QuotaExceededException": "full",
    "XMinioStorageFull": "full",
    "XMinioAdminBucketQuotaExceeded": "full",
}
# It asks for patience: another try after so many seconds each.
_BUSY, WAITS = {409, 429, 500, 502, 503, 504}, (1.0, 3.0)


@dataclass(frozen=True, slots=True)
class S3Reply:
    """The names of headers are small."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def value(self, pattern: re.Pattern[str]) -> str:
        match = pattern.search(self.text)
        return html.unescape(match[1]) if match else ""


class S3Place(BasePlace):
    name = "s3"
    scheme = "s3"
    example = "s3://ACCESS_KEY@bucket/samizdat?endpoint=https://s3.example.org&region=eu-central-1"
    label = "A bucket of Amazon S3 or an S3-compatible service; the secret key is the password"
    known_options = {
        "endpoint": "The https:// address of the service; Amazon’s own without it",
        "region": "The region of the bucket (default us-east-1)",
        "timeout": "Longest wait for an answer, in seconds",
    }

    def __init__(self, settings: PlaceSettings) -> None:
        super().__init__(settings)
        server = read_server(settings.rest, self.example)
        if server.port:
            raise PlaceError("bad_server", example=self.example)
        if not settings.secret:
            raise PlaceError("no_secret")
        self.access_key, self.bucket, self.prefix = server.user, server.host, server.path
        self.region = settings.options.get("region") or "us-east-1"
        self.host, self.port, self.encrypted = _endpoint(
            settings.options.get("endpoint") or f"https://s3.{self.region}.amazonaws.com"
        )
        self._connection: HTTPConnection | None = None
        self._conditional = True

    @property
    def where(self) -> str:
        return f"{self.bucket} ({self.host})"

    def list_files(self, folder: str) -> Iterator[tuple[str, int]]:
        root = f"{self.prefix}/" if self.prefix else ""
        query = {"list-type": "2", "prefix": f"{root}{folder}/" if folder else root}
        for _page in range(_MOST_PAGES):
            reply = self._ask("GET", "", query=query, most=_MOST_OF_LIST, denied="unreadable")
            for file in reply.text.split("<Contents>")[1:]:
                file = file.partition("</Contents>")[0]
                key, size = _KEY.search(file), _SIZE.search(file)
                if key and size and key[1].startswith(root):
                    yield key[1][len(root) :], int(size[1])
            token = reply.value(_TOKEN)
            if not token or token == query.get("continuation-token"):
                return
            query["continuation-token"] = token
        raise self.refused("too many files")

    def fetch(self, name: str) -> bytes:
        reply = self._ask("GET", name, denied="unreadable", most=MOST)
        digest = reply.headers.get("x-amz-meta-sha256")
        if digest and digest != hashlib.sha256(reply.body).hexdigest():
            raise self.error("damaged", name=name)
        return reply.body

    def store(self, name: str, data: bytes) -> None:
        if self._is_there(name, data):
            return
        md5 = hashlib.md5(data, usedforsecurity=False)
        headers = {
            "content-md5": b64encode(md5.digest()).decode(),  # A bucket with Object Lock asks for it.
            "content-type": "application/octet-stream",
            "x-amz-meta-sha256": hashlib.sha256(data).hexdigest(),
        }
        reply = self._put(name, headers, data)
        if reply.status == 412:
            if not self._is_there(name, data):
                raise self.refused("412")
        elif reply.headers.get("etag", "").strip('"') != md5.hexdigest() and not self._is_kept(name, data):
            raise self.error("not_kept", name=name)

    def remove(self, name: str) -> None:
        with contextlib.suppress(NotThere):
            self._ask("DELETE", name)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _is_there(self, name: str, data: bytes) -> bool:
        """By its hash, so that nothing is carried. Errors: PlaceError, when it is another one."""
        reply = self._ask("HEAD", name, accepted=(403, 404))
        if reply.status in (403, 404):  # 403: a key that may only write; then If-None-Match has to do.
            return False
        digest = reply.headers.get("x-amz-meta-sha256")
        same = digest == hashlib.sha256(data).hexdigest() if digest else self.fetch(name) == data
        if not same or reply.headers.get("content-length", str(len(data))) != str(len(data)):
            raise self.error("other_content", name=name)
        return True

    def _put(self, name: str, headers: Mapping[str, str], data: bytes) -> S3Reply:
        if self._conditional:
            only_new = {**headers, "if-none-match": "*"}
            reply = self._ask("PUT", name, headers=only_new, body=data, accepted=(412, 501))
            if reply.status != 501:
                return reply
            self._conditional = False  # The server knows no conditions.
        return self._ask("PUT", name, headers=headers, body=data)

    def _is_kept(self, name: str, data: bytes) -> bool:
        """The ETag of some servers is no hash: then it is read back."""
        try:
            return self.fetch(name) == data
        except NotThere:
            return False

    # -- requests --

    def _ask(
        self,
        method: str,
        name: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        most: int = 1 << 16,
        accepted: tuple[int, ...] = (),
        denied: str = "read_only",
    ) -> S3Reply:
        """most: bytes of a good answer. accepted: other answers that are no error. denied: code of "access denied".
        Errors: PlaceError, NotThere."""
        key = "/".join(part for part in (self.bucket, self.prefix if name else "", name) if part)
        path, question = quote(f"/{key}", safe="/-_.~"), query_string(query or {})
        for wait in (*WAITS, 0.0):
            reply = self._answer(method, path, question, headers or {}, body, most)
            if 200 <= reply.status < 300 or reply.status in accepted:
                if len(reply.body) > most:
                    raise self.error("damaged", name=name) if name else self.refused("an answer without end")
                return reply
            if not wait or reply.status not in _BUSY:
                break
            self.pace.sleep(wait)
        raise self._error_of(reply, name, denied)

    def _error_of(self, reply: S3Reply, name: str, denied: str) -> PlaceError:
        code = reply.value(_CODE)
        if name and (code == "NoSuchKey" or (reply.status == 404 and not code)):
            return NotThere(self.where, name)
        ours = "full" if reply.status == 507 else denied if code == "AccessDenied" else _CODES.get(code, "refused")
        if ours == "other_region" or reply.status in (301, 307):
            region = reply.value(_REGION) or reply.headers.get("x-amz-bucket-region", "")
            return self.refused(region, "other_region")
        if ours != "refused":
            return self.error(ours)
        return self.refused(f"{reply.status} {code} {reply.value(_MESSAGE)}".strip())

    def _answer(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, most: int
    ) -> S3Reply:
        """A connection that was used before may have been closed by the server meanwhile: then a fresh one is taken."""
        used = self._connection is not None
        seconds = self.limit(max(len(body), most)) if most == MOST or body else self.timeout * LISTING
        connection = self._connection = self._connection or self._connected()
        timer = Timer(seconds, _hang_up, [connection])
        timer.daemon = True
        timer.start()
        try:
            _send(
                connection,
                method,
                f"{path}?{query}" if query else path,
                self._signed(method, path, query, headers, body),
            )
            for portion in self.pace.portions(body):
                connection.send(portion)
            whole = True
        except OSError:
            whole = False  # It may have answered before it had it all; if not, that is seen now.
        try:
            reply = self._read(connection, most)
            if not whole:
                self.close()
            return reply
        except (OSError, HTTPException) as error:
            self.close()
            if timer.finished.is_set() or isinstance(error, TimeoutError):
                raise self.silent(self.timeout) from None
            if used:
                return self._answer(method, path, query, headers, body, most)
            raise self.refused(_words(error), "no_connection") from None
        finally:
            timer.cancel()

    def _signed(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        plain_port = 443 if self.encrypted else 80
        signed = {
            **headers,
            "host": self.host if self.port == plain_port else f"{self.host}:{self.port}",
            "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
            "x-amz-date": amz_date(datetime.now(UTC)),
        }
        by = authorization(
            method,
            path,
            signed,
            body,
            query=query,
            access_key=self.access_key,
            secret_key=self.settings.secret,
            region=self.region,
            service="s3",
        )
        length = {"content-length": str(len(body))} if method == "PUT" else {}
        return {**signed, **length, "authorization": by}

    def _read(self, connection: HTTPConnection, most: int) -> S3Reply:
        """At most a portion more than `most` of the body. Errors: OSError, HTTPException."""
        with connection.getresponse() as response:
            body = b"".join(self._portions(response, most))
            headers = {name.lower(): value for name, value in response.getheaders()}
            if response.length and len(body) <= most:
                raise HTTPException("the answer was cut off")
            if response.will_close or len(body) > most:
                self.close()
        return S3Reply(response.status, headers, body)

    def _portions(self, response: HTTPResponse, most: int) -> Iterator[bytes]:
        size = 0
        while size <= most and (portion := response.read(PORTION)):
            self.pace.wait(len(portion))
            size += len(portion)
            yield portion

    def _connected(self) -> HTTPConnection:
        """Errors: PlaceError."""
        plain = connect(self, self.host, self.port)
        if not self.encrypted:
            connection = HTTPConnection(self.host, self.port)
            connection.sock = plain
        else:
            context = ssl.create_default_context()
            connection = HTTPSConnection(self.host, self.port, context=context)
            try:
                connection.sock = context.wrap_socket(plain, server_hostname=self.host)
            except ssl.SSLCertVerificationError as error:
                raise self.refused(error.verify_message, "not_them") from None
            except OSError as error:
                raise self.refused(_words(error), "no_connection") from None
        connection.auto_open = 0  # By itself it would connect to wherever the name leads by then.
        return connection


def _endpoint(url: str) -> tuple[str, int, bool]:
    """Host, port, whether encrypted. Errors: PlaceError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise PlaceError("bad_endpoint") from None
    plain = parts.scheme == "http" and bool(_LOOPBACK.fullmatch(host))
    if not host or not (plain or parts.scheme == "https") or parts.path.strip("/") or parts.query or parts.username:
        raise PlaceError("bad_endpoint")
    return host, port or (80 if plain else 443), not plain


def _send(connection: HTTPConnection, method: str, target: str, headers: Mapping[str, str]) -> None:
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()


def _hang_up(connection: HTTPConnection) -> None:
    """Whatever is waited for ends."""
    if connection.sock is not None:
        with contextlib.suppress(OSError):
            connection.sock.shutdown(2)


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
