"""How an application logs in: one class for each way, and the choice between them."""

from vault_estate.auth.agent import Agent
from vault_estate.auth.approle import AppRole, SecretIdFile, SecretIdVariable, WrappedSecretIdFile
from vault_estate.auth.certificate import ClientCertificate
from vault_estate.auth.choosing import Chosen, choose
from vault_estate.auth.jwt import GitHubIdentity, IdentityFile, Jwt
from vault_estate.auth.kubernetes import Kubernetes
from vault_estate.auth.method import IssuedToken, LoginMethod
from vault_estate.auth.token import GivenToken

__all__ = [
    "Agent",
    "AppRole",
    "Chosen",
    "ClientCertificate",
    "GitHubIdentity",
    "GivenToken",
    "IdentityFile",
    "IssuedToken",
    "Jwt",
    "Kubernetes",
    "LoginMethod",
    "SecretIdFile",
    "SecretIdVariable",
    "WrappedSecretIdFile",
    "choose",
]
