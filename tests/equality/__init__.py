"""The proof that the compiled way from bytes to bytes says what the contract says, and touches its own memory alone."""
