"""What every test run starts from. Owns the environment that Pulumi's SDK reads."""

import os

# An Output that is put into a string by accident raises instead of deploying the text "Calling __str__ on an Output…".
os.environ["PULUMI_ERROR_OUTPUT_STRING"] = "true"
