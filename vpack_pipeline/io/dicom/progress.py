"""How far a scan has come: counts only, told to whoever listens.

What does not belong here: how it is shown (``cli``, ``assets``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vpack_pipeline.io.dicom.shards import Written


@dataclass(frozen=True, slots=True)
class Progress:
    """One moment of a scan.

    ``files``: listed so far, or all once ``to_read`` is known (None while the archive is still
    listed). ``bytes``: size of the files read. ``seconds``: since the scan began to read, or to
    list where it has not. ``outcomes``: of the files read, before copies are told from conflicts.
    """

    files: int
    to_read: int | None
    read: int
    bytes: int
    seconds: float
    outcomes: Mapping[str, int]

    @property
    def rate(self) -> float:
        """Files per second; 0 while no time has passed."""
        done = self.files if self.to_read is None else self.read
        return done / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until all is read, at the present rate; None while it cannot be told."""
        if self.to_read is None or not self.rate:
            return None
        return (self.to_read - self.read) / self.rate


Listener = Callable[[Progress], None]


@dataclass(slots=True)
class Tracker:
    """Counts what a scan does and tells its listener.

    Parameters
    ----------
    listener : called at every step
    clock : nanoseconds
    """

    listener: Listener
    clock: Callable[[], int]
    files: int = 0
    to_read: int | None = None
    bytes: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    _since: int = field(init=False)

    def __post_init__(self) -> None:
        self._since = self.clock()

    def listed(self, n: int) -> None:
        """Count files that the walk has found."""
        self.files += n
        self._tell()

    def begin(self, to_read: int) -> None:
        """Say how many files are to be read."""
        self.to_read = to_read
        self._since = self.clock()
        self._tell()

    def wrote(self, shard: Written) -> None:
        """Count a shard that has been read."""
        self.outcomes += shard.outcomes
        self.bytes += shard.bytes
        self._tell()

    def _tell(self) -> None:
        seconds = (self.clock() - self._since) / 1e9
        counts = dict(sorted(self.outcomes.items()))
        read = self.outcomes.total()
        self.listener(Progress(self.files, self.to_read, read, self.bytes, seconds, counts))
