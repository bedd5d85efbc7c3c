"""The organization's OpenID Connect provider: authorization code with PKCE, state and nonce, by Authlib.

Who comes back is checked here once more: the issuer must be the very one of the station file, the audience ourselves,
and the signature that of a key of the issuer's, by an algorithm that needs its private key.
"""

import re
from typing import Any

import httpx2
import structlog
from authlib.integrations.starlette_client import OAuth, OAuthError  # type: ignore[import-untyped]
from fastapi import Request
from fastapi.responses import Response
from joserfc.errors import JoseError

from firestation.authority import Login
from firestation.ports import Secrets
from gateway.problems import Problem

log = structlog.get_logger()

CALLBACK = "/login/callback"
SECONDS = 15.0
SKEW_SECONDS = 60
DISCOVERY = "/.well-known/openid-configuration"
ALGORITHMS = {
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
}
"""Signatures that only the provider can make; `none` and the secret of the client are no proof."""

POSTED = "client_secret_post"
AWAY = (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, TypeError, LookupError, RuntimeError)
"""What it looks like when the provider does not answer, or not as one."""


class Provider:
    """One provider. `home` is our own address, to which it sends people back."""

    def __init__(self, login: Login, secrets: Secrets, home: str) -> None:
        self.login, self.secrets = login, secrets
        self.callback = home + CALLBACK
        self._app: Any = OAuth().register(
            "provider",
            client_id=login.client_id,
            server_metadata_url=login.issuer.rstrip("/") + DISCOVERY,
            client_kwargs={
                "scope": "openid email profile",
                "code_challenge_method": "S256",
                "timeout": SECONDS,
            },
        )

    async def send(self, request: Request) -> Response:
        """Send the browser there. Raises `Problem` 502 and 503."""
        await self._prepare()
        try:
            answer: Response = await self._app.authorize_redirect(request, self.callback)
        except AWAY as error:
            raise self._away(error) from None
        return answer

    async def who(self, request: Request) -> str:
        """The claim of whoever has come back. Raises `Problem` 401, 403, 502 and 503."""
        await self._prepare()
        # Authlib would keep the first ones for ever, and so believe a key that the provider has withdrawn.
        self._app.server_metadata.pop("jwks", None)
        options = {
            "iss": {"essential": True, "value": self.login.issuer},
            "aud": {"essential": True, "value": self.login.client_id},
        }
        try:
            token = await self._app.authorize_access_token(
                request, claims_options=options, leeway=SKEW_SECONDS
            )
            claims = token.get("userinfo")
            if not claims:
                raise Problem(502, "the provider's answer cannot be used", "there is no id_token in it")
            if self.login.claim not in claims:
                claims = await self._more(token, claims)
        except (OAuthError, JoseError) as error:
            said = _said(error)
            log.warning("the provider's answer was refused", why=said)
            detail = f"the provider's answer was refused ({said}); log in again"
            raise Problem(401, "who are you?", detail) from None
        except AWAY as error:
            raise self._away(error) from None
        return self._claim(claims)

    async def _more(self, token: dict[str, Any], claims: dict[str, Any]) -> dict[str, Any]:
        """The claims, with those that the provider tells only when it is asked; they must be of the same person."""
        more = await self._app.userinfo(token=token)
        if more.get("sub") != claims["sub"]:
            raise Problem(502, "the provider's answer cannot be used", "its userinfo is of somebody else")
        return {**more, **claims}

    def _claim(self, claims: dict[str, Any]) -> str:
        name = self.login.claim
        found = claims.get(name)
        if not isinstance(found, str) or not found:
            raise Problem(403, "not allowed", f"the provider does not tell your {name}")
        if name == "email" and claims.get("email_verified") is not True:
            raise Problem(403, "not allowed", "the provider has not verified your email address")
        return found

    async def _prepare(self) -> None:
        """Read the provider's own description once, and the client's secret each time: it may have been changed."""
        self._app.client_secret = self.secrets.resolve(self.login.client_secret)
        try:
            metadata = await self._app.load_server_metadata()
        except AWAY as error:
            raise self._away(error) from None
        if metadata.get("issuer") != self.login.issuer:
            self._app.server_metadata.clear()
            detail = f"it calls itself another issuer than the station file, which says {self.login.issuer}"
            raise Problem(502, "the login provider cannot be used", detail)
        told = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
        metadata["id_token_signing_alg_values_supported"] = [each for each in told if each in ALGORITHMS]
        ways = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if "client_secret_basic" not in ways:
            self._app.client_kwargs["token_endpoint_auth_method"] = POSTED

    def _away(self, error: Exception) -> Problem:
        log.warning("the login provider does not answer", issuer=self.login.issuer, why=type(error).__name__)
        detail = f"the provider at {self.login.issuer} does not answer; log in with an access token meanwhile"
        return Problem(503, "the login provider cannot be reached", detail, headers={"Retry-After": "10"})


def _said(error: Exception) -> str:
    """What the libraries say is wrong. Of what came with the browser only a code's letters: anybody can write there."""
    if isinstance(error, JoseError):
        return str(error)[:100]
    code = str(getattr(error, "error", ""))
    return code[:60] if re.fullmatch(r"[a-z_]+", code) else "unknown error"
