"""Back-tests: ask for one, see how far it is and what it found, and cancel it."""

import base64
import hashlib
import json
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse

from api.back_test_views import (
    BackTestInput,
    BackTestReportView,
    BackTestView,
    back_test_view,
    report_view,
)
from api.errors import ApiError
from api.parts import Parts, PartsDep, SiteDep, TokenDep
from api.site_directory import SiteRecord
from historian import back_tests as kept
from historian.back_tests import BackTestRow

router = APIRouter(prefix="/api/v1/sites/{site}/backtests")

BackTestId = Annotated[int, Path(ge=1, le=2**63 - 1)]
RETRY_AFTER_S = 60


@router.post("", status_code=202, summary="Ask for a back-test", responses={422: {}, 429: {}})
async def ask(
    record: SiteDep, asked: BackTestInput, parts: PartsDep, token: TokenDep
) -> BackTestView:
    """Put a back-test into the queue; what is wrong with its files is said when it is run."""
    who = f"token {token.token_id} ({token.label})"
    async with parts.pool.connection() as conn:
        found = await kept.ask(conn, record.site_id, who, asked.request(), asked.files())
    if found is None:
        raise ApiError(
            429,
            "busy",
            f"{kept.WAITING_MAX} back-tests wait; ask again when one has ended, or cancel one.",
            retry_after_s=RETRY_AFTER_S,
        )
    parts.back_tests.wake()
    return back_test_view(await _one(parts, record, found))


@router.get("", summary="The newest back-tests of a site")
async def listed(record: SiteDep, parts: PartsDep) -> list[BackTestView]:
    """Show what is kept, the newest first."""
    async with parts.pool.connection() as conn:
        return [back_test_view(one) for one in await kept.back_tests_of(conn, record.site_id)]


@router.get("/{back_test}", summary="A back-test, with its report")
async def one(record: SiteDep, back_test: BackTestId, parts: PartsDep) -> BackTestReportView:
    """Show how far it is, or what it found."""
    row = await _one(parts, record, back_test)
    async with parts.pool.connection() as conn:
        report = await kept.report_of(conn, record.site_id, back_test)
    return report_view(row, None if report is None else json.loads(report))


@router.get("/{back_test}/page", summary="A back-test's page", response_class=HTMLResponse)
async def page(record: SiteDep, back_test: BackTestId, parts: PartsDep) -> HTMLResponse:
    """Show the page that `--plot` writes: no script, nothing from elsewhere."""
    async with parts.pool.connection() as conn:
        text = await kept.page_of(conn, record.site_id, back_test)
    if text is None:
        await _one(parts, record, back_test)
        raise ApiError(404, "no_page", f"Back-test {back_test} has no page: see its state.")
    return HTMLResponse(text, headers={"content-security-policy": policy_of(text)})


@router.delete("/{back_test}", summary="Cancel a back-test", responses={409: {}})
async def cancel(record: SiteDep, back_test: BackTestId, parts: PartsDep) -> BackTestView:
    """Cancel what waits or runs; the process is killed within seconds."""
    async with parts.pool.connection() as conn:
        cancelled = await kept.cancel(conn, record.site_id, back_test)
    row = await _one(parts, record, back_test)
    if not cancelled:
        raise ApiError(409, "has_ended", f"Back-test {back_test} has ended already: {row.state}.")
    return back_test_view(row)


def policy_of(page_text: str) -> str:
    """Allow a stored page its own style and nothing else, whatever version has written it."""
    style = page_text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; sandbox"
    )


async def _one(parts: Parts, record: SiteRecord, back_test_id: int) -> BackTestRow:
    async with parts.pool.connection() as conn:
        row = await kept.back_test(conn, record.site_id, back_test_id)
    if row is None:
        message = f"Site {record.key} has no back-test {back_test_id}: the newest are kept."
        raise ApiError(404, "unknown_back_test", message)
    return row
