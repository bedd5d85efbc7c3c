"""Activities: the only code that touches the outside world for an incident, always through a port."""
