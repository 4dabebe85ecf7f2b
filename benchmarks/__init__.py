"""Benchmarks of this library and its peers. Imports nothing: workers run in their own
environments."""
