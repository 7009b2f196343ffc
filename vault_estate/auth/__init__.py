"""How an application logs in: one class for each way, and the choice between them."""

from vault_estate.auth.agent import AgentLogin
from vault_estate.auth.approle import AppRoleLogin, SecretIdFile, SecretIdVariable, WrappedSecretIdFile
from vault_estate.auth.certificate import CertificateLogin
from vault_estate.auth.choosing import Chosen, choose
from vault_estate.auth.jwt import GitHubIdentity, IdentityFile, JwtLogin
from vault_estate.auth.kubernetes import KubernetesLogin
from vault_estate.auth.method import IssuedToken, LoginMethod
from vault_estate.auth.token import TokenLogin

__all__ = [
    "AgentLogin",
    "AppRoleLogin",
    "CertificateLogin",
    "Chosen",
    "GitHubIdentity",
    "IdentityFile",
    "IssuedToken",
    "JwtLogin",
    "KubernetesLogin",
    "LoginMethod",
    "SecretIdFile",
    "SecretIdVariable",
    "TokenLogin",
    "WrappedSecretIdFile",
    "choose",
]
