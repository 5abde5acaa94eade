"""Scores over HTTP: pip install . fastapi uvicorn, then uvicorn --app-dir examples fastapi_app:app.

The body goes to the Scorer as it came, so a fault is found as the consumer finds it. FastAPI would parse it first, so
the OpenAPI document (/docs, /openapi.json) gets its schemas from the Scorer's own contract instead.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from scoring import InvalidEvent, Scorer, json_schemas


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the artifacts once, before the first request: they are verified, and safe to share."""
    app.state.scorer = Scorer.load()
    yield


def content(name: str) -> dict[str, Any]:
    """Refer to one of the Scorer's schemas, which `documented` adds."""
    return {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}


app = FastAPI(title="session-scorer", lifespan=lifespan)


@app.post(
    "/score",
    openapi_extra={"requestBody": {"required": True, **content("SessionEvent")}},
    responses={
        200: {"description": "The event's verdict", **content("Verdict")},
        422: {"description": "The event is invalid", **content("InvalidEvent")},
    },
)
async def score(request: Request) -> JSONResponse:
    """Score one event."""
    verdict = request.app.state.scorer.score(await request.body())
    return JSONResponse(verdict.as_dict())


@app.exception_handler(InvalidEvent)
async def refuse(_: Request, error: InvalidEvent) -> JSONResponse:
    """An invalid event is the sender's to correct: say what is wrong, never the value."""
    return JSONResponse({"code": error.code, "field": error.field, "message": error.message}, status_code=422)


@app.get("/healthz")
async def healthz(request: Request) -> dict[str, str]:
    """Answer once the artifacts are loaded."""
    return {"status": "ok", "model_version": request.app.state.scorer.model_version}


def documented() -> dict[str, Any]:
    """Return the OpenAPI document with the Scorer's schemas."""
    document = FastAPI.openapi(app)
    document.setdefault("components", {}).setdefault("schemas", {}).update(json_schemas())
    return document


app.openapi = documented  # type: ignore[method-assign]  # as FastAPI's docs extend the document
