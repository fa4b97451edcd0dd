"""The dashboard: the fleet as people see it in a browser, kept up to date there by fragments of pages."""
