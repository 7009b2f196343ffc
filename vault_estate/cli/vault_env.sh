# shellcheck shell=sh
# Sets a secret's values as variables of this shell: source vault_env.sh NAME...
# A shell whose dot command takes no words, as dash, has them by: set -- NAME...; . vault_env.sh
# Where one of them can't be had it says why, sets nothing, and returns what vault-estate ended with; where one can't be
# set, as it is read-only here, it sets nothing and returns 1.
# VAULT_ESTATE is the command where it isn't on the path, such as "python -m vault_estate".
# The shell's own trace (set -x, set -v) is off meanwhile: it would write the values down.
vault_env_flags=$-
{ set +xv; } 2>/dev/null
# shellcheck disable=SC2086 # it may be several words
if vault_env_lines=$(${VAULT_ESTATE:-vault-estate} env "$@"); then
    vault_env_status=1
    # First in a shell of its own: what fails there ends no shell, and leaves no half.
    if (eval "$vault_env_lines"); then
        eval "$vault_env_lines"
        vault_env_status=0
    fi
else
    vault_env_status=$?
fi
unset vault_env_lines
case $vault_env_flags in
*v*x* | *x*v*) unset vault_env_flags; set -xv; return $vault_env_status ;;
*v*) unset vault_env_flags; set -v; return $vault_env_status ;;
*x*) unset vault_env_flags; set -x; return $vault_env_status ;;
*) unset vault_env_flags; return $vault_env_status ;;
esac
