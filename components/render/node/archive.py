"""A node's files as one compressed archive: the same bytes for the same files, wherever they are made.

Owns the compression, whose every parameter is written down: what a preset means may change. It is xz, not gzip,
because xz has one encoder, which every Python links (releases 5.2 and 5.4 were compared: the same bytes), while zlib
has several that answer differently. Other bytes are another user-data, and that is another server. Refuses to guess: a
Python without the encoder is told so.
"""

from collections.abc import Mapping

SUFFIX = ".files.xz.b85"
"""How the name of a packed file ends, in base85."""
_END = "\0"


def pack(files: Mapping[str, tuple[str, str]]) -> bytes:
    """The files, content and permissions (`0644`) by absolute path: each path, permissions and content, with a zero
    between them, in `xz`. A `tar` of them takes 900 bytes more. Raises ValueError where this Python was built without
    its module `lzma`."""
    # Files that begin alike are alike, and pack better next to each other.
    ordered = sorted(files.items(), key=lambda file: (file[1][0][:12], file[0]))
    plain = _END.join(part for path, (content, permissions) in ordered for part in (path, permissions, content))
    try:
        import lzma  # noqa: PLC0415 - some Pythons are built without it, and only a node's user-data needs it
    except ImportError:
        msg = "this Python was built without its module lzma, which user-data is packed with; use one that has it"
        raise ValueError(msg) from None
    filters = [
        {
            "id": lzma.FILTER_LZMA2,
            "dict_size": 1 << 20,
            "lc": 3,
            "lp": 0,
            "pb": 0,  # text has no alignment
            "mode": lzma.MODE_NORMAL,
            "nice_len": 273,
            "mf": lzma.MF_BT4,
            "depth": 512,
        }
    ]
    return lzma.compress(plain.encode(), lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=filters)


def unpack(packed: bytes) -> Mapping[str, tuple[str, str]]:
    """What was packed. Raises ValueError: it isn't in this form, or this Python has no `lzma`."""
    try:
        import lzma  # noqa: PLC0415
    except ImportError:
        raise ValueError("this Python was built without its module lzma; use one that has it") from None
    try:
        parts = iter(lzma.decompress(packed).decode().split(_END))
    except lzma.LZMAError as error:
        raise ValueError(f"the files of user-data can't be unpacked: {error}") from None
    return {path: (content, permissions) for path, permissions, content in zip(parts, parts, parts, strict=True)}


PROGRAM = (
    "import base64, lzma, os, sys\n"
    "with open(sys.argv[1]) as packed:\n"
    "    parts = iter(lzma.decompress(base64.b85decode(packed.read().strip())).split(b'\\0'))\n"
    "for path, mode, content in zip(parts, parts, parts):\n"
    "    os.makedirs(os.path.dirname(path), exist_ok=True)\n"
    "    with open(path, 'wb', opener=lambda name, flags: os.open(name, flags, 0o600)) as file:\n"
    "        file.write(content)\n"
    "    os.chmod(path, int(mode, 8))\n"
)
"""Unpacks them on a node, from the file that its first argument names."""
