"""The gateway: where alarms ring, and where people look and act."""
