"""Write the golden files anew. Run it when the estate is meant to have changed, and read the difference."""

import sys

from tests.unit.golden import node
from tests.unit.golden.local import FILE, declared, text
from tests.unit.render.nodes import NODE, OTHERS


def main() -> int:
    """Write what the program declares now; tell whether that is new."""
    agreed = (
        (FILE, text(declared())),
        (node.FILE, node.text(NODE)),
        (node.DIFFERENCES, node.differences(NODE, OTHERS)),
    )
    for file, now in agreed:
        before = file.read_text(encoding="utf-8") if file.is_file() else ""
        file.write_text(now, encoding="utf-8")
        print(f"{file}: {'unchanged' if now == before else 'written anew; look at git diff'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
