"""Tables to TOPCAT, Aladin and other programs of this computer, and what they highlight (SAMP)."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._types import Any, AnyPath, Callable, Iterator, Table

__all__ = ["connected", "highlighted", "send_table"]

_LOAD = {".fits": "table.load.fits", ".vot": "table.load.votable", ".xml": "table.load.votable"}
_HIGHLIGHT = "table.highlight.row"
# Looks for rows between two questions whether the hub is there still: it may be killed.
_LOOKS = 20
_SECONDS = "120"  # for a program to read a table; text, as the protocol wants it


@contextmanager
def connected(hub: Any = None) -> Iterator[Any]:
    """A client of the hub that runs on this computer, for as long as it is needed.

    Parameters
    ----------
    hub : `~astropy.samp.SAMPHubServer`, optional
        The hub; by default that which the user's programs share.

    Yields
    ------
    client : `~astropy.samp.SAMPIntegratedClient`
        Connected.

    Raises
    ------
    OSError
        If no hub runs.
    """
    from ._version import __version__

    about = {"samp.name": "blase", "samp.description.text": "synchrotron peaks of blazars"}
    samp = _library()
    # Nothing here leaves the computer: the hub is found by a file, and asked at 127.0.0.1.
    with samp.conf.set_temp("use_internet", False):
        client = samp.SAMPIntegratedClient(metadata=about | {"blase.version": __version__})
        try:
            client.connect(hub=hub)
        except (samp.SAMPHubError, OSError) as error:
            raise OSError("no SAMP hub is running; start TOPCAT or Aladin first") from error
        try:
            yield client
        finally:
            with suppress(OSError, samp.SAMPHubError, samp.SAMPProxyError):  # the hub is gone
                client.disconnect()


def _library():
    """The implementation of the protocol: astropy's has moved to PyVO and is deprecated there."""
    try:
        from pyvo import samp
    except ImportError:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from astropy import samp
    return samp


def send_table(
    client: Any, table: Table, to: str = "", *, name: str = "blase", file: AnyPath | None = None
) -> list[str]:
    """Send a table to the programs that take tables, and wait until they have it.

    Parameters
    ----------
    client : `~astropy.samp.SAMPIntegratedClient`
        From `connected`.
    table : `~astropy.table.Table`
        The table.
    to : str
        Name of a program, or the beginning of it in any case of letters; all by default.
    name : str
        What the table is called there.
    file : path-like, optional
        File that holds the table already; as FITS or VOTable it is sent instead of a copy, so
        that programs can find it again later.

    Returns
    -------
    programs : list of str
        Names of those that took it.

    Raises
    ------
    OSError
        If there is no such program, or it did not take the table.
    """
    from .io.files import write_table
    from .io.output import temporary_folder

    kind = _LOAD.get(Path(file).suffix.lower()) if file is not None else None
    takers = _takers(client, kind or "table.load.votable", to)
    with temporary_folder() as folder:
        place = folder / "table.vot" if file is None or kind is None else Path(file)
        if kind is None:
            kind = "table.load.votable"
            write_table(table, place)
        where = place.resolve().as_uri()
        params = {"url": where, "table-id": f"blase {name}", "name": name}
        for program, title in takers.items():
            _call(client, program, title, {"samp.mtype": kind, "samp.params": params})
    return list(takers.values())


def _takers(client, kind, to):
    """Programs that take such messages, those of a name alone if one is given: id and name."""
    names = {
        program: client.get_metadata(program).get("samp.name", program)
        for program in client.get_subscribed_clients(kind)
        if program != client.get_public_id()
    }
    wanted = {p: n for p, n in names.items() if n.lower().startswith(to.lower())}
    if not wanted:
        there = ", ".join(names.values()) or "none"
        raise OSError(f"no program {to!r} takes tables now; running: {there}".replace(" ''", ""))
    return wanted


def _call(client, program, title, message):
    """Send a message and wait for the answer."""
    try:
        answer = client.call_and_wait(program, message, _SECONDS)
    except _library().SAMPProxyError as error:
        raise OSError(f"{title} did not take the table: {error.faultString}") from error
    if answer.get("samp.status") != "samp.ok":
        reason = answer.get("samp.error", {}).get("samp.errortxt", "no reason given")
        raise OSError(f"{title} did not take the table: {reason}")


def highlighted(
    client: Any, *, idle: Callable[[], Any] | None = None, seconds: float = 0.1
) -> Iterator[tuple[dict[str, str], int]]:
    """The rows that programs highlight, as they come, until the hub ends.

    Parameters
    ----------
    client : `~astropy.samp.SAMPIntegratedClient`
        From `connected`.
    idle : callable, optional
        Called between two looks; what it returns true for ends the wait.
    seconds : float
        Time between two looks.

    Yields
    ------
    table : dict of str
        ``table-id`` and ``url`` of the table, as far as they are known.
    row : int
        Index of the row, from 0.
    """
    rows: Queue = Queue()

    def receive(private_key, sender, message_id, kind, params, extra):
        if str(params.get("row", "")).isdigit():
            rows.put((params, int(params["row"])))
        if message_id is not None:
            client.reply(message_id, {"samp.status": "samp.ok", "samp.result": {}})

    def notified(private_key, sender, kind, params, extra):
        receive(private_key, sender, None, kind, params, extra)

    client.bind_receive_notification(_HIGHLIGHT, notified)
    client.bind_receive_call(_HIGHLIGHT, receive)
    client.bind_receive_notification("samp.hub.event.shutdown", lambda *_: rows.put(None))
    looks = 0
    while True:
        try:
            row = rows.get(timeout=seconds)
        except Empty:
            looks += 1
            if (idle is not None and idle()) or (looks % _LOOKS == 0 and not _answers(client)):
                return
            continue
        while not rows.empty():  # the newest alone: drawing may be slower than clicking
            row = rows.get() or row
        if row is None:
            return
        yield row


def _answers(client):
    """Is the hub there still?"""
    try:
        client.ping()
    except (OSError, _library().SAMPProxyError):
        return False
    return True
