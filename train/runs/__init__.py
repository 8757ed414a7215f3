"""What a run starts from and what is known of it afterwards; others use any of it."""
