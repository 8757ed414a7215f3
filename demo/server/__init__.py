"""The web server: routes, socket, admission, and the Gradio page around them."""
