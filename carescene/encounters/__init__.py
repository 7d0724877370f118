"""Several people in one room: who walks where, how close, and which way they face."""
