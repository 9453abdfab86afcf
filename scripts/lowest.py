"""Print constraints that pin what the package and its tests depend on to the lowest version allowed.

``make test-lowest`` installs by them, so that a lower bound in ``pyproject.toml`` is one that was tried.
"""

import re
import tomllib
from pathlib import Path

BOUND = re.compile(r"([\w.-]+)(?:\[.*\])?>=([\w.]+)(?:,.*)?")


def lowest(requirements: list[str]) -> list[str]:
    """``name==version`` for each ``name>=version``."""
    found = [BOUND.fullmatch(requirement) for requirement in requirements]
    if None in found:
        raise SystemExit(f"pyproject.toml: {requirements[found.index(None)]!r} has no lower bound")
    return [f"{match[1]}=={match[2]}" for match in found if match]


if __name__ == "__main__":
    document = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    project = document["project"]
    extras = [each for extra in project["optional-dependencies"].values() for each in extra]
    print(*lowest([*project["dependencies"], *extras, *document["dependency-groups"]["test"]]), sep="\n")
