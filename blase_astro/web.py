"""Answers of services on the web: asked within bounds of time and size, kept for some days."""

from __future__ import annotations

import contextlib
import hashlib
import queue
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ._version import __version__
from .io.output import placed

if TYPE_CHECKING:
    from ._types import Any, Callable, Mapping

    pass

__all__ = ["cached", "get", "in_time", "reason"]

_MAX_BYTES = 50_000_000
# NED asks for at most one request a second; the others get the same courtesy.
_SECONDS_BETWEEN = 1.0
_last_request: dict[str, float] = {}
_GRACE = 0.5  # seconds that a request has to say itself that it took too long


def get(
    label: str, url: str, query: Mapping[str, Any], timeout: float, max_bytes: int = _MAX_BYTES
) -> bytes:
    """Body of an HTTP answer, with limits on time and size.

    Raises
    ------
    OSError
        One line with the service and what went wrong: no network, a status that is no success,
        too slow, too large, cut off.
    """
    _wait_for_turn(label)
    try:
        return in_time(lambda: _body(label, url, query, timeout, max_bytes), timeout)
    except TimeoutError as error:
        raise OSError(f"{label}: {error}") from None


def in_time(work: Callable[[], Any], timeout: float) -> Any:
    """What ``work`` returns, or TimeoutError when it takes longer.

    Timeouts of sockets begin anew with every byte, so that one header a second keeps a request
    waiting. A thread that is given up ends with the other side, or with this process.
    """
    done: queue.SimpleQueue = queue.SimpleQueue()

    def run():
        try:
            done.put((work(), None))
        except BaseException as error:
            done.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = done.get(timeout=timeout + _GRACE)
    except queue.Empty:
        raise TimeoutError(f"not done after {timeout:g} s") from None
    if error is not None:
        raise error
    return result


def _body(label, url, query, timeout, max_bytes):
    """Body of an HTTP answer; see `get`."""
    import requests
    from urllib3.exceptions import HTTPError

    deadline = time.monotonic() + timeout
    options = {"headers": {"User-Agent": f"blase_astro/{__version__}"}, "stream": True}
    pieces, size = [], 0
    try:
        with requests.get(url, params=query, timeout=timeout, **options) as answer:
            if answer.status_code != 200:
                why = getattr(answer, "reason", "") or ""
                raise OSError(f"{label}: HTTP {answer.status_code} {why}".rstrip())
            for piece in _pieces(answer):
                size += len(piece)
                if size > max_bytes:
                    raise OSError(f"{label}: the answer is larger than {max_bytes // 10**6} MB")
                if time.monotonic() > deadline:
                    raise OSError(f"{label}: not done after {timeout:g} s")
                pieces.append(piece)
    except (requests.RequestException, HTTPError) as error:
        raise OSError(reason(label, error, timeout)) from error
    return b"".join(pieces)


def _pieces(answer):
    """Body of an answer in pieces as they arrive.

    `iter_content` waits until a piece is full, for ever if a service sends byte after byte.
    """
    if not hasattr(answer.raw, "read1"):  # urllib3 before 2
        yield from answer.iter_content(1024)
        return
    while piece := answer.raw.read1(65536, decode_content=True):
        yield piece


def reason(label: str, error: Exception, timeout: float) -> str:
    """One line for what `requests` and urllib3 raise."""
    import requests
    from urllib3.exceptions import ProtocolError, ReadTimeoutError

    if isinstance(error, requests.Timeout | ReadTimeoutError):
        return f"{label} did not answer in {timeout:g} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError | ProtocolError):
        return f"{label}: the answer was cut off"
    host = getattr(getattr(error, "request", None), "url", None) or ""
    host = f" ({host.split('/')[2]})" if host.count("/") > 1 else ""
    if isinstance(error, requests.ConnectionError):
        return f"{label}{host} cannot be reached: no network, or the service is down"
    return f"{label}{host}: {' '.join(str(error).split())[:200]}"


def _wait_for_turn(label):
    """Sleep until a second has passed since the last request to this service."""
    wait = _last_request.get(label, -np.inf) + _SECONDS_BETWEEN - time.monotonic()
    if wait > 0:
        time.sleep(wait)
    _last_request[label] = time.monotonic()


def cached(key: str, ask: Callable[[], bytes], read: Callable[[bytes], Any], max_age: float) -> Any:
    """What `read` makes of bytes kept under `key`, or else of `ask()`, which are then kept.

    An answer that cannot be read or has nothing (None) is never kept; a kept one that cannot be
    read is asked for again.
    """
    path = _cache_folder() / hashlib.sha256(key.encode()).hexdigest()[:32]
    with contextlib.suppress(OSError, ValueError):
        if time.time() - path.stat().st_mtime < max_age * 86400:
            return read(path.read_bytes())
    data = ask()
    result = read(data)
    if result is None:
        return None
    with contextlib.suppress(OSError):  # a cache that cannot be written is no reason to fail
        path.parent.mkdir(parents=True, exist_ok=True)
        with placed(path, overwrite=True) as beside:
            beside.write_bytes(data)
    return result


def _cache_folder():
    """Folder of kept answers, inside astropy's cache."""
    from astropy.config.paths import get_cache_dir

    try:
        return Path(get_cache_dir()) / "blase_astro"
    except OSError:  # astropy's folder cannot be made; nor can this one then
        return Path("~/.astropy/cache").expanduser() / "blase_astro"
