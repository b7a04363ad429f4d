"""The page: static files, and the index for every address that the page itself understands."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

from api.errors import ApiError

INDEX = "index.html"
ASSETS = "assets/"  # Vite puts a hash of the content into these names: they never change.
FOREVER = "public, max-age=31536000, immutable"
EACH_TIME = "no-cache"
NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Groundwatch</title></head>
<body><p>The page has not been built yet. In a checkout, build it with <code>make install</code>;
the API itself is running.</p>
<p lang="zh">页面尚未构建。请在代码目录中运行 <code>make install</code>；API 服务正在运行。</p>
</body></html>
"""


def page_router(folder: Path) -> APIRouter:
    """Serve the page from a folder; the gate lets strangers ask for it."""
    router = APIRouter(include_in_schema=False)
    root = folder.resolve()

    @router.api_route("/{path:path}", methods=["GET", "HEAD"])
    async def page(path: str) -> Response:
        if path == "api" or path.startswith("api/"):
            raise ApiError(404, "not_found", "There is nothing at this address.")
        found = _file_at(root, path)
        if found is not None and path != INDEX:
            lasts = FOREVER if path.startswith(ASSETS) else EACH_TIME
            return FileResponse(found, headers={"cache-control": lasts})
        if path.startswith(ASSETS) or "." in path.rsplit("/", 1)[-1].removesuffix(INDEX):
            raise ApiError(404, "not_found", "The page has no such file.")
        index = _file_at(root, INDEX)
        if index is None:
            return HTMLResponse(NOT_BUILT, status_code=503)
        return FileResponse(index, headers={"cache-control": EACH_TIME})

    return router


def _file_at(root: Path, path: str) -> Path | None:
    """Find a file inside the folder; nothing outside it is there."""
    try:
        found = (root / path).resolve()
        return found if found.is_relative_to(root) and found.is_file() else None
    except (OSError, ValueError):  # A name that no file can have, as one with a zero byte.
        return None
