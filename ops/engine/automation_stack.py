"""A stack of the Automation API whose operations end with the engine's.

Refuses to ask the engine again for what the events of an operation have told already.
"""

from datetime import UTC, datetime

from pulumi import automation


class ToldStack(automation.Stack):
    """A stack that was selected, and whose operations are followed by their events.

    After an operation the Automation API starts the engine anew, once for the history and twice for the outputs: in a
    state of 1,000 resources that is a fifth of the time of an `up` that changes nothing.
    """

    def __init__(self, selected: automation.Stack) -> None:
        # The base's own would select it a second time, which is one more start of the engine.
        self.__dict__.update(vars(selected))

    def outputs(self) -> automation.OutputMap:
        """Nothing: the last event of the stack's own resource has them."""
        return {}

    def info(self, show_secrets: bool = True) -> automation.UpdateSummary:  # noqa: ARG002 - as the base has it
        """Nothing but the form: the summary event has the counts."""
        return automation.UpdateSummary(
            kind="", start_time=datetime.now(UTC), message="", environment={}, config={}, result="succeeded"
        )
