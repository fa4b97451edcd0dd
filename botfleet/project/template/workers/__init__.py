"""The roles: one module for each kind of worker that is started and scaled by itself."""
