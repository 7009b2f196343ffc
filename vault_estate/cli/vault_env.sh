# shellcheck shell=sh
# Sets a secret's values as variables of this shell: source vault_env.sh NAME...
# Where one of them can't be had it says why, sets nothing, and returns what vault-estate ended with.
# VAULT_ESTATE is the command where it isn't on the path, such as "python -m vault_estate".
# The shell's own trace (set -x) is off meanwhile: it would write the values down.
vault_env_flags=$-
{ set +x; } 2>/dev/null
# shellcheck disable=SC2086 # it may be several words
if vault_env_lines=$(${VAULT_ESTATE:-vault-estate} env "$@"); then
    eval "$vault_env_lines"
    vault_env_status=$?
else
    vault_env_status=$?
fi
unset vault_env_lines
case $vault_env_flags in
*x*) unset vault_env_flags; set -x; return $vault_env_status ;;
*) unset vault_env_flags; return $vault_env_status ;;
esac
