"""Write the golden file anew. Run it when the estate is meant to have changed, and read the difference."""

import sys

from tests.unit.golden.local import FILE, declared, text


def main() -> int:
    """Write what the program declares now; tell whether that is new."""
    now = text(declared())
    before = FILE.read_text(encoding="utf-8") if FILE.is_file() else ""
    FILE.write_text(now, encoding="utf-8")
    print(f"{FILE}: {'unchanged' if now == before else 'written anew; look at git diff'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
