"""Speed of this library beside its peers. Imports nothing: workers run in environments of their
own."""
