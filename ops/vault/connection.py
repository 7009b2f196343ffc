"""A connection to a Vault as an operator's machine has it: through the proxy of its environment, where there is one.

Owns nothing else. Refuses a proxy that could read along: TLS goes through it.
"""

import http.client
import ssl
import urllib.parse
import urllib.request


def connect(address: str, context: ssl.SSLContext, seconds: float) -> http.client.HTTPSConnection:
    """A connection to the server of a URL that opens with its first request; an answer may take so many seconds."""
    server = urllib.parse.urlsplit(address)
    host, port = server.hostname or "", server.port or 443
    proxy = urllib.request.getproxies().get("https")
    if not proxy or urllib.request.proxy_bypass(host):
        return http.client.HTTPSConnection(host, port, context=context, timeout=seconds)
    through = urllib.parse.urlsplit(proxy)
    connection = http.client.HTTPSConnection(
        through.hostname or "", through.port or 80, context=context, timeout=seconds
    )
    connection.set_tunnel(host, port)
    return connection
