"""What makes links of earlier emails lead to the new address, where one still has the old name: the lines for its web
server. One click in a mail program unsubscribes by POST, and mail services follow no redirect there (RFC 8058, 3.1), so
what is not merely looked at is passed on."""

from urllib.parse import urlsplit


def caddy(old_url: str, new_url: str) -> str:
    """For the Caddyfile of the server that the old name leads to."""
    return f"""{_site(old_url)} {{
    log {{
        output discard
    }}
    @read method GET HEAD
    redir @read {new_url}{{uri}} 308
    reverse_proxy {_origin(new_url)} {{
        header_up Host {urlsplit(new_url).netloc}
        header_up -X-Forwarded-For
        header_up -User-Agent
    }}
}}"""


def nginx(old_url: str, new_url: str) -> str:
    """For nginx, with its own certificate for the old name. What is passed on goes to the new address alone, by its
    certificate, which nginx checks only if it is told to; and none of it is kept in a file on its way."""
    old = urlsplit(old_url)
    port, tls = (old.port or 443, " ssl") if old.scheme == "https" else (old.port or 80, "")
    lines = [
        f"listen {port}{tls};",
        f"listen [::]:{port}{tls};",
        f"server_name {old.hostname};",
        *(["ssl_certificate /etc/ssl/old-name.pem;", "ssl_certificate_key /etc/ssl/old-name.key;"] if tls else []),
    ]
    return f"""server {{
    {"\n    ".join(lines)}
    access_log off;
    error_log /dev/null;
    location / {{
        if ($request_method ~ ^(GET|HEAD)$) {{
            return 308 {new_url}$request_uri;
        }}
        proxy_pass {_origin(new_url)};
        proxy_http_version 1.1;
        proxy_request_buffering off;
        proxy_set_header Host {urlsplit(new_url).netloc};
        proxy_set_header X-Forwarded-For "";
        proxy_set_header User-Agent "";
        proxy_ssl_server_name on;
        proxy_ssl_verify on;
        proxy_ssl_verify_depth 3;
        proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;
    }}
}}"""


def _site(url: str) -> str:
    parts = urlsplit(url)
    return parts.netloc if parts.scheme == "https" else f"{parts.scheme}://{parts.netloc}"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
