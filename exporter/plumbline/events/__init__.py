"""Events: one JSON object per line, decoded and validated, or rejected with a reason.

``parse`` reads the bytes of a request body or file, decodes each line into one of the ``kinds`` and returns
``parsed``: the events that may be stored and, line by line, those that may not. ``checks`` says what is wrong
with an event, ``identity`` what makes two events the same one and what finds it again. ``schema`` writes down
for senders what is taken. Nothing here knows the catalogue or touches the store, so parsing may run in any
thread.
"""
