"""The proof that the tests and the simulation notice mistakes that a refactoring could make."""
