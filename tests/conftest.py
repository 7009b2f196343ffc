"""What every test run starts from. Owns the environment that Pulumi's SDK reads, and what an interrupt does."""

import os
import signal

# An Output that is put into a string by accident raises instead of deploying the text "Calling __str__ on an Output…".
os.environ["PULUMI_ERROR_OUTPUT_STRING"] = "true"

# A shell that starts the tests in the background has them ignore interrupts, and all their children with them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
