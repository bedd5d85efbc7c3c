"""The alarm bell: what alert systems and people send, made into alarms. Pure; one module a format."""
