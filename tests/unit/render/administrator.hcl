path "+/config" {
  capabilities = ["create", "read", "update"]
}

path "+/config/*" {
  capabilities = ["create", "delete", "list", "read", "update"]
}

path "+/data/*" {
  capabilities = ["create"]
}

path "+/intermediate/generate/internal" {
  capabilities = ["create", "update"]
}

path "+/intermediate/set-signed" {
  capabilities = ["create", "update"]
}

path "+/issuer/+" {
  capabilities = ["delete", "read", "update"]
}

path "+/issuer/+/sign-intermediate" {
  capabilities = ["create", "update"]
}

path "+/issuers" {
  capabilities = ["list"]
}

path "+/issuers/generate/intermediate/internal" {
  capabilities = ["create", "update"]
}

path "+/issuers/generate/root/internal" {
  capabilities = ["create", "update"]
}

path "+/key/+" {
  capabilities = ["delete", "read", "update"]
}

path "+/keys" {
  capabilities = ["list"]
}

path "+/keys/*" {
  capabilities = ["create", "delete", "list", "read", "update"]
}

path "+/metadata/*" {
  capabilities = ["list", "patch", "read"]
  allowed_parameters = { "custom_metadata" = [] }
}

path "+/reset/*" {
  capabilities = ["create", "update"]
}

path "+/revoke" {
  capabilities = ["create", "update"]
}

path "+/roles" {
  capabilities = ["list"]
}

path "+/roles/*" {
  capabilities = ["create", "delete", "list", "read", "update"]
}

path "+/root/generate/internal" {
  capabilities = ["create", "update"]
}

path "+/root/sign-intermediate" {
  capabilities = ["create", "update"]
}

path "+/rotate-role/*" {
  capabilities = ["create", "update"]
}

path "+/rotate-root/*" {
  capabilities = ["create", "update"]
}

path "+/static-roles" {
  capabilities = ["list"]
}

path "+/static-roles/*" {
  capabilities = ["create", "delete", "list", "read", "update"]
}

path "+/subkeys/*" {
  capabilities = ["read"]
}

path "+/tidy" {
  capabilities = ["create", "update"]
}

path "auth/+/certs" {
  capabilities = ["list"]
}

path "auth/+/certs/*" {
  capabilities = ["create", "delete", "list", "read", "update"]
}

path "auth/+/certs/administrator" {
  capabilities = ["create", "list", "read", "update"]
}

path "auth/+/config" {
  capabilities = ["create", "read", "update"]
}

path "auth/+/role" {
  capabilities = ["list"]
}

path "auth/+/role/*" {
  capabilities = ["create", "delete", "list", "read", "update"]
}

path "auth/+/role/+/custom-secret-id" {
  capabilities = ["deny"]
}

path "auth/+/role/+/secret-id" {
  capabilities = ["create", "list", "update"]
  min_wrapping_ttl = "1s"
}

path "auth/+/users" {
  capabilities = ["list"]
}

path "auth/+/users/*" {
  capabilities = ["create", "delete", "list", "read", "update"]
}

path "identity/+" {
  capabilities = ["create", "update"]
}

path "identity/+/id/*" {
  capabilities = ["create", "delete", "list", "read", "update"]
}

path "identity/lookup/+" {
  capabilities = ["create", "update"]
}

path "sys/audit" {
  capabilities = ["read", "sudo"]
}

path "sys/audit/*" {
  capabilities = ["create", "delete", "read", "sudo", "update"]
}

path "sys/auth" {
  capabilities = ["read"]
}

path "sys/auth/*" {
  capabilities = ["create", "delete", "read", "sudo", "update"]
}

path "sys/config/*" {
  capabilities = ["deny"]
}

path "sys/config/auditing/request-headers" {
  capabilities = ["read", "sudo"]
}

path "sys/config/auditing/request-headers/*" {
  capabilities = ["create", "delete", "read", "sudo", "update"]
}

path "sys/leases/lookup" {
  capabilities = ["update"]
}

path "sys/leases/lookup/*" {
  capabilities = ["list", "sudo"]
}

path "sys/leases/revoke" {
  capabilities = ["update"]
}

path "sys/leases/revoke-prefix/*" {
  capabilities = ["sudo", "update"]
}

path "sys/mounts" {
  capabilities = ["read"]
}

path "sys/mounts/*" {
  capabilities = ["create", "delete", "read", "update"]
}

path "sys/policies/acl" {
  capabilities = ["list"]
}

path "sys/policies/acl/*" {
  capabilities = ["create", "delete", "list", "read", "update"]
}

path "sys/policies/password" {
  capabilities = ["list"]
}

path "sys/policies/password/*" {
  capabilities = ["create", "delete", "list", "read", "update"]
}

path "sys/quotas/config" {
  capabilities = ["create", "read", "update"]
}

path "sys/quotas/rate-limit" {
  capabilities = ["list"]
}

path "sys/quotas/rate-limit/*" {
  capabilities = ["create", "delete", "list", "read", "update"]
}

path "sys/rekey-recovery-key/init" {
  capabilities = ["delete", "read", "update"]
}

path "sys/rekey-recovery-key/update" {
  capabilities = ["update"]
}

path "sys/rekey-recovery-key/verify" {
  capabilities = ["delete", "read", "update"]
}

path "sys/rekey/init" {
  capabilities = ["delete", "read", "update"]
}

path "sys/rekey/update" {
  capabilities = ["update"]
}

path "sys/rekey/verify" {
  capabilities = ["delete", "read", "update"]
}

path "sys/rotate/+/init" {
  capabilities = ["delete", "read", "update"]
}

path "sys/rotate/+/update" {
  capabilities = ["update"]
}

path "sys/rotate/+/verify" {
  capabilities = ["delete", "read", "update"]
}
