"""HTTP routes, a file per thing that is asked about."""
