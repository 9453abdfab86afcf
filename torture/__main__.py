"""``python -m torture``: run the parts, print the table, exit with 1 where anything went as it must not."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import tempfile
from importlib import import_module
from pathlib import Path

PARTS = ("kills", "powercut", "refusals", "damage", "pairs")


def main() -> int:
    """Run the command line of this process."""
    asked = argparse.ArgumentParser(prog="python -m torture", description=__doc__)
    asked.add_argument(
        "parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all if none is named"
    )
    asked.add_argument("--quick", action="store_true", default=os.environ.get("QUICK", "") not in ("", "0"))
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--out", type=Path, default=Path("target/torture.json"), help="the table as JSON")
    given = asked.parse_args()
    if strange := set(given.parts) - set(PARTS):
        asked.error(f"no such part: {', '.join(sorted(strange))}; there are {', '.join(PARTS)}")
    # One thread each: a process that is forked may not have any other, and results are compared bit by bit.
    os.environ |= {
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "OPENBLAS_NUM_THREADS": "1",
        "COLUMNS": "200",
    }
    with tempfile.TemporaryDirectory(prefix="torture-") as root:
        os.environ["MAGNET_CACHE"] = f"{root}/cache"
        from torture.forks import warm
        from torture.setting import Setting
        from torture.table import Table

        warm()
        table = Table()
        setting = Setting(Path(root), table, given.quick, random.Random(given.seed))
        for name in given.parts or PARTS:
            getattr(import_module(f"torture.{name}"), name)(setting)
    print(f"\n{table.text()}")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "quick": given.quick,
        "seed": given.seed,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    given.out.write_text(json.dumps(about | table.to_json(), indent=1) + "\n", encoding="utf-8")
    return 1 if table.misses else 0


if __name__ == "__main__":
    sys.exit(main())
