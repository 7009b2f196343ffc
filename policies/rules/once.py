"""What the SDK reads for each policy, read once for all, and only the policies asked that are about a resource's type:
that was most of the time it took to judge.

pulumi-policy 1.21 makes Python's values of a resource's properties, and of its provider's, anew for every policy
(`_PolicyAnalyzerServicer.Analyze`), and asks every policy about each resource. Owns what stands in its place. Refuses
to be wrong: what is not the very same message is read, and a policy that names no types is asked.
"""

import copy
import threading
from collections import deque
from collections.abc import Callable, Container, Mapping
from types import SimpleNamespace
from typing import Any

from google.protobuf import json_format
from pulumi_policy import policy as sdk

_POLICIES = "_PolicyAnalyzerServicer__policies"
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


def choosing(analyze: Callable[..., Any], about: Mapping[str, Container[str]]) -> Callable[..., Any]:
    """The SDK's own function, with the policies only that are about the type of the request; `about` has types by the
    policy's name."""

    def chosen(servicer: Any, request: Any, context: Any) -> Any:
        fewer = copy.copy(servicer)
        every = vars(servicer)[_POLICIES]
        vars(fewer)[_POLICIES] = [one for one in every if request.type in about.get(one.name, (request.type,))]
        return analyze(fewer, request, context)

    return chosen


def install(about: Mapping[str, Container[str]]) -> None:
    """Have the SDK read each message once, and ask what `about` says. Rules change nothing of what they are shown."""
    servicer: Any = vars(sdk)["_PolicyAnalyzerServicer"]
    servicer.Analyze = choosing(servicer.Analyze, about)
    parts = {**vars(json_format), "MessageToDict": remembering(json_format.MessageToDict)}
    vars(sdk)["json_format"] = SimpleNamespace(**parts)
    for name in ("deserialize_properties", "unknown_checking_proxy"):
        vars(sdk)[name] = remembering(vars(sdk)[name])
