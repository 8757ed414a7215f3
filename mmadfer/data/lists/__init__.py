"""What adapters share: folders walked, tables and names read, clips listed, oddities found; others use any of it."""
