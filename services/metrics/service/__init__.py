"""The gRPC edge of metrics: OTLP comes in, figures and traces are told."""
