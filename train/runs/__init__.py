"""What a run starts from and what is known of it afterwards."""
