#!/bin/sh
# Replaces one value of a secret: rotate_secret.sh NAME KEY [VALUE]
# Without VALUE it is made as the settings say, or at random. VAULT_ESTATE is the command where it isn't on the path, such
# as "python -m vault_estate". It ends with what vault-estate ends with.
# The shell's own trace (set -x) is off: it would write the value down.
{ set +x; } 2>/dev/null
if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    echo "rotate_secret.sh: $# words are given; expected NAME KEY, and VALUE if it is not to be made" >&2
    exit 2
fi
# shellcheck disable=SC2086 # the command may be several words
if [ $# -eq 3 ]; then
    echo "rotate_secret.sh: warning: every process of this machine could read VALUE, and the shell may have kept it;" \
        "expected it by standard input: vault-estate rotate $1 $2 --value-stdin" >&2
    printf '%s' "$3" | ${VAULT_ESTATE:-vault-estate} rotate "$1" "$2" --value-stdin
else
    ${VAULT_ESTATE:-vault-estate} rotate "$1" "$2"
fi
rotate_status=$?
if [ $rotate_status -eq 0 ]; then
    echo "Vault verification: PASS"
fi
exit $rotate_status
