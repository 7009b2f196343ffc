"""Write the golden files anew. Run it when the estate is meant to have changed, and read the difference."""

import sys

from tests.unit.golden import node
from tests.unit.golden.local import FILE, declared, text
from tests.unit.render.nodes import NODE

NODE_FILE = node.FILE


def main() -> int:
    """Write what the program declares now; tell whether that is new."""
    for file, now in ((FILE, text(declared())), (NODE_FILE, node.text(NODE))):
        before = file.read_text(encoding="utf-8") if file.is_file() else ""
        file.write_text(now, encoding="utf-8")
        print(f"{file}: {'unchanged' if now == before else 'written anew; look at git diff'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
