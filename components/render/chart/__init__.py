"""The official Helm charts of both servers: what we set in them, and the server's file inside.

Pinned to vault-helm 0.34.1 and openbao-helm 0.29.2. Both let keys pass that they don't know, so each value here was
seen in what the chart renders; a typing error would silently be nothing.
"""
