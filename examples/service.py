"""A prediction service: FastAPI, every prediction shipped, every log line with its request's ids.

    PLUMBLINE_URL=http://127.0.0.1:9877 MODEL_FOLDER=out python examples/service.py
    curl -d '{"distance": 500}' -H 'Content-Type: application/json' localhost:8000/predict

Needs fastapi and uvicorn, the model that ``pipeline.py`` has written, and the batch of data that it has
published: the wind comes from there, and the prediction says from which batch.
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


def build(client: Client, folder: Path) -> ASGIMiddleware:
    """Return the service for the model of a folder."""
    model = json.loads((folder / "model.json").read_text())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        client.close()

    app = FastAPI(lifespan=lifespan)

    @app.post("/predict")
    def predict(given: dict[str, float | None]) -> dict[str, Any]:
        start = time.perf_counter()
        batch = json.loads((folder / "current.json").read_text())
        features = {"wind_speed": batch["wind_speed"], **given}
        with bind(model=model["model"], version=model["version"], data_batch_id=batch["data_batch_id"]):
            total = sum(w * (features.get(name) or 0.0) for name, w in model["weights"].items())
            score = 1 / (1 + math.exp(-max(-50.0, min(50.0, total + model["bias"]))))
            request_id = client.prediction(
                features=features, prediction=int(score > 0.5), score=score, latency=time.perf_counter() - start
            )
            log.info("predicted", extra={"score": score})
        return {"request_id": request_id, "late": score > 0.5, "score": score}

    @app.get("/ready")
    def ready() -> dict[str, str]:
        return {"version": model["version"]}

    @app.post("/outcome/{request_id:path}")
    def outcome(request_id: str, actual: int) -> dict[str, str]:
        client.outcome(request_id=request_id, actual=actual)
        return {"status": "taken"}

    return ASGIMiddleware(app)


def main() -> None:
    """Serve on loopback."""
    folder = Path(os.environ.get("MODEL_FOLDER", "out"))
    client = Client(os.environ.get("PLUMBLINE_URL", "http://127.0.0.1:9877"), spool_dir=folder / "spool")
    configure("flights-service", client=client)
    service = build(client, folder)
    # Our access line has the ids; uvicorn's would be a second one.
    port = int(os.environ.get("PORT", "8000"))
    uvicorn.run(service, host="127.0.0.1", port=port, log_config=None, access_log=False)


if __name__ == "__main__":
    main()
