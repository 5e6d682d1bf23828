"""Hooks: what an alert sets off, at most once per incident.

``policy`` decides, in the transaction that stores the alert; ``book`` holds what was decided and has not
ended; ``payload`` says what is sent; ``caller`` makes one HTTP call; ``evidence`` and ``handover`` write
files; ``runner`` has the threads that do it.
"""
