"""The gRPC edge: parse, call, render. One file per service."""
