"""Records told to others: as spans, measurements and log records of OpenTelemetry, or as lines of JSON.

It follows the journal, so no request waits for it, and what it could not tell it tells later.
"""
