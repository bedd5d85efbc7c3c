"""The `firestation` command: everything that people do in an incident, and the demo."""
