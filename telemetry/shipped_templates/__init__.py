"""Default templates that come with Groundwatch: one YAML file for each kind of channel.

What a file may say is `telemetry.templates.Template`. Every one names where it comes from, and says
that the mine's own design documents decide.
"""
