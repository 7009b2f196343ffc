"""A program for a pod: writes to Vault without a pause and prints what came of each write and when, until its pod is
ended.

A write that fails is tried once more after `RETRY_SECONDS`; one that fails then is lost. Needs `ADDRESS` (host and
port), `TOKEN` and `AUTHORITY` (PEM) in its environment, and the standard library.
"""

import http.client
import json
import os
import ssl
import time

RETRY_SECONDS = float(os.environ.get("RETRY_SECONDS", "10"))
"""As long as another leader may take, unless a test asks how long that is."""
TAKEN = (200, 204)


def write(context: ssl.SSLContext, number: int) -> bool:
    """Whether a server took it."""
    connection = http.client.HTTPSConnection(os.environ["ADDRESS"], timeout=RETRY_SECONDS, context=context)
    try:
        headers = {"X-Vault-Token": os.environ["TOKEN"]}
        connection.request("PUT", "/v1/secret/load", json.dumps({"number": number}), headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        print(f"failed {number}: {error}", flush=True)
        return False
    else:
        if status not in TAKEN:
            print(f"refused {number}: {status}", flush=True)
        return status in TAKEN
    finally:
        connection.close()


def main() -> None:
    """Write for ever."""
    context = ssl.create_default_context(cadata=os.environ["AUTHORITY"])
    number = 0
    while True:
        number += 1
        word = "written"
        if not write(context, number):
            time.sleep(RETRY_SECONDS)
            word = "retried" if write(context, number) else "lost"
        print(f"{word} {number} {time.time():.1f}", flush=True)
        time.sleep(0.1)


if __name__ == "__main__":
    main()
