"""Do the types that code generators make of docs/api read what goes over the wire? `python -m tests.codegen` tries."""
