"""Facts in, a plan out: pure functions and pydantic models. No I/O, no Textual, no Paddle."""
