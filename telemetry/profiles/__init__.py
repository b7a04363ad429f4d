"""Register maps of devices that come with Groundwatch: one YAML file for each kind of device.

What a file may say is `telemetry.site.Profile`. A map of a real device names the document that it
was taken from; nobody invents one. A site file may carry maps of its own under `profiles`.
"""
