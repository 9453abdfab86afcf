"""How much memory there is, and a refusal before more of it is asked for."""

from __future__ import annotations

from pathlib import Path

from magnet.errors import DataError

__all__ = ["available_memory", "check_memory", "gigabytes"]

_MEMINFO = Path("/proc/meminfo")
_OWN_GROUPS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")


def available_memory() -> int | None:
    """Bytes that this process may still ask for, None where the system does not say.

    The least of what the machine can give without swapping (``MemAvailable`` of Linux) and of what is left of the
    limits of the process's control groups, of either version, as containers and batch systems set them. Caches of files
    that a group could give up count as free.
    """
    found = [left for left in (_of_machine(), *_of_groups()) if left is not None]
    return min(found, default=None)


def check_memory(needed: float, what: str, advice: str) -> None:
    """Refuse work that would not fit in memory, before it takes any.

    Args:
        needed: Bytes at the peak, beside what the process has already.
        what: Whose they are, such as "ease on 25,000 items".
        advice: What to do instead.

    Raises:
        DataError: If it is more than is available.
    """
    left = available_memory()
    if left is not None and needed > left:
        raise DataError(
            f"{what} needs about {gigabytes(needed)} of memory, and {gigabytes(left)} are available; {advice}"
        )


def gigabytes(size: float) -> str:
    """Bytes to read, in decimal units.

    Example:
        >>> gigabytes(25e6), gigabytes(1.23e9), gigabytes(40e9)
        ('25 MB', '1.2 GB', '40 GB')
    """
    if size < 999.5e6:
        return f"{size / 1e6:.0f} MB"
    return f"{size / 1e9:.1f} GB" if size < 9.95e9 else f"{size / 1e9:,.0f} GB"


def _of_machine() -> int | None:
    for line in _lines(_MEMINFO):
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return None


def _of_groups() -> list[int | None]:
    """What is left in the process's groups and in those around them."""
    found = []
    for line in _lines(_OWN_GROUPS):
        _, controllers, path = line.split(":", 2)
        inner = path.strip("/")
        if not controllers:
            root, limit, usage = _GROUPS, "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            root, limit, usage = _GROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        # Within a container the group's own path may not exist; what is at the root is the container's then.
        folder = root / inner
        around = [above for above in folder.parents if above.is_relative_to(root)]
        found += [_left(place, limit, usage) for place in (folder, *around)]
    return found


def _left(group: Path, limit: str, usage: str) -> int | None:
    most, now = _number(group / limit), _number(group / usage)
    if most is None or now is None:
        return None
    caches = 0
    for line in _lines(group / "memory.stat"):
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            caches = max(caches, int(value))
    return max(0, most - now + caches)


def _number(path: Path) -> int | None:
    """A whole number in a file; None without one, as where ``max`` stands for no limit."""
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdigit() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
