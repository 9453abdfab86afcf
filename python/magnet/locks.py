"""One writer of a folder at a time: locks that the operating system takes back when their process ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

from magnet.errors import RunError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["FileLock", "FolderLock", "HeldError"]


class HeldError(RunError):
    """Somebody else holds the lock."""


class FolderLock:
    """Holds a folder for this process, or for one thread of it, until it is released.

    The lock is on the folder itself: it leaves no file behind, goes along when the folder is renamed, and ends with
    the process however that ends.

    Args:
        path: The folder.

    Raises:
        HeldError: If somebody else holds it, named where the system tells.
        RunError: If the folder is not there, or cannot be locked.
    """

    _descriptor = -1  # where opening fails

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise RunError(f"{path}: cannot be locked for writing ({error.strerror})") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            inode = os.fstat(self._descriptor).st_ino
            self.release()
            if not isinstance(error, BlockingIOError):
                raise RunError(f"{path}: cannot be locked for writing ({error.strerror})") from None
            raise HeldError(
                f"{path}: {_holder(inode)} is writing here; wait until it ends, or choose another folder"
            ) from None

    def holds(self, path: Path) -> bool:
        """Whether the folder at ``path`` is the one that was locked: it may have been deleted or replaced since."""
        try:
            there = path.stat()
        except OSError:
            return False
        mine = os.fstat(self._descriptor)
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)

    def release(self) -> None:
        """Let go of the folder; nothing happens the second time."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()


class FileLock:
    """Holds a file while a block runs, alone or beside others who hold it so.

    Args:
        path: The file.
        shared: Whether others may hold it too, all of them shared.

    Raises:
        HeldError: If somebody else holds it in a way that does not go together.
        OSError: If the file is not there, cannot be read, or its disk knows no locks.
    """

    def __init__(self, path: Path, *, shared: bool) -> None:
        self._file = path.open("rb")
        try:
            fcntl.flock(self._file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise HeldError(f"{path}: in use") from None
        except OSError:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _holder(inode: int) -> str:
    """Who holds a lock: Linux tells the process, others do not."""
    try:
        locks = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return "another process"
    # "7: FLOCK  ADVISORY  WRITE 1234 00:2f:5678 0 EOF": the process, then device and inode.
    for fields in map(str.split, locks):
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == str(inode):
            return (
                f"process {fields[4]}" if fields[4] != str(os.getpid()) else "another thread of this process"
            )
    return "another process"
