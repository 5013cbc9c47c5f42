"""An OAuth token endpoint on loopback.

with TokenServer() as tokens:                  # says yes: the access token "token-1", then "token-2" …
    tokens.answers.append((400, {"error": "invalid_grant"}))      # what it answers next, instead
    tokens.rotates = True                      # from then on with another refresh token: "refresh-1", "refresh-2" …
    tokens.asked                               # the fields of each request, in order
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl


class TokenServer:
    def __init__(self, token: str = "", lasts: int = 3600) -> None:
        self.token = token  # always the same one
        self.lasts = lasts
        self.rotates = False
        self.answers: list[tuple[int, Any]] = []
        self.headers: dict[str, str] = {}
        self.asked: list[dict[str, str]] = []
        tokens = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                fields = self.rfile.read(int(self.headers["Content-Length"])).decode()
                tokens.asked.append({"path": self.path, **dict(parse_qsl(fields, strict_parsing=True))})
                status, answer = tokens.answers.pop(0) if tokens.answers else (200, tokens.yes())
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {**tokens.headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *values: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/oauth/token"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)

    def yes(self) -> dict[str, Any]:
        token = self.token or f"token-{len(self.asked)}"
        refresh = {"refresh_token": f"refresh-{len(self.asked)}"} if self.rotates else {}
        return {"token_type": "Bearer", "access_token": token, "expires_in": self.lasts, **refresh}

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(60)
