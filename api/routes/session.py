"""Signing in and out: a browser exchanges a one-time code or a token for a cookie."""

import psycopg
from fastapi import APIRouter, Request, Response
from psycopg import AsyncConnection

from api.credentials import COOKIE, credential_of, origin_of
from api.errors import DATABASE_ERRORS, ApiError
from api.parts import Parts, PartsDep
from api.views import SessionInput, SessionView
from historian import tokens
from historian.tokens import SESSION_LABEL, Scope

NOT_ENDED = (
    "This browser is signed out, but the database does not take it down just now: the session "
    "ends by itself within 12 hours, or with `groundwatch tokens --revoke`."
)
SESSION_LIFETIME_S = 12 * 3600  # A shift and a little; then one signs in again.

router = APIRouter(prefix="/api/v1/session")


@router.post("", summary="Sign in with a one-time code or a token")
async def sign_in(
    proof: SessionInput, parts: PartsDep, request: Request, response: Response
) -> SessionView:
    """Open a session that ends after a shift, and with the token it was made from."""
    async with parts.pool.connection() as conn, conn.transaction():
        scope, site, parent = await _proved(conn, proof, parts)
        if scope is Scope.EDGE:
            raise ApiError(403, "forbidden", "An edge's token delivers readings and nothing else.")
        session = await tokens.create_token(
            conn,
            scope,
            site,
            None,
            SESSION_LABEL,
            parts.clock.now_us(),
            lifetime_s=SESSION_LIFETIME_S,
            parent=parent,
        )
    response.set_cookie(
        COOKIE,
        session,
        max_age=SESSION_LIFETIME_S,
        path="/",
        httponly=True,
        samesite="strict",
        secure=_is_secured(request),
    )
    return SessionView(scope=scope)


@router.delete("", status_code=204, summary="Sign out", response_class=Response)
async def sign_out(parts: PartsDep, request: Request) -> Response:
    """End the session of the cookie, also for whoever has copied it.

    The browser forgets the cookie in any case; 503 says that a copy of it would still be good.
    """
    credential = credential_of(request.scope["headers"])
    response = Response(status_code=204)
    if credential is not None and credential.by_cookie:
        try:
            async with parts.pool.connection() as conn:
                token = await tokens.verify_token(conn, credential.token)
                if token is not None and token.label == SESSION_LABEL:
                    await tokens.revoke_token(conn, token.token_id)
        except (*DATABASE_ERRORS, psycopg.Error):  # Away, or it takes nothing.
            response = ApiError(503, "session_not_ended", NOT_ENDED).response()
    response.delete_cookie(
        COOKIE,
        path="/",
        httponly=True,
        samesite="strict",
        secure=_is_secured(request),
    )
    return response


def _is_secured(request: Request) -> bool:
    """Tell whether the browser's line is secured.

    A proxy may take the encryption off without a word; the page's address still tells.
    """
    page = origin_of(request.scope["headers"]) or ""
    return request.url.scheme == "https" or page.startswith("https:")


async def _proved(
    conn: AsyncConnection, proof: SessionInput, parts: Parts
) -> tuple[Scope, str | None, str | None]:
    """Tell what a proof is good for: scope, site (None: all), and the token it rests on."""
    if proof.code is not None:
        scope = await tokens.use_sign_in_code(conn, proof.code)
        if scope is not None:
            return scope, None, None
        parts.metrics.refused("wrong_code")
        raise ApiError(
            401,
            "wrong_code",
            "This link has been used or is too old; print a new one, or use a token.",
        )
    assert proof.token is not None
    token = await tokens.verify_token(conn, proof.token)
    if token is not None:
        if token.label == SESSION_LABEL:
            # Only the token right above a session is asked whether it still holds: a session made
            # from a session would outlive the token of the first, and renew itself for ever.
            raise ApiError(
                403, "forbidden", "A session opens no other session; use a sign-in link or a token."
            )
        return token.scope, token.site, token.token_id
    parts.metrics.refused("wrong_token")
    raise ApiError(401, "unauthorised", "The token is unknown, expired or revoked.")
