"""What adapters share: folders walked, tables and names read, clips listed, every oddity found."""
