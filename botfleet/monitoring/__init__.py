"""Whether all is well, and in figures: readiness, and metrics as Prometheus reads them."""
