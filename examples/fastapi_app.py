"""Scores over HTTP: pip install session-scorer fastapi uvicorn, then uvicorn --app-dir examples fastapi_app:app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from scoring import InvalidEvent, Scorer


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the artifacts once, before the first request: they are verified, and safe to share."""
    app.state.scorer = Scorer.load()
    yield


app = FastAPI(title="session-scorer", lifespan=lifespan)


@app.post("/score")
async def score(request: Request) -> JSONResponse:
    """One event in, its verdict out. The bytes go in as they came, so a fault is found as the consumer finds it."""
    verdict = request.app.state.scorer.score(await request.body())
    return JSONResponse(verdict.as_dict())


@app.exception_handler(InvalidEvent)
async def refuse(_: Request, error: InvalidEvent) -> JSONResponse:
    """An invalid event is the sender's to correct: say what is wrong, never the value."""
    return JSONResponse({"code": error.code, "field": error.field, "message": error.message}, status_code=422)


@app.get("/healthz")
async def healthz(request: Request) -> dict[str, str]:
    """Answers once the artifacts are loaded."""
    return {"status": "ok", "model_version": request.app.state.scorer.artifacts.version}
