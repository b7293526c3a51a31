"""What every server stands on: settings, refusals, validation, access, health, telemetry, drain. Knows no service."""
