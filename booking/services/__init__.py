"""What can be done: one function per use case. Each takes a session and never commits."""
