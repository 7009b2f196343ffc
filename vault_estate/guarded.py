"""What holds a secret is neither pickled nor shown."""

from typing import NoReturn


class NotPickled:
    """Refuses to be pickled or copied: a queue, a cache or a crash report would hold the secret then. So does what has
    an environment that may have one."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        msg = f"{type(self).__name__} holds a secret or a connection; expected not to be pickled or copied"
        raise TypeError(msg)
