"""Records told to a collector by OTLP over HTTP: spans, histograms and log records. Stands on the extra `otel`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import orjson
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from routebook import __version__
from routebook.edge.telemetry import names
from routebook.edge.telemetry.following import NotTaken, Told
from routebook.edge.telemetry.spans import Span, measured, spans_of

SIGNALS = ("traces", "metrics", "logs")
"""What a collector can be told."""

_WHOLE = 1 << 64


class Collector:
    """An OTLP collector at a base URL such as `http://127.0.0.1:4318`. `sample` is the share of traces that are told, by
    their id, so that all who sample so keep the same; measurements and log records are of all requests."""

    def __init__(self, endpoint: str, signals: Collection[str], sample: float, service: str = "routebook") -> None:
        self._signals = frozenset(signals)
        self._sample = sample
        self._scope = InstrumentationScope("routebook", __version__)
        self._resource = Resource.create({"service.name": service, "service.version": __version__})
        base = endpoint.rstrip("/")
        self._spans = OTLPSpanExporter(f"{base}/v1/traces")
        self._logs = OTLPLogExporter(f"{base}/v1/logs")
        self._metrics = OTLPMetricExporter(f"{base}/v1/metrics")
        self._reader = InMemoryMetricReader()
        self._meters = MeterProvider([self._reader], self._resource)
        meter = self._meters.get_meter("routebook", __version__)
        self._histograms = {
            name: meter.create_histogram(name, unit, explicit_bucket_boundaries_advisory=list(bounds))
            for name, unit, bounds in (
                (names.TOKEN_USAGE, "{token}", names.TOKEN_BUCKETS),
                (names.DURATION, "s", names.SECONDS_BUCKETS),
                (names.TIME_TO_FIRST_CHUNK, "s", names.FIRST_CHUNK_BUCKETS),
            )
        }

    def tell(self, records: Sequence[Told]) -> None:
        """Tell a batch; raises NotTaken where the collector does not take all of it."""
        if "traces" in self._signals:
            spans = [self._span(each) for record in records for each in spans_of(*record) if self._keeps(each.trace)]
            if spans and self._spans.export(spans) is not SpanExportResult.SUCCESS:
                raise NotTaken("the collector does not take spans")
        if "logs" in self._signals:
            logs = [self._log(record) for record in records]
            if self._logs.export(logs) is not LogRecordExportResult.SUCCESS:
                raise NotTaken("the collector does not take log records")
        if "metrics" in self._signals:
            self._measure(records)

    def close(self) -> None:
        """Let go of the connections."""
        for exporter in (self._spans, self._logs, self._metrics):
            exporter.shutdown()
        self._meters.shutdown()

    def _measure(self, records: Sequence[Told]) -> None:
        """Counts are cumulative: a batch that was not taken is told with the next, so nothing is counted twice."""
        for record in records:
            for each in measured(*record):
                self._histograms[each.name].record(each.value, each.attributes)
        data = self._reader.get_metrics_data()
        if data is not None and self._metrics.export(data) is not MetricExportResult.SUCCESS:
            return

    def _keeps(self, trace: str) -> bool:
        return int(trace[16:], 16) < self._sample * _WHOLE

    def _span(self, span: Span) -> ReadableSpan:
        context = _context(span.trace, span.span)
        return ReadableSpan(
            span.name,
            context,
            None if span.parent is None else _context(span.trace, span.parent, remote=not span.calls),
            self._resource,
            attributes=span.attributes,
            kind=SpanKind.CLIENT if span.calls else SpanKind.SERVER,
            status=Status(StatusCode.UNSET) if span.error is None else Status(StatusCode.ERROR, span.error),
            start_time=span.start,
            end_time=max(span.start, span.end),
            instrumentation_scope=self._scope,
        )

    def _log(self, record: Told) -> ReadableLogRecord:
        [whole, *_] = spans_of(*record)
        body: dict[str, Any] = {"decided": record.decided, "ended": record.ended}
        said = LogRecord(
            timestamp=whole.end,
            observed_timestamp=whole.end,
            context=None,
            severity_number=SeverityNumber.INFO if whole.error is None else SeverityNumber.WARN,
            body=orjson.dumps(body).decode(),
            attributes={"event.name": "routebook.decision", **whole.attributes},
        )
        said.trace_id, said.span_id, said.trace_flags = int(whole.trace, 16), int(whole.span, 16), TraceFlags(1)
        return ReadableLogRecord(said, self._resource, self._scope)


def _context(trace: str, span: str, remote: bool = False) -> SpanContext:
    return SpanContext(int(trace, 16), int(span, 16), remote, TraceFlags(TraceFlags.SAMPLED))
