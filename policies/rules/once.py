"""What the SDK reads for each policy, read once for all: that was most of the time it took to judge.

pulumi-policy 1.21 makes Python's values of a resource's properties, and of its provider's, anew for every policy
(`_PolicyAnalyzerServicer.Analyze`). Owns what stands in its place. Refuses to be wrong: what is not the very same
message is read.
"""

import threading
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from google.protobuf import json_format
from pulumi_policy import policy as sdk

_KEPT = 4
"""A resource's and its provider's messages, and what was made of both."""


def remembering(read: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which gives what it gave last time for the very same object. Each thread of the pack's server
    has its own."""
    known = threading.local()

    def once(given: Any, *rest: Any) -> Any:
        if not hasattr(known, "last"):
            known.last = deque(maxlen=_KEPT)
        for other, others, found in known.last:
            # Kept here, so that no other object can be at its place.
            if other is given and others == rest:
                return found
        found = read(given, *rest)
        known.last.append((given, rest, found))
        return found

    return once


def install() -> None:
    """Have the SDK read each message once. Rules change nothing of what they are shown."""
    parts = {**vars(json_format), "MessageToDict": remembering(json_format.MessageToDict)}
    vars(sdk)["json_format"] = SimpleNamespace(**parts)
    for name in ("deserialize_properties", "unknown_checking_proxy"):
        vars(sdk)[name] = remembering(vars(sdk)[name])
