"""One HTTP server that is asked with care: deadlines, bounded retries, errors that name no value.

Only GET, on one kept connection, by the standard library: what a client of DICOMweb needs beside it
is to know which failure may pass, and that no message quotes an address, a header or an identifier.
What does not belong here: which resources there are (``query``), what a reply means (``model``).
"""

from __future__ import annotations

import http.client
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar
from urllib.parse import urlsplit

from vpack_pipeline.errors import InputError, Problem

ATTEMPTS: Final = 5
FIRST_DELAY: Final = 0.5
"""Seconds before the second attempt; doubled before each further one."""
LONGEST_DELAY: Final = 60.0
"""Seconds; a server that asks for more patience (Retry-After) is asked again after this."""
SILENCE: Final = 60.0
"""Seconds without a byte after which a connection counts as dropped."""
DEADLINE: Final = 900.0
"""Seconds that one reply may take from the request to its last byte."""
LARGEST_REPLY: Final = 256 * 1024 * 1024
_CHUNK: Final = 256 * 1024
_PASSING: Final = frozenset({429, 500, 502, 503, 504})
_HEADER_VALUE: Final = re.compile(r"[\x21-\x7e][\x20-\x7e]*")
_REMEDIES: Final[Mapping[int, str]] = {
    401: "set the environment variable that `authorization_variable` names to a valid header",
    403: "let this account search and retrieve at the server",
    404: "correct `url` in site.yaml: it ends where /studies begins",
}
_LOOK: Final = "look at the server and its log, then build again"

T = TypeVar("T")
Consume = Callable[[str, Iterator[bytes]], T]
"""Content type (lower case, with its parameters) and the parts of the body → what is wanted."""


class NotFoundError(InputError):
    """The server knows no such resource (404)."""


