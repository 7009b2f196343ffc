"""How an application logs in: one class for each way, and the choice between them."""

from vault_estate.auth.agent import AgentAuth
from vault_estate.auth.approle import AppRoleAuth, SecretIdFile, SecretIdVariable, WrappedSecretIdFile
from vault_estate.auth.certificate import CertificateAuth
from vault_estate.auth.choosing import Chosen, choose
from vault_estate.auth.jwt import GitHubIdentity, IdentityFile, JwtAuth
from vault_estate.auth.kubernetes import KubernetesAuth
from vault_estate.auth.method import IssuedToken, LoginMethod
from vault_estate.auth.token import TokenAuth

__all__ = [
    "AgentAuth",
    "AppRoleAuth",
    "CertificateAuth",
    "Chosen",
    "GitHubIdentity",
    "IdentityFile",
    "IssuedToken",
    "JwtAuth",
    "KubernetesAuth",
    "LoginMethod",
    "SecretIdFile",
    "SecretIdVariable",
    "TokenAuth",
    "WrappedSecretIdFile",
    "choose",
]
