"""The intake: OpenTelemetry's own collector services, for every OTLP exporter there is."""