class _PassingError(Exception):
    """A failure that the next attempt may not meet; ``wait``: seconds that the server asked for."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.wait = wait


class Server:
    """A server at an address.

    Parameters
    ----------
    where : how errors name it, such as ``sources[1]``
    url : http or https, without credentials, as ``site`` has checked it
    authorization : value of the Authorization header, or None
    sleep, clock : seconds; they decide when something is asked again, never what it gives

    Raises
    ------
    InputError
        The authorization cannot be the value of a header.
    """

    def __init__(
        self,
        where: str,
        url: str,
        authorization: str | None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if authorization is not None and not _HEADER_VALUE.fullmatch(authorization):
            what = "the authorization holds characters that no HTTP header may"
            raise InputError(Problem(where, what, "set its environment variable again"))
        address = urlsplit(url)
        self._where = where
        self._path = address.path.rstrip("/")
        self._headers = {"Accept-Encoding": "identity"}
        if authorization is not None:
            self._headers["Authorization"] = authorization
        kind = (
            http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        )
        self._connection = kind(address.hostname or "", address.port, timeout=SILENCE)
        self._sleep = sleep
        self._clock = clock

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def refusal(self, what: str, remedy: str = _LOOK) -> InputError:
        """Make an error about this server."""
        return InputError(Problem(self._where, what, remedy))

    def get(self, path: str, of: str, accept: str) -> tuple[str, bytes]:
        """Give content type and body of a reply that fits in memory; see :meth:`fetch`."""

        def joined(content_type: str, parts: Iterator[bytes]) -> tuple[str, bytes]:
            body = bytearray()
            for part in parts:
                body += part
                if len(body) > LARGEST_REPLY:
                    what = f"{of}: the reply is larger than {LARGEST_REPLY >> 20} MB"
                    raise self.refusal(what)
            return content_type, bytes(body)

        return self.fetch(path, of, accept, joined)

    def fetch(self, path: str, of: str, accept: str, consume: Consume[T]) -> T:
        """Ask until an answer has come whole, at most ``ATTEMPTS`` times.

        Parameters
        ----------
        path : below the server's address, quoted, with its query
        of : how an error names the resource; without identifiers
        accept : the Accept header
        consume : is given every attempt's reply from its start

        Raises
        ------
        NotFoundError
            404.
        InputError
            401, 403 and every other refusal, at once; what passes (429, 500, 502, 503, 504, a
            dropped connection), after the last attempt.
        """
        delay = FIRST_DELAY
        for left in range(ATTEMPTS - 1, -1, -1):
            try:
                return self._attempt(path, of, accept, consume)
            except _PassingError as failure:
                self.close()
                if not left:
                    what = f"{of}: {failure.what} ({ATTEMPTS} attempts)"
                    raise self.refusal(what) from None
                self._sleep(min(delay if failure.wait is None else failure.wait, LONGEST_DELAY))
                delay *= 2
        raise AssertionError("unreachable")

    def _attempt(self, path: str, of: str, accept: str, consume: Consume[T]) -> T:
        until = self._clock() + DEADLINE
        try:
            with self._reply(self._path + path, accept) as reply:
                if reply.status not in (200, 204):
                    raise self._refused(reply, of)
                parts = self._parts(reply, until)
                made = consume((reply.getheader("Content-Type") or "").lower(), parts)
                if next(parts, None) is not None:
                    self.close()  # the rest of the reply is still on its way
        except ssl.SSLCertVerificationError:
            what = "its certificate is not trusted"
            raise self.refusal(what, "name the issuer's certificate in SSL_CERT_FILE") from None
        except (http.client.HTTPException, OSError) as error:
            what = f"the connection failed or broke off ({type(error).__name__})"
            raise _PassingError(what) from None
        except InputError:
            self.close()
            raise
        return made

    def _reply(self, target: str, accept: str) -> http.client.HTTPResponse:
        """Send a request; that the server has closed an idle connection meanwhile is no failure."""
        headers = {**self._headers, "Accept": accept}
        was_kept = self._connection.sock is not None
        for is_last in (not was_kept, True):
            try:
                self._connection.request("GET", target, headers=headers)
                return self._connection.getresponse()
            except (http.client.RemoteDisconnected, ConnectionError):
                self.close()
                if is_last:
                    raise
        raise AssertionError("unreachable")

    def _refused(self, reply: http.client.HTTPResponse, of: str) -> Exception:
        status = reply.status
        if status in _PASSING:
            return _PassingError(
                f"the server answered {status}",
                patience({k.title(): v for k, v in reply.getheaders()}),
            )
        what = f"{of}: the server answered {status}"
        if 300 <= status < 400:
            return self.refusal(what, "name the address to which it redirects in site.yaml")
        remedy = _REMEDIES.get(status, _LOOK)
        problem = Problem(self._where, what, remedy)
        return NotFoundError(problem) if status == 404 else InputError(problem)

    def _parts(self, reply: http.client.HTTPResponse, until: float) -> Iterator[bytes]:
        """Read a body to its end; a body that ends early has broken off."""
        left = reply.length
        while left is None or left > 0:
            part = reply.read1(_CHUNK if left is None else min(_CHUNK, left))
            if not part:
                if left:
                    raise http.client.IncompleteRead(b"", left)
                return
            if self._clock() > until:
                raise TimeoutError
            left = None if left is None else left - len(part)
            yield part


def patience(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After, in seconds or as a date; None if it is absent or makes no sense.

    Examples
    --------
    >>> patience({"Retry-After": "7"}), patience({"Retry-After": "soon"}), patience({})
    (7.0, None, None)
    >>> patience({"Date": "Mon, 05 Jan 2026 08:00:00 GMT",
    ...           "Retry-After": "Mon, 05 Jan 2026 08:00:30 GMT"})
    30.0
    """
    asked = headers.get("Retry-After") or ""
    if re.fullmatch(r"\d{1,9}", asked):
        return float(asked)
    try:  # against the server's own clock
        gap = parsedate_to_datetime(asked) - parsedate_to_datetime(headers.get("Date") or "")
    except (TypeError, ValueError):
        return None
    return max(gap.total_seconds(), 0.0)
