"""Physics-simulated situations: people who lose their balance, and those who only seem to."""
