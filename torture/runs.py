"""Run folders compared byte by byte, but for what holds times."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TIMES", "differences", "leftovers", "picture"]

TIMES = ("seconds", "train_seconds", "gpu_seconds")
"""Keys of ``events.jsonl`` that hold durations: the only values that may differ. The checksum that ``manifest.json`` has
of that file is compared with the file instead."""

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}(\.\w+)?")


def picture(run: Path) -> dict[str, bytes]:
    """Every file of a run folder by its name, times left out."""
    found = {}
    for file in sorted(run.rglob("*")):
        if not file.is_file():
            continue
        name, content = file.relative_to(run).as_posix(), file.read_bytes()
        if name == "events.jsonl":
            content = b"\n".join(_timeless(json.loads(line)) for line in content.splitlines())
        elif name == "manifest.json":
            manifest = json.loads(content)
            events = hashlib.sha256((run / "events.jsonl").read_bytes()).hexdigest()
            if manifest["files"].get("events.jsonl") == events:
                manifest["files"]["events.jsonl"] = "right"
            content = json.dumps(manifest).encode()
        found[name] = content
    return found


def _timeless(record: dict[str, Any]) -> bytes:
    return json.dumps({key: value for key, value in record.items() if key not in TIMES}).encode()


def differences(run: Path, whole: dict[str, bytes]) -> str | None:
    """What differs from the picture of the uninterrupted run; None if nothing does."""
    try:
        here = picture(run)
    except (OSError, ValueError, KeyError) as error:
        return f"no readable run: {error}"
    missing, more = sorted(whole.keys() - here.keys()), sorted(here.keys() - whole.keys())
    other = sorted(name for name in here.keys() & whole.keys() if here[name] != whole[name])
    said = {"missing": missing, "too many": more, "different": other}
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in said.items() if names) or None


def leftovers(folder: Path) -> list[str]:
    """Temporary files and folders of writers, at any depth."""
    return [f.relative_to(folder).as_posix() for f in folder.rglob(".*") if _TEMPORARY.fullmatch(f.name)]
