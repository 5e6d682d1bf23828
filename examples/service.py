"""A prediction service: FastAPI, every prediction shipped, every log line with its request's ids.

    PLUMBLINE_URL=http://127.0.0.1:9877 MODEL_FOLDER=out python examples/service.py
    curl -d '{"distance": 500, "wind_speed": 20}' -H 'Content-Type: application/json' localhost:8000/predict

Needs fastapi and uvicorn, and the model that ``pipeline.py`` has written.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from plumbline import Client
from plumbline.logging import bind, configure
from plumbline.middleware import ASGIMiddleware

log = logging.getLogger("service")


def build(client: Client, model: dict[str, Any]) -> ASGIMiddleware:
    """Return the service for one model."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        client.close()

    app = FastAPI(lifespan=lifespan)

    @app.post("/predict")
    def predict(features: dict[str, float | None]) -> dict[str, Any]:
        start = time.perf_counter()
        with bind(model=model["model"], version=model["version"], data_batch_id=model["data_batch_id"]):
            total = sum(w * (features.get(name) or 0.0) for name, w in model["weights"].items())
            score = 1 / (1 + math.exp(-max(-50.0, min(50.0, total + model["bias"]))))
            request_id = client.prediction(
                features=features, prediction=int(score > 0.5), score=score,
                latency=time.perf_counter() - start,
            )  # fmt: skip
            log.info("predicted", extra={"score": score})
        return {"request_id": request_id, "late": score > 0.5, "score": score}

    @app.post("/outcome/{request_id}")
    def outcome(request_id: str, actual: int) -> dict[str, str]:
        client.outcome(request_id=request_id, actual=actual)
        return {"status": "taken"}

    return ASGIMiddleware(app)


def main() -> None:
    """Serve on loopback."""
    folder = Path(os.environ.get("MODEL_FOLDER", "out"))
    client = Client(os.environ.get("PLUMBLINE_URL", "http://127.0.0.1:9877"), spool_dir=folder / "spool")
    configure("flights-service", client=client)
    service = build(client, json.loads((folder / "model.json").read_text()))
    # Our access line has the ids; uvicorn's would be a second one.
    uvicorn.run(service, host="127.0.0.1", port=8000, log_config=None, access_log=False)


if __name__ == "__main__":
    main()
