"""What people read: text that can be shown anywhere, tracebacks, many failures as few lines, commands to type."""
