"""What a user asks for: situations, their checks, and how often they happen."""
