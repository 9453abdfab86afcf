"""The calls of a process that change files, each announced before it is made and after.

The package knows nothing of it: what Python's own modules call is put in another's place, in a child that was forked for
it. What safetensors writes from Rust is one call here, ``save``; what matters of it, the content, is read at the next
fsync.
"""

from __future__ import annotations

import builtins
import io
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FileCalls"]


class FileCalls:
    """Stands between a process and the files below a folder; a subclass says what happens at each call.

    The kinds of calls: ``create`` (a file that is not there is opened for writing), ``cut`` (one that is there is emptied),
    ``append``, ``write``, ``save`` (safetensors), ``fsync``, ``rename``, ``exchange``, ``mkdir``, ``unlink``, ``rmdir`` and
    ``chmod``.

    Args:
        root: Calls for files elsewhere pass unseen.
    """

    def __init__(self, root: Path) -> None:
        self.root = os.path.realpath(root)
        self.number = 0

    def before(self, kind: str, path: str, other: str | None = None) -> None:
        """A call is about to be made."""

    def after(self, kind: str, path: str, other: str | None = None) -> None:
        """It was made and succeeded."""

    def tear(self, kind: str, path: str, content: bytes) -> int | None:
        """How many bytes of a write reach the file before it fails or the process ends; None for all."""
        return None

    def _below(self, path: object, folder: int | None = None) -> str | None:
        if isinstance(path, int):
            found = os.readlink(f"/proc/self/fd/{path}")
        else:
            found = os.fsdecode(path)  # type: ignore[arg-type]
            if folder is not None:
                found = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), found)
        parent, name = os.path.split(os.path.abspath(found))
        found = os.path.join(os.path.realpath(parent), name)
        return found if found.startswith(self.root + os.sep) or found == self.root else None

    def _call(self, kind: str, path: str | None, make: Any, other: str | None = None) -> Any:
        if path is None:
            return make()
        self.number += 1
        self.before(kind, path, other)
        found = make()
        self.after(kind, path, other)
        return found

    def install(self) -> None:
        """Put it in place, for the rest of this process."""
        os_open, rename, replace, unlink = os.open, os.rename, os.replace, os.unlink
        mkdir, rmdir, fsync, chmod, real_open = os.mkdir, os.rmdir, os.fsync, os.chmod, io.open
        calls = self

        def opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            def make() -> int:
                return os_open(path, flags, mode, dir_fd=dir_fd)

            if not flags & (os.O_WRONLY | os.O_RDWR):
                return make()
            there = os.path.lexists(path)
            kind = "append" if there and not flags & os.O_TRUNC else "cut" if there else "create"
            return calls._call(kind, calls._below(path, dir_fd), make)

        class Written(io.FileIO):
            def write(self, data: Any) -> int:
                content = bytes(data)
                path = calls._below(self.fileno())
                if path is not None and (kept := calls.tear("write", path, content)) is not None:
                    super().write(content[:kept])
                return calls._call("write", path, lambda: io.FileIO.write(self, content))

        def file_opened(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **kwargs: Any) -> Any:
            if isinstance(file, int) or not set(mode) & set("wax+") or (path := calls._below(file)) is None:
                return real_open(file, mode, buffering, *args, **kwargs)
            there = os.path.lexists(path)
            kind = "create" if not there else "cut" if "w" in mode else "append"
            plain = mode.replace("b", "").replace("t", "")
            raw = calls._call(kind, path, lambda: Written(file, plain))
            if buffering == 0:
                return raw
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            if "b" in mode:
                return buffered
            names = dict(zip(("encoding", "errors", "newline"), args, strict=False))
            return io.TextIOWrapper(buffered, **names, **kwargs)

        def moved(kind: str, make: Any) -> Any:
            def call(source: Any, target: Any, **options: Any) -> None:
                calls._call(
                    kind, calls._below(source), lambda: make(source, target, **options), calls._below(target)
                )

            return call

        def plain(kind: str, make: Any) -> Any:
            def call(path: Any, *args: Any, dir_fd: int | None = None, **options: Any) -> None:
                where = {} if dir_fd is None else {"dir_fd": dir_fd}
                calls._call(kind, calls._below(path, dir_fd), lambda: make(path, *args, **where, **options))

            return call

        def flushed(descriptor: int) -> None:
            calls._call("fsync", calls._below(descriptor), lambda: fsync(descriptor))

        os.open, os.fsync, os.chmod = opened, flushed, plain("chmod", chmod)
        os.rename, os.replace = moved("rename", rename), moved("rename", replace)
        os.unlink, os.remove = plain("unlink", unlink), plain("unlink", unlink)
        os.mkdir, os.rmdir = plain("mkdir", mkdir), plain("rmdir", rmdir)
        builtins.open = io.open = file_opened
        self._install_others()

    def _install_others(self) -> None:
        import safetensors.torch

        from magnet import placing

        swapped, save = placing._swapped, safetensors.torch.save_file

        def exchanged(first: Any, second: Any) -> bool:
            return self._call(
                "exchange", self._below(first), lambda: swapped(first, second), self._below(second)
            )

        def saved(tensors: Any, filename: Any, metadata: Any = None) -> None:
            path = self._below(filename)
            if path is not None and (kept := self.tear("save", path, b"")) is not None:
                save(tensors, filename, metadata)
                os.truncate(filename, os.path.getsize(filename) * kept // 100)
            self._call("save", path, lambda: save(tensors, filename, metadata))

        placing._swapped, safetensors.torch.save_file = exchanged, saved
