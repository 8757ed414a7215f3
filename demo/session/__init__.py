"""One watched source and its pages: what they are sent, and the wire format; others use any of it."""
