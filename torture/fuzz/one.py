"""``python -m torture.fuzz.one NAME FAILED [OPTION OF LIBFUZZER …] [FOLDER …]``: one target in this process.

Of every kind of failure the first input is written to the folder FAILED, and fuzzing goes on: what comes after it is not
hidden by it. Only what ends the process, such as a hang or too much memory, ends it here as well.
"""

from __future__ import annotations

import hashlib
import logging
import sys
import traceback
from pathlib import Path

import atheris

# What is imported here is measured: which lines an input reaches decides whether it is kept.
with atheris.instrument_imports(include=["magnet"]):
    from torture.fuzz.place import Place
    from torture.fuzz.targets import call


def main() -> None:
    """Run the command line of this process."""
    name, failed, *options = sys.argv[1:]
    logging.disable()
    place, known = Place(), set()
    call(name, b"\0", place)

    def target(data: bytes) -> None:
        try:
            call(name, data, place)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            frames = traceback.extract_tb(error.__traceback__)
            own = [frame for frame in frames if "/magnet/" in frame.filename] or frames
            kind = (type(error).__name__, own[-1].filename, own[-1].lineno)
            if kind not in known:
                known.add(kind)
                path = Path(failed) / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
                path.write_bytes(data)
                said = "".join(traceback.format_exception(error))
                path.with_suffix(".txt").write_text(f"{path}: {data[:80]!r}\n{said[-4000:]}\n", "utf-8")

    atheris.Setup([sys.argv[0], *options], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
