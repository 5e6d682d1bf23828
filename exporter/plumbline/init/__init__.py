"""The first catalogue of a table: what its columns hold, what they are for, and the file that says so.

1. ``profile`` reads the whole table once and keeps a few facts about each column.
2. ``guess`` decides from these which column is the prediction, the outcome, the time, and what the features are.
3. ``write`` makes ``plumbline.yaml`` of it, each guess with its reason.
"""
