"""The app in a browser: a small web server that shows what a terminal would show."""
