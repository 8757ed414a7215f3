"""The live window and the streaming step: frames and sound go in as they come, the model's input comes out."""
