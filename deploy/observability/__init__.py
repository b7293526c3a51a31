"""What shows how Furlong is doing: a collector, Prometheus, Jaeger and Grafana, as files."""
