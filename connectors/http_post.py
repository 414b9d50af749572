"""POST of JSON to one server, with every failure told as a receiver tells it.

The path of a webhook is often a secret of its own, so errors name the server alone.
"""

from __future__ import annotations

import base64
import json
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from connectors.notices import Declined, Unavailable, said

_TAKEN = range(200, 300)
_MOVED = range(300, 400)
_BUSY = (408, 425, 429)
_SERVER_FAULTS = 500
# What the request says is refused, not who asks or where.
_DECLINED = (400, 409, 413, 422)
_UNKNOWN = (401, 403, 407)
# What a server says is for a sentence in a log.
_READ_BYTES = 2_000


class HttpPost:
    """Sends JSON to one server.

    Args:
        url: Where to; a path given to `post` is added to it.
        token: For ``Authorization: Bearer``; empty: none.
        username: For basic authentication; empty: none.
        password: With ``username``.
        timeout_s: Longest wait for the connection, and for each part of the answer.
        ca_file: Certificates to trust instead of the system's.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        username: str = "",
        password: str = "",
        timeout_s: float = 10.0,
        ca_file: Path | None = None,
    ) -> None:
        self._url = url
        parts = urlsplit(url)
        self.server = f"{parts.scheme}://{parts.netloc}"
        self._headers = {"Content-Type": "application/json", "User-Agent": "foreshock"}
        pair = base64.b64encode(f"{username}:{password}".encode()).decode()
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        elif username:
            self._headers["Authorization"] = f"Basic {pair}"
        self._secrets = (token, password, pair if username else "", parts.path[1:])
        self._timeout = urllib3.Timeout(connect=timeout_s, read=timeout_s)
        self._ca_file = ca_file
        self._pool: urllib3.PoolManager | None = None

    def post(self, path: str, payload: Any) -> None:
        """Send once and wait until the server has answered that it has it.

        Args:
            path: Added to the URL; may be empty.
            payload: Becomes JSON.

        Raises:
            Unavailable: The server is away, busy, elsewhere, or knows us not.
            Declined: It refuses what was sent.
        """
        body = json.dumps(payload, ensure_ascii=False).encode()
        answer = self._request(self._url + path, body)
        if answer.status in _TAKEN:
            return
        text = said(answer.data[:_READ_BYTES].decode(errors="replace"), self._secrets)
        raise self._explain(answer, text)

    def _request(self, url: str, body: bytes) -> urllib3.BaseHTTPResponse:
        try:
            if self._pool is None:
                self._pool = self._open()
            return self._pool.request(
                "POST",
                url,
                body=body,
                headers=self._headers,
                timeout=self._timeout,
                # The caller repeats; and a redirection might carry our token elsewhere.
                retries=False,
                redirect=False,
            )
        except HTTPError as error:
            text = f"{self.server} does not answer: {said(str(error), self._secrets)}"
        except OSError:
            text = f"no secure connection to {self.server}: check ca_file"
        except ValueError:
            # The text of such an error quotes the header, and with it the secret.
            text = f"{self.server}: token or password cannot stand in a header of HTTP"
        raise Unavailable(text)

    def _open(self) -> urllib3.PoolManager:
        trusted = str(self._ca_file) if self._ca_file else None
        context = ssl.create_default_context(cafile=trusted)
        return urllib3.PoolManager(ssl_context=context)

    def _explain(
        self, answer: urllib3.BaseHTTPResponse, text: str
    ) -> Unavailable | Declined:
        status = answer.status
        told = f"{self.server} answered {status}: {text or answer.reason}"
        if status in _BUSY or status >= _SERVER_FAULTS:
            return Unavailable(told, _retry_after_s(answer.headers.get("Retry-After")))
        if status in _DECLINED:
            return Declined(told)
        hint = "check its URL"
        if status in _UNKNOWN:
            hint = "check token, or user name and password"
        if status in _MOVED:
            hint = "check its URL, redirections are not followed"
        return Unavailable(f"{told} ({hint})")

    def close(self) -> None:
        """Close the connections; safe to repeat, and `post` opens anew."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.clear()


def _retry_after_s(header: str | None) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date."""
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
