"""How far a scan has come: counts only, told to whoever listens, and the words for them.

What does not belong here: where the words go (``cli``, ``assets``).
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

    @property
    def is_done(self) -> bool:
        """Say whether nothing is left to be read."""
        return self.to_read is not None and self.read >= self.to_read


def described(progress: Progress) -> str:
    """Put a moment of a scan into words.

    Examples
    --------
    >>> described(Progress(500, None, 0, 0, 2.0, {}))
    'listed 500 files, 250/s'
    >>> described(Progress(900, 200, 50, 3_000_000, 2.0, {"PARSED": 50}))
    'read 50 of 200 files (25%), 3.0 MB, 25/s, 6 s left: 50 PARSED'
    """
    rate = f"{progress.rate:,.0f}/s"
    if progress.to_read is None:
        return f"listed {progress.files:,} files, {rate}"
    if not progress.to_read:
        return f"{progress.files:,} files, none to read"
    share = progress.read / progress.to_read
    left = "" if progress.seconds_left is None else f", {_duration(progress.seconds_left)} left"
    counts = ", ".join(f"{n:,} {outcome}" for outcome, n in progress.outcomes.items())
    return (
        f"read {progress.read:,} of {progress.to_read:,} files ({share:.0%}),"
        f" {_size(progress.bytes)}, {rate}{left}{f': {counts}' if counts else ''}"
    )


def _size(n: int) -> str:
    size, unit = float(n), 0
    while size >= 1000 and unit < 4:
        size, unit = size / 1000, unit + 1
    return f"{size:.{1 if unit else 0}f} {('B', 'kB', 'MB', 'GB', 'TB')[unit]}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Milestones:
    """Tells of a scan in few lines: at every tenth, and where that takes long, now and then.

    Parameters
    ----------
    tell : takes one line
    seconds : longest silence
    """

    def __init__(self, tell: Callable[[str], None], seconds: float = 30.0) -> None:
        self._tell = tell
        self._seconds = seconds
        self._phase: bool | None = None
        self._tenth = 0
        self._at = 0.0

    def __call__(self, progress: Progress) -> None:
        """Tell a line if it is time for one."""
        if self._phase is not (progress.to_read is None):
            self._phase, self._tenth, self._at = progress.to_read is None, 0, 0.0
        tenth = 10 * progress.read // progress.to_read if progress.to_read else 0
        if tenth > self._tenth or progress.seconds - self._at >= self._seconds:
            self._tenth, self._at = tenth, progress.seconds
            self._tell(described(progress))


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
