"""A connection to a Vault as an operator's machine has it: through the proxy of its environment, where there is one.

Owns nothing else; a node reaches itself directly. Refuses a proxy that could read along: TLS goes through it.
"""

import http.client
import urllib.parse
import urllib.request

from components.payloads.snapshot import SECONDS, ActiveNode


class ProxiedNode(ActiveNode):
    """The active node, also behind a proxy."""

    def connect(self) -> http.client.HTTPSConnection:
        """To the address, or by a tunnel to it."""
        parts = urllib.parse.urlsplit(self.address)
        proxy = urllib.request.getproxies().get("https")
        if not proxy or urllib.request.proxy_bypass(parts.hostname or ""):
            return super().connect()
        by = urllib.parse.urlsplit(proxy)
        tunnel = http.client.HTTPSConnection(by.hostname or "", by.port or 80, timeout=SECONDS, context=self.context)
        tunnel.set_tunnel(parts.hostname or "", parts.port or 443)
        return tunnel
