"""metrics: takes telemetry over OTLP and tells what happened. It sits in no money path."""
