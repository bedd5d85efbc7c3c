"""Firestation's domain and ports: everything a driver author needs, and nothing of Temporal."""
