"""Answers for other programs: what one says, who is told, OSC, Lab Streaming Layer; others use any of it."""
